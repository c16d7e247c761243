//! The journal: every exchange from its arrival to its end, the counters, and what the stub holds against itself
//! (violations) or its clients (unexpected requests).
//!
//! Bounded: what fell out of it is gone, and a question that would need it is answered *inconclusive*. It knows
//! nothing of the coordinator or the rules; it is told.

pub(crate) mod counters;
pub(crate) mod exchange;
pub(crate) mod exchange_record;
mod field_buffer;
mod store;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod verification;

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use counters::{StubCounters, count};
use exchange::{Exchange, ExchangeMatch, ExchangeOutcome};
use exchange_record::{BorrowedAnswer, ExchangeRecord, RequestArrival};
use store::{JournalStore, push_bounded};
use thiserror::Error;
use tokio::sync::Notify;

/// How far a subscriber may lag before it is dropped.
const SUBSCRIBER_LAG: usize = 16_384;

/// Something that happened to an exchange.
#[derive(Debug, Clone)]
pub enum StubEvent {
    /// It arrived; its answer is not yet known.
    Arrived(Box<Exchange>),
    /// It ended.
    Completed(Box<Exchange>),
}

/// Why waiting for exchanges did not end as wished.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WaitError {
    /// Not enough of them arrived in time.
    #[error(
        "{seen} of {wanted} awaited exchanges arrived within {limit:?}; look at the journal for what did"
    )]
    TimedOut {
        /// How many arrived.
        seen: usize,
        /// How many were awaited.
        wanted: usize,
        /// How long was waited.
        limit: Duration,
    },
    /// The journal has forgotten exchanges that may have been among those awaited.
    #[error("inconclusive: the journal has forgotten {forgotten} exchanges; raise its limit")]
    Inconclusive {
        /// How many fell out.
        forgotten: u64,
    },
}

/// From where to where the journal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JournalRange {
    /// The oldest exchange that is known; the next one to come where none is.
    pub(crate) first: u64,
    /// The number of the latest exchange; 0 before the first.
    pub(crate) last: u64,
}

#[derive(Debug)]
pub(crate) struct Journal {
    /// Held for one note at a time.
    store: Mutex<JournalStore>,
    /// Told of each arrival and of each change of an exchange, for those who wait for some.
    changed: Notify,
}

/// An exchange that has not ended. Dropped before it is completed, its client left.
#[derive(Debug)]
pub(crate) struct OpenExchange {
    journal: Arc<Journal>,
    /// Its number, from 1 in order of arrival.
    seq: u64,
    /// Whether its end was noted.
    ended: bool,
}

/// How an exchange ended, for the journal.
#[derive(Debug)]
pub(crate) struct ExchangeEnd<'a> {
    /// What went over the wire; none where nothing did, or nothing whole.
    pub(crate) wire_answer: Option<BorrowedAnswer<'a>>,
    pub(crate) outcome: ExchangeOutcome,
    /// The code of the handler's refusal.
    pub(crate) refusal: Option<&'a str>,
    /// Whether the request was none that the contract knows.
    pub(crate) unexpected: bool,
}

impl Journal {
    pub(crate) fn new(limit: usize) -> Arc<Journal> {
        Arc::new(Journal {
            store: Mutex::new(JournalStore::new(limit)),
            changed: Notify::new(),
        })
    }

    /// Notes an arrival and gives it its number.
    pub(crate) fn arrive(self: &Arc<Self>, arrival: &RequestArrival<'_>) -> OpenExchange {
        let mut store = self.store();
        let seq = store.next_seq;
        store.next_seq += 1;
        if let Some(operation) = arrival.operation {
            count(&mut store.counters.requests, operation);
            match operation {
                "shadow.claim" => store.counters.dry_runs += 1,
                "shadow.report" => store.counters.shadow_reports += 1,
                _ => {}
            }
        }
        let record = ExchangeRecord::of(seq, arrival, store.spare.take());
        store.tell(|| StubEvent::Arrived(Box::new(record.exchange())));
        store.push(record);
        drop(store);
        self.changed.notify_waiters();
        OpenExchange {
            journal: Arc::clone(self),
            seq,
            ended: false,
        }
    }

    /// Counts a mutation at the moment it happens, whatever becomes of the answer.
    pub(crate) fn mutated(&self, operation: &str) {
        count(&mut self.store().counters.mutations, operation);
    }

    /// Counts a fault at the moment it is injected.
    pub(crate) fn faulted(&self, kind: &str) {
        count(&mut self.store().counters.faults, kind);
    }

    pub(crate) fn connected(&self) {
        self.store().counters.connections += 1;
    }

