//! The state machine of one claim, from the loop's request to an answer: pure (clauses T-5, T-6, T-8, T-10 and T-15).
//! `job_claimer` carries out its effects.
//!
//! One claim is out at a time. A claim whose answer was lost is repeated with its key, so that it can't cost a second
//! lease; only an answer, a refusal included, ends a key.

use std::sync::Arc;
use std::time::Duration;

use super::claim_answer::{ClaimRetry, UnusableGrant, classify, read};
use super::fleet_event::{FleetEvent, GrantedJob};
use crate::boot_clock::BootInstant;
use crate::fleet::backoff::{Backoff, CoordinatorOutage};
use crate::fleet::call_failure::{CallFailure, FailureKind};
use crate::fleet::client::{FleetClaim, LeaseProof};
use crate::ids::Capability;

/// What the loop claims a job by.
#[derive(Debug, Clone)]
pub(crate) struct ClaimParameters {
    pub(crate) caps: Vec<Capability>,
    /// How long the coordinator may hold the claim while it has nothing.
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum ClaimEvent {
    Ask(ClaimParameters),
    /// The answer to [`ClaimEffect::Claim`].
    Claimed(Result<FleetClaim, CallFailure>),
    /// The answer to [`ClaimEffect::Renew`].
    Renewed(Result<Duration, CallFailure>),
    /// No claim is wanted any more.
    Stop,
    /// The instant of [`ClaimStateMachine::next_instant`] may have come.
    TimerDue,
}

#[derive(Debug)]
pub(crate) enum ClaimEffect {
    Claim {
        parameters: ClaimParameters,
        key: Arc<str>,
    },
    Renew {
        proof: LeaseProof,
        limit: Duration,
    },
    /// It is tried once; if it fails, the lease runs out by itself.
    Release(LeaseProof),
    /// The claim was not answered; the machine repeats it by itself.
    Failed {
        failure: CallFailure,
        retry_in: Duration,
    },
    Emit(FleetEvent),
}

/// Gives a key that no other request has.
pub(crate) type KeySource = Box<dyn FnMut() -> Arc<str> + Send>;

/// The state of the claims of a run. It lives as long as the claiming task; `step` alone writes it.
pub(crate) struct ClaimStateMachine {
    /// The limit of one call.
    timeout: Duration,
    /// Gives the key of each new claim.
    keys: KeySource,
    /// The waits between claims that fail; an answer resets it.
    backoff: Backoff,
    /// Since when nothing gets through; a `--drain` ends by it.
    outage: CoordinatorOutage,
    /// Set once by `Stop`: no claim is sent any more, and a job that still comes is given back.
    stopped: bool,
    /// The claim that the loop waits for; none while it waits for nothing.
    open: Option<OpenClaim>,
}

/// A claim that has no answer yet.
struct OpenClaim {
    /// What the loop asked for.
    parameters: ClaimParameters,
    /// The same for each repetition; a new one after an answer that decided on it.
    key: Arc<str>,
    /// Before the first request with that key: a lease is counted from here (clause T-3).
    first_sent: BootInstant,
    /// Where it stands.
    state: ClaimPhase,
}

/// Where a claim stands.
enum ClaimPhase {
    Claiming {
        sent: BootInstant,
    },
    Renewing {
        granted: Box<GrantedJob>,
        sent: BootInstant,
    },
    BackingOff {
        retry: ClaimRetry,
        problem: String,
        retry_at: BootInstant,
    },
}

impl ClaimStateMachine {
    /// `seed` spreads the waits of factories that lost the coordinator at the same moment.
    pub(crate) fn new(timeout: Duration, seed: u64, keys: KeySource) -> ClaimStateMachine {
        ClaimStateMachine {
            timeout,
            keys,
            backoff: Backoff::new(seed),
            outage: CoordinatorOutage::default(),
            stopped: false,
            open: None,
        }
    }

    pub(crate) fn step(&mut self, now: BootInstant, input: ClaimEvent) -> Vec<ClaimEffect> {
        let mut effects = Vec::new();
        match (input, self.open.take()) {
            (ClaimEvent::Stop, open) => {
                self.stopped = true;
                // A claim that is out may bring a job, which is given back; one that waits to be repeated is dropped.
                self.open = open.filter(|open| !matches!(open.state, ClaimPhase::BackingOff { .. }));
            }
            (ClaimEvent::Ask(parameters), None) if !self.stopped => {
                let key = (self.keys)();
                self.claim(now, parameters, (key, now), &mut effects);
            }
            (ClaimEvent::Claimed(answer), Some(open)) => self.claimed(now, open, answer, &mut effects),
            (ClaimEvent::Renewed(answer), Some(open)) => self.renewed(now, open, answer, &mut effects),
            (ClaimEvent::TimerDue, Some(open)) => self.on_timer(now, open, &mut effects),
            // Asking while a claim is open does nothing, and no answer comes without a claim.
            (_, open) => self.open = open,
        }
        effects
    }

    /// When the caller has to send [`ClaimEvent::TimerDue`].
    pub(crate) fn next_instant(&self) -> Option<BootInstant> {
        match &self.open.as_ref()?.state {
            ClaimPhase::BackingOff { retry_at, .. } => {
                let report_at = self.outage.outage_report_at();
                Some(report_at.map_or(*retry_at, |at| at.min(*retry_at)))
            }
            ClaimPhase::Claiming { .. } | ClaimPhase::Renewing { .. } => None,
        }
    }

