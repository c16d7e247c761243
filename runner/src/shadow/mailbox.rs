//! Between the run loop and the lane: a bounded box that takes what fits and counts what does not.
//!
//! Putting in never waits. A decision too many is remembered by its id alone, so that it still gets its one line;
//! from the first transition too many on, only the last stage of each job is kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::log::Skip;
use super::{Decision, Transition};
use crate::ids::JobId;
use crate::stage::Stage;

/// Decisions hold a picture of the queue each: few.
const DECISIONS_MAX: usize = 64;
const MESSAGES_MAX: usize = 1024;
const REFUSED_MAX: usize = 1024;
/// A lane that is busy is woken to write of refused decisions when there are so many; sooner, it comes to them itself.
const REFUSED_BATCH: usize = 32;
const OVERTAKEN_MAX: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) enum Message {
    Decided {
        id: String,
        decision: Decision,
    },
    Moved(Transition),
    /// From here on transitions did not fit one by one.
    Overtaken(Overtaken),
}

/// The last stage of each job whose transitions did not fit.
#[derive(Debug, Default)]
pub(crate) struct Overtaken {
    pub(crate) stages: BTreeMap<JobId, Stage>,
    /// Not even that fitted: the coordinator's view has a hole that this process can't fill.
    pub(crate) incomplete: bool,
}

/// Decisions that did not fit.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    pub(crate) decisions: Vec<(String, Option<JobId>)>,
    /// Those that were too many even for that.
    pub(crate) more: u64,
}

impl Refused {
    pub(crate) fn is_empty(&self) -> bool {
        self.decisions.is_empty() && self.more == 0
    }
}

#[derive(Debug, Default)]
struct Inner {
    messages: VecDeque<Message>,
    decisions: usize,
    /// One of the messages is of overtaken transitions; as a rule none is, and they need not be looked through.
    overtaken: bool,
    refused: Refused,
    /// Set once nothing more comes: when the lane has to be done.
    end: Option<(Instant, Skip)>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Mailbox {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    arrived: Notify,
    refused: Notify,
    ending: Notify,
}

impl Mailbox {
    pub(crate) fn decided(&self, id: String, decision: Decision) {
        let mut inner = self.lock();
        if inner.decisions < DECISIONS_MAX && inner.messages.len() < MESSAGES_MAX {
            inner.decisions += 1;
            inner.messages.push_back(Message::Decided { id, decision });
            self.shared.arrived.notify_one();
        } else {
            match inner.refused.decisions.len() < REFUSED_MAX {
                true => inner.refused.decisions.push((id, decision.local)),
                false => inner.refused.more += 1,
            }
            if inner.refused.decisions.len().is_multiple_of(REFUSED_BATCH) {
                self.shared.refused.notify_one();
            }
        }
    }

    pub(crate) fn moved(&self, transition: Transition) {
        let mut inner = self.lock();
        let full = inner.messages.len() >= MESSAGES_MAX;
        // Once it overflowed, none goes in line behind the place where that is taken care of: a job's stages
        // would come out of order.
        if let Some(overtaken) = inner.overtaken() {
            overtaken.put(transition);
        } else if full {
            let mut overtaken = Overtaken::default();
            overtaken.put(transition);
            inner.overtaken = true;
            inner.messages.push_back(Message::Overtaken(overtaken));
        } else {
            inner.messages.push_back(Message::Moved(transition));
        }
        self.shared.arrived.notify_one();
    }

    /// Nothing more comes; what is there may take `limit`, and what is left by then is skipped for that reason. Only
    /// the first call counts.
    pub(crate) fn close(&self, limit: Duration, skip: Skip) {
        self.lock().end.get_or_insert((Instant::now() + limit, skip));
        self.shared.arrived.notify_one();
        self.shared.ending.notify_one();
    }

    /// The next message; none when the box is closed and empty.
    pub(crate) async fn next(&self) -> Option<Message> {
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
            self.shared.arrived.notified().await;
        }
    }

    /// Waits until many decisions were refused, and takes them.
    pub(crate) async fn refused(&self) -> Refused {
        loop {
            let refused = self.take_refused();
            if !refused.is_empty() {
                return refused;
            }
            self.shared.refused.notified().await;
        }
    }

    /// Waits until the time that `close` set is over.
    pub(crate) async fn time_is_up(&self) {
        loop {
            let end = self.lock().end;
            match end {
                Some((end, _)) => return tokio::time::sleep_until(end).await,
                None => self.shared.ending.notified().await,
            }
        }
    }

    /// Why what is left at the end is not looked at.
    pub(crate) fn skip(&self) -> Skip {
        self.lock().end.map_or(Skip::Exit, |(_, skip)| skip)
    }

