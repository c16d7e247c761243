//! A text that comes in pieces, for a terminal that it must not steer: colours stay, all else is made visible.

use crate::character_cut::open_character;
use crate::terminal::escape_control;

/// A colour is no longer than this.
const SEQUENCE_MAX: usize = 32;

/// Of one output file, while it is read.
#[derive(Debug)]
pub(super) struct SafeText {
    keeps_colours: bool,
    /// The beginning of a character, or of an escape sequence, whose rest has not come yet.
    kept: Vec<u8>,
    /// A colour was set, and was not taken back.
    is_coloured: bool,
}

impl SafeText {
    pub(super) fn new(keeps_colours: bool) -> SafeText {
        SafeText {
            keeps_colours,
            kept: Vec::new(),
            is_coloured: false,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8]) -> String {
        self.kept.extend_from_slice(piece);
        let whole = self.kept.len() - open_end(&self.kept);
        let rest = self.kept.split_off(whole);
        let bytes = std::mem::replace(&mut self.kept, rest);
        self.safe(&String::from_utf8_lossy(&bytes))
    }

    pub(super) fn finish(&mut self) -> String {
        let bytes = std::mem::take(&mut self.kept);
        let rest = self.safe(&String::from_utf8_lossy(&bytes));
        match std::mem::take(&mut self.is_coloured) {
            true => rest + "\x1b[0m",
            false => rest,
        }
    }

    fn safe(&mut self, text: &str) -> String {
        let mut shown = String::new();
        let mut rest = text;
        while let Some(place) = rest.find(['\x1b', '\n', '\t', '\r']) {
            shown += &escape_control(&rest[..place]);
            rest = &rest[place..];
            let taken = match colour(rest) {
                Some(length) => {
                    if self.keeps_colours {
                        shown += &rest[..length];
                        self.is_coloured = !matches!(&rest[..length], "\x1b[m" | "\x1b[0m");
                    }
                    length
                }
                None if rest.starts_with("\r\n") => 1,
                None => {
                    match &rest[..1] {
                        blank @ ("\n" | "\t") => shown += blank,
                        other => shown += &escape_control(other),
                    }
                    1
                }
            };
            rest = &rest[taken..];
        }
        shown + &escape_control(rest)
    }
}

/// How long the colour is that the text begins with.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let length = parameters.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
    let numbers = || parameters[..length].split(';');
    // What is concealed could not be read. Behind 38 and 48 an 8 is a colour.
    let conceals =
        numbers().any(|number| number == "8") && !numbers().any(|number| ["38", "48"].contains(&number));
    (parameters[length..].starts_with('m') && length < SEQUENCE_MAX && !conceals).then_some(length + 3)
}

/// How many bytes at the end are the beginning of something.
fn open_end(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(SEQUENCE_MAX)..];
    if let Some(place) = tail.iter().rposition(|byte| *byte == b'\x1b') {
        let sequence = &tail[place + 1..];
        let is_open = |(place, byte): (usize, &u8)| match place {
            0 => *byte == b'[',
            _ => byte.is_ascii_digit() || *byte == b';',
        };
        if sequence.iter().enumerate().all(is_open) {
            return tail.len() - place;
        }
    }
    if bytes.last() == Some(&b'\r') {
        return 1;
    }
    open_character(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&[u8]], keeps_colours: bool) -> String {
        let mut text = SafeText::new(keeps_colours);
        let shown: String = pieces.iter().map(|piece| text.push(piece)).collect();
        shown + &text.finish()
    }

    #[test]
    fn colours_stay_and_everything_else_is_made_visible_wherever_the_text_is_cut() {
        let text = "\x1b[32mgreen é 漢\x1b[0m\r\n\ttab\x1b[2J\x1b]0;title\x07\x1b[8mhidden\rend\x1b[1;31mred"
            .as_bytes();
        let expected = "\x1b[32mgreen é 漢\x1b[0m\n\ttab\\u{1b}[2J\\u{1b}]0;title\\u{7}\\u{1b}[8mhidden\\rend\x1b[1;31mred\x1b[0m";
        assert_eq!(shown(&[text], true), expected);
        for place in 0..text.len() {
            assert_eq!(
                shown(&[&text[..place], &text[place..]], true),
                expected,
                "{place}"
            );
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(shown(&bytes, true), expected);
    }

    #[test]
    fn without_colours_they_are_taken_out() {
        assert_eq!(shown(&[b"\x1b[32mgreen\x1b[0m\n"], false), "green\n");
        assert_eq!(shown(&[b"\xff\xfe\x1b"], false), "\u{fffd}\u{fffd}\\u{1b}");
    }
}
