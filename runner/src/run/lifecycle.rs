//! What becomes of the jobs that a run has taken: each step's start, what follows its end, and every early end.

use std::io;
use std::time::Instant;

use super::attempt::{Attempt, LIMIT_TAIL_BYTES, VERDICT_TAIL_BYTES};
use super::event_loop::{EventLoop, KILL_WAIT_MAX, PendingStop};
use super::step_outcome::{self, AttemptStep, StepOutcome, StopReason};
use super::transition::{self, AttemptTransition, FinalReport};
use super::{RunError, progress};
use crate::exit_codes::StopSignal;
use crate::ids::JobId;
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::{OutboxEntry, RequeueCause};
use crate::queue_root::PathRejection;
use crate::stage::Stage;
use crate::supervise::orphan_scan::OrphanScan;
use crate::supervise::{CommandOutcome, StopUrgency, SupervisorHandle};
use crate::terminal;
use crate::work_folder::holds_queue;

impl EventLoop {
    pub(super) fn begin(&mut self, attempt: Attempt) -> Result<(), RunError> {
        self.wait_reported = false;
        self.moved(&attempt.job.id, Stage::Building);
        progress::started(&attempt.job.id, attempt.job.engine.as_str(), attempt.number);
        self.warn_of_overlap(&attempt);
        self.start_step(attempt, AttemptStep::Engine)
    }

    fn warn_of_overlap(&mut self, attempt: &Attempt) {
        let warning = holds_queue(&attempt.folder(&self.execution_context), self.queue.root());
        warning.iter().for_each(|warning| self.warn_once(warning));
    }

    pub(super) fn warn_once(&mut self, warning: &str) {
        if !self.warned.iter().any(|told| told == warning) {
            progress::warn(warning);
            self.warned.push(warning.to_owned());
        }
    }

    pub(super) fn start_step(&mut self, mut attempt: Attempt, step: AttemptStep) -> Result<(), RunError> {
        let id = attempt.job.id.clone();
        // The last look before something is started: writing down that it will be may have taken its time.
        attempt.stop_reason = self.current_stop_reason(&attempt);
        if attempt.stop_reason.is_some() {
            let stop_reason = attempt.stop_reason.as_ref();
            let next = step_outcome::after(
                &attempt.job,
                attempt.spent,
                attempt.step,
                &CommandOutcome::Ordered,
                stop_reason,
            );
            return self.follow(attempt, next);
        }
        if let Some(change) = self.queue.changed_file(attempt.stage, &id, &attempt.in_work)? {
            return self.follow(attempt, StepOutcome::Quarantine(change));
        }
        attempt.in_work.remember(self.queue.history(&id)?);
        let fence = self.fence(&attempt);
        let started = attempt.start(
            &self.queue,
            &self.engines,
            &self.execution_context,
            step,
            fence,
            self.spare.take(),
        );
        let running = match started {
            Ok(running) => running,
            // Somebody put it there, the job most likely: that is for a person to look at, and no other job's trouble.
            Err(error) if PathRejection::of(&error).is_some() => {
                let reason = ReasonCode::LinkInQueue.with(format!(
                    "something of it in {}: {error}",
                    self.queue.job_folder(&id).display()
                ));
                return self.follow(attempt, StepOutcome::Quarantine(reason));
            }
            Err(error) => {
                let what = format!("start {id}; it is taken up again by the next run");
                return Err(RunError::system(what)(error));
            }
        };
        self.events.expect_end(&id, running);
        if let (Some(_), Some(routed)) = (fence, &self.routed) {
            let line = running.line();
            routed
                .fleet_session
                .set_deadline_listener(&id, Box::new(move |ending| line.update_deadlines(ending)));
        }
        self.running.insert(id, attempt);
        Ok(())
    }

    pub(super) fn ended(&mut self, id: &JobId, end: io::Result<CommandOutcome>) -> Result<(), RunError> {
        let Some(mut attempt) = self.running.remove(id) else {
            return Ok(());
        };
        match end {
            Ok(_) => self.leaving.extend(attempt.take_running()),
            Err(_) => attempt
                .take_running()
                .into_iter()
                .for_each(SupervisorHandle::kill),
        }
        attempt.stop_reason = self.current_stop_reason(&attempt);
        if end.is_err() && attempt.lease.is_none() {
            self.lose(attempt);
            return Ok(());
        }
        let next = match end {
            Ok(end) => self.after(&attempt, &end),
            // Its lease may be lost at any moment, so there is no grace.
            Err(_) => {
                let left = self.queue.kill_orphans(id, &self.orphans())?;
                if let OrphanScan::Unproven(what) = left {
                    progress::warn(&format!("{id}: {what}"));
                }
                let code = match attempt.step {
                    AttemptStep::Ship => ReasonCode::ShipUnknown,
                    AttemptStep::Engine | AttemptStep::Verify => ReasonCode::SupervisorLost,
                };
                StepOutcome::Quarantine(code.into())
            }
        };
        let next = match self.pause_on_usage_limit(&attempt, &next)? {
            Some(reason) => StepOutcome::PutBack(RequeueCause::Interruption, reason),
            None => next,
        };
        let next = self.unless_changed(&attempt, next)?;
        self.follow(attempt, next)
    }

