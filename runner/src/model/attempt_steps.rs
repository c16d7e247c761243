//! An attempt of the model, step by step: each is asked for, written to the disk, and done.

use super::host::job_id;
use super::runner_process::ModelAttempt;
use super::world::ModelWorld;
use crate::fleet::lease_machine::LeaseEvent;
use crate::job_reason::JobReason;
use crate::queue::{HistoryEntry, OutboxEntry, RequeueCause};
use crate::run::step_outcome::{self, AttemptStep, StopReason};
use crate::run::transition::{
    AttemptTransition, FinalReport, LeaseStatus, ShipDecision, final_report, ship_decision, stop_reason_under,
};
use crate::stage::Stage;
use crate::supervise::CommandOutcome;

impl ModelWorld {
    fn lease_status_of(&self, host: usize, attempt: &ModelAttempt) -> LeaseStatus {
        let clock = self.clock(host);
        let kept = |token| self.hosts[host].process.as_ref()?.kept.get(token);
        let holds = attempt
            .lease
            .as_ref()
            .and_then(|(token, _)| kept(token))
            .is_some_and(|kept| !kept.closed && kept.lease_snapshot.holds(clock));
        (self.rules.right)(attempt.lease.is_some(), holds)
    }

    pub(super) fn start_step(
        &mut self,
        host: usize,
        job: usize,
        mut attempt: ModelAttempt,
        step: AttemptStep,
    ) {
        attempt.stop_reason = stop_reason_under(self.lease_status_of(host, &attempt), attempt.stop_reason);
        if let Some(StopReason::LeaseLost(_)) = attempt.stop_reason {
            return self.cut_short(host, job, attempt);
        }
        if step == AttemptStep::Ship {
            self.check_confirmed(host, &attempt);
        }
        attempt.step = step;
        attempt.run =
            Some(self.start_command(host, job, attempt.lease.as_ref().map(|(token, _)| *token), step));
        self.process(host).attempts.insert(job, attempt);
    }

    /// Nothing runs of it, and it is not to go on.
    fn cut_short(&mut self, host: usize, job: usize, attempt: ModelAttempt) {
        let stop_reason = attempt.stop_reason.as_ref();
        let next = step_outcome::after(
            &self.specs[job],
            attempt.spent,
            attempt.step,
            &CommandOutcome::Ordered,
            stop_reason,
        );
        self.follow(host, job, attempt, next);
    }

    pub(super) fn ended(&mut self, host: usize, run: usize, end: &CommandOutcome) {
        let job = self.runs[run].job;
        let clock = self.clock(host);
        let Some(mut attempt) = self.process(host).attempts.remove(&job) else {
            return;
        };
        (attempt.run, attempt.step_ended) = (None, Some(clock));
        attempt.stop_reason = stop_reason_under(self.lease_status_of(host, &attempt), attempt.stop_reason);
        let stop_reason = attempt.stop_reason.as_ref();
        let next = step_outcome::after(&self.specs[job], attempt.spent, attempt.step, end, stop_reason);
        self.say(|| format!("host {host}: job {job} ended {end:?}, so {next:?}"));
        self.follow(host, job, attempt, next);
    }

    fn follow(
        &mut self,
        host: usize,
        job: usize,
        mut attempt: ModelAttempt,
        next: step_outcome::StepOutcome,
    ) {
        match (self.rules.attempt_transition)(next, attempt.lease.is_some()) {
            AttemptTransition::Start(step) => self.go_on(host, job, attempt, step),
            AttemptTransition::ConfirmLease => {
                let token = attempt.lease.as_ref().map(|(token, _)| *token);
                self.process(host).attempts.insert(job, attempt);
                token
                    .into_iter()
                    .for_each(|token| self.lease_machine(host, token, LeaseEvent::Confirm));
            }
            AttemptTransition::EnterStage(stage, reason) => {
                self.settle(host, job, &attempt, stage, reason.as_ref())
            }
            AttemptTransition::PutBack(cause, reason) => {
                match cause {
                    RequeueCause::Interruption => self.hosts[host].disk.announce_interrupted(job, &reason),
                    RequeueCause::Failure => self.hosts[host].disk.announce(job, Stage::Inbox, Some(&reason)),
                }
                if !self.dies(host) {
                    self.hosts[host].disk.files.insert(job, Stage::Inbox);
                }
            }
            AttemptTransition::GiveBack(reason) => self.give_back(host, job, &attempt, &reason),
            AttemptTransition::Retry(_) => {
                let Some((_, proof)) = &attempt.lease else { return };
                let line = HistoryEntry::started(self.hosts[host].disk.known(job), Some(proof), None);
                attempt.spent = line.spent;
                self.hosts[host].disk.append(job, line);
                if self.dies(host) {
                    return;
                }
                self.hosts[host].disk.files.insert(job, Stage::Building);
                (attempt.stage, attempt.step) = (Stage::Building, AttemptStep::Engine);
                self.start_step(host, job, attempt, AttemptStep::Engine);
            }
        }
    }

