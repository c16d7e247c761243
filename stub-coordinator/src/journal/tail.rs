//! The journal for who follows it: what came after a number that is known, and one exchange by its number.

use super::Journal;
use super::exchange::Exchange;
use super::exchange_record::ExchangeRecord;

/// From where to where the journal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JournalRange {
    /// The oldest exchange that is known; the next one to come where none is.
    pub(crate) first: u64,
    /// The number of the latest exchange; 0 before the first.
    pub(crate) last: u64,
}

impl Journal {
    pub(crate) fn reach(&self) -> JournalRange {
        let store = self.store();
        let next = store.next_seq;
        JournalRange {
            first: store.records.first_seq().unwrap_or(next),
            last: next - 1,
        }
    }

    /// Up to `most` exchanges after the one with this number, oldest first.
    pub(crate) fn after(&self, seq: u64, most: usize) -> Vec<Exchange> {
        let store = self.store();
        let first = store.records.first_seq().unwrap_or(store.next_seq);
        let skip = usize::try_from((seq + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let after = store.records.iter().skip(skip).take(most);
        after.map(ExchangeRecord::exchange).collect()
    }

    /// The exchange with this number, where it is still known.
    pub(crate) fn one(&self, seq: u64) -> Option<Exchange> {
        self.store().records.get(seq).map(ExchangeRecord::exchange)
    }
}
