//! Notifications that wait to be sent, bounded in number and in rate: pure.
//!
//! Of a flood the latest matter most: they say what is so now. So the oldest are dropped, and whoever is told next is told
//! how many were.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::EventNotification;

/// So many wait at most.
const WAITING_MAX: usize = 32;
/// So many may follow one another without a pause.
const BURST_MAX: u32 = 20;
/// After that one is sent in each of these spans, and a span without one allows for one more.
const INTERVAL: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct NotificationQueue {
    waiting: VecDeque<EventNotification>,
    /// Since the last one that was sent.
    dropped: u64,
    /// So many may be sent at once.
    credit: u32,
    /// From when on the next credit is earned.
    since: Instant,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextNotification {
    /// Send it, and say that so many were dropped before it.
    Send(EventNotification, u64),
    WaitUntil(Instant),
    Nothing,
}

impl NotificationQueue {
    pub(crate) fn new(now: Instant) -> NotificationQueue {
        NotificationQueue {
            waiting: VecDeque::new(),
            dropped: 0,
            credit: BURST_MAX,
            since: now,
        }
    }

    pub(crate) fn push(&mut self, notification: EventNotification) {
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(notification);
    }

    /// `is_ending`: what waits is sent without a pause, as far as the time allows.
    pub(crate) fn next(&mut self, now: Instant, is_ending: bool) -> NextNotification {
        self.earn(now);
        if self.waiting.is_empty() {
            return NextNotification::Nothing;
        }
        if self.credit == 0 && !is_ending {
            return NextNotification::WaitUntil(self.since + INTERVAL);
        }
        match self.waiting.pop_front() {
            Some(first) => {
                self.credit = self.credit.saturating_sub(1);
                NextNotification::Send(first, std::mem::take(&mut self.dropped))
            }
            None => NextNotification::Nothing,
        }
    }

    /// How many were dropped, or wait, of which nobody was told.
    pub(crate) fn untold(&self) -> u64 {
        self.dropped + self.waiting.len() as u64
    }

    fn earn(&mut self, now: Instant) {
        while self.credit < BURST_MAX && now.duration_since(self.since) >= INTERVAL {
            self.credit += 1;
            self.since += INTERVAL;
        }
        if self.credit == BURST_MAX {
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::NotificationEvent;

    fn push(queue: &mut NotificationQueue, count: usize) {
        (0..count).for_each(|_| queue.push(EventNotification::now(NotificationEvent::JobFailed)));
    }

    /// How many are sent at this moment, and how many were said to be dropped.
    fn sent(queue: &mut NotificationQueue, now: Instant, is_ending: bool) -> (u64, u64) {
        let mut told = (0, 0);
        while let NextNotification::Send(_, dropped) = queue.next(now, is_ending) {
            told = (told.0 + 1, told.1 + dropped);
        }
        told
    }

    #[test]
    fn a_few_go_at_once_and_the_rest_one_after_the_other() {
        let start = Instant::now();
        let mut queue = NotificationQueue::new(start);
        push(&mut queue, 25);
        assert_eq!(sent(&mut queue, start, false), (20, 0));
        let next = start + INTERVAL;
        assert_eq!(queue.next(start, false), NextNotification::WaitUntil(next));
        assert_eq!(sent(&mut queue, next, false), (1, 0));
        assert_eq!(sent(&mut queue, next + INTERVAL * 2, false), (2, 0));
        assert_eq!(sent(&mut queue, next + INTERVAL * 3, false), (1, 0));
        let later = next + INTERVAL * 60;
        assert_eq!(sent(&mut queue, later, false), (1, 0));
        push(&mut queue, 30);
        assert_eq!(sent(&mut queue, later + INTERVAL, false), (20, 0));
    }

    #[test]
    fn at_the_end_nothing_waits_for_its_turn() {
        let start = Instant::now();
        let mut queue = NotificationQueue::new(start);
        push(&mut queue, 30);
        assert_eq!(sent(&mut queue, start, true), (30, 0));
    }

    #[test]
    fn the_oldest_are_dropped_and_counted_once() {
        let start = Instant::now();
        let mut queue = NotificationQueue::new(start);
        push(&mut queue, WAITING_MAX + 7);
        assert_eq!(queue.untold(), WAITING_MAX as u64 + 7);
        assert_eq!(sent(&mut queue, start, true), (WAITING_MAX as u64, 7));
        assert_eq!(queue.untold(), 0);
    }
}
