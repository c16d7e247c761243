//! One delivery of what the outbox holds: pure (clause T-9). The entries are sent in order and one at a time; each is
//! repeated with its key until it is answered. If one can't be delivered, those behind it keep their place and wait
//! for the next delivery.

use std::collections::VecDeque;
use std::time::Duration;

use super::delivery_outcome::{DeliveryOutcome, delivery_outcome};
use super::lease_machine::LeaseRequest;
use crate::boot_clock::BootInstant;
use crate::fleet::backoff::Backoff;
use crate::fleet::call_failure::CallFailure;
use crate::ids::{JobId, LeaseProof};

/// The last request about a lease, from the disk.
#[derive(Debug, Clone)]
pub(crate) struct OutboxItem {
    pub(crate) job: JobId,
    pub(crate) proof: LeaseProof,
    pub(crate) request: LeaseRequest,
}

#[derive(Debug)]
pub(crate) enum DeliveryEvent {
    Start,
    /// The answer to [`DeliveryEffect::Send`].
    Answered(Result<(), CallFailure>),
    /// The instant of [`OutboxDelivery::next_instant`] may have come.
    TimerDue,
}

#[derive(Debug)]
pub(crate) enum DeliveryEffect {
    Send(OutboxItem),
    Finished {
        outbox_item: OutboxItem,
        outcome: DeliveryOutcome,
    },
}

/// One delivery of what the outbox holds. It lives until each entry is answered or the first one is given up.
#[derive(Debug)]
pub(crate) struct OutboxDelivery {
    /// Not answered yet; the first one is out.
    outbox_items: VecDeque<OutboxItem>,
    /// How long one entry is tried.
    limit: Duration,
    /// The waits between tries; an answer resets it.
    backoff: Backoff,
    /// When the first one is sent again; none while it is out.
    repeat_at: Option<BootInstant>,
    /// When the first one is given up.
    give_up_at: Option<BootInstant>,
}

impl OutboxDelivery {
    pub(crate) fn new(outbox_items: Vec<OutboxItem>, limit: Duration, seed: u64) -> OutboxDelivery {
        OutboxDelivery {
            outbox_items: outbox_items.into(),
            limit,
            backoff: Backoff::new(seed),
            repeat_at: None,
            give_up_at: None,
        }
    }

    pub(crate) fn step(&mut self, now: BootInstant, input: DeliveryEvent) -> Vec<DeliveryEffect> {
        let mut effects = Vec::new();
        match input {
            DeliveryEvent::Start => self.start(now, &mut effects),
            DeliveryEvent::Answered(answer) => self.answered(now, answer, &mut effects),
            DeliveryEvent::TimerDue if self.give_up_at.is_some_and(|at| now >= at) => {
                self.give_up("no answer in time", &mut effects);
            }
            DeliveryEvent::TimerDue if self.repeat_at.take_if(|at| now >= *at).is_some() => {
                effects.extend(self.outbox_items.front().cloned().map(DeliveryEffect::Send));
            }
            DeliveryEvent::TimerDue => {}
        }
        effects
    }

    /// When the caller has to send [`DeliveryEvent::TimerDue`].
    pub(crate) fn next_instant(&self) -> Option<BootInstant> {
        [self.repeat_at, self.give_up_at].into_iter().flatten().min()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.outbox_items.is_empty()
    }

    fn start(&mut self, now: BootInstant, effects: &mut Vec<DeliveryEffect>) {
        self.repeat_at = None;
        self.give_up_at = self.outbox_items.front().map(|_| now + self.limit);
        effects.extend(self.outbox_items.front().cloned().map(DeliveryEffect::Send));
    }

    fn answered(
        &mut self,
        now: BootInstant,
        answer: Result<(), CallFailure>,
        effects: &mut Vec<DeliveryEffect>,
    ) {
        if let Err(failure @ CallFailure::Indefinite { .. }) = &answer {
            self.repeat_at = Some(now + self.backoff.after_failure(failure.retry_after()));
            return;
        }
        match delivery_outcome(answer) {
            DeliveryOutcome::Undelivered(why) => self.give_up(&why, effects),
            outcome => {
                self.backoff.succeeded();
                let answered = self.outbox_items.pop_front();
                effects.extend(answered.map(|outbox_item| DeliveryEffect::Finished { outbox_item, outcome }));
                self.start(now, effects);
            }
        }
    }

    fn give_up(&mut self, why: &str, effects: &mut Vec<DeliveryEffect>) {
        let given_up = self.outbox_items.drain(..);
        effects.extend(given_up.map(|outbox_item| DeliveryEffect::Finished {
            outbox_item,
            outcome: DeliveryOutcome::Undelivered(why.to_owned()),
        }));
        (self.repeat_at, self.give_up_at) = (None, None);
    }
}
