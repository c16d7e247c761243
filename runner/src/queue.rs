//! The queue folder: one folder a stage, a job file in exactly one of them, all else under `.state/`.
//!
//! The folder a file lies in *is* its stage; what `.state/` holds is evidence and order. This module knows the
//! layout and how to look; the modules below it add, claim, move and recover. Who runs what is decided elsewhere.

mod case_conflict;
mod classify;
mod crash_recovery;
mod durable_files;
mod engine_breaker;
mod engine_pause;
mod enqueue_order;
mod error;
mod file_identity;
mod file_writers;
mod folder_watch;
mod fs_check;
mod handover;
mod history;
mod inbox;
mod inbox_claim;
mod inbox_revisits;
mod integrity;
mod job_files;
mod job_lookup;
mod job_store;
mod lock_holder;
mod locks;
mod metrics_file;
mod outbox;
mod ownership_check;
mod presence;
mod prune;
mod queue_loss;
mod queue_pause;
mod recovery_decision;
mod reject;
mod repair;
mod review_claim;
mod room_check;
mod routed_claim;
mod routing_file;
mod runner_files;
mod set_aside;
mod settings_replacement;
pub(crate) mod stage_move;
mod submission;
mod usage_recorder;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::ids::{JobId, LockName};
use crate::job::{self, Job, JobIdSource};
use crate::job_reason::JobReason;
use crate::queue_root::QueueRoot;
use crate::stage::Stage;
use crate::supervise::process_record;

pub(crate) use engine_breaker::{EngineObservation, EnginePause, PauseCause, QUICK_FAILURE};
pub(crate) use error::QueueError;
use error::if_present;
pub(crate) use file_identity::FileDigest;
pub(crate) use file_writers::{FileState, FileWriter, FileWriters, QUIET};
pub(crate) use folder_watch::{ChangeSource, FolderChanges, FolderWatcher, WatchedFileState};
pub(crate) use handover::{HandoverPhase, HandoverRecord, HandoverStart, PendingHandover};
pub(crate) use history::{HistoryEntry, JobHistory};
pub(crate) use inbox::{AwaitedFile, Inbox, InboxScan};
pub(crate) use inbox_claim::{ClaimedJob, InboxClaim};
pub(crate) use integrity::{SavedExecutionContext, WorkSnapshot};
pub(crate) use job_store::JobStore;
pub(crate) use locks::JobLocks;
pub(crate) use metrics_file::MetricsFile;
pub(crate) use outbox::{OutboxEntry, PersistedEntry};
pub(crate) use prune::PruneRefusal;
pub(crate) use queue_loss::QueueLoss;
pub(crate) use queue_pause::QueuePause;
pub(crate) use recovery_decision::RecoveryOutcome;
pub(crate) use reject::RejectedFile;
pub(crate) use repair::RepairOutcome;
pub(crate) use review_claim::ReviewClaim;
pub(crate) use routed_claim::{RoutedJobClaim, is_reported};
pub(crate) use routing_file::read_routing_text;
pub(crate) use runner_files::{RunnerFile, RunnerText, read_runner_files};
pub(crate) use set_aside::SetAside;
pub(crate) use stage_move::RequeueCause;
pub(crate) use submission::JobSubmission;
pub(crate) use usage_recorder::UsageRecorder;
#[cfg(test)]
pub(crate) use {
    crash_recovery::{AbandonedJob, InterruptedAttempt, recover_job},
    recovery_decision::{RecoveryDecision, recovery_decision},
};

/// What became of one file that was asked for.
type QueueResult<T> = Result<T, QueueError>;

#[derive(Debug, Clone)]
pub(crate) struct Queue {
    root: QueueRoot,
}

impl Queue {
    /// An existing queue. A missing folder is an error and no empty queue: the path may be mistyped, or a disk not
    /// mounted (clause O-13).
    pub(crate) fn open(root: &Path) -> QueueResult<Queue> {
        let inbox = root.join(Stage::Inbox.folder()).symlink_metadata();
        let missing = || QueueError::Missing {
            path: root.to_owned(),
        };
        if_present(root, inbox)?.ok_or_else(missing)?;
        let queue = Queue::at(root);
        // From here on it is this folder. If that is moved away, none is made in its place.
        if let Err(error) = queue.root.open(root)
            && error.kind() == std::io::ErrorKind::NotFound
        {
            return Err(missing());
        }
        queue.check_ownership()?;
        Ok(queue)
    }

