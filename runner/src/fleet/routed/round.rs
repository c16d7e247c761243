//! One round with what the outbox holds: pure (clause T-9). In order, one at a time, each repeated, the same to its key,
//! until it is answered. If one can't be delivered, those behind it keep their place and wait for the next round.

use std::collections::VecDeque;
use std::time::Duration;

use super::Settlement;
use super::settlement::settlement;
use super::tenure::Word;
use crate::clock::BootInstant;
use crate::fleet::backoff::Backoff;
use crate::fleet::failure::Failure;
use crate::ids::{JobId, LeaseProof};

/// The last word on a lease, from the disk.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) job: JobId,
    pub(crate) proof: LeaseProof,
    pub(crate) word: Word,
}

#[derive(Debug)]
pub(crate) enum Input {
    Start,
    /// To [`Act::Say`].
    Answered(Result<(), Failure>),
    /// The instant of [`Round::next_instant`] may have come.
    Time,
}

#[derive(Debug)]
pub(crate) enum Act {
    Say(Parcel),
    Settled { parcel: Parcel, outcome: Settlement },
}

#[derive(Debug)]
pub(crate) struct Round {
    /// The first is the one that is out.
    parcels: VecDeque<Parcel>,
    /// How long one is tried.
    limit: Duration,
    backoff: Backoff,
    repeat_at: Option<BootInstant>,
    give_up_at: Option<BootInstant>,
}

impl Round {
    pub(crate) fn new(parcels: Vec<Parcel>, limit: Duration, seed: u64) -> Round {
        Round {
            parcels: parcels.into(),
            limit,
            backoff: Backoff::new(seed),
            repeat_at: None,
            give_up_at: None,
        }
    }

    pub(crate) fn step(&mut self, now: BootInstant, input: Input) -> Vec<Act> {
        let mut acts = Vec::new();
        match input {
            Input::Start => self.start(now, &mut acts),
            Input::Answered(answer) => self.answered(now, answer, &mut acts),
            Input::Time if self.give_up_at.is_some_and(|at| now >= at) => {
                self.give_up("no answer in time", &mut acts);
            }
            Input::Time if self.repeat_at.take_if(|at| now >= *at).is_some() => {
                acts.extend(self.parcels.front().cloned().map(Act::Say));
            }
            Input::Time => {}
        }
        acts
    }

    /// When [`Input::Time`] is due.
    pub(crate) fn next_instant(&self) -> Option<BootInstant> {
        [self.repeat_at, self.give_up_at].into_iter().flatten().min()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.parcels.is_empty()
    }

    fn start(&mut self, now: BootInstant, acts: &mut Vec<Act>) {
        self.repeat_at = None;
        self.give_up_at = self.parcels.front().map(|_| now + self.limit);
        acts.extend(self.parcels.front().cloned().map(Act::Say));
    }

    fn answered(&mut self, now: BootInstant, answer: Result<(), Failure>, acts: &mut Vec<Act>) {
        if let Err(failure @ Failure::Indefinite { .. }) = &answer {
            self.repeat_at = Some(now + self.backoff.after_failure(failure.retry_after()));
            return;
        }
        match settlement(answer) {
            Settlement::Undelivered(why) => self.give_up(&why, acts),
            outcome => {
                self.backoff.succeeded();
                let said = self.parcels.pop_front();
                acts.extend(said.map(|parcel| Act::Settled { parcel, outcome }));
                self.start(now, acts);
            }
        }
    }

    fn give_up(&mut self, why: &str, acts: &mut Vec<Act>) {
        acts.extend(self.parcels.drain(..).map(|parcel| Act::Settled {
            parcel,
            outcome: Settlement::Undelivered(why.to_owned()),
        }));
        (self.repeat_at, self.give_up_at) = (None, None);
    }
}
