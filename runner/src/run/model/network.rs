//! The network of the model: requests and answers that are lost, late, or come in another order.

use std::time::Duration;

use super::coordinator::{Answer, Request, TTL_MS, Token};
use super::host::fleet_job;
use super::world::{Happening, World, lease_name};
use crate::clock::BootInstant;
use crate::fleet::client::Claimed;
use crate::fleet::failure::{Failure, FailureKind, Refusal};
use crate::fleet::wire::{ClaimAnswer, WireLease};

pub(super) type CallId = u64;

/// Of one call, but for renewals, which have a limit of their own.
pub(super) const LIMIT_MS: u64 = 1_500;

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Claim { inquiry: u32 },
    RenewalOfClaim { inquiry: u32 },
    Renewal { token: Token, sent: BootInstant },
    LastWord { token: Token, saying: u64 },
    Round { saying: u64 },
    Orphan { token: Token },
    Nobody,
}

#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) host: usize,
    pub(super) incarnation: u32,
    pub(super) caller: Caller,
    pub(super) request: Request,
    /// What reaches the caller in the end, if it is not that nothing came in time.
    reaches: bool,
    pub(super) answer: Option<Answer>,
}

impl World {
    pub(super) fn send(&mut self, host: usize, caller: Caller, request: Request, limit_ms: u64) {
        let arrives = self.now + self.choices.ms(1, 30);
        let returns = arrives + self.choices.ms(1, 30);
        let gives_up = self.now + limit_ms;
        let fate = match (self.calm, self.hosts[host].cut) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => self.choices.below(16),
        };
        let (arrives, returns) = match fate {
            1 => (None, None),
            2 => (Some(arrives), None),
            // So late that the caller has given up, and may have asked again.
            3 => (Some(gives_up + self.choices.ms(0, 9_000)), None),
            4 => (Some(arrives), Some(arrives + self.choices.ms(0, limit_ms))),
            _ => (Some(arrives), Some(returns)),
        };
        self.counts.lost_messages += u64::from(returns.is_none());
        let id = self.next_call;
        self.next_call += 1;
        self.say(|| {
            let lost = match (arrives, returns) {
                (None, _) => ", which is lost",
                (Some(_), None) => ", whose answer is lost",
                (Some(_), Some(_)) => "",
            };
            format!("host {host} asks #{id} {request:?}{lost}")
        });
        let back = returns.filter(|at| *at <= gives_up);
        self.calls.insert(
            id,
            Call {
                host,
                incarnation: self.hosts[host].incarnation,
                caller,
                request,
                reaches: back.is_some(),
                answer: None,
            },
        );
        if let Some(at) = arrives {
            self.schedule(at, Happening::Arrives(id));
        }
        self.schedule(back.unwrap_or(gives_up), Happening::Returns(id));
    }

    pub(super) fn arrives(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id).cloned() else {
            return;
        };
        let answer = self.coordinator.handle(self.now, call.host, &call.request);
        self.say(|| format!("coordinator answers #{id} {answer:?}"));
        self.check_answer(&call, answer);
        if let Some(call) = self.calls.get_mut(&id) {
            call.answer = Some(answer);
        }
    }

    pub(super) fn returns(&mut self, id: CallId) {
        // What arrives later still takes its effect, so it is kept.
        let Some(call) = self.calls.get(&id).cloned() else {
            return;
        };
        let host = &self.hosts[call.host];
        if host.process.is_none() || host.incarnation != call.incarnation {
            return;
        }
        let answer = call.answer.filter(|_| call.reaches);
        self.say(|| format!("host {} has of #{id} {answer:?}", call.host));
        self.hand_over(&call, answer);
        self.settle_timers(call.host);
    }
}

pub(super) fn claimed(answer: Option<Answer>) -> Result<Claimed, Failure> {
    match answer {
        Some(Answer::Nothing) => Ok(Claimed::Nothing),
        Some(Answer::Granted(token)) => Ok(Claimed::Job(Box::new(ClaimAnswer {
            job: fleet_job(token.job),
            lease: WireLease {
                id: lease_name(token),
                job_id: format!("job-{}", token.job),
                fencing_token: token.fence,
                ttl_ms: TTL_MS.into(),
            },
        }))),
        other => Err(failure(other)),
    }
}

pub(super) fn renewed(answer: Option<Answer>) -> Result<Duration, Failure> {
    match answer {
        Some(Answer::Done) => Ok(Duration::from_millis(TTL_MS)),
        other => Err(failure(other)),
    }
}

pub(super) fn done(answer: Option<Answer>) -> Result<(), Failure> {
    match answer {
        Some(Answer::Done) => Ok(()),
        other => Err(failure(other)),
    }
}

fn failure(answer: Option<Answer>) -> Failure {
    let code = match answer {
        Some(Answer::LeaseLost) => "lease_lost",
        Some(_) => "illegal_transition",
        None => return Failure::indefinite(FailureKind::Timeout, "no answer"),
    };
    Failure::Definite(Refusal {
        status: 409,
        code: code.to_owned(),
        detail: String::new(),
        retry_after: None,
    })
}
