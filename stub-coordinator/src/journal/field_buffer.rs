//! Pieces of text behind each other in one buffer, each found again by what it is: one allocation for all that an
//! exchange said, which the next exchange takes over when this one is forgotten.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use serde_json::Value;

/// The longest body that is kept whole.
const LONGEST_BODY: usize = 65_536;
/// How much is kept of a longer one.
const START_OF_BODY: usize = 256;
/// What a new buffer holds before it has to grow: most exchanges fit.
const USUAL_SIZE: usize = 1_024;
/// A buffer that grew beyond this is not passed on.
const LARGEST_REUSED: usize = 4_096;

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExchangeField {
    Method,
    Path,
    Factory,
    Job,
    Stage,
    Lease,
    Scopes,
    RequestHeaders,
    RequestBody,
    Rule,
    Fault,
    HandlerHeaders,
    HandlerBody,
    WireHeaders,
    WireBody,
}

const PIECES: usize = ExchangeField::WireBody as usize + 1;

/// Where a piece stands: from here up to there. All buffers start behind nothing, so what is absent is told apart.
type FieldRange = Option<(u32, u32)>;

#[derive(Debug, Clone)]
pub(super) struct FieldBuffer {
    bytes: Vec<u8>,
    places: [FieldRange; PIECES],
}

impl FieldBuffer {
    /// Takes over a buffer that nobody needs any more, or makes one.
    pub(super) fn reusing(old: Option<Vec<u8>>) -> FieldBuffer {
        let mut bytes = old.unwrap_or_else(|| Vec::with_capacity(USUAL_SIZE));
        bytes.clear();
        FieldBuffer {
            bytes,
            places: [None; PIECES],
        }
    }

    /// The buffer, for the next one, where it is of the usual size.
    pub(super) fn into_spare_buffer(self) -> Option<Vec<u8>> {
        (self.bytes.capacity() <= LARGEST_REUSED).then_some(self.bytes)
    }

    /// How many bytes it takes, besides itself.
    pub(super) fn weight(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn put(&mut self, piece: ExchangeField, text: Option<&str>) {
        if let Some(text) = text {
            self.add(piece, |bytes| bytes.extend_from_slice(text.as_bytes()));
        }
    }

    /// What was [`put`](Packed::put).
    pub(super) fn text(&self, piece: ExchangeField) -> Option<&str> {
        std::str::from_utf8(self.bytes_of(piece)?).ok()
    }

    /// Headers, a line each; a token never gets in.
    pub(super) fn put_headers(&mut self, piece: ExchangeField, headers: &HeaderMap) {
        self.add(piece, |bytes| {
            for (name, value) in headers {
                let value = match *name == header::AUTHORIZATION {
                    true => b"(redacted)",
                    false => value.as_bytes(),
                };
                bytes.extend_from_slice(name.as_str().as_bytes());
                bytes.push(b':');
                bytes.extend_from_slice(value);
                bytes.push(b'\n');
            }
        });
    }

    pub(super) fn headers(&self, piece: ExchangeField) -> BTreeMap<String, String> {
        let lines = String::from_utf8_lossy(self.bytes_of(piece).unwrap_or_default());
        let pairs = lines.split('\n').filter_map(|line| line.split_once(':'));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// A body; of a long one its start, and words that make it no JSON any more.
    pub(super) fn put_body(&mut self, piece: ExchangeField, body: &[u8]) {
        if body.len() <= LONGEST_BODY {
            return self.add(piece, |bytes| bytes.extend_from_slice(body));
        }
        self.add(piece, |bytes| {
            bytes.extend_from_slice(&body[..START_OF_BODY]);
            bytes.extend_from_slice(format!("... ({} bytes)", body.len()).as_bytes());
        });
    }

    /// A JSON value where it is JSON, else text; none where there is nothing.
    pub(super) fn body(&self, piece: ExchangeField) -> Option<Value> {
        let bytes = self.bytes_of(piece).filter(|bytes| !bytes.is_empty())?;
        let text = || Value::String(String::from_utf8_lossy(bytes).into_owned());
        Some(serde_json::from_slice(bytes).unwrap_or_else(|_| text()))
    }

    /// A body that is often the same as an earlier one, and then takes no room of its own.
    pub(super) fn put_body_like(&mut self, earlier: ExchangeField, piece: ExchangeField, body: &[u8]) {
        if self.bytes_of(earlier) == Some(body) {
            self.places[piece as usize] = self.places[earlier as usize];
        } else {
            self.put_body(piece, body);
        }
    }

    /// Takes back the room of the piece written last, where it says the same as an earlier one.
    pub(super) fn merge(&mut self, earlier: ExchangeField, last: ExchangeField) {
        let same = self.bytes_of(earlier).is_some() && self.bytes_of(earlier) == self.bytes_of(last);
        if let Some((start, _)) = self.places[last as usize].filter(|_| same) {
            self.bytes.truncate(start as usize);
            self.places[last as usize] = self.places[earlier as usize];
        }
    }

    fn bytes_of(&self, piece: ExchangeField) -> Option<&[u8]> {
        let (start, end) = self.places[piece as usize]?;
        self.bytes.get(start as usize..end as usize)
    }

    fn add(&mut self, piece: ExchangeField, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        // A head, bodies and an answer are bounded well below what 32 bits count.
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.places[piece as usize] = Some((place(start), place(self.bytes.len())));
    }
}
