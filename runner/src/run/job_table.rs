//! The jobs in the hands of this run, and the supervisors that it started for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::abandoned_jobs::OwnedJobs;
use super::attempt::StopReason;
use super::job_command::{ExecutionContext, QueueAttempt};
use super::notification_sender::NotificationSender;
use super::transition::AttemptInput;
use crate::ids::JobId;
use crate::queue::WorkSnapshot;
use crate::supervise::{self, SpareSupervisor, StopUrgency, SupervisorHandle};

pub(super) struct JobTable {
    /// Each takes a worker, whether a command of it runs or it waits for its lease.
    working: BTreeMap<JobId, QueueAttempt>,
    /// Jobs of which something could not be written down, or started, and with what they are taken on again. Nothing of
    /// them runs, and each takes a worker.
    suspended: BTreeMap<JobId, (QueueAttempt, AttemptInput)>,
    /// Jobs that wait for a person, under their leases; they take no worker.
    reviewing: BTreeMap<JobId, QueueAttempt>,
    /// Jobs whose supervisor is gone: not ours any more, but this run ends what is left of them, and takes them up.
    lost: BTreeMap<JobId, WorkSnapshot>,
    /// A supervisor for the command after those that run.
    spare: Option<SpareSupervisor>,
    /// Supervisors that have answered and whose processes are about to be gone.
    leaving: Vec<SupervisorHandle>,
    /// It has a child of this process, too.
    notifier: NotificationSender,
}

impl JobTable {
    pub(super) fn new(notifier: NotificationSender) -> JobTable {
        JobTable {
            working: BTreeMap::new(),
            suspended: BTreeMap::new(),
            reviewing: BTreeMap::new(),
            lost: BTreeMap::new(),
            spare: None,
            leaving: Vec::new(),
            notifier,
        }
    }

    pub(super) fn insert(&mut self, attempt: QueueAttempt) {
        self.working.insert(attempt.state.job.id.clone(), attempt);
    }

    pub(super) fn working(&self) -> impl Iterator<Item = &QueueAttempt> {
        self.working.values()
    }

    pub(super) fn workers_taken(&self) -> usize {
        self.working.len() + self.suspended.len()
    }

    /// No job takes a worker, and nothing of one is being ended.
    pub(super) fn is_empty(&self) -> bool {
        self.workers_taken() == 0 && self.lost.is_empty()
    }

    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    pub(super) fn get_mut(&mut self, id: &JobId) -> Option<&mut QueueAttempt> {
        let suspended = self.suspended.get_mut(id).map(|(attempt, _)| attempt);
        self.working.get_mut(id).or(suspended)
    }

    /// When the attempt began, of a job that this run works on, or that waits for a person.
    pub(super) fn started_at(&self, id: &JobId) -> Option<Instant> {
        let suspended = self.suspended.get(id).map(|(attempt, _)| attempt);
        let found = self.working.get(id).or(suspended).or(self.reviewing.get(id));
        found.map(|attempt| attempt.held.started)
    }

    pub(super) fn suspend(&mut self, attempt: QueueAttempt, input: AttemptInput) {
        let id = attempt.state.job.id.clone();
        self.suspended.insert(id, (attempt, input));
    }

    pub(super) fn take_suspended(&mut self) -> Vec<(QueueAttempt, AttemptInput)> {
        std::mem::take(&mut self.suspended).into_values().collect()
    }

    fn all_in_work(&mut self) -> impl Iterator<Item = &mut QueueAttempt> {
        let suspended = self.suspended.values_mut().map(|(attempt, _)| attempt);
        self.working.values_mut().chain(suspended)
    }

    /// Its command is over. `answered`: its supervisor says how, and leaves by itself.
    pub(super) fn take_ended(&mut self, id: &JobId, answered: bool) -> Option<QueueAttempt> {
        let mut attempt = self.working.remove(id)?;
        match (attempt.command.take(), answered) {
            (Some(supervisor), true) => self.leaving.push(supervisor),
            (Some(supervisor), false) => supervisor.kill(),
            (None, _) => {}
        }
        Some(attempt)
    }

    /// One that waits for its lease.
    pub(super) fn take_waiting(&mut self, id: &JobId) -> Option<QueueAttempt> {
        self.working
            .get(id)
            .filter(|attempt| attempt.awaits_confirmation())?;
        self.working.remove(id)
    }

