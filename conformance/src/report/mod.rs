//! Turns a run into what people and programs read. `event` is the one stream, `record` its fold, and every report
//! is made of a record. Nothing is judged here.

pub mod account;
pub mod event;
pub mod github;
pub mod html;
pub mod json;
pub mod junit;
mod moments;
pub mod outputs;
pub mod parting;
pub mod record;
pub mod story;
pub mod terminal;

/// Whether text may be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    On,
    Off,
}

impl Colour {
    /// On a terminal, unless NO_COLOR is set.
    pub fn of_stdout() -> Colour {
        use std::io::IsTerminal;
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if std::io::stdout().is_terminal() && !refused {
            Colour::On
        } else {
            Colour::Off
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Colour::On => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Colour::Off => text.to_owned(),
        }
    }
}

/// Makes text of a runner or of a file harmless for a terminal: control characters are written as escapes.
pub fn harmless(text: &str) -> String {
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
