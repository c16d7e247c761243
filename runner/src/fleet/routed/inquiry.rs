//! One claim, from the loop's question to an answer: pure (clauses T-5, T-6, T-8, T-10 and T-15). The claimer carries
//! out what it says.
//!
//! One question is out at a time. A claim whose answer was lost is repeated with its key, so that it can't cost a
//! second lease; only an answer, a refusal included, ends a key.

use std::sync::Arc;
use std::time::Duration;

use super::grant::{Unusable, Verdict, judge, read};
use super::{FleetEvent, Granted};
use crate::clock::BootInstant;
use crate::fleet::backoff::{Backoff, Outage};
use crate::fleet::client::{Claimed, LeaseProof};
use crate::fleet::failure::{Failure, FailureKind};
use crate::ids::Capability;

/// What the loop wants to know.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) caps: Vec<Capability>,
    /// How long the coordinator may hold it while it has nothing.
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum Input {
    Ask(Question),
    /// To [`Act::Claim`].
    Claimed(Result<Claimed, Failure>),
    /// To [`Act::Renew`].
    Renewed(Result<Duration, Failure>),
    /// No more claims.
    Stop,
    /// The instant of [`Inquiry::next_instant`] may have come.
    Time,
}

#[derive(Debug)]
pub(crate) enum Act {
    Claim {
        question: Question,
        key: Arc<str>,
    },
    Renew {
        proof: LeaseProof,
        limit: Duration,
    },
    /// Tried once: if it fails the lease ends by itself.
    Release(LeaseProof),
    /// The question was not answered; it is asked again by itself.
    Failed {
        failure: Failure,
        retry_in: Duration,
    },
    Tell(FleetEvent),
}

/// Gives a key that no other request has.
pub(crate) type Keys = Box<dyn FnMut() -> Arc<str> + Send>;

pub(crate) struct Inquiry {
    timeout: Duration,
    keys: Keys,
    backoff: Backoff,
    outage: Outage,
    stopped: bool,
    open: Option<Open>,
}

struct Open {
    question: Question,
    key: Arc<str>,
    /// Before the first request with that key: a lease is counted from here (clause T-3).
    first_sent: BootInstant,
    state: State,
}

enum State {
    Claiming {
        sent: BootInstant,
    },
    Renewing {
        granted: Box<Granted>,
        sent: BootInstant,
    },
    Waiting {
        verdict: Verdict,
        problem: String,
        retry_at: BootInstant,
    },
}

impl Inquiry {
    /// `seed` spreads the waits of factories that lost the coordinator at the same moment.
    pub(crate) fn new(timeout: Duration, seed: u64, keys: Keys) -> Inquiry {
        Inquiry {
            timeout,
            keys,
            backoff: Backoff::new(seed),
            outage: Outage::default(),
            stopped: false,
            open: None,
        }
    }

    pub(crate) fn step(&mut self, now: BootInstant, input: Input) -> Vec<Act> {
        let mut acts = Vec::new();
        match (input, self.open.take()) {
            (Input::Stop, open) => {
                self.stopped = true;
                // A claim that is out may bring a job, which is given back; one that waits to be repeated is dropped.
                self.open = open.filter(|open| !matches!(open.state, State::Waiting { .. }));
            }
            (Input::Ask(question), None) if !self.stopped => {
                let key = (self.keys)();
                self.claim(now, question, (key, now), &mut acts);
            }
            (Input::Claimed(answer), Some(open)) => self.claimed(now, open, answer, &mut acts),
            (Input::Renewed(answer), Some(open)) => self.renewed(now, open, answer, &mut acts),
            (Input::Time, Some(open)) => self.by_the_clock(now, open, &mut acts),
            // Asking while a question is open does nothing; an answer without a question there is none.
            (_, open) => self.open = open,
        }
        acts
    }

    /// When [`Input::Time`] is due.
    pub(crate) fn next_instant(&self) -> Option<BootInstant> {
        match &self.open.as_ref()?.state {
            State::Waiting { retry_at, .. } => Some(
                self.outage
                    .gives_up_at()
                    .map_or(*retry_at, |at| at.min(*retry_at)),
            ),
            State::Claiming { .. } | State::Renewing { .. } => None,
        }
    }

