//! The world as it is: the queue folder, supervisors, the coordinator, and the people who are told.

use std::time::Duration;

use super::attempt::{AttemptState, AttemptStep};
use super::engine_health;
use super::event_stream::EventStream;
use super::host_trouble::HostTroubleWatch;
use super::job_command::{CommandStartError, ExecutionContext, HeldJob, QueueAttempt, has_output};
use super::job_table::JobTable;
use super::local_queue::{LocalQueue, LocalSelection};
use super::progress::{self, JobArrival, RunObservers, RunProgress};
use super::run_options::RunError;
use super::transition::AttemptInput;
use super::transition::{CommandEnd, LeaseStatus};
use super::work_source::{RoutedSource, WorkSource};
use super::world::{LeaseClosing, RunWorld};
use crate::engine::EngineRegistry;
use crate::fleet::health_reporter::HealthReporter;
use crate::fleet::lease_renewer::LeaseRenewer;
use crate::ids::{JobId, LeaseProof};
use crate::job_reason::{JobReason, ReasonCode};
use crate::mode::Mode;
use crate::queue::{FolderChanges, InboxScan, JobStore, PersistedEntry, Queue, QueueError};
use crate::queue_root::PathRejection;
use crate::settings::Settings;
use crate::shadow::ShadowLane;
use crate::stage::Stage;
use crate::supervise::SupervisorHandle;
use crate::supervise::orphan_scan::OrphanScan;
use crate::token_usage::TokenUsage;
use crate::work_folder::holds_queue;

mod selection_report;
mod suspension;

pub(super) struct QueueWorld {
    pub(super) queue: Queue,
    pub(super) engines: EngineRegistry,
    pub(super) execution_context: ExecutionContext,
    pub(super) events: EventStream,
    pub(super) jobs: JobTable,
    pub(super) local: LocalQueue,
    pub(super) source: WorkSource,
    pub(super) progress: RunProgress,
    /// What the engines of this run have used, as far as they tell it.
    pub(super) used: Option<TokenUsage>,
    pub(super) trouble: HostTroubleWatch,
}

impl QueueWorld {
    pub(super) fn new(
        settings: &Settings,
        queue: Queue,
        engines: EngineRegistry,
        health: &HealthReporter,
        observers: RunObservers,
    ) -> Result<QueueWorld, RunError> {
        let execution_context = ExecutionContext::of_this_process(settings)
            .map_err(RunError::system("find the current folder"))?;
        let source = match settings.mode {
            Mode::Offline | Mode::Local | Mode::Shadow => {
                WorkSource::local(ShadowLane::start(settings, health))
            }
            Mode::Route => {
                let routed = RoutedSource::open(settings, &engines, execution_context.folder(), health)?;
                queue.forget_routing_text();
                routed.report_permissions();
                WorkSource::Routed(routed)
            }
        };
        Ok(QueueWorld {
            events: EventStream::new(&queue)?,
            jobs: JobTable::new(observers.notifier.clone()),
            local: LocalQueue::new(&settings.factory_caps, settings.grace),
            progress: RunProgress::new(settings.warnings(), observers),
            used: None,
            trouble: HostTroubleWatch::default(),
            queue,
            engines,
            execution_context,
            source,
        })
    }

    /// Looks at the inbox, and takes the job that starts now, if one can.
    pub(super) fn choose(&mut self, changes: FolderChanges) -> Result<LocalSelection, RunError> {
        let own = self.jobs.owned();
        let choice = self.local.choose(&self.queue, &self.engines, changes, &own)?;
        self.report_selection(&choice);
        Ok(choice)
    }

    /// Only takes up what dead runners left in work, and where it went; true: something of it is still being ended.
    pub(super) fn take_up_abandoned(&mut self) -> Result<(Vec<(JobId, Stage)>, bool), RunError> {
        let own = self.jobs.owned();
        let scan = self.local.abandoned_jobs.recover(&self.queue, &own)?;
        let mut look = InboxScan::default();
        look.note(scan.set_aside);
        self.report_set_aside(&look.refused, &look.left);
        self.report_recovered(&scan.recovered);
        Ok((scan.recovered, scan.busy))
    }
}

impl RunWorld for QueueWorld {
    type Error = RunError;
    type StoreError = QueueError;
    type Posted = PersistedEntry;
    type Held = HeldJob;
    type Command = SupervisorHandle;

