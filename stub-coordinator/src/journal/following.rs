//! The journal for who follows it: what came after a number that is known, and one exchange by its number.

use super::Journal;
use super::exchange::Exchange;

/// From where to where the journal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The oldest exchange that is known; the next one to come where none is.
    pub(crate) first: u64,
    /// The number of the latest exchange; 0 before the first.
    pub(crate) last: u64,
}

impl Journal {
    pub(crate) fn reach(&self) -> Reach {
        let pages = self.pages();
        let next = pages.next_seq;
        Reach {
            first: next - pages.exchanges.len() as u64,
            last: next - 1,
        }
    }

    /// Up to `most` exchanges after the one with this number, oldest first.
    pub(crate) fn after(&self, seq: u64, most: usize) -> Vec<Exchange> {
        let pages = self.pages();
        let first = pages.next_seq - pages.exchanges.len() as u64;
        let skip = usize::try_from((seq + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        pages.exchanges.iter().skip(skip).take(most).cloned().collect()
    }

    /// The exchange with this number, where it is still known.
    pub(crate) fn one(&self, seq: u64) -> Option<Exchange> {
        self.pages().find(seq).map(|exchange| exchange.clone())
    }
}
