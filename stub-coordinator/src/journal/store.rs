//! What the journal holds under its lock, within its bounds: so many exchanges, and so many bytes of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::SyncSender;

use super::StubEvent;
use super::counters::StubCounters;
use super::exchange::ExchangeOutcome;
use super::exchange_record::ExchangeRecord;

/// The most unexpected requests, and the most violations, that are kept.
const UNEXPECTED_LIMIT: usize = 1_000;
/// The most bytes that all exchanges of the journal take; who asks for a longer journal than usual gets more.
const MOST_BYTES: usize = 24 * 1_048_576;
const BYTES_AN_EXCHANGE: usize = 2_400;
/// The most bytes that all unexpected exchanges take.
const MOST_BYTES_UNEXPECTED: usize = 4 * 1_048_576;

#[derive(Debug)]
pub(super) struct JournalStore {
    /// The last exchanges, in order of arrival.
    pub(super) records: RecordRing,
    /// In flight, though the ring went on without them.
    in_flight_evicted: BTreeMap<u64, ExchangeRecord>,
    /// The number of the next exchange; it goes on after a reset.
    pub(super) next_seq: u64,
    /// How many exchanges fell out since the last reset.
    pub(super) forgotten: u64,
    /// What was counted since the last reset.
    pub(super) counters: StubCounters,
    /// The last requests that were none of the contract.
    pub(super) unexpected: RecordRing,
    /// What the stub holds against itself, the last of it.
    pub(super) violations: VecDeque<String>,
    /// Who is told of each exchange; one that lags too far behind is dropped.
    pub(super) subscribers: Vec<SyncSender<StubEvent>>,
    /// The buffer of the exchange that was forgotten last, for the next one that arrives.
    pub(super) spare: Option<Vec<u8>>,
}

/// The last so many records, and of those the last so many bytes.
#[derive(Debug)]
pub(super) struct RecordRing {
    records: VecDeque<ExchangeRecord>,
    /// The most records; never changes.
    limit: usize,
    /// The most bytes of all of them; never changes.
    most_bytes: usize,
    /// What they take now.
    bytes: usize,
}

impl JournalStore {
    pub(super) fn new(limit: usize) -> JournalStore {
        JournalStore {
            records: RecordRing::new(limit, MOST_BYTES.max(limit.saturating_mul(BYTES_AN_EXCHANGE))),
            in_flight_evicted: BTreeMap::new(),
            next_seq: 1,
            forgotten: 0,
            counters: StubCounters::default(),
            unexpected: RecordRing::new(UNEXPECTED_LIMIT, MOST_BYTES_UNEXPECTED),
            violations: VecDeque::new(),
            subscribers: Vec::new(),
            spare: None,
        }
    }

    pub(super) fn push(&mut self, record: ExchangeRecord) {
        self.records.push(record);
        self.forget();
    }

    pub(super) fn push_unexpected(&mut self, record: ExchangeRecord) {
        self.unexpected.push(record);
        while self.unexpected.pop_beyond().is_some() {}
    }

    /// Changes an exchange that has not ended.
    pub(super) fn change<T>(&mut self, seq: u64, change: impl FnOnce(&mut ExchangeRecord) -> T) -> Option<T> {
        if let Some(record) = self.in_flight_evicted.get_mut(&seq) {
            return Some(change(record));
        }
        let changed = self.records.change(seq, change);
        self.forget();
        changed
    }

    /// Lets go of one that the ring has forgotten already.
    pub(super) fn ended(&mut self, seq: u64) {
        self.in_flight_evicted.remove(&seq);
    }

    pub(super) fn each_in_flight(&mut self, mut change: impl FnMut(&mut ExchangeRecord)) {
        self.records
            .records
            .iter_mut()
            .chain(self.in_flight_evicted.values_mut())
            .filter(|record| record.outcome == ExchangeOutcome::InFlight)
            .for_each(&mut change);
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.in_flight_evicted.clear();
        self.unexpected.clear();
        self.violations.clear();
        self.forgotten = 0;
        self.counters = StubCounters::default();
    }

    /// Tells who listens; nothing is put together where nobody does.
    pub(super) fn tell(&mut self, event: impl FnOnce() -> StubEvent) {
        if self.subscribers.is_empty() {
            return;
        }
        let event = event();
        self.subscribers
            .retain(|subscriber| subscriber.try_send(event.clone()).is_ok());
    }

    fn forget(&mut self) {
        while let Some(oldest) = self.records.pop_beyond() {
            self.forgotten += 1;
            if oldest.outcome == ExchangeOutcome::InFlight {
                self.in_flight_evicted.insert(oldest.seq, oldest);
            } else {
                self.spare = oldest.into_spare_buffer();
            }
        }
    }
}

impl RecordRing {
    fn new(limit: usize, most_bytes: usize) -> RecordRing {
        RecordRing {
            records: VecDeque::new(),
            limit: limit.max(1),
            most_bytes,
            bytes: 0,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ExchangeRecord> {
        self.records.iter()
    }

    pub(super) fn first_seq(&self) -> Option<u64> {
        self.records.front().map(|record| record.seq)
    }

    /// Records of a journal are numbered without gaps.
    pub(super) fn get(&self, seq: u64) -> Option<&ExchangeRecord> {
        let at = seq.checked_sub(self.first_seq()?)?;
        self.records.get(usize::try_from(at).ok()?)
    }

    fn push(&mut self, record: ExchangeRecord) {
        self.bytes += record.weight();
        self.records.push_back(record);
    }

    /// Records of a journal are numbered without gaps.
    fn change<T>(&mut self, seq: u64, change: impl FnOnce(&mut ExchangeRecord) -> T) -> Option<T> {
        let first = self.records.front()?.seq;
        let at = usize::try_from(seq.checked_sub(first)?).ok()?;
        let record = self.records.get_mut(at)?;
        self.bytes -= record.weight();
        let changed = change(record);
        self.bytes += record.weight();
        Some(changed)
    }

    /// The oldest, where there are too many or they take too much. One is always kept.
    fn pop_beyond(&mut self) -> Option<ExchangeRecord> {
        let beyond = self.records.len() > self.limit || self.bytes > self.most_bytes;
        if !beyond || self.records.len() <= 1 {
            return None;
        }
        let oldest = self.records.pop_front()?;
        self.bytes -= oldest.weight();
        Some(oldest)
    }

    fn clear(&mut self) {
        self.records.clear();
        self.bytes = 0;
    }
}

/// Appends, and lets the oldest go where the bound is reached.
pub(super) fn push_bounded<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() >= UNEXPECTED_LIMIT {
        queue.pop_front();
    }
    queue.push_back(item);
}