    fn store(&mut self) -> impl JobStore<Error = QueueError, Posted = PersistedEntry> {
        &self.queue
    }

    fn lease_status(&self, attempt: &QueueAttempt) -> LeaseStatus {
        let link = self.source.link();
        let renewer = link.and_then(|link| link.session.renewer(&attempt.state.job.id));
        let holds = renewer.is_some_and(LeaseRenewer::is_lease_valid);
        LeaseStatus::of(attempt.state.lease.is_some(), holds)
    }

    fn is_cancelled(&self, job: &JobId) -> bool {
        self.queue.cancel_marker(job).exists()
    }

    fn change_before_start(&mut self, attempt: &mut QueueAttempt) -> Result<Option<JobReason>, RunError> {
        let (state, in_work) = (&attempt.state, &attempt.held.in_work);
        let id = &state.job.id;
        let change = self.queue.changed_file(state.stage, id, in_work)?;
        if change.is_none() {
            attempt.held.in_work.remember(self.queue.history(id)?);
        }
        Ok(change)
    }

    fn change_after_end(&mut self, attempt: &QueueAttempt) -> Result<Option<JobReason>, RunError> {
        let (state, in_work) = (&attempt.state, &attempt.held.in_work);
        Ok(self.queue.changed(state.stage, &state.job.id, in_work)?)
    }

    fn engine_succeeded(&mut self, attempt: &mut QueueAttempt) -> Result<(), RunError> {
        engine_health::succeeded(&self.queue, &self.progress, attempt)
    }

    fn engine_pause(
        &mut self,
        attempt: &mut QueueAttempt,
        end: &CommandEnd,
    ) -> Result<Option<JobReason>, RunError> {
        engine_health::pause(&self.queue, &self.engines, &self.progress, attempt, end)
    }

    fn retry_wait(&self, state: &AttemptState) -> Duration {
        state.retry_wait(self.execution_context.retry_delay())
    }

    fn kill_orphans(&mut self, attempt: &QueueAttempt) -> Result<(), RunError> {
        let id = &attempt.state.job.id;
        let adopted = self.jobs.orphans();
        if let OrphanScan::Unproven(what) = self.queue.kill_orphans_of_own_job(id, &adopted)? {
            progress::warn(&format!("{id}: {what}"));
        }
        Ok(())
    }

    fn host_trouble(&mut self, attempt: &QueueAttempt, end: &CommandEnd) -> Option<JobReason> {
        self.trouble_at_end(attempt, end)
    }

    fn start(
        &mut self,
        attempt: &mut QueueAttempt,
        step: AttemptStep,
    ) -> Result<Result<(), JobReason>, RunError> {
        let id = attempt.state.job.id.clone();
        let link = self.source.link().filter(|_| attempt.state.lease.is_some());
        let renewer = link.and_then(|link| link.session.renewer(&id));
        let fence = renewer.map(LeaseRenewer::kill_deadlines);
        let started = attempt.start(
            &self.queue,
            &self.engines,
            &self.execution_context,
            step,
            fence,
            self.jobs.take_spare(),
        );
        let command = match started {
            Ok(command) => command,
            // Somebody put it there, the job most likely: that is for a person to look at, and no other job's trouble.
            Err(CommandStartError::Files(error)) if PathRejection::of(&error).is_some() => {
                let folder = self.queue.job_folder(&id);
                let what = format!("something of it in {}: {error}", folder.display());
                return Ok(Err(ReasonCode::LinkInQueue.with(what)));
            }
            Err(CommandStartError::Files(source)) => {
                let path = self.queue.job_folder(&id);
                return Err(QueueError::Write { path, source }.into());
            }
            Err(CommandStartError::Supervisor(error)) => {
                let what = format!("start {id}; it is taken up again by the next run");
                return Err(RunError::system(what)(error));
            }
        };
        self.events.expect_end(&id, command);
        if let Some(renewer) = renewer {
            let line = command.line();
            renewer.set_deadline_listener(Box::new(move |ending| line.update_deadlines(ending)));
        }
        Ok(Ok(()))
    }

    fn suspend(
        &mut self,
        attempt: QueueAttempt,
        input: AttemptInput,
        error: RunError,
    ) -> Result<(), RunError> {
        self.suspend_attempt(attempt, input, error)
    }

