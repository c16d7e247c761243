//! Attempts of which something could not be done: they wait for the host, are set aside, or are let go of at the end.

use std::time::Instant;

use super::QueueWorld;
use crate::error_scope::{ErrorScope, HostTrouble};
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::{InboxScan, QueueError, QueueLoss};
use crate::run::attempt::{AttemptStep, JobOrigin, StopReason};
use crate::run::job_command::QueueAttempt;
use crate::run::progress::{self, JobArrival};
use crate::run::run_options::RunError;
use crate::run::transition::AttemptInput;
use crate::run::transition::{AttemptEvent, CommandEnd};
use crate::stage::Stage;
use crate::supervise::CommandOutcome;
use crate::terminal::error_chain;

/// How often a job that failed while the host was in trouble is put back without counting that. One that makes the trouble
/// itself would never end otherwise.
const UNCOUNTED_MAX: usize = 3;

impl QueueWorld {
    /// The host is in trouble, which is told once.
    pub(in crate::run) fn met(&mut self, kind: HostTrouble, detail: String) {
        if let Some(text) = self.trouble.met(kind, detail, Instant::now()) {
            self.progress.host_troubled(kind, &text);
        }
    }

    pub(super) fn suspend_attempt(
        &mut self,
        mut attempt: QueueAttempt,
        input: AttemptInput,
        error: RunError,
    ) -> Result<(), RunError> {
        let scope = match &error {
            RunError::Queue(error) => self.queue.scope_at_job(error),
            error => error.scope(),
        };
        match (scope, error) {
            (ErrorScope::Host(kind), error) => {
                self.met(kind, error.cause());
                if attempt.state.lease.is_some() && is_first_start(&input) {
                    // Another factory need not wait for this host.
                    attempt.state.stop_reason.get_or_insert(StopReason::Interrupt);
                }
                self.jobs.suspend(attempt, input);
                Ok(())
            }
            (ErrorScope::Job, RunError::Queue(error)) => {
                self.set_aside(attempt, &error);
                Ok(())
            }
            (_, error) => {
                self.jobs.suspend(attempt, input);
                Err(error)
            }
        }
    }

    fn set_aside(&mut self, attempt: QueueAttempt, error: &QueueError) {
        let id = attempt.state.job.id.clone();
        let is_leased = attempt.state.lease.is_some();
        // Its locks are needed by whoever moves it.
        drop(attempt);
        let mut look = InboxScan::default();
        match self.queue.set_aside(&id, error) {
            Ok(outcome) => look.note(vec![(id.clone(), outcome)]),
            Err(error) => progress::warn(&format!("{id}: {}", error_chain(&error))),
        }
        self.report_set_aside(&look.refused, &look.left);
        if let Some(link) = self.source.link_mut().filter(|_| is_leased) {
            link.session.release(&id);
        }
    }

    /// A command failed by itself: what of the host is at fault.
    pub(super) fn trouble_at_end(&mut self, attempt: &QueueAttempt, end: &CommandEnd) -> Option<JobReason> {
        let (kind, detail) = match end {
            CommandEnd::Outcome(CommandOutcome::NotStarted { error, trouble }) => {
                ((*trouble)?, error.clone())
            }
            _ => {
                let (kind, error) = self.queue.host_trouble()?;
                let known = self.queue.history(&attempt.state.job.id).unwrap_or_default();
                if known.count_since_enqueued(&ReasonCode::HostTrouble) >= UNCOUNTED_MAX {
                    return None;
                }
                (kind, error.cause())
            }
        };
        self.met(kind, detail.clone());
        Some(ReasonCode::HostTrouble.with(format!("{kind} ({detail})")))
    }

    /// The run ends, and the end of this attempt can't be written down. A job that is not being published goes back by its
    /// file alone, which takes no room, and counts as one that was never started; its lease is given back.
    pub(in crate::run) fn let_go(&mut self, attempt: QueueAttempt) {
        let (id, stage) = (attempt.state.job.id.clone(), attempt.state.stage);
        let known = self.queue.history(&id).unwrap_or_default();
        let is_published = attempt.state.step == AttemptStep::Ship || known.is_shipping();
        let is_announced = known.is_announced();
        let origin = attempt.state.lease.as_ref().map(|lease| lease.origin);
        let left = match (is_published, origin) {
            _ if self.queue.loss() == Some(QueueLoss::Removed) || is_announced => None,
            (true, _) => None,
            (false, Some(JobOrigin::Coordinator)) => Some(self.queue.remove_unwritten(&id, stage)),
            (false, _) => Some(self.queue.put_back_unwritten(&id, stage)),
        };
        let took = Some(attempt.held.started.elapsed());
        match left {
            Some(Ok(())) => {
                self.progress.tally.count(Stage::Inbox);
                let arrival = JobArrival {
                    id: &id,
                    stage: Stage::Inbox,
                    engine: Some(&attempt.state.job.engine),
                    reason: Some(&ReasonCode::Interrupted.into()),
                    took,
                    has_log: false,
                };
                let why = "interrupted; that could not be written down";
                self.progress.arrived(&arrival, Some(why));
            }
            _ if self.queue.loss().is_some() => {
                progress::warn(&format!(
                    "{id} was ended, and what became of its file is not known"
                ));
            }
            Some(Err(error)) => progress::warn(&format!("{id} stays where it is: {}", error_chain(&error))),
            None if self.queue.job_path(stage, &id).exists() && !is_published => {
                progress::warn(&format!(
                    "{id} was ended, and stays in {stage}: the next run takes it up"
                ));
            }
            None if !is_published => {
                progress::warn(&format!("{id} was ended, and its file went with the queue"));
            }
            None => progress::warn(&format!(
                "{id} stays in {stage}: it was being published, and how that ended could not be written down"
            )),
        }
        if let Some(link) = self
            .source
            .link_mut()
            .filter(|_| origin.is_some() && !is_published)
        {
            link.session.release(&id);
        }
    }
}

fn is_first_start(input: &AttemptInput) -> bool {
    let engine = AttemptStep::Engine;
    match input {
        AttemptInput::Due(step) | AttemptInput::Event(AttemptEvent::StepDue { step, .. }) => *step == engine,
        _ => false,
    }
}
