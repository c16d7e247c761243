//! The journal for who follows it: what came after a number that is known, and one exchange by its number.

use super::Journal;
use super::exchange::Exchange;
use super::record::Record;

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
            first: pages.records.first_seq().unwrap_or(next),
            last: next - 1,
        }
    }

    /// Up to `most` exchanges after the one with this number, oldest first.
    pub(crate) fn after(&self, seq: u64, most: usize) -> Vec<Exchange> {
        let pages = self.pages();
        let first = pages.records.first_seq().unwrap_or(pages.next_seq);
        let skip = usize::try_from((seq + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let after = pages.records.iter().skip(skip).take(most);
        after.map(Record::exchange).collect()
    }

    /// The exchange with this number, where it is still known.
    pub(crate) fn one(&self, seq: u64) -> Option<Exchange> {
        self.pages().records.get(seq).map(Record::exchange)
    }
}