    /// A job that made something else of itself, or of its record, goes no further (clause O-16), unless it is published
    /// already.
    fn unless_changed(&self, attempt: &Attempt, next: StepOutcome) -> Result<StepOutcome, RunError> {
        let change = self
            .queue
            .changed(attempt.stage, &attempt.job.id, &attempt.in_work)?;
        Ok(match (change, next) {
            (None, next) | (Some(_), next @ StepOutcome::Quarantine(_)) => next,
            (Some(_), StepOutcome::Shipped) if attempt.step == AttemptStep::Ship => StepOutcome::Shipped,
            (Some(change), _) => StepOutcome::Quarantine(change),
        })
    }

    /// What is wished for at this moment, whether or not an event has told of it yet.
    fn current_stop_reason(&self, attempt: &Attempt) -> Option<StopReason> {
        let stop_reason = attempt.stop_reason.clone().or_else(|| {
            let is_cancelled = self.queue.cancel_marker(&attempt.job.id).exists();
            is_cancelled.then_some(StopReason::Cancel)
        });
        transition::stop_reason_under(self.lease_status_of(attempt), stop_reason)
    }

    /// Exit code 0 is not all: engines tell errors of their own with it.
    fn after(&self, attempt: &Attempt, end: &CommandOutcome) -> StepOutcome {
        let (job, spent, stop_reason) = (&attempt.job, attempt.spent, attempt.stop_reason.as_ref());
        if attempt.step == AttemptStep::Engine && matches!(end, CommandOutcome::Exited { code: Some(0), .. })
        {
            let tail = || attempt.tail(&self.queue, AttemptStep::Engine, VERDICT_TAIL_BYTES);
            if let Some(failure_message) = self.engines.failure_message(&job.engine, tail) {
                return step_outcome::after_engine_error(job, spent, &failure_message, stop_reason);
            }
        }
        step_outcome::after(job, spent, attempt.step, end, stop_reason)
    }

    /// Its supervisor is gone and can't say what is alive: the job is let go of, with its locks, and treated like one that
    /// a dead runner left behind (clause O-7).
    fn lose(&mut self, attempt: Attempt) {
        progress::warn(&format!("{}: its supervisor was killed", attempt.job.id));
        self.lost.insert(attempt.job.id.clone(), attempt.in_work);
    }

    /// The engine's usage limit is no failure of the job: it waits, and the engine pauses (clause O-12).
    fn pause_on_usage_limit(
        &mut self,
        attempt: &Attempt,
        next: &StepOutcome,
    ) -> Result<Option<JobReason>, RunError> {
        let failed = matches!(
            next,
            StepOutcome::Failed(_) | StepOutcome::PutBack(RequeueCause::Failure, _)
        );
        if !failed || attempt.stop_reason.is_some() || attempt.step != AttemptStep::Engine {
            return Ok(None);
        }
        let engine = &attempt.job.engine;
        let tail = attempt.tail(&self.queue, AttemptStep::Engine, LIMIT_TAIL_BYTES);
        let Some(length) = self.engines.limit(engine, &tail) else {
            return Ok(None);
        };
        self.queue.pause_engine(engine, length)?;
        progress::warn(&format!(
            "{engine} is used up: it pauses for {}, jobs of other engines go on",
            terminal::duration(length)
        ));
        Ok(Some(
            ReasonCode::UsageLimit.with(format!("usage limit of {engine}")),
        ))
    }

    fn follow(&mut self, attempt: Attempt, next: StepOutcome) -> Result<(), RunError> {
        match transition::attempt_transition(next, attempt.lease.is_some()) {
            AttemptTransition::Start(step) => self.go_on(attempt, step),
            AttemptTransition::ConfirmLease => {
                self.await_confirmation(attempt);
                Ok(())
            }
            AttemptTransition::EnterStage(stage, reason) => self.settle(attempt, stage, reason.as_ref()),
            AttemptTransition::PutBack(cause, reason) => {
                self.queue.requeue(&attempt.hold, attempt.stage, cause, &reason)?;
                let (id, mut in_work) = (attempt.job.id.clone(), attempt.in_work.clone());
                in_work.remember(self.queue.history(&id)?);
                self.local.requeue(id, in_work);
                self.left(attempt, Stage::Inbox, Some(&reason));
                Ok(())
            }
            AttemptTransition::GiveBack(reason) => {
                let (hold, from) = (&attempt.hold, attempt.stage);
                match attempt.folders {
                    Some(_) => self.queue.give_back(hold, from)?,
                    // It came from this inbox, and lies there again.
                    None => self
                        .queue
                        .requeue(hold, from, RequeueCause::Interruption, &reason)?,
                }
                self.left(attempt, Stage::Inbox, Some(&reason));
                Ok(())
            }
            AttemptTransition::Retry(reason) => self.again(attempt, &reason),
        }
    }

