//! Between two inputs of the loop, in the model: what the coordinator's news mean, what is asked for next, and when the
//! process is over.

use super::coordinator::ModelToken;
use super::host::job_number;
use super::network::LIMIT_MS;
use super::world::{ModelEvent, ModelWorld};
use crate::fleet::claim_retry_machine;
use crate::fleet::{DeliveryOutcome, FleetEvent};
use crate::ids::JobId;
use crate::run::attempt::StopReason;
use crate::supervise::CommandOutcome;

const WORKERS: usize = 1;

impl ModelWorld {
    pub(super) fn fleet_event(&mut self, host: usize, event: FleetEvent) {
        let clock = self.clock(host);
        let process = self.process(host);
        if matches!(event, FleetEvent::Claimed(_) | FleetEvent::Nothing) {
            process.owes |= std::mem::take(&mut process.later);
        }
        match event {
            FleetEvent::Claimed(granted) => {
                process.pacing.given(&granted.id, clock);
                let _died = self.admit(host, *granted);
            }
            FleetEvent::Nothing => process.pacing.nothing(),
            FleetEvent::LeaseLost { job, reason, .. } => self.lease_lost(host, &job, reason),
            FleetEvent::Confirmed { job } => {
                let _died = self.confirmed(host, job_number(&job));
            }
            FleetEvent::LeaseClosed { job, lease, outcome } => {
                process.closing = process.closing.saturating_sub(1);
                process.pacing.lease_ended();
                let fence = lease.as_str().rsplit('-').next().unwrap().parse().unwrap();
                let token = ModelToken {
                    job: job_number(&job),
                    fence,
                };
                self.settled(host, token, &outcome);
            }
            FleetEvent::ClaimFailed
            | FleetEvent::Unreachable { .. }
            | FleetEvent::CredentialRefused { .. } => {}
        }
    }

    fn settled(&mut self, host: usize, token: ModelToken, outcome: &DeliveryOutcome) {
        let Some(sequence) = self.process(host).letters.remove(&token) else {
            return;
        };
        self.say(|| format!("host {host}: the last word on {token:?}: {outcome:?}"));
        if (self.rules.is_answered)(outcome) {
            self.check_removal(host, token);
            self.hosts[host].disk.outbox.remove(&sequence);
            if self.process(host).opened > 0 && self.hosts[host].incarnation > 2 {
                self.counts.delivered_after_restart += 1;
            }
        } else {
            self.process(host).later = true;
        }
    }

    fn lease_lost(&mut self, host: usize, job: &JobId, reason: String) {
        let job = job_number(job);
        let Some(attempt) = self.process(host).attempts.get_mut(&job) else {
            return;
        };
        attempt.state.stop_reason = Some(StopReason::LeaseLost(reason));
        if let Some(run) = attempt.command {
            self.end_command(run, CommandOutcome::Ordered);
        }
    }

    pub(super) fn term(&mut self, host: usize) {
        if self.hosts[host].process.is_none() || self.calm {
            return;
        }
        self.say(|| format!("host {host} is told to end"));
        let process = self.process(host);
        process.stop = true;
        let mut runs = Vec::new();
        for attempt in process.attempts.values_mut() {
            attempt.state.stop_reason.get_or_insert(StopReason::Interrupt);
            runs.extend(attempt.command);
        }
        if let Some(number) = process.current.take() {
            self.step_claim(host, number, claim_retry_machine::ClaimEvent::Stop);
        }
        for run in runs {
            self.end_command(run, CommandOutcome::Ordered);
        }
        self.after(host);
    }

    pub(super) fn switch_mode(&mut self, host: usize, routes: bool) {
        let process = self.process(host);
        if routes {
            (process.claims_suspended, process.owes) = (false, true);
            process.pacing.reset();
            return;
        }
        process.claims_suspended = true;
        process.pacing.reset();
        if let Some(number) = process.current.take() {
            self.step_claim(host, number, claim_retry_machine::ClaimEvent::Stop);
        }
    }

    /// After each input: what is wished for, and what can start.
    pub(super) fn after(&mut self, host: usize) {
        let _died = self.end_waiting_attempts(host);
        let Some(process) = &self.hosts[host].process else {
            return;
        };
        if process.stop {
            if process.attempts.is_empty() {
                let wait = if process.closing == 0 { 0 } else { 2 * LIMIT_MS };
                let incarnation = self.hosts[host].incarnation;
                self.schedule(self.now + wait, ModelEvent::Exits { host, incarnation });
            }
            return self.settle_timers(host);
        }
        let has_worker = process.attempts.len() < WORKERS;
        if process.claims_suspended {
            if has_worker {
                let _died = self.take_local(host);
            }
        } else {
            self.deliver_and_ask(host, has_worker);
        }
        if self.hosts[host].process.is_some() {
            self.settle_timers(host);
        }
    }

    fn deliver_and_ask(&mut self, host: usize, has_worker: bool) {
        let clock = self.clock(host);
        let process = self.process(host);
        if process.current.is_none() {
            self.open_claim_machine(host);
        }
        let process = self.process(host);
        if process.owes && process.closing == 0 {
            process.owes = false;
            self.deliver(host);
        }
        let process = self.process(host);
        let waits = process.pacing.waits_until().is_some_and(|at| clock < at);
        let is_due = !process.pacing.is_asked() && process.closing == 0 && !waits;
        let Some(number) = process.current.filter(|_| has_worker && is_due) else {
            return;
        };
        process.pacing.asked(clock);
        self.ask(host, number);
    }

    pub(super) fn exits(&mut self, host: usize, incarnation: u32) {
        let over =
            |process: &super::runner_process::ModelProcess| process.stop && process.attempts.is_empty();
        if self.hosts[host].incarnation == incarnation && self.hosts[host].process.as_ref().is_some_and(over)
        {
            self.say(|| format!("host {host} has ended"));
            self.leave(host);
        }
    }
}
