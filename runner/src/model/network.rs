//! The network of the model: requests and answers that are lost, late, or come in another order.

use std::time::Duration;

use super::coordinator::{ModelAnswer, ModelRequest, ModelToken, TTL_MS};
use super::host::fleet_job;
use super::world::{ModelEvent, ModelWorld, lease_name};
use crate::boot_clock::BootInstant;
use crate::fleet::call_failure::{CallFailure, CoordinatorRefusal, FailureKind};
use crate::fleet::client::FleetClaim;
use crate::fleet::wire::{ClaimAnswer, WireLease};

pub(super) type ModelCallId = u64;

/// Of one call, but for renewals, which have a limit of their own.
pub(super) const LIMIT_MS: u64 = 1_500;

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelCaller {
    Claim { claim_machine: u32 },
    RenewalOfClaim { claim_machine: u32 },
    Renewal { token: ModelToken, sent: BootInstant },
    FinalReport { token: ModelToken, request_number: u64 },
    OutboxDelivery { request_number: u64 },
    Orphan { token: ModelToken },
    Nobody,
}

#[derive(Debug, Clone)]
pub(super) struct ModelCall {
    pub(super) host: usize,
    pub(super) incarnation: u32,
    pub(super) caller: ModelCaller,
    pub(super) request: ModelRequest,
    /// What reaches the caller in the end, if it is not that nothing came in time.
    reaches: bool,
    pub(super) answer: Option<ModelAnswer>,
}

impl ModelWorld {
    pub(super) fn send(&mut self, host: usize, caller: ModelCaller, request: ModelRequest, limit_ms: u64) {
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
            ModelCall {
                host,
                incarnation: self.hosts[host].incarnation,
                caller,
                request,
                reaches: back.is_some(),
                answer: None,
            },
        );
        if let Some(at) = arrives {
            self.schedule(at, ModelEvent::Arrives(id));
        }
        self.schedule(back.unwrap_or(gives_up), ModelEvent::Returns(id));
    }

    pub(super) fn arrives(&mut self, id: ModelCallId) {
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

    pub(super) fn returns(&mut self, id: ModelCallId) {
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

pub(super) fn claimed(answer: Option<ModelAnswer>) -> Result<FleetClaim, CallFailure> {
    match answer {
        Some(ModelAnswer::Nothing) => Ok(FleetClaim::Nothing),
        Some(ModelAnswer::Granted(token)) => Ok(FleetClaim::Job(Box::new(ClaimAnswer {
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

pub(super) fn renewed(answer: Option<ModelAnswer>) -> Result<Duration, CallFailure> {
    match answer {
        Some(ModelAnswer::Done) => Ok(Duration::from_millis(TTL_MS)),
        other => Err(failure(other)),
    }
}

pub(super) fn done(answer: Option<ModelAnswer>) -> Result<(), CallFailure> {
    match answer {
        Some(ModelAnswer::Done) => Ok(()),
        other => Err(failure(other)),
    }
}

fn failure(answer: Option<ModelAnswer>) -> CallFailure {
    let code = match answer {
        Some(ModelAnswer::LeaseLost) => "lease_lost",
        Some(_) => "illegal_transition",
        None => return CallFailure::indefinite(FailureKind::Timeout, "no answer"),
    };
    CallFailure::Definite(CoordinatorRefusal {
        status: 409,
        code: code.to_owned(),
        detail: String::new(),
        retry_after: None,
    })
}
