//! The journal: every exchange from its arrival to its end, the counters, and what the stub holds against itself
//! (violations) or its clients (unexpected requests).
//!
//! Bounded: what fell out of it is gone, and a question that would need it is answered *inconclusive*. It knows
//! nothing of the coordinator or the script; it is told.

pub(crate) mod counters;
pub(crate) mod exchange;
pub(crate) mod following;
mod packed;
mod pages;
pub(crate) mod record;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use counters::{Counters, count};
use exchange::{Exchange, Match, Outcome};
use pages::{Pages, push_bounded};
use record::{Arrival, Record, Said};
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

#[derive(Debug)]
pub(crate) struct Journal {
    pages: Mutex<Pages>,
    changed: Notify,
}

/// An exchange that has not ended. Dropped before it is completed, its client left.
#[derive(Debug)]
pub(crate) struct Open {
    journal: Arc<Journal>,
    seq: u64,
    ended: bool,
}

/// How an exchange ended, for the journal.
#[derive(Debug)]
pub(crate) struct Ending<'a> {
    /// What went over the wire; none where nothing did, or nothing whole.
    pub(crate) wire_answer: Option<Said<'a>>,
    pub(crate) outcome: Outcome,
    /// The code of the handler's refusal.
    pub(crate) refusal: Option<&'a str>,
    /// Whether the request was none that the contract knows.
    pub(crate) unexpected: bool,
}

impl Journal {
    pub(crate) fn new(limit: usize) -> Arc<Journal> {
        Arc::new(Journal {
            pages: Mutex::new(Pages::new(limit)),
            changed: Notify::new(),
        })
    }

    /// Notes an arrival and gives it its number.
    pub(crate) fn arrive(self: &Arc<Self>, arrival: &Arrival<'_>) -> Open {
        let mut pages = self.pages();
        let seq = pages.next_seq;
        pages.next_seq += 1;
        if let Some(operation) = arrival.operation {
            count(&mut pages.counters.requests, operation);
            match operation {
                "shadow.claim" => pages.counters.dry_runs += 1,
                "shadow.report" => pages.counters.shadow_reports += 1,
                _ => {}
            }
        }
        let record = Record::of(seq, arrival, pages.spare.take());
        pages.tell(|| StubEvent::Arrived(Box::new(record.exchange())));
        pages.push(record);
        drop(pages);
        self.changed.notify_waiters();
        Open {
            journal: Arc::clone(self),
            seq,
            ended: false,
        }
    }

    /// Counts a mutation at the moment it happens, whatever becomes of the answer.
    pub(crate) fn mutated(&self, operation: &str) {
        count(&mut self.pages().counters.mutations, operation);
    }

    /// Counts a fault at the moment it is injected.
    pub(crate) fn faulted(&self, kind: &str) {
        count(&mut self.pages().counters.faults, kind);
    }

    pub(crate) fn connected(&self) {
        self.pages().counters.connections += 1;
    }

    /// Takes a connection out of the count: it turned out to be the reader's own.
    pub(crate) fn connected_for_control(&self) {
        let mut pages = self.pages();
        pages.counters.connections = pages.counters.connections.saturating_sub(1);
    }

    pub(crate) fn violation(&self, text: String) {
        push_bounded(&mut self.pages().violations, text);
    }

    /// Changes what is known of an exchange that is still open.
    pub(crate) fn note(&self, open: &Open, change: impl FnOnce(&mut Record)) {
        self.pages().change(open.seq, change);
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.pages().records.iter().map(Record::exchange).collect()
    }

    pub(crate) fn unexpected(&self) -> Vec<Exchange> {
        self.pages().unexpected.iter().map(Record::exchange).collect()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.pages().violations.iter().cloned().collect()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.pages().counters.clone()
    }

    /// How many exchanges fell out of the journal since it was last reset.
    pub(crate) fn forgotten(&self) -> u64 {
        self.pages().forgotten
    }

    /// Forgets exchanges and counters, on purpose; numbers go on.
    pub(crate) fn reset(&self) {
        self.pages().clear();
    }

    /// Notes that what is in flight ends by the stub's own doing, not by its clients'.
    pub(crate) fn end_in_flight(&self) {
        self.pages()
            .each_in_flight(|record| record.outcome = Outcome::Faulted);
    }

    /// What happens from now on. A reader that falls far behind is dropped rather than waited for.
    pub(crate) fn subscribe(&self) -> Receiver<StubEvent> {
        let (tell, told) = sync_channel(SUBSCRIBER_LAG);
        self.pages().subscribers.push(tell);
        told
    }

    /// The exchanges that are meant, once there are `wanted` of them.
    pub(crate) async fn wait(
        &self,
        what: &Match,
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

    pub(crate) fn matching(&self, what: &Match) -> Vec<Exchange> {
        let pages = self.pages();
        let meant = pages.records.iter().filter(|record| record.is_meant_by(what));
        meant.map(Record::exchange).collect()
    }

    fn count(&self, what: &Match) -> usize {
        let pages = self.pages();
        pages
            .records
            .iter()
            .filter(|record| record.is_meant_by(what))
            .count()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("no holder of the journal's lock panics")
    }
}

impl Open {
    /// Ordinal of the exchange.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Writes the end of the exchange down, before the first byte of the answer leaves.
    pub(crate) fn complete(mut self, ending: Ending<'_>) {
        self.ended = true;
        let mut pages = self.journal.pages();
        if let Some(code) = ending.refusal {
            count(&mut pages.counters.refusals, code);
        }
        let unexpected = ending.unexpected;
        let wanted = unexpected || !pages.subscribers.is_empty();
        let ended = pages.change(self.seq, |record| {
            if let Some(answer) = ending.wire_answer {
                record.wire_said(answer);
            }
            record.outcome = ending.outcome;
            record.completed = Some(Instant::now());
            wanted.then(|| record.clone())
        });
        self.tell(&mut pages, ended.flatten(), unexpected);
        drop(pages);
        self.journal.changed.notify_waiters();
    }

    fn tell(&self, pages: &mut Pages, ended: Option<Record>, unexpected: bool) {
        pages.ended(self.seq);
        if unexpected {
            pages.counters.unexpected += 1;
        }
        let Some(record) = ended else { return };
        pages.tell(|| StubEvent::Completed(Box::new(record.exchange())));
        if unexpected {
            pages.push_unexpected(record);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut pages = self.journal.pages();
        let left = pages.change(self.seq, |record| {
            if record.outcome == Outcome::InFlight {
                record.outcome = Outcome::AbortedByClient;
            }
            record.completed = Some(Instant::now());
            record.clone()
        });
        self.tell(&mut pages, left, false);
        drop(pages);
        self.journal.changed.notify_waiters();
    }
}
