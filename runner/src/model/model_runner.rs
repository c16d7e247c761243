//! What the executor acts on in the model: the disk of a host, commands, leases. What is done in which order is
//! production's.

use std::time::Duration;

use super::coordinator::ModelRequest;
use super::disk::ModelDeath;
use super::host::job_number;
use super::lease_tasks::token_of;
use super::network::{LIMIT_MS, ModelCaller};
use super::runner_process::{ModelAttempt, ModelHeldJob, lease_token};
use super::world::ModelWorld;
use crate::fleet::lease_machine::LeaseEvent;
use crate::ids::{JobId, LeaseProof};
use crate::job_reason::JobReason;
use crate::queue::JobStore;
use crate::run::attempt::{AttemptState, AttemptStep};
use crate::run::executor;
use crate::run::transition::{AttemptEvent, AttemptInput, CommandEnd, LeaseStatus, NextAction};
use crate::run::world::{LeaseClosing, RunWorld};
use crate::stage::Stage;
use crate::supervise::CommandOutcome;

/// The process on a host.
pub(super) struct ModelRunner<'a> {
    pub(super) world: &'a mut ModelWorld,
    pub(super) host: usize,
}

impl RunWorld for ModelRunner<'_> {
    type Error = ModelDeath;
    type StoreError = ModelDeath;
    type Posted = u64;
    type Held = ModelHeldJob;
    type Command = usize;

    fn store(&mut self) -> impl JobStore<Error = ModelDeath, Posted = u64> {
        self.world.queue(self.host)
    }

    fn transition(&self, state: &AttemptState, event: AttemptEvent, allowed: LeaseStatus) -> NextAction {
        (self.world.rules.transition)(state, event, allowed)
    }

    fn lease_status(&self, attempt: &ModelAttempt) -> LeaseStatus {
        let clock = self.world.clock(self.host);
        let kept = |token| self.world.hosts[self.host].process.as_ref()?.kept.get(&token);
        let holds = lease_token(attempt)
            .and_then(kept)
            .is_some_and(|kept| !kept.closed && kept.lease_snapshot.holds(clock));
        (self.world.rules.right)(attempt.state.lease.is_some(), holds)
    }

    fn is_cancelled(&self, _: &JobId) -> bool {
        false
    }

    fn change_before_start(&mut self, _: &mut ModelAttempt) -> Result<Option<JobReason>, ModelDeath> {
        Ok(None)
    }

    fn change_after_end(&mut self, _: &ModelAttempt) -> Result<Option<JobReason>, ModelDeath> {
        Ok(None)
    }

    fn engine_succeeded(&mut self, _: &mut ModelAttempt) -> Result<(), ModelDeath> {
        Ok(())
    }

    fn engine_pause(
        &mut self,
        _: &mut ModelAttempt,
        _: &CommandEnd,
    ) -> Result<Option<JobReason>, ModelDeath> {
        Ok(None)
    }

    fn retry_wait(&self, _: &AttemptState) -> Duration {
        Duration::ZERO
    }

    fn kill_orphans(&mut self, _: &ModelAttempt) -> Result<(), ModelDeath> {
        Ok(())
    }

    fn host_trouble(&mut self, _: &ModelAttempt, _: &CommandEnd) -> Option<JobReason> {
        None
    }

    fn start(
        &mut self,
        attempt: &mut ModelAttempt,
        step: AttemptStep,
    ) -> Result<Result<(), JobReason>, ModelDeath> {
        let (host, job) = (self.host, job_number(&attempt.state.job.id));
        if step == AttemptStep::Ship {
            self.world.check_confirmed(host, attempt);
        }
        attempt.state.step = step;
        attempt.command = Some(self.world.start_command(host, job, lease_token(attempt), step));
        Ok(Ok(()))
    }

    fn suspend(&mut self, _: ModelAttempt, _: AttemptInput, death: ModelDeath) -> Result<(), ModelDeath> {
        Err(death)
    }

    fn wait(&mut self, attempt: ModelAttempt) {
        let job = job_number(&attempt.state.job.id);
        self.world.process(self.host).attempts.insert(job, attempt);
    }

    fn confirm_lease(&mut self, attempt: ModelAttempt) {
        let token = lease_token(&attempt);
        self.wait(attempt);
        if let Some(token) = token {
            self.world.lease_machine(self.host, token, LeaseEvent::Confirm);
        }
    }

    fn keep_lock(&mut self, _: &ModelAttempt) -> Result<(), ModelDeath> {
        Ok(())
    }

    fn prepare_review(&mut self, _: &ModelAttempt) -> Result<(), ModelDeath> {
        Ok(())
    }

    fn attempt_started(&mut self, _: &ModelAttempt) {}

    fn stage_entered(&mut self, attempt: &ModelAttempt, stage: Stage) {
        if let Some(token) = lease_token(attempt) {
            let (host, spent) = (self.host, attempt.state.spent);
            let key = format!("testing-{host}-{}-{}-{spent}", token.job, token.fence);
            let news = super::lease_tasks::news(stage, &key);
            self.world.lease_machine(host, token, LeaseEvent::Report(news));
        }
    }

    fn attempt_failed(&mut self, _: &ModelAttempt, _: &JobReason) {}

    fn job_left(
        &mut self,
        attempt: ModelAttempt,
        to: Stage,
        _: Option<&JobReason>,
        closing: LeaseClosing<u64>,
    ) {
        let (host, id) = (self.host, &attempt.state.job.id);
        self.world.say(|| format!("host {host}: {id} is {to} here"));
        let Some(token) = lease_token(&attempt) else {
            return;
        };
        match closing {
            LeaseClosing::NoLease | LeaseClosing::Keep => {}
            LeaseClosing::Release => self.world.release(host, token),
            LeaseClosing::Report(sequence) => {
                self.world.process(host).letters.insert(token, sequence);
                let closing = super::lease_tasks::closing(&self.world.hosts[host].disk.outbox[&sequence]);
                self.world.close(host, token, closing);
            }
        }
    }

    /// No supervisor of the model is lost.
    fn abandon(&mut self, _: ModelAttempt) {}

    fn close_abandoned(&mut self, job: &JobId, proof: LeaseProof, is_released: bool) {
        if !is_released {
            return;
        }
        let token = token_of(job, &proof);
        self.world.process(self.host).closing += 1;
        let request = ModelRequest::Release { token };
        self.world
            .send(self.host, ModelCaller::Orphan { token }, request, LIMIT_MS);
    }
}