    fn wait(&mut self, attempt: QueueAttempt) {
        self.jobs.insert(attempt);
    }

    fn confirm_lease(&mut self, attempt: QueueAttempt) {
        if let Some(link) = self.source.link() {
            link.session.confirm(&attempt.state.job.id);
        }
        self.jobs.insert(attempt);
    }

    fn keep_lock(&mut self, attempt: &QueueAttempt) -> Result<(), RunError> {
        let job = &attempt.state.job;
        match &job.lock {
            Some(name) => Ok(self.queue.keep_lock_in_quarantine(name, &job.id)?),
            None => Ok(()),
        }
    }

    fn prepare_review(&mut self, attempt: &QueueAttempt) -> Result<(), RunError> {
        let held = &attempt.held;
        // One that is there already is meant for what an earlier attempt had done.
        self.queue.take_approval(&held.locks, held.in_work.digest())?;
        if attempt.state.job.ship.is_some() {
            let kept = attempt.surroundings(&self.execution_context);
            self.queue.save_execution_context(&held.locks, &kept)?;
        }
        Ok(())
    }

    fn attempt_started(&mut self, attempt: &QueueAttempt) {
        let job = &attempt.state.job;
        self.source.moved(&job.id, Stage::Building);
        let number = attempt.state.number;
        self.progress.attempt_started(&job.id, &job.engine, number);
        let folder = attempt.folder(&self.execution_context);
        if let Some(warning) = holds_queue(&folder, self.queue.root()) {
            self.progress.warn_once(&warning);
        }
    }

    fn stage_entered(&mut self, attempt: &QueueAttempt, stage: Stage) {
        self.source.moved(&attempt.state.job.id, stage);
    }

    fn attempt_failed(&mut self, attempt: &QueueAttempt, reason: &JobReason) {
        let job = &attempt.state.job;
        let arrival = JobArrival {
            id: &job.id,
            stage: Stage::Inbox,
            engine: Some(&job.engine),
            reason: Some(reason),
            took: Some(attempt.held.started.elapsed()),
            has_log: false,
        };
        self.progress.arrived(&arrival, None);
    }

    fn job_left(
        &mut self,
        mut attempt: QueueAttempt,
        to: Stage,
        reason: Option<&JobReason>,
        closing: LeaseClosing<PersistedEntry>,
    ) {
        let id = attempt.state.job.id.clone();
        if let (Stage::Inbox, LeaseClosing::NoLease) = (to, &closing)
            && let Ok(record) = self.queue.history(&id)
        {
            let mut in_work = attempt.held.in_work.clone();
            in_work.remember(record);
            self.local.inbox.requeue(id.clone(), in_work);
        }
        self.source.moved(&id, to);
        self.progress.tally.count(to);
        // What nobody decided about in time was not worked on until now.
        let is_set_aside = matches!((&closing, to), (LeaseClosing::Release, Stage::Quarantine));
        let took = (!is_set_aside).then(|| attempt.held.started.elapsed());
        let arrival = JobArrival {
            id: &id,
            stage: to,
            engine: Some(&attempt.state.job.engine),
            reason,
            took,
            has_log: has_output(&self.queue, &id, attempt.state.number),
        };
        self.progress.arrived(&arrival, None);
        let (Some(link), Some(lease)) = (self.source.link_mut(), &attempt.state.lease) else {
            return;
        };
        match closing {
            LeaseClosing::NoLease => {}
            LeaseClosing::Report(posted) => {
                link.finish_from_outbox(&id, lease.proof.lease.clone(), posted);
            }
            LeaseClosing::Release => link.session.release(&id),
            // It waits for a person.
            LeaseClosing::Keep => {
                attempt.held.locks.release_name_lock();
                attempt.state.stage = Stage::Review;
                self.jobs.await_review(attempt);
            }
        }
    }

    fn abandon(&mut self, attempt: QueueAttempt) {
        progress::warn(&format!("{}: its supervisor was killed", attempt.state.job.id));
        self.jobs.lose(attempt);
    }

    fn close_abandoned(&mut self, job: &JobId, proof: LeaseProof, is_released: bool) {
        if let Some(link) = self.source.link_mut() {
            if is_released {
                link.session.release_orphan(job, proof);
            }
            // What is reported was posted.
            link.note_undelivered();
        }
    }
}