    /// Those that wait for their lease, and whose end was wished for.
    pub(super) fn stopped_waiting(&self) -> Vec<JobId> {
        let stopped =
            |attempt: &&QueueAttempt| attempt.awaits_confirmation() && attempt.state.stop_reason.is_some();
        let found = self.working.values().filter(stopped);
        found.map(|attempt| attempt.state.job.id.clone()).collect()
    }

    /// Tells all that run to end.
    pub(super) fn interrupt(&mut self, urgency: StopUrgency) {
        for attempt in self.all_in_work() {
            attempt.end(StopReason::Interrupt, urgency);
        }
    }

    pub(super) fn end_cancelled(&mut self, is_cancelled: impl Fn(&JobId) -> bool) {
        for attempt in self.all_in_work() {
            if attempt.state.stop_reason.is_none() && is_cancelled(&attempt.state.job.id) {
                attempt.end(StopReason::Cancel, StopUrgency::Graceful);
            }
        }
    }

    pub(super) fn await_review(&mut self, attempt: QueueAttempt) {
        self.reviewing.insert(attempt.state.job.id.clone(), attempt);
    }

    pub(super) fn reviewing(&self) -> Vec<JobId> {
        self.reviewing.keys().cloned().collect()
    }

    pub(super) fn take_review(&mut self, id: &JobId) -> Option<QueueAttempt> {
        self.reviewing.remove(id)
    }

    pub(super) fn lose(&mut self, attempt: QueueAttempt) {
        self.lost.insert(attempt.state.job.id, attempt.held.in_work);
    }

    /// True: it was this run that had lost it.
    pub(super) fn is_taken_up(&mut self, id: &JobId) -> bool {
        self.lost.remove(id).is_some()
    }

    pub(super) fn keep_lost(&mut self, is_busy: impl Fn(&JobId) -> bool) {
        self.lost.retain(|id, _| is_busy(id));
    }

    pub(super) fn owned(&self) -> OwnedJobs {
        OwnedJobs {
            running: self
                .working
                .keys()
                .chain(self.suspended.keys())
                .cloned()
                .collect(),
            lost: self.lost.clone(),
            tried: {
                let trials = self
                    .working
                    .values()
                    .filter(|attempt| attempt.held.locks.is_trial());
                trials.map(|attempt| attempt.state.job.engine.clone()).collect()
            },
            adopted: match self.lost.is_empty() {
                true => Vec::new(),
                false => self.orphans(),
            },
        }
    }

    /// What a lost supervisor left to this process. Process 1 becomes the parent of everybody's orphans, so for it being
    /// adopted proves nothing.
    pub(super) fn orphans(&self) -> Vec<i32> {
        match std::process::id() {
            1 => Vec::new(),
            _ => self.adopted(),
        }
    }

    /// The children of this process that it never started: orphans of a supervisor that is gone, or, for process 1, of
    /// anything.
    fn adopted(&self) -> Vec<i32> {
        let own = self.working.values().filter_map(QueueAttempt::supervisor);
        let own: BTreeSet<i32> = own
            .chain(self.leaving.iter().map(SupervisorHandle::pid))
            .chain(self.spare.iter().map(SpareSupervisor::pid))
            .chain(self.notifier.supervisor())
            .collect();
        let mut children = supervise::children();
        children.retain(|pid| !own.contains(pid));
        children
    }

    /// Some child of this process has ended, and nobody else waits for the adopted ones.
    pub(super) fn collect_adopted(&self) {
        supervise::collect(self.adopted().into_iter());
    }

    pub(super) fn drop_collected(&mut self) {
        self.leaving.retain_mut(|supervisor| !supervisor.is_collected());
    }

    pub(super) fn take_spare(&mut self) -> Option<SpareSupervisor> {
        self.spare.take()
    }

    /// The next command's supervisor starts while the ones before it are busy.
    pub(super) fn keep_spare(&mut self, is_wanted: bool, execution_context: &ExecutionContext) {
        match (is_wanted, &self.spare) {
            // Without it the next command starts its own.
            (true, None) => self.spare = execution_context.spare().ok(),
            (false, Some(_)) => self.dismiss_spare(),
            (true, Some(_)) | (false, None) => {}
        }
    }

    pub(super) fn dismiss_spare(&mut self) {
        self.spare.take().into_iter().for_each(SpareSupervisor::dismiss);
    }

    /// The end of the run: waits for the supervisors that have answered, unless something still runs.
    pub(super) fn collect_leaving(&mut self) {
        if self.working.is_empty() {
            self.leaving.drain(..).for_each(SupervisorHandle::collect);
        }
    }
}
