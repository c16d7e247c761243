//! The mailbox between the run loop and the lane: it is bounded, takes what fits and counts what does not.
//!
//! Putting in never waits. Of a decision too many the id alone is kept, so that it still gets its one line. From the
//! first transition too many on, only the last stage of each job is kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::log::SkipReason;
use super::{LocalDecision, LocalPick, StageTransition};
use crate::ids::JobId;
use crate::stage::Stage;

/// Each decision holds a copy of the queue's state, so there may be few.
const DECISIONS_MAX: usize = 64;
const MESSAGES_MAX: usize = 1024;
const DROPPED_MAX: usize = 1024;
/// A busy lane is woken to write the lines of dropped decisions when there are so many. Otherwise it comes to them by
/// itself.
const DROPPED_BATCH: usize = 32;
const COALESCED_MAX: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) enum LaneMessage {
    Decided {
        id: String,
        decision: LocalDecision,
    },
    Moved(StageTransition),
    /// From here on transitions did not fit one by one.
    Coalesced(CoalescedTransitions),
}

/// The last stage of each job whose transitions did not fit.
#[derive(Debug, Default)]
pub(crate) struct CoalescedTransitions {
    pub(crate) stages: BTreeMap<JobId, Stage>,
    /// Not even that fitted: the coordinator's view lacks transitions that this process can't report any more.
    pub(crate) incomplete: bool,
}

/// Decisions that did not fit.
#[derive(Debug, Default)]
pub(crate) struct DroppedDecisions {
    pub(crate) decisions: Vec<(String, Option<LocalPick>)>,
    /// How many more there were.
    pub(crate) more: u64,
}

impl DroppedDecisions {
    pub(crate) fn is_empty(&self) -> bool {
        self.decisions.is_empty() && self.more == 0
    }
}

/// What is in the mailbox. The run loop puts in, the lane takes out.
#[derive(Debug, Default)]
struct MailboxContent {
    /// In their order, at most `MESSAGES_MAX`.
    messages: VecDeque<LaneMessage>,
    /// How many of the messages are decisions, at most `DECISIONS_MAX`.
    decisions: usize,
    /// Whether one of the messages is `Coalesced`, so that they need not be looked through.
    coalesced: bool,
    /// Decisions that did not fit, until the lane has written their lines.
    dropped: DroppedDecisions,
    /// Set once by `close`: when the lane has to be done, and why the rest is skipped.
    end: Option<(Instant, SkipReason)>,
}

/// The content, and the signals that wake the lane. The run loop and the lane share it.
#[derive(Debug, Default)]
pub(crate) struct LaneMailbox {
    /// Locked for moments only, so that the run loop never waits.
    inner: Mutex<MailboxContent>,
    /// A message came, or the mailbox was closed.
    arrived: Notify,
    /// Many decisions did not fit.
    dropped: Notify,
    /// The mailbox was closed.
    ending: Notify,
}

impl LaneMailbox {
    pub(crate) fn decided(&self, id: String, decision: LocalDecision) {
        let mut inner = self.lock();
        if inner.decisions < DECISIONS_MAX && inner.messages.len() < MESSAGES_MAX {
            inner.decisions += 1;
            inner.messages.push_back(LaneMessage::Decided { id, decision });
            self.arrived.notify_one();
        } else {
            match inner.dropped.decisions.len() < DROPPED_MAX {
                true => inner.dropped.decisions.push((id, decision.local)),
                false => inner.dropped.more += 1,
            }
            if inner.dropped.decisions.len().is_multiple_of(DROPPED_BATCH) {
                self.dropped.notify_one();
            }
        }
    }

    pub(crate) fn moved(&self, transition: StageTransition) {
        let mut inner = self.lock();
        let full = inner.messages.len() >= MESSAGES_MAX;
        // Once the mailbox overflowed, every transition is coalesced until the lane has taken that message: otherwise
        // a job's stages would come out of order.
        if let Some(coalesced) = inner.coalesced() {
            coalesced.put(transition);
        } else if full {
            let mut coalesced = CoalescedTransitions::default();
            coalesced.put(transition);
            inner.coalesced = true;
            inner.messages.push_back(LaneMessage::Coalesced(coalesced));
        } else {
            inner.messages.push_back(LaneMessage::Moved(transition));
        }
        self.arrived.notify_one();
    }

    /// Closes the mailbox. The lane may take `limit` for what is there; what is left by then is skipped for that
    /// reason. Only the first call counts.
    pub(crate) fn close(&self, limit: Duration, skip: SkipReason) {
        self.lock().end.get_or_insert((Instant::now() + limit, skip));
        self.arrived.notify_one();
        self.ending.notify_one();
    }

