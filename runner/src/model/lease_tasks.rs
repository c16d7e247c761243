//! The thread that speaks with the coordinator, in the model: carries out what inquiries, tenures and rounds say, and
//! hands their answers to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::commands::GRACE_MS;
use super::coordinator::{ModelRequest, ModelToken};
use super::network::{LIMIT_MS, ModelCaller};
use super::runner_process::{ModelKeptLease, ModelLoopInput};
use super::world::{ModelWorld, lease_name};
use crate::fleet::claim_retry_machine::{self, ClaimParameters, ClaimStateMachine};
use crate::fleet::client::StageReport;
use crate::fleet::lease_machine::{LeaseEffect, LeaseEvent, LeaseRequest, LeaseStateMachine, LeaseTerms};
use crate::fleet::outbox_delivery::{self, OutboxDelivery};
use crate::fleet::{FleetEvent, GrantedJob, outbox_sender};
use crate::ids::{JobId, LeaseId, LeaseProof};
use crate::queue::OutboxEntry;
use crate::stage::Stage;

const CLOSING: Duration = Duration::from_secs(20);

impl ModelWorld {
    pub(super) fn keep(&mut self, host: usize, token: ModelToken, granted: &GrantedJob) {
        let terms = LeaseTerms {
            timeout: Duration::from_millis(LIMIT_MS),
            grace: Duration::from_millis(GRACE_MS),
            close_time_max: CLOSING,
        };
        let lease_machine = LeaseStateMachine::new(granted.time, terms, token.fence);
        let kept = ModelKeptLease {
            lease_snapshot: lease_machine.lease_snapshot(),
            lease_machine,
            request_number: 0,
            closed: false,
            reported_lost: false,
            confirmed: None,
        };
        self.process(host).kept.insert(token, kept);
    }

    pub(super) fn release(&mut self, host: usize, token: ModelToken) {
        let key = Arc::from(format!("release-{host}-{}-{}", token.job, token.fence));
        self.close(host, token, LeaseRequest::Release(key));
    }

    pub(super) fn close(&mut self, host: usize, token: ModelToken, closing: LeaseRequest) {
        let process = self.process(host);
        let Some(kept) = process.kept.get_mut(&token).filter(|kept| !kept.closed) else {
            return;
        };
        kept.closed = true;
        process.closing += 1;
        self.lease_machine(host, token, LeaseEvent::Close(closing));
    }

    pub(super) fn lease_machine(&mut self, host: usize, token: ModelToken, input: LeaseEvent) {
        let clock = self.clock(host);
        let Some(kept) = self.process(host).kept.get_mut(&token) else {
            return;
        };
        let effects = kept.lease_machine.step(clock, input);
        kept.lease_snapshot = kept.lease_machine.lease_snapshot();
        let ending = kept.lease_snapshot.ending();
        self.update_deadlines(host, token, ending);
        for act in effects {
            let job = job_of(token);
            match act {
                LeaseEffect::Renew { limit } => {
                    let caller = ModelCaller::Renewal { token, sent: clock };
                    self.send(
                        host,
                        caller,
                        ModelRequest::Renew { token },
                        limit.as_millis() as u64,
                    );
                }
                LeaseEffect::Send(word) => {
                    let Some(kept) = self.process(host).kept.get_mut(&token) else {
                        return;
                    };
                    kept.request_number += 1;
                    let (request_number, lost) = (kept.request_number, kept.reported_lost);
                    self.check_request(host, token, &word, lost);
                    let request = self.request(token, &word, request_number);
                    self.send(
                        host,
                        ModelCaller::FinalReport {
                            token,
                            request_number,
                        },
                        request,
                        LIMIT_MS,
                    );
                }
                LeaseEffect::CancelRequest => {
                    if let Some(kept) = self.process(host).kept.get_mut(&token) {
                        kept.request_number += 1;
                    }
                }
                LeaseEffect::Confirmed => self.tell(host, FleetEvent::Confirmed { job }),
                LeaseEffect::Lost { reason, in_time } => {
                    self.counts.leases_lost += 1;
                    if let Some(kept) = self.process(host).kept.get_mut(&token) {
                        kept.reported_lost = true;
                    }
                    self.tell(host, FleetEvent::LeaseLost { job, reason, in_time });
                }
                LeaseEffect::Closed(outcome) => {
                    self.process(host).kept.remove(&token);
                    let lease = LeaseId::new(&lease_name(token)).unwrap();
                    self.tell(host, FleetEvent::LeaseClosed { job, lease, outcome });
                }
            }
        }
    }

    fn request(&self, token: ModelToken, word: &LeaseRequest, request_number: u64) -> ModelRequest {
        let key = |news: &StageReport| (self.rules.letter_key)(&news.key, request_number as u32);
        match word {
            LeaseRequest::Report(news) => ModelRequest::Report {
                token,
                stage: news.stage.wire_name(),
                key: key(news),
            },
            LeaseRequest::Quarantine(news) => ModelRequest::Quarantine {
                token,
                key: key(news),
            },
            LeaseRequest::Release(_) => ModelRequest::Release { token },
        }
    }

    pub(super) fn tell(&mut self, host: usize, event: FleetEvent) {
        self.input(host, ModelLoopInput::Fleet(event));
    }

