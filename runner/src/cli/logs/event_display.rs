//! The events of an engine as people read them: what it says, a line for each tool that it calls, and how it ended.

use crate::engine::{EngineEvent, EventFormat, LineSplitter, OutputLine, WorkEnd};
use crate::terminal::{ColorChoice, bytes, escape_control};
use crate::token_usage::TokenUsage;

/// As many characters of what a tool is called with, or says, are shown.
const LINE_MAX: usize = 160;

/// Of one output file, while it is read.
#[derive(Debug)]
pub(super) struct EventDisplay {
    format: EventFormat,
    palette: ColorChoice,
    lines: LineSplitter,
    view: EventView,
}

#[derive(Debug, Default)]
struct EventView {
    /// What was said last goes on.
    is_in_text: bool,
    has_answered: bool,
    used: Option<TokenUsage>,
}

impl EventDisplay {
    pub(super) fn new(format: EventFormat, palette: ColorChoice) -> EventDisplay {
        EventDisplay {
            format,
            palette,
            lines: LineSplitter::default(),
            view: EventView::default(),
        }
    }

    /// What there is to see of this piece of the output, and of what came before it and was not whole.
    pub(super) fn push(&mut self, piece: &[u8]) -> String {
        let (format, palette, view) = (self.format, self.palette, &mut self.view);
        let mut text = String::new();
        self.lines
            .push(piece, |line| view.show(format, palette, &line, &mut text));
        text
    }

    /// The same of what stands there without an end.
    pub(super) fn finish(&mut self) -> String {
        let (format, palette, view) = (self.format, self.palette, &mut self.view);
        let mut text = String::new();
        self.lines
            .finish(|line| view.show(format, palette, &line, &mut text));
        view.end_text(&mut text);
        text
    }
}

impl EventView {
    fn show(&mut self, format: EventFormat, palette: ColorChoice, line: &OutputLine<'_>, text: &mut String) {
        match line {
            OutputLine::TooLong(length) => {
                let what = format!("(a line of {}: `--raw` shows it)", bytes(*length));
                self.line(&palette.dim(&what), text);
            }
            OutputLine::Whole(line) => match format.read(line) {
                Some(events) => events
                    .into_iter()
                    .for_each(|event| self.event(palette, event, text)),
                None => {
                    let line = String::from_utf8_lossy(line);
                    self.line(&escape_control(line.trim_end_matches('\r')), text);
                }
            },
        }
    }

    fn event(&mut self, palette: ColorChoice, event: EngineEvent, text: &mut String) {
        match event {
            EngineEvent::Text { text: said, is_part } => self.say(&said, is_part, text),
            EngineEvent::ToolCall { name, input } => {
                let name = palette.bold(&cut(&name));
                self.line(&format!("> {name}  {}", cut(&input)), text);
            }
            EngineEvent::ToolFailed(told) => {
                self.line(
                    &format!("  {}", palette.failure(&format!("failed: {}", cut(&told)))),
                    text,
                );
            }
            EngineEvent::Notice(told) => self.line(&palette.dim(&cut(&told)), text),
            EngineEvent::UsedMore(more) => self.used = Some(self.used.unwrap_or_default().plus(more)),
            EngineEvent::UsedInAll(all) => self.used = Some(all),
            EngineEvent::Ended(end) => {
                let failure = match end {
                    WorkEnd::Success => None,
                    WorkEnd::SuccessIfAnswered if self.has_answered => None,
                    WorkEnd::SuccessIfAnswered => Some("it ended without an answer".to_owned()),
                    WorkEnd::Failure { message, .. } => Some(message),
                };
                let result = match failure.as_deref() {
                    None => palette.success("success"),
                    Some("") => palette.failure("failure"),
                    Some(message) => palette.failure(&format!("failure: {}", cut(message))),
                };
                let used = self
                    .used
                    .map_or_else(String::new, |used| format!(" ({})", used.text()));
                self.line(&format!("{result}{}", palette.dim(&used)), text);
            }
            EngineEvent::Began | EngineEvent::Cause(_) | EngineEvent::LimitEnd(_) => {}
        }
    }

    fn say(&mut self, said: &str, is_part: bool, text: &mut String) {
        if !is_part {
            self.end_text(text);
        }
        let safe = said
            .split('\n')
            .map(escape_control)
            .collect::<Vec<_>>()
            .join("\n");
        self.is_in_text |= !safe.is_empty();
        self.has_answered |= !safe.trim().is_empty();
        text.push_str(&safe);
        if !is_part {
            self.end_text(text);
        }
    }

    fn line(&mut self, line: &str, text: &mut String) {
        self.end_text(text);
        text.push_str(line);
        text.push('\n');
    }

    fn end_text(&mut self, text: &mut String) {
        if std::mem::take(&mut self.is_in_text) {
            text.push('\n');
        }
    }
}

/// On one line, safe to be shown.
fn cut(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = one_line.chars().take(LINE_MAX).collect();
    let rest = if shown.len() < one_line.len() { "…" } else { "" };
    escape_control(&shown) + rest
}
