//! Turns a run into what people and programs read. `event_stream` is the one stream, `run_record` its fold, and every
//! report is made of a record. Nothing is judged here.

pub mod event_stream;
pub mod failure_report;
pub mod github_actions;
pub mod html;
pub mod json;
pub mod junit;
pub mod report_writer;
pub mod run_record;
pub mod terminal;

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