    pub(crate) fn take_refused(&self) -> Refused {
        std::mem::take(&mut self.lock().refused)
    }

    /// One message without waiting, for clearing out.
    pub(crate) fn take(&self) -> Option<Message> {
        self.lock().take()
    }

    /// The jobs that messages in the box are about, each with whether a decision is the first of them.
    pub(crate) fn mentioned(&self) -> Vec<(JobId, Mention)> {
        let inner = self.lock();
        let mention = |message: &Message| match message {
            Message::Decided { decision, .. } => Some((decision.local.clone()?, Mention::Decided)),
            Message::Moved(transition) => Some((transition.job.clone(), Mention::Moved)),
            // Asked at the start alone, when nothing can have overflowed.
            Message::Overtaken(_) => None,
        };
        inner.messages.iter().filter_map(mention).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mention {
    /// It was in the inbox then.
    Decided,
    Moved,
}

impl Overtaken {
    fn put(&mut self, transition: Transition) {
        if self.stages.len() < OVERTAKEN_MAX || self.stages.contains_key(&transition.job) {
            self.stages.insert(transition.job, transition.stage);
        } else {
            self.incomplete = true;
        }
    }
}

impl Inner {
    fn overtaken(&mut self) -> Option<&mut Overtaken> {
        if !self.overtaken {
            return None;
        }
        self.messages.iter_mut().rev().find_map(|message| match message {
            Message::Overtaken(overtaken) => Some(overtaken),
            Message::Decided { .. } | Message::Moved(_) => None,
        })
    }

    fn take(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        match message {
            Message::Decided { .. } => self.decisions -= 1,
            Message::Overtaken(_) => self.overtaken = false,
            Message::Moved(_) => {}
        }
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::rig::{decision, id};
    use crate::stage::Stage;

    #[test]
    fn a_decision_too_many_is_remembered_by_its_id_and_then_by_number() {
        let mailbox = Mailbox::default();
        for count in 0..DECISIONS_MAX + REFUSED_MAX + 3 {
            mailbox.decided(format!("d-{count}"), decision(Some("alpha"), &["alpha"]));
        }
        let refused = mailbox.take_refused();
        assert_eq!((refused.decisions.len(), refused.more), (REFUSED_MAX, 3));
        assert_eq!(
            refused.decisions[0],
            (format!("d-{DECISIONS_MAX}"), Some(id("alpha")))
        );
        assert!(mailbox.take_refused().is_empty());
        assert_eq!(std::iter::from_fn(|| mailbox.take()).count(), DECISIONS_MAX);
    }

    #[test]
    fn room_that_was_made_is_used_again() {
        let mailbox = Mailbox::default();
        for count in 0..DECISIONS_MAX {
            mailbox.decided(format!("d-{count}"), decision(None, &[]));
        }
        assert!(matches!(mailbox.take(), Some(Message::Decided { id, .. }) if id == "d-0"));
        mailbox.decided(String::from("late"), decision(None, &[]));
        assert!(mailbox.take_refused().is_empty());
    }

    #[test]
    fn of_transitions_too_many_the_last_stage_of_each_job_stays() {
        let mailbox = Mailbox::default();
        let moved = |job: &str, stage| mailbox.moved(Transition { job: id(job), stage });
        for _ in 0..MESSAGES_MAX {
            moved("alpha", Stage::Building);
        }
        moved("alpha", Stage::Testing);
        moved("beta", Stage::Building);
        assert!(mailbox.take().is_some());
        // There is room again, but not in front of what was overtaken.
        moved("alpha", Stage::Shipped);
        let mut messages: Vec<Message> = std::iter::from_fn(|| mailbox.take()).collect();
        assert_eq!(messages.len(), MESSAGES_MAX);
        let Some(Message::Overtaken(overtaken)) = messages.pop() else {
            panic!("nothing was overtaken")
        };
        assert!(!overtaken.incomplete);
        let stages: Vec<(JobId, Stage)> = overtaken.stages.into_iter().collect();
        assert_eq!(
            stages,
            [(id("alpha"), Stage::Shipped), (id("beta"), Stage::Building)]
        );
        moved("alpha", Stage::Inbox);
        assert!(matches!(mailbox.take(), Some(Message::Moved(_))));
    }

    #[test]
    fn jobs_too_many_are_a_hole() {
        let mailbox = Mailbox::default();
        for count in 0..MESSAGES_MAX + OVERTAKEN_MAX + 1 {
            mailbox.moved(Transition {
                job: id(&format!("job-{count}")),
                stage: Stage::Failed,
            });
        }
        let last = std::iter::from_fn(|| mailbox.take()).last();
        assert!(matches!(
            last,
            Some(Message::Overtaken(Overtaken { incomplete: true, .. }))
        ));
    }
}
