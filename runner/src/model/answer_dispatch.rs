//! Answers and instants of the model, handed to whom they are for.

use super::coordinator::{ModelAnswer, ModelToken};
use super::lease_tasks::job_of;
use super::network::{ModelCall, ModelCaller, claimed, done, renewed};
use super::runner_process::ModelKeptLease;
use super::world::{ModelEvent, ModelWorld, lease_name};
use crate::fleet::FleetEvent;
use crate::fleet::claim_retry_machine::{self, ClaimStateMachine};
use crate::fleet::delivery_outcome::delivery_outcome;
use crate::fleet::lease_machine::LeaseEvent;
use crate::fleet::outbox_delivery::{self, OutboxDelivery};
use crate::ids::LeaseId;

impl ModelWorld {
    pub(super) fn hand_over(&mut self, call: &ModelCall, answer: Option<ModelAnswer>) {
        let host = call.host;
        match call.caller {
            ModelCaller::Claim { claim_machine } => {
                if let Some(ModelAnswer::Granted(token)) = answer {
                    self.process(host).known.insert(token);
                }
                let answer = claimed(answer);
                self.step_claim(
                    host,
                    claim_machine,
                    claim_retry_machine::ClaimEvent::Claimed(answer),
                );
            }
            ModelCaller::RenewalOfClaim { claim_machine } => {
                self.step_claim(
                    host,
                    claim_machine,
                    claim_retry_machine::ClaimEvent::Renewed(renewed(answer)),
                );
            }
            ModelCaller::Renewal { token, sent } => {
                if answer == Some(ModelAnswer::LeaseLost) {
                    self.reported_lost.insert(token);
                }
                let answer = (self.rules.renewal)(renewed(answer));
                if let (Ok(_), Some(kept)) = (&answer, self.process(host).kept.get_mut(&token)) {
                    kept.confirmed = kept.confirmed.max(Some(sent));
                }
                let sent = (self.rules.counts_from)(sent, self.clock(host));
                self.lease_machine(host, token, LeaseEvent::Renewed { sent, answer });
            }
            ModelCaller::FinalReport {
                token,
                request_number,
            } => {
                let waits = |kept: &ModelKeptLease| kept.request_number == request_number;
                if self.process(host).kept.get(&token).is_some_and(waits) {
                    self.note_answered(call, answer);
                    self.lease_machine(host, token, LeaseEvent::Answered(done(answer)));
                }
            }
            ModelCaller::OutboxDelivery { request_number } => {
                if self.process(host).request_number == request_number {
                    self.note_answered(call, answer);
                    self.step_delivery(host, outbox_delivery::DeliveryEvent::Answered(done(answer)));
                }
            }
            ModelCaller::Orphan { token } => {
                let outcome = delivery_outcome(done(answer));
                let lease = LeaseId::new(&lease_name(token)).unwrap();
                let job = job_of(token);
                self.tell(host, FleetEvent::LeaseClosed { job, lease, outcome });
            }
            ModelCaller::Nobody => {}
        }
    }

    /// Wakes the process when something of it is due.
    pub(super) fn settle_timers(&mut self, host: usize) {
        let (now, clock, incarnation) = (self.now, self.clock(host), self.hosts[host].incarnation);
        let Some(process) = &mut self.hosts[host].process else {
            return;
        };
        let claim_machines = process
            .claim_machines
            .values()
            .filter_map(ClaimStateMachine::next_instant);
        let tenures = process
            .kept
            .values()
            .filter_map(|kept| kept.lease_machine.next_instant());
        let round = process.round.as_ref().and_then(OutboxDelivery::next_instant);
        let asks = process.pacing.waits_until().filter(|at| *at > clock);
        let due = claim_machines.chain(tenures).chain(round).chain(asks).min();
        let due = due.map(|at| now + at.since(clock).as_millis() as u64);
        // A duration is cut to whole milliseconds: a moment later it is due for sure.
        let due = due.map(|at| at.max(now + 1));
        if due.is_some() && (process.timer_at.is_none_or(|at| at <= now) || due < process.timer_at) {
            process.timer_at = due;
            due.into_iter()
                .for_each(|at| self.schedule(at, ModelEvent::Timer { host, incarnation }));
        }
    }

    pub(super) fn timer(&mut self, host: usize, incarnation: u32) {
        if self.hosts[host].process.is_none() || self.hosts[host].incarnation != incarnation {
            return;
        }
        self.process(host).timer_at = None;
        let tokens: Vec<ModelToken> = self.process(host).kept.keys().copied().collect();
        for token in tokens {
            self.lease_machine(host, token, LeaseEvent::TimerDue);
        }
        let numbers: Vec<u32> = self.process(host).claim_machines.keys().copied().collect();
        for number in numbers {
            self.step_claim(host, number, claim_retry_machine::ClaimEvent::TimerDue);
        }
        self.step_delivery(host, outbox_delivery::DeliveryEvent::TimerDue);
        self.after(host);
    }
}
