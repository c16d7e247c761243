//! The state machine of one lease, from its grant to its end: it gets what happened and the time, and returns what to
//! do next (clauses T-1, T-2, T-4, T-8 to T-10 and T-14). It is pure, without a clock, a task or a connection;
//! `lease_renewer` carries out its effects.
//!
//! Renewals go beside the reports, so that a report that hangs delays none. Of all other requests one is out at a
//! time, and it is repeated with its key until it is answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::delivery_outcome::{DeliveryOutcome, delivery_outcome, is_lease_lost};
use crate::boot_clock::{BootInstant, KillDeadlines};
use crate::fleet::backoff::Backoff;
use crate::fleet::call_failure::CallFailure;
use crate::fleet::client::StageReport;
use crate::fleet::lease_time::{LeaseTime, NO_RENEWAL};

/// The limits by which every lease of a process is kept.
#[derive(Debug, Clone)]
pub(crate) struct LeaseTerms {
    /// The limit of one call.
    pub(crate) timeout: Duration,
    /// The time between TERM and KILL.
    pub(crate) grace: Duration,
    /// How long the last request about a lease is tried. The loop may stop waiting for it earlier.
    pub(crate) close_time_max: Duration,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum LeaseEvent {
    /// A stage that is not final was reached.
    Report(StageReport),
    /// The loop wants a renewal from now on, before an effect that can't be taken back.
    Confirm,
    /// The loop wants the lease to end with this request. A report is that of the final stage.
    Close(LeaseRequest),
    Renewed {
        sent: BootInstant,
        answer: Result<Duration, CallFailure>,
    },
    /// The answer to the last [`LeaseEffect::Send`].
    Answered(Result<(), CallFailure>),
    /// The instant of `LeaseStateMachine::next_instant` may have come.
    TimerDue,
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaseEffect {
    Renew {
        limit: Duration,
    },
    Send(LeaseRequest),
    /// The answer to the last [`LeaseEffect::Send`] does not matter any more.
    CancelRequest,
    Confirmed,
    Lost {
        reason: String,
        /// By no delay of this host.
        in_time: bool,
    },
    Closed(DeliveryOutcome),
}

/// A request that takes effect once, however often it is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaseRequest {
    /// The job reached this stage.
    Report(StageReport),
    /// The lease was lost, or nobody knows what was published: what is left of the job lies in `quarantine/`.
    Quarantine(StageReport),
    /// Another factory may have the job at once; this is the key of that request.
    Release(Arc<str>),
}

/// The state of one lease. It lives as long as the task that renews the lease; `step` alone writes it.
#[derive(Debug)]
pub(crate) struct LeaseStateMachine {
    /// How long the lease holds, by this host's clock; each renewal that is answered changes it.
    time: LeaseTime,
    /// Limits, from the settings when the lease began.
    terms: LeaseTerms,
    /// The waits between tries of `in_flight`; an answer resets it.
    backoff: Backoff,
    /// Requests that are not sent yet, in the order in which they have to arrive.
    waiting: VecDeque<LeaseRequest>,
    /// The request that is out and not answered. There is one at a time, so that stages arrive in order.
    in_flight: Option<LeaseRequest>,
    /// When `in_flight` is sent again; none while it is out.
    repeat_at: Option<BootInstant>,
    /// Since when the loop waits for a confirmation: a renewal that is sent from then on gives it.
    confirming: Option<BootInstant>,
    /// Set once and for good. An answer that comes later does not bring the lease back, because what ran under it is
    /// being ended.
    lost: bool,
    /// This host stood still, or was too slow, since the last renewal that was answered: something was done later than it
    /// was due, by more than one renewal may take.
    was_late: bool,
    /// How the loop wants the lease to end; none while the job runs.
    close_request: Option<LeaseRequest>,
    /// When the last request is given up; set with `close_request`.
    give_up_at: Option<BootInstant>,
    /// The last request is answered or given up: nothing comes of this lease any more.
    settled: bool,
}

impl LeaseStateMachine {
    pub(crate) fn new(time: LeaseTime, terms: LeaseTerms, seed: u64) -> LeaseStateMachine {
        LeaseStateMachine {
            time,
            terms,
            backoff: Backoff::new(seed),
            waiting: VecDeque::new(),
            in_flight: None,
            repeat_at: None,
            confirming: None,
            lost: false,
            was_late: false,
            close_request: None,
            give_up_at: None,
            settled: false,
        }
    }

