//! Turns a run into what people and programs read. `event_stream` is the one stream, `run_record` its fold, and every
//! report is made of a record. Nothing is judged here.

pub mod event_stream;
pub mod failure_report;
pub mod first_difference;
pub mod github_actions;
pub mod html;
pub mod json;
pub mod junit;
pub mod report_writer;
pub mod run_record;
pub mod run_trace;
pub mod terminal;
pub mod timeline_events;

/// How long a line of a report is, in characters.
const LINE_LENGTH: usize = 400;

/// Whether text may be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColourChoice {
    On,
    Off,
}

impl ColourChoice {
    /// On a terminal, unless NO_COLOR is set.
    pub fn of_stdout() -> ColourChoice {
        use std::io::IsTerminal;
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if std::io::stdout().is_terminal() && !refused {
            ColourChoice::On
        } else {
            ColourChoice::Off
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            ColourChoice::On => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            ColourChoice::Off => text.to_owned(),
        }
    }
}

/// Makes text of a runner or of a file harmless for a terminal: control characters are written as escapes.
pub fn escape_control(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => clean.push(character),
            character if character.is_control() => clean.extend(character.escape_default()),
            character => clean.push(character),
        }
    }
    clean
}

/// Cut to so many characters, with a mark where something is missing.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// One line that a terminal, a page and a stream can carry.
fn line(text: &str) -> String {
    cut(&escape_control(text).replace(['\n', '\t'], " "), LINE_LENGTH)
}
