//! The queue folder: one folder a stage, a job file in exactly one of them, all else under `.state/`.
//!
//! The folder a file lies in *is* its stage; what `.state/` holds is evidence and order. This module knows the
//! layout and how to look; the modules below it add, claim, move and recover. Who runs what is decided elsewhere.

mod access;
mod add;
mod after_crash;
mod change;
mod claim;
mod error;
mod files;
mod history;
mod hold_up;
mod inbox;
mod integrity;
mod judge;
mod locks;
mod outbox;
mod pause;
mod prune;
mod recover;
mod refuse;
mod revisits;
mod routed;
mod runners;
mod sound;
mod watch;
mod writers;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::ids::{JobId, LockName};
use crate::job::{self, Job, Naming};
use crate::queue_root::QueueRoot;
use crate::stage::Stage;
use crate::supervise::record;

pub(crate) use add::Submission;
pub(crate) use change::Cause;
pub(crate) use claim::{Claim, Claimed, ReviewClaim};
pub(crate) use error::QueueError;
pub(crate) use history::{History, Line};
pub(crate) use hold_up::Pause;
pub(crate) use inbox::{AwaitedFile, Inbox};
pub(crate) use integrity::{CHANGED_IN_WORK, FileDigest, InWork, KeptSurroundings};
pub(crate) use locks::JobHold;
pub(crate) use outbox::{Letter, Posted};
pub(crate) use prune::Spared;
pub(crate) use recover::Recovered;
pub(crate) use refuse::Refused;
pub(crate) use routed::{Admission, REASON_GIVEN_BACK, is_reported};
pub(crate) use runners::{RunnerFile, told_by_runners};
pub(crate) use watch::{Changes, FileSign, Watch};
pub(crate) use writers::{FileState, FileWriter, FileWriters, QUIET};
#[cfg(test)]
pub(crate) use {
    after_crash::{AfterCrash, after_crash},
    change::line,
    claim::started,
    history::SHIPPING,
    routed::REASON_INTERRUPTED,
};

/// The reason of a job whose `ship` command began without anyone knowing how it ended: never simply run again.
pub(crate) const SHIP_UNKNOWN: &str = "ship_unknown";

/// The reason of a job that a person gave up.
pub(crate) const CANCELLED: &str = "cancelled";

/// What became of one file that was asked for.
type Reading<T> = Result<T, QueueError>;

#[derive(Debug, Clone)]
pub(crate) struct Queue {
    root: QueueRoot,
}

impl Queue {
    /// An existing queue. A missing folder is an error and no empty queue: the path may be mistyped, or a disk not
    /// mounted (clause O-13).
    pub(crate) fn open(root: &Path) -> Reading<Queue> {
        match root.join(Stage::Inbox.folder()).symlink_metadata() {
            Ok(_) => {
                let queue = Queue::at(root);
                queue.prove_own()?;
                Ok(queue)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(QueueError::Missing {
                path: root.to_owned(),
            }),
            Err(source) => Err(QueueError::Read {
                path: root.to_owned(),
                source,
            }),
        }
    }

    /// The queue at that place, made if it isn't there.
    pub(crate) fn create(root: &Path) -> Reading<Queue> {
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
    pub(crate) fn complete(&self) -> Reading<Vec<String>> {
        self.prove_own()?;
        let stages = Stage::ALL.map(|stage| self.folder(stage));
        let state = [
            self.jobs_folder(),
            self.cancel_folder(),
            self.approval_folder(),
            self.scratch_folder(),
            self.outbox_folder(),
            self.paused_folder(),
            self.kept_folder(),
            self.pause_folder(),
        ];
        let mut made = Vec::new();
        for path in stages.into_iter().chain(state).chain(locks::folders(self)) {
            match self.root.make_folder(&path) {
                Ok(false) => {}
                Ok(true) => {
                    let below = path.strip_prefix(self.root()).unwrap_or(&path);
                    made.extend(
                        below
                            .iter()
                            .next()
                            .map(|name| name.to_string_lossy().into_owned()),
                    );
                }
                Err(source) => return Err(QueueError::Write { path, source }),
            }
        }
        made.dedup();
        self.close_state()?;
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
        self.folder(stage).join(format!("{id}.md"))
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
        record::is_marked(&self.root, &self.process_record(id), mark)
    }

    /// The jobs in `quarantine` that keep a lock: nothing that names it starts before a person has decided about them.
    pub(crate) fn keepers(&self, lock: &LockName) -> Reading<Vec<JobId>> {
        locks::keepers(self, lock)
    }

    pub(crate) fn kept_locks(&self) -> Reading<BTreeSet<LockName>> {
        locks::kept_names(self)
    }

    /// The file whose presence asks the runner of a job to end it.
    pub(crate) fn cancel_marker(&self, id: &JobId) -> PathBuf {
        self.cancel_folder().join(id.as_str())
    }

    /// The file whose presence says that a person approved a routed job in review.
    pub(crate) fn approval_marker(&self, id: &JobId) -> PathBuf {
        self.approval_folder().join(id.as_str())
    }

    pub(crate) fn history(&self, id: &JobId) -> Reading<History> {
        history::read(self, id)
    }

    /// The reason of the job's last change, for those who only want to know.
    pub(crate) fn reason(&self, id: &JobId) -> Option<String> {
        self.history(id).ok()?.lines.pop()?.reason
    }

    /// The stage that a job is in, if the queue has it.
    pub(crate) fn find(&self, id: &JobId) -> Reading<Option<Stage>> {
        // A move between two looks could hide a job, so an empty round is repeated against the direction of travel.
        for stage in Stage::ALL.into_iter().chain(Stage::ALL.into_iter().rev()) {
            let path = self.job_path(stage, id);
            match path.symlink_metadata() {
                Ok(_) => return Ok(Some(stage)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(QueueError::Read { path, source }),
            }
        }
        Ok(None)
    }

    /// The names of the job files of a stage, in no order. Names that are no id are left out.
    pub(crate) fn ids(&self, stage: Stage) -> Reading<Vec<JobId>> {
        let names = self.names(stage)?;
        Ok(names
            .iter()
            .filter_map(|name| stem(name))
            .filter_map(|stem| JobId::new(stem).ok())
            .collect())
    }

    /// The job as its file in that stage describes it.
    pub(crate) fn job(&self, stage: Stage, id: &JobId) -> Reading<Job> {
        self.read_job(stage, id).map(|(job, _)| job)
    }

    /// The same, with the bytes that describe it.
    fn read_job(&self, stage: Stage, id: &JobId) -> Reading<(Job, Vec<u8>)> {
        let path = self.job_path(stage, id);
        let bytes = files::read_bounded(&self.root, &path, job::FILE_BYTES_MAX).map_err(|source| {
            QueueError::Read {
                path: path.clone(),
                source,
            }
        })?;
        match job::parse(Naming::File(id.as_str()), &path.display().to_string(), &bytes) {
            Ok(accepted) => Ok((accepted.job, bytes)),
            Err(remark) => Err(QueueError::Job(remark)),
        }
    }

    fn names(&self, stage: Stage) -> Reading<Vec<std::ffi::OsString>> {
        let path = self.folder(stage);
        match self.root.names(&path) {
            Ok(mut names) => {
                names.retain(|name| is_job_file(name));
                Ok(names)
            }
            Err(source) => Err(QueueError::Read { path, source }),
        }
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
    fn kept_folder(&self) -> PathBuf {
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
