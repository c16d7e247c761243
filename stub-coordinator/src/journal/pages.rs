//! What the journal holds under its lock.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;

use super::StubEvent;
use super::counters::Counters;
use super::exchange::Exchange;

/// The most unexpected requests, and the most violations, that are kept.
const KEPT_ASIDE: usize = 1_000;

#[derive(Debug)]
pub(super) struct Pages {
    pub(super) limit: usize,
    pub(super) exchanges: VecDeque<Exchange>,
    pub(super) next_seq: u64,
    /// The first number since the journal was emptied on purpose: what came before is not forgotten, but dismissed.
    pub(super) first_seq: u64,
    pub(super) counters: Counters,
    pub(super) unexpected: VecDeque<Exchange>,
    pub(super) violations: VecDeque<String>,
    pub(super) subscribers: Vec<SyncSender<StubEvent>>,
}

impl Pages {
    pub(super) fn new(limit: usize) -> Pages {
        Pages {
            limit: limit.max(1),
            exchanges: VecDeque::new(),
            next_seq: 1,
            first_seq: 1,
            counters: Counters::default(),
            unexpected: VecDeque::new(),
            violations: VecDeque::new(),
            subscribers: Vec::new(),
        }
    }

    pub(super) fn find(&mut self, seq: u64) -> Option<&mut Exchange> {
        let first = self.exchanges.front()?.seq;
        self.exchanges
            .get_mut(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    pub(super) fn tell(&mut self, event: impl Fn() -> StubEvent) {
        if !self.subscribers.is_empty() {
            self.subscribers
                .retain(|subscriber| subscriber.try_send(event()).is_ok());
        }
    }
}

/// Appends, and lets the oldest go where the bound is reached.
pub(super) fn push_bounded<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() >= KEPT_ASIDE {
        queue.pop_front();
    }
    queue.push_back(item);
}
