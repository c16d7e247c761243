//! Lines of an output that comes in pieces of any size. What is kept of a line is bounded.

/// No event that counts is longer. What a tool gave back can be, and is passed over.
const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OutputLine<'a> {
    Whole(&'a [u8]),
    /// It is longer than what is kept of a line; so many bytes it has.
    TooLong(u64),
}

/// Puts the pieces together.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    /// The line that has not ended yet, as far as it is kept.
    line: Vec<u8>,
    /// How long that line is by now.
    length: u64,
}

impl LineSplitter {
    pub(crate) fn push(&mut self, piece: &[u8], mut take: impl FnMut(OutputLine<'_>)) {
        let mut parts = piece.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.extend(part);
            if parts.peek().is_some() {
                self.end_line(&mut take);
            }
        }
    }

    /// Nothing more comes: what stands there without an end is a line, too.
    pub(crate) fn finish(&mut self, mut take: impl FnMut(OutputLine<'_>)) {
        if self.length > 0 {
            self.end_line(&mut take);
        }
    }

    fn extend(&mut self, part: &[u8]) {
        self.length += part.len() as u64;
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn end_line(&mut self, take: &mut impl FnMut(OutputLine<'_>)) {
        match self.length > self.line.len() as u64 {
            true => take(OutputLine::TooLong(self.length)),
            false => take(OutputLine::Whole(&self.line)),
        }
        self.line.clear();
        self.length = 0;
        // One long line is no reason to keep its room.
        self.line.shrink_to(64 * 1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut splitter = LineSplitter::default();
        let mut found = Vec::new();
        let mut take = |line: OutputLine<'_>| {
            found.push(match line {
                OutputLine::Whole(line) => String::from_utf8(line.to_vec()).unwrap(),
                OutputLine::TooLong(length) => format!("too long: {length}"),
            });
        };
        for piece in pieces {
            splitter.push(piece, &mut take);
        }
        splitter.finish(&mut take);
        found
    }

    #[test]
    fn a_line_is_the_same_however_it_is_cut_into_pieces() {
        let text = b"first\n\nthird, with \xc3\xa9\nand no end";
        let expected = ["first", "", "third, with é", "and no end"];
        assert_eq!(lines(&[text]), expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(lines(&bytes), expected);
        assert_eq!(lines(&[b""]), Vec::<String>::new());
    }

    #[test]
    fn a_line_that_is_too_long_is_counted_and_the_next_one_is_whole() {
        let piece = vec![b'x'; LINE_BYTES_MAX];
        let too_long = format!("too long: {}", LINE_BYTES_MAX * 2);
        assert_eq!(
            lines(&[&piece, &piece, b"\nnext\n"]),
            [too_long, "next".to_owned()]
        );
        assert_eq!(lines(&[&piece, b"\n"])[0].len(), LINE_BYTES_MAX);
    }
}