    /// Whether nothing will come of it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.stopped && self.open.is_none()
    }

    fn claim(
        &mut self,
        now: BootInstant,
        question: Question,
        (key, first_sent): (Arc<str>, BootInstant),
        acts: &mut Vec<Act>,
    ) {
        acts.push(Act::Claim {
            question: question.clone(),
            key: Arc::clone(&key),
        });
        let state = State::Claiming { sent: now };
        self.open = Some(Open {
            question,
            key,
            first_sent,
            state,
        });
    }

    fn claimed(
        &mut self,
        now: BootInstant,
        mut open: Open,
        answer: Result<Claimed, Failure>,
        acts: &mut Vec<Act>,
    ) {
        let State::Claiming { sent } = open.state else {
            self.open = Some(open);
            return;
        };
        let granted = match answer {
            Ok(Claimed::Nothing) => return self.conclude(FleetEvent::Nothing, acts),
            Err(failure) => return self.failed(now, open, sent, judge(&failure), &failure, acts),
            Ok(Claimed::Job(answer)) => match read(*answer, open.first_sent) {
                Ok(granted) => granted,
                Err(Unusable { proof, problem }) => {
                    // It holds a lease on something that can't be run: others may have better luck with it.
                    acts.extend(proof.map(Act::Release));
                    return self.failed(now, open, sent, Verdict::NewKey, &problem, acts);
                }
            },
        };
        // Nothing is started under a lease that was long on its way.
        if granted.time.is_worn(now) && !self.stopped {
            acts.push(Act::Renew {
                proof: granted.proof.clone(),
                limit: granted.time.renewal_limit(self.timeout),
            });
            open.state = State::Renewing { granted, sent: now };
            self.open = Some(open);
            return;
        }
        self.conclude(FleetEvent::Claimed(granted), acts);
    }

    fn renewed(
        &mut self,
        now: BootInstant,
        mut open: Open,
        answer: Result<Duration, Failure>,
        acts: &mut Vec<Act>,
    ) {
        let State::Renewing { mut granted, sent } = open.state else {
            self.open = Some(open);
            return;
        };
        open.state = State::Claiming { sent };
        match answer {
            Ok(ttl) => match granted.time.renewed(sent, ttl) {
                Ok(()) => self.conclude(FleetEvent::Claimed(granted), acts),
                Err(error) => {
                    acts.push(Act::Release(granted.proof));
                    let problem = Failure::indefinite(FailureKind::WrongShape, &error.to_string());
                    self.failed(now, open, sent, Verdict::NewKey, &problem, acts);
                }
            },
            Err(failure) => self.failed(now, open, sent, judge(&failure), &failure, acts),
        }
    }

    fn by_the_clock(&mut self, now: BootInstant, open: Open, acts: &mut Vec<Act>) {
        let State::Waiting {
            verdict,
            ref problem,
            retry_at,
        } = open.state
        else {
            self.open = Some(open);
            return;
        };
        if self.outage.gives_up_at().is_some_and(|at| now >= at) {
            self.outage.given_up();
            let problem = problem.clone();
            acts.push(Act::Tell(FleetEvent::Unreachable { problem }));
        }
        if now < retry_at {
            self.open = Some(open);
            return;
        }
        let key = match verdict {
            Verdict::NewKey => ((self.keys)(), now),
            Verdict::SameKey | Verdict::Credential => (open.key, open.first_sent),
        };
        self.claim(now, open.question, key, acts);
    }

    /// There is an answer. A job for a run that was stopped meanwhile is given back.
    fn conclude(&mut self, event: FleetEvent, acts: &mut Vec<Act>) {
        self.backoff.succeeded();
        self.outage.answered();
        acts.push(match event {
            FleetEvent::Claimed(granted) if self.stopped => Act::Release(granted.proof),
            event => Act::Tell(event),
        });
    }

    fn failed(
        &mut self,
        now: BootInstant,
        mut open: Open,
        sent: BootInstant,
        verdict: Verdict,
        failure: &Failure,
        acts: &mut Vec<Act>,
    ) {
        let problem = failure.to_string();
        if verdict == Verdict::Credential {
            acts.push(Act::Tell(FleetEvent::CredentialRefused { problem }));
            return;
        }
        self.outage.failed(sent);
        if self.stopped {
            return;
        }
        let retry_in = self.backoff.after_failure(failure.retry_after());
        acts.push(Act::Failed {
            failure: failure.clone(),
            retry_in,
        });
        open.state = State::Waiting {
            verdict,
            problem,
            retry_at: now + retry_in,
        };
        self.open = Some(open);
    }
}