    /// Returns the next message; none when the mailbox is closed and empty.
    pub(crate) async fn next(&self) -> Option<LaneMessage> {
        loop {
            {
                let mut inner = self.lock();
                if let Some(message) = inner.take() {
                    return Some(message);
                }
                if inner.end.is_some() {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Waits until many decisions were dropped, and takes them.
    pub(crate) async fn dropped(&self) -> DroppedDecisions {
        loop {
            let dropped = self.take_dropped();
            if !dropped.is_empty() {
                return dropped;
            }
            self.dropped.notified().await;
        }
    }

    /// Waits until the time that `close` set is over.
    pub(crate) async fn time_is_up(&self) {
        loop {
            let end = self.lock().end;
            match end {
                Some((end, _)) => return tokio::time::sleep_until(end).await,
                None => self.ending.notified().await,
            }
        }
    }

    /// Why what is left at the end is skipped.
    pub(crate) fn skip(&self) -> SkipReason {
        self.lock().end.map_or(SkipReason::Exit, |(_, skip)| skip)
    }

    pub(crate) fn take_dropped(&self) -> DroppedDecisions {
        std::mem::take(&mut self.lock().dropped)
    }

    /// Takes one message without waiting.
    pub(crate) fn take(&self) -> Option<LaneMessage> {
        self.lock().take()
    }

    /// The jobs of the messages in the mailbox, each with what the message is.
    pub(crate) fn mentioned(&self) -> Vec<(JobId, JobMention)> {
        let inner = self.lock();
        let mention = |message: &LaneMessage| match message {
            LaneMessage::Decided { decision, .. } => {
                let picked = decision.local.as_ref()?;
                Some((picked.job.clone(), JobMention::Decided))
            }
            LaneMessage::Moved(transition) => Some((transition.job.clone(), JobMention::Moved)),
            // This is called at the start alone, when nothing can have overflowed.
            LaneMessage::Coalesced(_) => None,
        };
        inner.messages.iter().filter_map(mention).collect()
    }

    fn lock(&self) -> MutexGuard<'_, MailboxContent> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobMention {
    /// It was in the inbox then.
    Decided,
    Moved,
}

impl CoalescedTransitions {
    fn put(&mut self, transition: StageTransition) {
        if self.stages.len() < COALESCED_MAX || self.stages.contains_key(&transition.job) {
            self.stages.insert(transition.job, transition.stage);
        } else {
            self.incomplete = true;
        }
    }
}

impl MailboxContent {
    fn coalesced(&mut self) -> Option<&mut CoalescedTransitions> {
        if !self.coalesced {
            return None;
        }
        self.messages.iter_mut().rev().find_map(|message| match message {
            LaneMessage::Coalesced(coalesced) => Some(coalesced),
            LaneMessage::Decided { .. } | LaneMessage::Moved(_) => None,
        })
    }

    fn take(&mut self) -> Option<LaneMessage> {
        let message = self.messages.pop_front()?;
        match message {
            LaneMessage::Decided { .. } => self.decisions -= 1,
            LaneMessage::Coalesced(_) => self.coalesced = false,
            LaneMessage::Moved(_) => {}
        }
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::test_coordinator::{decision, id, pick};
    use crate::stage::Stage;

    #[test]
    fn a_decision_too_many_is_remembered_by_its_id_and_then_by_number() {
        let mailbox = LaneMailbox::default();
        for count in 0..DECISIONS_MAX + DROPPED_MAX + 3 {
            mailbox.decided(format!("d-{count}"), decision(Some("alpha"), &["alpha"]));
        }
        let dropped = mailbox.take_dropped();
        assert_eq!((dropped.decisions.len(), dropped.more), (DROPPED_MAX, 3));
        assert_eq!(
            dropped.decisions[0],
            (format!("d-{DECISIONS_MAX}"), Some(pick("alpha")))
        );
        assert!(mailbox.take_dropped().is_empty());
        assert_eq!(std::iter::from_fn(|| mailbox.take()).count(), DECISIONS_MAX);
    }

    #[test]
    fn room_that_was_made_is_used_again() {
        let mailbox = LaneMailbox::default();
        for count in 0..DECISIONS_MAX {
            mailbox.decided(format!("d-{count}"), decision(None, &[]));
        }
        assert!(matches!(mailbox.take(), Some(LaneMessage::Decided { id, .. }) if id == "d-0"));
        mailbox.decided(String::from("late"), decision(None, &[]));
        assert!(mailbox.take_dropped().is_empty());
    }

    #[test]
    fn of_transitions_too_many_the_last_stage_of_each_job_stays() {
        let mailbox = LaneMailbox::default();
        let moved = |job: &str, stage| mailbox.moved(StageTransition { job: id(job), stage });
        for _ in 0..MESSAGES_MAX {
            moved("alpha", Stage::Building);
        }
        moved("alpha", Stage::Testing);
        moved("beta", Stage::Building);
        assert!(mailbox.take().is_some());
        // There is room again, but not in front of what was coalesced.
        moved("alpha", Stage::Shipped);
        let mut messages: Vec<LaneMessage> = std::iter::from_fn(|| mailbox.take()).collect();
        assert_eq!(messages.len(), MESSAGES_MAX);
        let Some(LaneMessage::Coalesced(coalesced)) = messages.pop() else {
            panic!("nothing was coalesced")
        };
        assert!(!coalesced.incomplete);
        let stages: Vec<(JobId, Stage)> = coalesced.stages.into_iter().collect();
        assert_eq!(
            stages,
            [(id("alpha"), Stage::Shipped), (id("beta"), Stage::Building)]
        );
        moved("alpha", Stage::Inbox);
        assert!(matches!(mailbox.take(), Some(LaneMessage::Moved(_))));
    }

    #[test]
    fn jobs_too_many_are_a_hole() {
        let mailbox = LaneMailbox::default();
        for count in 0..MESSAGES_MAX + COALESCED_MAX + 1 {
            mailbox.moved(StageTransition {
                job: id(&format!("job-{count}")),
                stage: Stage::Failed,
            });
        }
        let last = std::iter::from_fn(|| mailbox.take()).last();
        assert!(matches!(
            last,
            Some(LaneMessage::Coalesced(CoalescedTransitions {
                incomplete: true,
                ..
            }))
        ));
    }
}