    fn go_on(&mut self, host: usize, job: usize, mut attempt: ModelAttempt, step: AttemptStep) {
        let disk = &mut self.hosts[host].disk;
        match step {
            AttemptStep::Engine => {}
            AttemptStep::Verify => {
                disk.announce(job, Stage::Testing, None);
                if self.dies(host) {
                    return;
                }
                self.hosts[host].disk.files.insert(job, Stage::Testing);
                attempt.stage = Stage::Testing;
                if let Some((token, _)) = attempt.lease {
                    let key = format!("testing-{host}-{job}-{}-{}", token.fence, attempt.spent);
                    let news = super::lease_tasks::news(Stage::Testing, &key);
                    self.lease_machine(host, token, LeaseEvent::Report(news));
                }
            }
            AttemptStep::Ship => {
                let line = HistoryEntry::shipping(disk.known(job), attempt.stage);
                disk.append(job, line);
                if self.dies(host) {
                    return;
                }
            }
        }
        self.start_step(host, job, attempt, step);
    }

    pub(super) fn confirmed(&mut self, host: usize, job: usize) {
        let Some(attempt) = self.process(host).attempts.remove(&job) else {
            return;
        };
        let waits = attempt.run.is_none() && attempt.stop_reason.is_none();
        match ship_decision(self.lease_status_of(host, &attempt), waits, true) {
            ShipDecision::Ship => self.go_on(host, job, attempt, AttemptStep::Ship),
            ShipDecision::FinishWithoutShip => self.settle(host, job, &attempt, Stage::Shipped, None),
            ShipDecision::Superseded => {
                self.process(host).attempts.insert(job, attempt);
            }
        }
    }

    fn settle(
        &mut self,
        host: usize,
        job: usize,
        attempt: &ModelAttempt,
        to: Stage,
        reason: Option<&JobReason>,
    ) {
        self.hosts[host].disk.announce(job, to, reason);
        if self.dies(host) {
            return;
        }
        let posts = final_report(attempt.lease.is_some(), to) == FinalReport::SendReport;
        let lease = attempt.lease.as_ref().filter(|_| posts);
        let letter = lease.map(|(_, proof)| OutboxEntry::new(&job_id(job), proof, to, reason));
        if let (Some((token, _)), Some(letter)) = (lease, letter.clone()) {
            let sequence = self.hosts[host].disk.post(letter);
            self.process(host).letters.insert(*token, sequence);
            if self.dies(host) {
                return;
            }
        }
        self.hosts[host].disk.files.insert(job, to);
        if self.dies(host) {
            return;
        }
        self.say(|| format!("host {host}: job {job} is {to} here"));
        if let (Some((token, _)), Some(letter)) = (lease, letter) {
            self.close(host, *token, super::lease_tasks::closing(&letter));
        }
    }

    fn give_back(&mut self, host: usize, job: usize, attempt: &ModelAttempt, reason: &JobReason) {
        let disk = &mut self.hosts[host].disk;
        let own = disk.known(job).sequence().is_some();
        disk.announce_interrupted(job, reason);
        if self.dies(host) {
            return;
        }
        match own {
            true => self.hosts[host].disk.files.insert(job, Stage::Inbox),
            false => self.hosts[host].disk.files.remove(&job),
        };
        if self.dies(host) {
            return;
        }
        if let Some((token, _)) = attempt.lease {
            self.release(host, token);
        }
    }

    /// Nothing runs of these, so no end of a command will say that they are to end.
    pub(super) fn end_waiting_attempts(&mut self, host: usize) {
        loop {
            let parked = |attempt: &ModelAttempt| attempt.run.is_none() && attempt.stop_reason.is_some();
            let Some(process) = &mut self.hosts[host].process else {
                return;
            };
            let job = process.attempts.iter().find(|(_, attempt)| parked(attempt));
            let Some(job) = job.map(|(job, _)| *job) else {
                return;
            };
            if let Some(attempt) = process.attempts.remove(&job) {
                self.cut_short(host, job, attempt);
            }
        }
    }
}
