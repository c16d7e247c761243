//! Cuts the bytes of an output between two characters. What is no UTF-8 may be cut anywhere.

/// No character has more bytes than this behind its first one.
const CONTINUATION_MAX: usize = 3;

/// The first place from `place` on that does not lie inside a character.
pub(crate) fn border_from(bytes: &[u8], place: usize) -> usize {
    let rest = bytes.get(place..).unwrap_or_default();
    let continued = rest.iter().take(CONTINUATION_MAX);
    bytes.len().min(place) + continued.take_while(|byte| is_continuation(**byte)).count()
}

/// How many bytes at the end belong to a character whose rest is missing.
pub(crate) fn open_character(bytes: &[u8]) -> usize {
    let lacks_bytes = |length: &usize| {
        let needed = match bytes[bytes.len() - length] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        needed > *length
    };
    (1..=bytes.len().min(CONTINUATION_MAX))
        .find(lacks_bytes)
        .unwrap_or(0)
}

/// The whole characters of a piece that was cut out of an output.
pub(crate) fn whole_characters(piece: &[u8]) -> String {
    let rest = &piece[border_from(piece, 0)..];
    String::from_utf8_lossy(&rest[..rest.len() - open_character(rest)]).into_owned()
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_has_whole_characters_wherever_it_is_cut_out() {
        let text = "aé漢🦀z";
        let is_border = |place: &usize| text.is_char_boundary(*place);
        for start in 0..=text.len() {
            for end in start..=text.len() {
                let first = (start..=text.len()).find(is_border).unwrap();
                let last = (0..=end).rev().find(is_border).unwrap();
                let expected = text.get(first..last).unwrap_or_default();
                assert_eq!(
                    whole_characters(&text.as_bytes()[start..end]),
                    expected,
                    "{start}..{end}"
                );
            }
        }
        assert_eq!(whole_characters(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_border_is_never_far_away() {
        assert_eq!(border_from("a漢z".as_bytes(), 2), 4);
        assert_eq!(border_from(b"abc", 1), 1);
        assert_eq!(border_from(b"abc", 7), 3);
        assert_eq!(border_from(&[0x80; 10], 2), 5);
    }
}