    /// The queue at that place, made if it isn't there.
    pub(crate) fn create(root: &Path) -> QueueResult<Queue> {
        let queue = Queue::at(root);
        queue.complete()?;
        Ok(queue)
    }

    /// The queue at that place, there or not.
    pub(crate) fn at(root: &Path) -> Queue {
        Queue {
            root: QueueRoot::at(root),
        }
    }

    /// Makes the folders that are missing; version control keeps no empty ones. Returned is what was made, by its name in
    /// the queue folder.
    pub(crate) fn complete(&self) -> QueueResult<Vec<String>> {
        self.check_ownership()?;
        let stages = Stage::ALL.map(|stage| self.folder(stage));
        let state = [
            self.jobs_folder(),
            self.cancel_folder(),
            self.approval_folder(),
            self.scratch_folder(),
            self.outbox_folder(),
            self.paused_folder(),
            self.quarantined_locks_folder(),
            self.pause_folder(),
            self.handed_folder(),
        ];
        let mut made = Vec::new();
        for path in stages.into_iter().chain(state).chain(locks::folders(self)) {
            if self.make_folder(&path)? {
                let below = path.strip_prefix(self.root()).unwrap_or(&path);
                let top = below.iter().next();
                made.extend(top.map(|name| name.to_string_lossy().into_owned()));
            }
        }
        made.dedup();
        self.restrict_state_folder()?;
        self.hide_from_version_control()?;
        Ok(made)
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// How everything below the queue folder is opened.
    pub(crate) fn below(&self) -> &QueueRoot {
        &self.root
    }

    pub(crate) fn folder(&self, stage: Stage) -> PathBuf {
        self.root().join(stage.folder())
    }

    pub(crate) fn job_path(&self, stage: Stage, id: &JobId) -> PathBuf {
        self.folder(stage).join(id.file_name())
    }

    /// The folder of what a job leaves behind: its history, and one folder an attempt.
    pub(crate) fn job_folder(&self, id: &JobId) -> PathBuf {
        self.jobs_folder().join(id.as_str())
    }

    pub(crate) fn attempt_folder(&self, id: &JobId, attempt: u32) -> PathBuf {
        self.job_folder(id).join(format!("attempt-{attempt}"))
    }

    /// Which processes the job's last command came to, for whoever finds it in work and nobody looking after it.
    pub(crate) fn process_record(&self, id: &JobId) -> PathBuf {
        self.job_folder(id).join("processes.jsonl")
    }

    /// Whether the job's last command has that mark.
    pub(crate) fn is_marked(&self, id: &JobId, mark: &str) -> bool {
        process_record::is_marked(&self.root, &self.process_record(id), mark)
    }

    /// The jobs in `quarantine` that keep a lock: nothing that names it starts before a person has decided about them.
    pub(crate) fn keepers(&self, lock: &LockName) -> QueueResult<Vec<JobId>> {
        locks::keepers(self, lock)
    }

    pub(crate) fn keep_lock_in_quarantine(&self, lock: &LockName, id: &JobId) -> QueueResult<()> {
        locks::keep_lock_in_quarantine(self, lock, id)
    }

    pub(crate) fn quarantined_locks(&self) -> QueueResult<BTreeSet<LockName>> {
        locks::quarantined_lock_names(self)
    }

    /// The file whose presence asks the runner of a job to end it.
    pub(crate) fn cancel_marker(&self, id: &JobId) -> PathBuf {
        self.cancel_folder().join(id.as_str())
    }

    /// The file whose presence says that a person approved a routed job in review.
    pub(crate) fn approval_marker(&self, id: &JobId) -> PathBuf {
        self.approval_folder().join(id.as_str())
    }

    pub(crate) fn history(&self, id: &JobId) -> QueueResult<JobHistory> {
        history::read(self, id)
    }

    /// The reason of the job's last change, or what is wrong with its record, for those who only want to know.
    pub(crate) fn reason(&self, id: &JobId) -> Option<JobReason> {
        self.record(id).ok()?.map_or_else(Some, |known| known.reason())
    }

    /// Like `find`; that the queue has no such job is an error.
    pub(crate) fn require(&self, id: &JobId) -> QueueResult<Stage> {
        match self.find(id)? {
            Some(stage) => Ok(stage),
            None => Err(self.missing(id)?),
        }
    }

    /// The error about a job that is in no stage here.
    pub(crate) fn missing(&self, id: &JobId) -> QueueResult<QueueError> {
        let id = id.clone();
        Ok(match self.handover(&id)? {
            Some(record) => QueueError::HandedOver {
                id,
                phase: record.phase,
            },
            None => QueueError::Unknown { id },
        })
    }

    /// The names of the job files of a stage, in no order. Names that are no id are left out.
    pub(crate) fn ids(&self, stage: Stage) -> QueueResult<Vec<JobId>> {
        let names = self.names(stage)?;
        let ids = names.iter().filter_map(|name| JobId::new(stem(name)?).ok());
        Ok(ids.collect())
    }

    /// The job as its file in that stage describes it.
    pub(crate) fn job(&self, stage: Stage, id: &JobId) -> QueueResult<Job> {
        self.read_job(stage, id).map(|(job, _)| job)
    }

    /// The same, with the bytes that describe it.
    fn read_job(&self, stage: Stage, id: &JobId) -> QueueResult<(Job, Vec<u8>)> {
        let path = self.job_path(stage, id);
        let bytes = durable_files::read_bounded(&self.root, &path, job::FILE_BYTES_MAX);
        let bytes = bytes.map_err(QueueError::reading(&path))?;
        let (naming, name) = (JobIdSource::FileName(id.as_str()), path.display().to_string());
        let accepted = job::parse(naming, &name, &bytes).map_err(QueueError::Job)?;
        Ok((accepted.job, bytes))
    }

    fn names(&self, stage: Stage) -> QueueResult<Vec<std::ffi::OsString>> {
        let path = self.folder(stage);
        let mut names = self.root.names(&path).map_err(QueueError::reading(&path))?;
        names.retain(|name| is_job_file(name));
        Ok(names)
    }

    fn state(&self) -> PathBuf {
        self.root().join(".state")
    }

    fn jobs_folder(&self) -> PathBuf {
        self.state().join("jobs")
    }

    pub(crate) fn approval_folder(&self) -> PathBuf {
        self.state().join("approved")
    }

    pub(crate) fn cancel_folder(&self) -> PathBuf {
        self.state().join("cancel")
    }

    fn outbox_folder(&self) -> PathBuf {
        self.state().join("outbox")
    }

    /// A file for each lock that jobs in `quarantine` keep, with their ids.
    fn quarantined_locks_folder(&self) -> PathBuf {
        self.state().join("locks").join("kept")
    }

    /// Where files are written before they are moved to their place.
    fn scratch_folder(&self) -> PathBuf {
        self.state().join("scratch")
    }
}

/// Where a job is, for those who only want to know; an unreadable queue knows nothing.
pub(crate) fn stage_of(queue_dir: &Path, id: &JobId) -> Option<Stage> {
    Queue::at(queue_dir).find(id).ok().flatten()
}

/// The final stage of a job that is here no more, for those who only want to know.
pub(crate) fn pruned_from(queue_dir: &Path, id: &JobId) -> Option<Stage> {
    Queue::at(queue_dir).pruned(id).ok().flatten()
}

/// The locks of the jobs in work, as their files name them. A job in review holds none.
pub(crate) fn locks_of_working(queue_dir: &Path) -> BTreeSet<LockName> {
    let queue = Queue::at(queue_dir);
    let mut locks = BTreeSet::new();
    for stage in [Stage::Building, Stage::Testing] {
        let ids = queue.ids(stage).unwrap_or_default();
        locks.extend(ids.iter().filter_map(|id| queue.job(stage, id).ok()?.lock));
    }
    locks
}

/// `NAME.md`; hidden files and those that an editor or a copy is still writing are none.
fn is_job_file(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(b".md") && !name.as_encoded_bytes().starts_with(b".")
}

fn stem(name: &OsStr) -> Option<&str> {
    name.to_str()?.strip_suffix(".md")
}