    pub(crate) fn step(&mut self, now: BootInstant, input: LeaseEvent) -> Vec<LeaseEffect> {
        let mut effects = Vec::new();
        if self.settled {
            return effects;
        }
        let late_by = self.next_instant().map(|due| now.since(due));
        self.was_late |= late_by.is_some_and(|late| late > self.time.renewal_limit(Duration::MAX));
        match input {
            LeaseEvent::Report(_) if self.lost => {}
            LeaseEvent::Report(report) => self.waiting.push_back(LeaseRequest::Report(report)),
            LeaseEvent::Confirm => {
                self.confirming = Some(now);
                self.renew(now, &mut effects);
            }
            LeaseEvent::Close(request) => self.close(now, request, &mut effects),
            LeaseEvent::Renewed { sent, answer } => self.renewed(sent, answer, &mut effects),
            LeaseEvent::Answered(answer) => self.answered(now, answer, &mut effects),
            LeaseEvent::TimerDue => self.on_timer(now, &mut effects),
        }
        self.send_next(&mut effects);
        effects
    }

    /// When the caller has to send [`LeaseEvent::TimerDue`].
    pub(crate) fn next_instant(&self) -> Option<BootInstant> {
        let renewed = self.is_renewed();
        let loses_at =
            (renewed && self.close_request.is_none()).then(|| self.time.ending(self.terms.grace).term_at);
        let renewal = renewed.then(|| self.time.next_renewal());
        [loses_at, renewal, self.repeat_at, self.give_up_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// What the loop may know of the lease.
    pub(crate) fn lease_snapshot(&self) -> LeaseSnapshot {
        LeaseSnapshot {
            time: self.time,
            ending: self.time.ending(self.terms.grace),
            lost: self.lost,
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled
    }

    fn close(&mut self, now: BootInstant, request: LeaseRequest, effects: &mut Vec<LeaseEffect>) {
        self.give_up_at = Some(now + self.terms.close_time_max);
        self.close_request = Some(request.clone());
        match request {
            // It goes behind the stages before it. It is sent even if the lease is lost: the coordinator may still
            // take what was finished under it, and then nobody else does the work again (clause C-5).
            LeaseRequest::Report(_) => self.waiting.push_back(request),
            LeaseRequest::Release(_) | LeaseRequest::Quarantine(_) => self.send_only(request, effects),
        }
    }

    fn renew(&mut self, now: BootInstant, effects: &mut Vec<LeaseEffect>) {
        if self.is_renewed() {
            self.time.renewal_started(now);
            let limit = self.time.renewal_limit(self.terms.timeout);
            effects.push(LeaseEffect::Renew { limit });
        }
    }

    fn renewed(
        &mut self,
        sent: BootInstant,
        answer: Result<Duration, CallFailure>,
        effects: &mut Vec<LeaseEffect>,
    ) {
        match answer {
            // A lease that was given up stays so, because what ran under it is being ended.
            _ if self.lost => {}
            Ok(ttl) => {
                if let Err(error) = self.time.renewed(sent, ttl) {
                    return self.lose(&error.to_string(), true, effects);
                }
                self.was_late = false;
                if self.confirming.take_if(|since| sent >= *since).is_some() {
                    effects.push(LeaseEffect::Confirmed);
                }
            }
            Err(failure) if is_lease_lost(&failure) => {
                // Whatever was late: the coordinator was asked while the lease held by this host's own clock.
                let in_time = !self.was_late || self.time.holds(sent);
                self.lose(&failure.to_string(), in_time, effects);
            }
            // The next renewal is due in its time.
            Err(_) => {}
        }
    }

    fn answered(
        &mut self,
        now: BootInstant,
        answer: Result<(), CallFailure>,
        effects: &mut Vec<LeaseEffect>,
    ) {
        if let Err(failure @ CallFailure::Indefinite { .. }) = &answer {
            self.repeat_at = Some(now + self.backoff.after_failure(failure.retry_after()));
            return;
        }
        self.backoff.succeeded();
        let answered = self.in_flight.take();
        if answered.is_some_and(|request| self.is_last(&request)) {
            return self.settle(delivery_outcome(answer), effects);
        }
        match answer {
            Err(failure) if is_lease_lost(&failure) && !self.lost => {
                self.lose(&failure.to_string(), !self.was_late, effects);
            }
            // Another refusal is about that stage alone, and the next may be taken.
            Ok(()) | Err(_) => {}
        }
    }

    fn on_timer(&mut self, now: BootInstant, effects: &mut Vec<LeaseEffect>) {
        let term_at = self.time.ending(self.terms.grace).term_at;
        if self.is_renewed() && self.close_request.is_none() && now >= term_at {
            self.lose(NO_RENEWAL, !self.was_late, effects);
        } else if now >= self.time.next_renewal() {
            self.renew(now, effects);
        }
        if self.give_up_at.is_some_and(|at| now >= at) {
            let why = String::from("no answer in time");
            return self.settle(DeliveryOutcome::Undelivered(why), effects);
        }
        if self.repeat_at.take_if(|at| now >= *at).is_some() {
            effects.extend(self.in_flight.clone().map(LeaseEffect::Send));
        }
    }

    fn lose(&mut self, reason: &str, in_time: bool, effects: &mut Vec<LeaseEffect>) {
        self.lost = true;
        let last = self.waiting.pop_back().filter(|request| self.is_last(request));
        self.waiting.clear();
        self.waiting.extend(last);
        let in_flight = self.in_flight.as_ref();
        if in_flight.is_some_and(|request| !self.is_last(request)) {
            self.cancel_request(effects);
        }
        if self.close_request.is_none() {
            let reason = reason.to_owned();
            effects.push(LeaseEffect::Lost { reason, in_time });
        }
    }

    fn send_only(&mut self, request: LeaseRequest, effects: &mut Vec<LeaseEffect>) {
        if self.in_flight.is_some() {
            self.cancel_request(effects);
        }
        self.waiting = VecDeque::from([request]);
    }

    fn cancel_request(&mut self, effects: &mut Vec<LeaseEffect>) {
        (self.in_flight, self.repeat_at) = (None, None);
        effects.push(LeaseEffect::CancelRequest);
    }

    fn send_next(&mut self, effects: &mut Vec<LeaseEffect>) {
        if self.in_flight.is_none() && !self.settled {
            self.in_flight = self.waiting.pop_front();
            effects.extend(self.in_flight.clone().map(LeaseEffect::Send));
        }
    }

    fn settle(&mut self, outcome: DeliveryOutcome, effects: &mut Vec<LeaseEffect>) {
        self.settled = true;
        effects.push(LeaseEffect::Closed(outcome));
    }

    /// Whether this request is the last one about the lease. Nothing else reports a final stage.
    fn is_last(&self, request: &LeaseRequest) -> bool {
        match request {
            LeaseRequest::Report(_) => self.close_request.as_ref() == Some(request),
            LeaseRequest::Quarantine(_) | LeaseRequest::Release(_) => true,
        }
    }

    /// Whether the lease is renewed. It is until a final report is answered, so that the job does not go to another
    /// factory meanwhile.
    fn is_renewed(&self) -> bool {
        !self.lost && matches!(self.close_request, None | Some(LeaseRequest::Report(_)))
    }
}

/// What the loop looks at before every effect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeaseSnapshot {
    time: LeaseTime,
    ending: KillDeadlines,
    lost: bool,
}

impl LeaseSnapshot {
    pub(crate) fn holds(self, now: BootInstant) -> bool {
        !self.lost && self.time.holds(now)
    }

    /// When what runs has to end, unless another renewal gets through.
    pub(crate) fn ending(self) -> KillDeadlines {
        self.ending
    }
}

#[cfg(test)]
mod tests;