impl ModelWorld {
    pub(super) fn ended(&mut self, host: usize, run: usize, end: CommandOutcome) -> Result<(), ModelDeath> {
        let job = self.runs[run].job;
        let clock = self.clock(host);
        let Some(mut attempt) = self.process(host).attempts.remove(&job) else {
            return Ok(());
        };
        (attempt.command, attempt.held.step_ended) = (None, Some(clock));
        self.say(|| format!("host {host}: job {job} ended {end:?}"));
        let mut runner = ModelRunner { world: self, host };
        let input = AttemptInput::CommandEnd(CommandEnd::Outcome(end));
        executor::take_on(&mut runner, attempt, input)
    }

    pub(super) fn confirmed(&mut self, host: usize, job: usize) -> Result<(), ModelDeath> {
        let attempts = &mut self.process(host).attempts;
        if !attempts.get(&job).is_some_and(ModelAttempt::awaits_confirmation) {
            return Ok(());
        }
        let Some(attempt) = attempts.remove(&job) else {
            return Ok(());
        };
        let mut runner = ModelRunner { world: self, host };
        executor::handle_event(&mut runner, attempt, AttemptEvent::LeaseConfirmed)
    }

    /// Nothing runs of these, so no end of a command will say that they are to end.
    pub(super) fn end_waiting_attempts(&mut self, host: usize) -> Result<(), ModelDeath> {
        let parked =
            |attempt: &ModelAttempt| attempt.awaits_confirmation() && attempt.state.stop_reason.is_some();
        loop {
            let Some(process) = &mut self.hosts[host].process else {
                return Ok(());
            };
            let job = process.attempts.iter().find(|(_, attempt)| parked(attempt));
            let Some(attempt) = job
                .map(|(job, _)| *job)
                .and_then(|job| process.attempts.remove(&job))
            else {
                return Ok(());
            };
            let mut runner = ModelRunner { world: self, host };
            executor::handle_event(&mut runner, attempt, AttemptEvent::StoppedWaiting)?;
        }
    }
}
