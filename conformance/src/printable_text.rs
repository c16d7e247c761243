//! Text of runners, files and errors as a terminal, a page and a stream can carry it.

/// How long a line of a report is, in characters.
const LINE_LENGTH: usize = 400;

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
pub fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// One line that a terminal, a page and a stream can carry.
pub(crate) fn printable_line(text: &str) -> String {
    cut(&escape_control(text).replace(['\n', '\t'], " "), LINE_LENGTH)
}

/// An error and what it came from, in one line.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