    /// Takes a connection out of the count: it turned out to be the reader's own.
    pub(crate) fn connected_for_control(&self) {
        let mut store = self.store();
        store.counters.connections = store.counters.connections.saturating_sub(1);
    }

    pub(crate) fn violation(&self, text: String) {
        push_bounded(&mut self.store().violations, text);
    }

    /// Changes what is known of an exchange that is still open.
    pub(crate) fn note(&self, open: &OpenExchange, change: impl FnOnce(&mut ExchangeRecord)) {
        self.store().change(open.seq, change);
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.store()
            .records
            .iter()
            .map(ExchangeRecord::exchange)
            .collect()
    }

    pub(crate) fn unexpected(&self) -> Vec<Exchange> {
        self.store()
            .unexpected
            .iter()
            .map(ExchangeRecord::exchange)
            .collect()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.store().violations.iter().cloned().collect()
    }

    pub(crate) fn counters(&self) -> StubCounters {
        self.store().counters.clone()
    }

    /// How many exchanges fell out of the journal since it was last reset.
    pub(crate) fn forgotten(&self) -> u64 {
        self.store().forgotten
    }

    /// Forgets exchanges and counters, on purpose; numbers go on.
    pub(crate) fn reset(&self) {
        self.store().clear();
    }

    /// Notes that what is in flight ends by the stub's own doing, not by its clients'.
    pub(crate) fn end_in_flight(&self) {
        self.store()
            .each_in_flight(|record| record.outcome = ExchangeOutcome::Faulted);
    }

    /// What happens from now on. A reader that falls far behind is dropped rather than waited for.
    pub(crate) fn subscribe(&self) -> Receiver<StubEvent> {
        let (tell, told) = sync_channel(SUBSCRIBER_LAG);
        self.store().subscribers.push(tell);
        told
    }

    /// The exchanges that are meant, once there are `wanted` of them.
    pub(crate) async fn wait(
        &self,
        what: &ExchangeMatch,
        wanted: usize,
        limit: Duration,
    ) -> Result<Vec<Exchange>, WaitError> {
        let enough = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.count(what) >= wanted {
                    return self.matching(what);
                }
                changed.await;
            }
        };
        match tokio::time::timeout(limit, enough).await {
            Ok(found) => Ok(found),
            Err(_) if self.forgotten() > 0 => Err(WaitError::Inconclusive {
                forgotten: self.forgotten(),
            }),
            Err(_) => Err(WaitError::TimedOut {
                seen: self.count(what),
                wanted,
                limit,
            }),
        }
    }

    pub(crate) fn matching(&self, what: &ExchangeMatch) -> Vec<Exchange> {
        let store = self.store();
        let meant = store.records.iter().filter(|record| record.matches(what));
        meant.map(ExchangeRecord::exchange).collect()
    }

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

    fn count(&self, what: &ExchangeMatch) -> usize {
        let store = self.store();
        store.records.iter().filter(|record| record.matches(what)).count()
    }

    fn store(&self) -> MutexGuard<'_, JournalStore> {
        self.store.lock().expect("no holder of the journal's lock panics")
    }
}

impl OpenExchange {
    /// Ordinal of the exchange.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Writes the end of the exchange down, before the first byte of the answer leaves.
    pub(crate) fn complete(mut self, ending: ExchangeEnd<'_>) {
        self.ended = true;
        let mut store = self.journal.store();
        if let Some(code) = ending.refusal {
            count(&mut store.counters.refusals, code);
        }
        let unexpected = ending.unexpected;
        let wanted = unexpected || !store.subscribers.is_empty();
        let ended = store.change(self.seq, |record| {
            if let Some(answer) = ending.wire_answer {
                record.record_wire_answer(answer);
            }
            record.outcome = ending.outcome;
            record.completed = Some(Instant::now());
            wanted.then(|| record.clone())
        });
        self.tell(&mut store, ended.flatten(), unexpected);
        drop(store);
        self.journal.changed.notify_waiters();
    }

    fn tell(&self, store: &mut JournalStore, ended: Option<ExchangeRecord>, unexpected: bool) {
        store.ended(self.seq);
        if unexpected {
            store.counters.unexpected += 1;
        }
        let Some(record) = ended else { return };
        store.tell(|| StubEvent::Completed(Box::new(record.exchange())));
        if unexpected {
            store.push_unexpected(record);
        }
    }
}

impl Drop for OpenExchange {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut store = self.journal.store();
        let left = store.change(self.seq, |record| {
            if record.outcome == ExchangeOutcome::InFlight {
                record.outcome = ExchangeOutcome::AbortedByClient;
            }
            record.completed = Some(Instant::now());
            record.clone()
        });
        self.tell(&mut store, left, false);
        drop(store);
        self.journal.changed.notify_waiters();
    }
}