    /// Whether nothing will come of it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.stopped && self.open.is_none()
    }

    fn claim(
        &mut self,
        now: BootInstant,
        parameters: ClaimParameters,
        (key, first_sent): (Arc<str>, BootInstant),
        effects: &mut Vec<ClaimEffect>,
    ) {
        effects.push(ClaimEffect::Claim {
            parameters: parameters.clone(),
            key: Arc::clone(&key),
        });
        self.open = Some(OpenClaim {
            parameters,
            key,
            first_sent,
            state: ClaimPhase::Claiming { sent: now },
        });
    }

    fn claimed(
        &mut self,
        now: BootInstant,
        mut open: OpenClaim,
        answer: Result<FleetClaim, CallFailure>,
        effects: &mut Vec<ClaimEffect>,
    ) {
        let ClaimPhase::Claiming { sent } = open.state else {
            self.open = Some(open);
            return;
        };
        let granted = match answer {
            Ok(FleetClaim::Nothing) => return self.conclude(FleetEvent::Nothing, effects),
            Err(failure) => return self.failed(now, open, sent, classify(&failure), &failure, effects),
            Ok(FleetClaim::Job(answer)) => match read(*answer, open.first_sent) {
                Ok(granted) => granted,
                Err(UnusableGrant { proof, problem }) => {
                    // This host holds a lease on a job that it can't run; another factory may be able to.
                    effects.extend(proof.map(ClaimEffect::Release));
                    return self.failed(now, open, sent, ClaimRetry::NewKey, &problem, effects);
                }
            },
        };
        // A lease that was long on its way is renewed before anything starts under it.
        if granted.time.needs_renewal(now) && !self.stopped {
            effects.push(ClaimEffect::Renew {
                proof: granted.proof.clone(),
                limit: granted.time.renewal_limit(self.timeout),
            });
            open.state = ClaimPhase::Renewing { granted, sent: now };
            self.open = Some(open);
            return;
        }
        self.conclude(FleetEvent::Claimed(granted), effects);
    }

    fn renewed(
        &mut self,
        now: BootInstant,
        mut open: OpenClaim,
        answer: Result<Duration, CallFailure>,
        effects: &mut Vec<ClaimEffect>,
    ) {
        let ClaimPhase::Renewing { mut granted, sent } = open.state else {
            self.open = Some(open);
            return;
        };
        open.state = ClaimPhase::Claiming { sent };
        match answer {
            Ok(ttl) => match granted.time.renewed(sent, ttl) {
                Ok(()) => self.conclude(FleetEvent::Claimed(granted), effects),
                Err(error) => {
                    effects.push(ClaimEffect::Release(granted.proof));
                    let problem = CallFailure::indefinite(FailureKind::WrongShape, &error.to_string());
                    self.failed(now, open, sent, ClaimRetry::NewKey, &problem, effects);
                }
            },
            Err(failure) => self.failed(now, open, sent, classify(&failure), &failure, effects),
        }
    }

    fn on_timer(&mut self, now: BootInstant, open: OpenClaim, effects: &mut Vec<ClaimEffect>) {
        let ClaimPhase::BackingOff {
            retry,
            ref problem,
            retry_at,
        } = open.state
        else {
            self.open = Some(open);
            return;
        };
        if self.outage.outage_report_at().is_some_and(|at| now >= at) {
            self.outage.mark_reported();
            let problem = problem.clone();
            effects.push(ClaimEffect::Emit(FleetEvent::Unreachable { problem }));
        }
        if now < retry_at {
            self.open = Some(open);
            return;
        }
        let key = match retry {
            ClaimRetry::NewKey => ((self.keys)(), now),
            ClaimRetry::SameKey | ClaimRetry::RefusedCredential => (open.key, open.first_sent),
        };
        self.claim(now, open.parameters, key, effects);
    }

    /// Ends the claim with an answer. A job for a run that was stopped meanwhile is given back.
    fn conclude(&mut self, event: FleetEvent, effects: &mut Vec<ClaimEffect>) {
        self.backoff.succeeded();
        self.outage.answered();
        effects.push(match event {
            FleetEvent::Claimed(granted) if self.stopped => ClaimEffect::Release(granted.proof),
            event => ClaimEffect::Emit(event),
        });
    }

    fn failed(
        &mut self,
        now: BootInstant,
        mut open: OpenClaim,
        sent: BootInstant,
        retry: ClaimRetry,
        failure: &CallFailure,
        effects: &mut Vec<ClaimEffect>,
    ) {
        let problem = failure.to_string();
        if retry == ClaimRetry::RefusedCredential {
            effects.push(ClaimEffect::Emit(FleetEvent::CredentialRefused { problem }));
            return;
        }
        self.outage.failed(sent);
        if self.stopped {
            return;
        }
        let retry_in = self.backoff.after_failure(failure.retry_after());
        effects.push(ClaimEffect::Failed {
            failure: failure.clone(),
            retry_in,
        });
        open.state = ClaimPhase::BackingOff {
            retry,
            problem,
            retry_at: now + retry_in,
        };
        self.open = Some(open);
    }
}
