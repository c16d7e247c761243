//! How the output of one command is shown, and how far it was.

use std::io::{self, Read, Write, stderr, stdout};

use super::event_display::EventDisplay;
use super::safe_text::SafeText;
use crate::cli::error::CliError;
use crate::output_log::{OutputLog, OutputPart};
use crate::terminal::{ColorChoice, OWN_LINE};

/// How an output is shown.
#[derive(Debug)]
pub(super) enum LogView {
    /// As it is.
    Raw,
    /// Nothing in it steers a terminal.
    Text(SafeText),
    /// What its events tell.
    Events(EventDisplay),
}

/// The output of one command while it is shown.
#[derive(Debug)]
pub(super) struct ShownOutput {
    log: OutputLog,
    /// The first byte of it that was not looked at.
    place: u64,
    view: LogView,
    palette: ColorChoice,
    /// The line that was shown last has no end yet.
    is_line_open: bool,
}

impl ShownOutput {
    pub(super) fn new(log: OutputLog, view: LogView, palette: ColorChoice) -> ShownOutput {
        ShownOutput {
            log,
            place: 0,
            view,
            palette,
            is_line_open: false,
        }
    }

    /// What there is of it at this moment and was not shown.
    pub(super) fn new_parts(&self) -> Result<Vec<OutputPart>, CliError> {
        self.log
            .parts_from(self.place)
            .map_err(|error| self.unreadable(error))
    }

    pub(super) fn show(&mut self, mut part: OutputPart) -> Result<(), CliError> {
        if part.missing > 0 {
            self.tell_missing(part.missing)?;
            self.place += part.missing;
        }
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let count = part
                .bytes
                .read(&mut chunk)
                .map_err(|error| self.unreadable(error))?;
            if count == 0 {
                return Ok(());
            }
            self.place += count as u64;
            let piece = &chunk[..count];
            let text = match &mut self.view {
                LogView::Raw => {
                    stdout().lock().write_all(piece)?;
                    continue;
                }
                LogView::Text(text) => text.push(piece),
                LogView::Events(events) => events.push(piece),
            };
            self.print(&text)?;
        }
    }

    /// Nothing more comes, or nothing that continues what was shown.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let text = match &mut self.view {
            LogView::Raw => return Ok(()),
            LogView::Text(text) => text.finish(),
            LogView::Events(events) => events.finish(),
        };
        self.print(&text)
    }

    /// The bytes are for a program, which gets no line of another kind among them.
    fn tell_missing(&mut self, missing: u64) -> io::Result<()> {
        let told = format!("{OWN_LINE} aq: {missing} bytes are missing here {OWN_LINE}");
        if let LogView::Raw = self.view {
            stdout().flush()?;
            return writeln!(stderr(), "{told}");
        }
        self.finish()?;
        let end = if self.is_line_open { "\n" } else { "" };
        self.print(&format!("{end}{}\n", self.palette.dim(&told)))
    }

    fn print(&mut self, text: &str) -> io::Result<()> {
        if !text.is_empty() {
            self.is_line_open = !text.ends_with('\n');
        }
        stdout().lock().write_all(text.as_bytes())
    }

    fn unreadable(&self, source: io::Error) -> CliError {
        CliError::Input {
            name: self.log.path().display().to_string(),
            source,
        }
    }
}