    pub(super) fn go_on(&mut self, mut attempt: Attempt, step: AttemptStep) -> Result<(), RunError> {
        match step {
            AttemptStep::Engine => {}
            AttemptStep::Verify => {
                self.queue
                    .advance(&attempt.hold, attempt.stage, Stage::Testing, None)?;
                attempt.stage = Stage::Testing;
                self.moved(&attempt.job.id, Stage::Testing);
            }
            AttemptStep::Ship => self.queue.note_shipping(&attempt.hold, attempt.stage)?,
        }
        self.start_step(attempt, step)
    }

    pub(super) fn settle(
        &mut self,
        attempt: Attempt,
        to: Stage,
        reason: Option<&JobReason>,
    ) -> Result<(), RunError> {
        match (
            &attempt.lease,
            transition::final_report(attempt.lease.is_some(), to),
        ) {
            (Some(lease), FinalReport::SendReport) => {
                let letter = OutboxEntry::new(&attempt.job.id, &lease.proof, to, reason);
                let posted =
                    self.queue
                        .advance_with_report(&attempt.hold, attempt.stage, to, reason, letter)?;
                if let Some(routed) = &mut self.routed {
                    routed.letters.insert(lease.proof.lease.clone(), posted);
                }
            }
            _ => {
                if to == Stage::Review {
                    // One that is there already is meant for what an earlier attempt had done.
                    self.queue
                        .take_approval(&attempt.hold, attempt.in_work.digest())?;
                    if attempt.job.ship.is_some() {
                        let kept = attempt.surroundings(&self.execution_context);
                        self.queue.save_execution_context(&attempt.hold, &kept)?;
                    }
                }
                self.queue.advance(&attempt.hold, attempt.stage, to, reason)?;
            }
        }
        self.left(attempt, to, reason);
        Ok(())
    }

    fn again(&mut self, mut attempt: Attempt, reason: &JobReason) -> Result<(), RunError> {
        let Some(lease) = &attempt.lease else {
            return Ok(());
        };
        (attempt.number, attempt.spent) = self.queue.try_again(
            &attempt.hold,
            attempt.stage,
            &lease.proof,
            attempt.in_work.digest(),
        )?;
        (attempt.stage, attempt.step) = (Stage::Building, AttemptStep::Engine);
        progress::moved(
            &attempt.job.id,
            Stage::Inbox,
            Some(&reason.to_string()),
            Some(attempt.started.elapsed()),
        );
        self.begin(attempt)
    }

    /// The attempt is over, or waits for a person; its locks are given back here.
    fn left(&mut self, mut attempt: Attempt, to: Stage, reason: Option<&JobReason>) {
        let id = attempt.job.id.clone();
        self.moved(&id, to);
        self.tally.count(to);
        let told = reason.map(JobReason::to_string);
        progress::moved(&id, to, told.as_deref(), Some(attempt.started.elapsed()));
        let (Some(routed), Some(lease)) = (&mut self.routed, &attempt.lease) else {
            return;
        };
        match transition::final_report(true, to) {
            FinalReport::SendReport => {
                if let Some(posted) = routed.letters.get(&lease.proof.lease) {
                    routed.fleet_session.finish_from_outbox(&id, &posted.letter);
                }
            }
            FinalReport::ReleaseLease => routed.fleet_session.release(&id),
            // It waits for a person.
            FinalReport::None => {
                attempt.hold.release_name_lock();
                attempt.stage = Stage::Review;
                routed.reviewing.insert(id, attempt);
            }
        }
    }

    /// Nothing runs of these, so no end of a command will say that they are to end.
    pub(super) fn end_waiting_attempts(&mut self) -> Result<(), RunError> {
        let wished = |attempt: &&Attempt| attempt.awaits_confirmation() && attempt.stop_reason.is_some();
        let ids = self
            .running
            .values()
            .filter(wished)
            .map(|attempt| attempt.job.id.clone());
        for id in ids.collect::<Vec<_>>() {
            if let Some(attempt) = self.running.remove(&id) {
                let stop_reason = attempt.stop_reason.as_ref();
                let next = step_outcome::after(
                    &attempt.job,
                    attempt.spent,
                    attempt.step,
                    &CommandOutcome::Ordered,
                    stop_reason,
                );
                self.follow(attempt, next)?;
            }
        }
        Ok(())
    }

    pub(super) fn end_cancelled(&mut self) {
        for attempt in self
            .running
            .values_mut()
            .filter(|attempt| attempt.stop_reason.is_none())
        {
            if self.queue.cancel_marker(&attempt.job.id).exists() {
                attempt.end(StopReason::Cancel, StopUrgency::Graceful);
            }
        }
    }

    pub(super) fn stop(&mut self, signal: StopSignal) {
        let urgency = match &mut self.stop {
            None => {
                self.stop = Some(PendingStop {
                    signal,
                    give_up_at: None,
                });
                StopUrgency::Graceful
            }
            Some(stop) => {
                stop.give_up_at.get_or_insert(Instant::now() + KILL_WAIT_MAX);
                StopUrgency::Immediate
            }
        };
        for attempt in self.running.values_mut() {
            attempt.end(StopReason::Interrupt, urgency);
        }
    }
}
