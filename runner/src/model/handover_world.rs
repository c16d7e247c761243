//! The coordinator and the network of the model of a hand-over: each of a few lines, and both may do what they may do.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ChoiceTape;
use crate::fleet::call_failure::{CallFailure, CoordinatorRefusal, FailureKind};
use crate::fleet::client::CoordinatorJob;
use crate::fleet::job_handover::HandoverCalls;
use crate::fleet::wire::WireJob;
use crate::ids::JobId;
use crate::stage::Stage;

/// What is wrong with a coordinator's client in the tests of the model itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientFault {
    None,
    /// Silence is taken for a refusal.
    SilenceRefuses,
    /// A refusal is taken for consent.
    RefusalConsents,
}

/// Where the job is at the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldBy {
    Nowhere,
    Queued,
    Leased,
    Withdrawn,
    Ended,
}

#[derive(Debug, Clone)]
pub(super) enum HandoverRequest {
    Submit(Box<WireJob>, String),
    Withdraw(String),
}

pub(super) struct HandoverCoordinator {
    pub(super) held: HeldBy,
    job: Option<WireJob>,
    /// The keys of requests that had an effect, with the round that they belong to.
    submitted: BTreeMap<String, u32>,
    withdrawn: BTreeMap<String, u32>,
    /// How often the job was made.
    round: u32,
}

impl HandoverCoordinator {
    pub(super) fn take(&mut self, request: &HandoverRequest) -> Result<(), CallFailure> {
        match request {
            HandoverRequest::Submit(job, key) => match (self.submitted.get(key), self.held) {
                (Some(round), HeldBy::Withdrawn) if *round == self.round => Err(refusal(409, "superseded")),
                (Some(round), _) if *round == self.round => Ok(()),
                (Some(_), _) => Err(refusal(409, "superseded")),
                (None, HeldBy::Nowhere | HeldBy::Withdrawn) => {
                    self.round += 1;
                    self.submitted.insert(key.clone(), self.round);
                    (self.held, self.job) = (HeldBy::Queued, Some(WireJob::clone(job)));
                    Ok(())
                }
                (None, _) => Err(refusal(409, "job_exists")),
            },
            HandoverRequest::Withdraw(key) => match (self.withdrawn.get(key), self.held) {
                (Some(round), _) if *round != self.round => Err(refusal(409, "superseded")),
                (_, HeldBy::Nowhere) => Err(refusal(404, "unknown_job")),
                (_, HeldBy::Leased) => Err(refusal(409, "leased")),
                (_, HeldBy::Ended) => Err(refusal(409, "final")),
                (_, HeldBy::Queued | HeldBy::Withdrawn) => {
                    self.withdrawn.insert(key.clone(), self.round);
                    self.held = HeldBy::Withdrawn;
                    Ok(())
                }
            },
        }
    }
}

fn refusal(status: u16, code: &str) -> CallFailure {
    CallFailure::Definite(CoordinatorRefusal {
        status,
        code: code.to_owned(),
        detail: String::new(),
        retry_after: None,
    })
}

pub(super) struct HandoverWorld {
    pub(super) choices: ChoiceTape,
    pub(super) coordinator: HandoverCoordinator,
    /// Requests that have not arrived yet.
    pub(super) late: Vec<HandoverRequest>,
    pub(super) is_token_taken: bool,
    /// Nothing goes wrong any more.
    pub(super) is_calm: bool,
    pub(super) fault: ClientFault,
    /// What happened, of all kinds.
    pub(super) kinds: BTreeSet<&'static str>,
}

impl HandoverWorld {
    pub(super) fn new(choices: ChoiceTape, fault: ClientFault) -> HandoverWorld {
        HandoverWorld {
            choices,
            coordinator: HandoverCoordinator {
                held: HeldBy::Nowhere,
                job: None,
                submitted: BTreeMap::new(),
                withdrawn: BTreeMap::new(),
                round: 0,
            },
            late: Vec::new(),
            is_token_taken: false,
            is_calm: false,
            fault,
            kinds: BTreeSet::new(),
        }
    }

    fn send(&mut self, request: HandoverRequest) -> Option<Result<(), CallFailure>> {
        if self.is_token_taken && !self.is_calm {
            self.kinds.insert("refused for its token");
            return Some(Err(refusal(403, "insufficient_scope")));
        }
        let silence = CallFailure::indefinite(FailureKind::Timeout, "no answer");
        let answer = match if self.is_calm { 0 } else { self.choices.below(6) } {
            // Honest.
            0 | 1 => self.coordinator.take(&request),
            2 => {
                self.kinds.insert("answer lost");
                let _ = self.coordinator.take(&request);
                Err(silence)
            }
            3 => {
                self.kinds.insert("request late");
                self.late.push(request);
                Err(silence)
            }
            4 => Err(silence),
            _ => {
                self.kinds.insert("killed");
                if self.choices.once_in(2) {
                    let _ = self.coordinator.take(&request);
                } else {
                    self.late.push(request);
                }
                return None;
            }
        };
        Some(match (self.fault, answer) {
            (ClientFault::SilenceRefuses, Err(CallFailure::Indefinite { .. })) => {
                Err(refusal(422, "invalid_field"))
            }
            (ClientFault::RefusalConsents, Err(CallFailure::Definite(_))) => Ok(()),
            (_, answer) => answer,
        })
    }
}

pub(super) struct LossyCalls<'a>(pub(super) &'a RefCell<HandoverWorld>);

impl LossyCalls<'_> {
    async fn send(&self, request: HandoverRequest) -> Result<(), CallFailure> {
        let answer = self.0.borrow_mut().send(request);
        match answer {
            Some(answer) => answer,
            // The command is dead: whoever polls it drops it.
            None => std::future::pending().await,
        }
    }
}

impl HandoverCalls for LossyCalls<'_> {
    async fn submit(&self, job: &WireJob, key: &str) -> Result<(), CallFailure> {
        self.send(HandoverRequest::Submit(Box::new(job.clone()), key.to_owned()))
            .await
    }

    async fn job(&self, _id: &JobId) -> Result<CoordinatorJob, CallFailure> {
        let mut world = self.0.borrow_mut();
        if !world.is_calm && world.choices.once_in(5) {
            return Err(CallFailure::indefinite(FailureKind::Timeout, "no answer"));
        }
        let stage = match world.coordinator.held {
            HeldBy::Nowhere => return Err(refusal(404, "unknown_job")),
            HeldBy::Queued => Some(Stage::Inbox),
            HeldBy::Leased => Some(Stage::Building),
            HeldBy::Ended => Some(Stage::Failed),
            HeldBy::Withdrawn => None,
        };
        let job = world.coordinator.job.clone();
        job.map(|job| CoordinatorJob { job, stage })
            .ok_or_else(|| refusal(404, "unknown_job"))
    }

    async fn withdraw(&self, _id: &JobId, key: &str) -> Result<(), CallFailure> {
        self.send(HandoverRequest::Withdraw(key.to_owned())).await
    }

    async fn wait(&self, _time: Duration) {}
}