    pub(super) fn open_claim_machine(&mut self, host: usize) {
        let incarnation = self.hosts[host].incarnation;
        let seed = self.now + host as u64;
        let process = self.process(host);
        process.opened += 1;
        let number = process.opened;
        let asked = AtomicU64::new(0);
        let keys = move || {
            let count = asked.fetch_add(1, Ordering::Relaxed);
            Arc::from(format!("claim-{host}-{incarnation}-{number}-{count}"))
        };
        let claim_machine = ClaimStateMachine::new(Duration::from_millis(LIMIT_MS), seed, Box::new(keys));
        process.claim_machines.insert(number, claim_machine);
        process.current = Some(number);
    }

    pub(super) fn step_claim(&mut self, host: usize, number: u32, input: claim_retry_machine::ClaimEvent) {
        let clock = self.clock(host);
        let Some(claim_machine) = self.process(host).claim_machines.get_mut(&number) else {
            return;
        };
        let effects = claim_machine.step(clock, input);
        if claim_machine.is_over() {
            self.process(host).claim_machines.remove(&number);
        }
        for act in effects {
            match act {
                claim_retry_machine::ClaimEffect::Claim { key, .. } => {
                    let sends = self.next_call as u32;
                    let key = (self.rules.claim_key)(&key, sends);
                    self.send(
                        host,
                        ModelCaller::Claim {
                            claim_machine: number,
                        },
                        ModelRequest::Claim { key },
                        LIMIT_MS,
                    );
                }
                claim_retry_machine::ClaimEffect::Renew { proof, limit } => {
                    let token = token_of_lease(&proof);
                    let caller = ModelCaller::RenewalOfClaim {
                        claim_machine: number,
                    };
                    self.send(
                        host,
                        caller,
                        ModelRequest::Renew { token },
                        limit.as_millis() as u64,
                    );
                }
                claim_retry_machine::ClaimEffect::Release(proof) => {
                    let token = token_of_lease(&proof);
                    self.send(
                        host,
                        ModelCaller::Nobody,
                        ModelRequest::Release { token },
                        LIMIT_MS,
                    );
                }
                claim_retry_machine::ClaimEffect::Failed { .. } => {}
                claim_retry_machine::ClaimEffect::Emit(event) => self.tell(host, event),
            }
        }
    }

    pub(super) fn ask(&mut self, host: usize, number: u32) {
        let question = ClaimParameters {
            caps: Vec::new(),
            wait: None,
        };
        self.step_claim(host, number, claim_retry_machine::ClaimEvent::Ask(question));
    }

    /// What the outbox holds and no keeper has in its hands.
    pub(super) fn deliver(&mut self, host: usize) {
        let held: Vec<u64> = self.process(host).letters.values().copied().collect();
        let waiting = self.hosts[host].disk.outbox.clone();
        let waiting = waiting
            .into_iter()
            .filter(|(sequence, _)| !held.contains(sequence));
        let mut outbox_items = Vec::new();
        for (sequence, letter) in waiting {
            let outbox_item = outbox_sender::outbox_item(&letter).unwrap();
            self.process(host)
                .letters
                .insert(token_of_lease(&outbox_item.proof), sequence);
            outbox_items.push(outbox_item);
        }
        if outbox_items.is_empty() {
            return;
        }
        let seed = self.now;
        let process = self.process(host);
        process.closing += outbox_items.len();
        process.round = Some(OutboxDelivery::new(outbox_items, CLOSING, seed));
        self.step_delivery(host, outbox_delivery::DeliveryEvent::Start);
    }

    pub(super) fn step_delivery(&mut self, host: usize, input: outbox_delivery::DeliveryEvent) {
        let clock = self.clock(host);
        let Some(round) = &mut self.process(host).round else {
            return;
        };
        let effects = round.step(clock, input);
        if round.is_over() {
            self.process(host).round = None;
        }
        for act in effects {
            match act {
                outbox_delivery::DeliveryEffect::Send(outbox_item) => {
                    let token = token_of_lease(&outbox_item.proof);
                    self.check_order(host, token);
                    self.check_request(host, token, &outbox_item.request, false);
                    let process = self.process(host);
                    process.request_number += 1;
                    let request_number = process.request_number;
                    let request = self.request(token, &outbox_item.request, request_number);
                    self.send(
                        host,
                        ModelCaller::OutboxDelivery { request_number },
                        request,
                        LIMIT_MS,
                    );
                }
                outbox_delivery::DeliveryEffect::Finished { outbox_item, outcome } => {
                    let (job, lease) = (outbox_item.job, outbox_item.proof.lease);
                    self.tell(host, FleetEvent::LeaseClosed { job, lease, outcome });
                }
            }
        }
    }
}

pub(super) fn news(stage: Stage, key: &str) -> StageReport {
    StageReport {
        stage,
        at: String::new(),
        reason: None,
        key: Arc::from(key),
    }
}

/// As the office does.
pub(super) fn closing(letter: &OutboxEntry) -> LeaseRequest {
    outbox_sender::lease_request(letter).unwrap()
}

pub(super) fn token_of(job: &JobId, proof: &LeaseProof) -> ModelToken {
    let job = job.as_str().trim_start_matches("job-").parse().unwrap();
    ModelToken {
        job,
        fence: proof.fencing_token,
    }
}

fn token_of_lease(proof: &LeaseProof) -> ModelToken {
    let job = proof.lease.as_str().split('-').nth(1).unwrap();
    ModelToken {
        job: job.parse().unwrap(),
        fence: proof.fencing_token,
    }
}

pub(super) fn job_of(token: ModelToken) -> JobId {
    super::host::job_id(token.job)
}
