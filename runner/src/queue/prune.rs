//! Old jobs leave the queue for good: what they printed, their history, their file; what stays is a name.
//!
//! The name, a file without content in `.state/pruned/STAGE/`, is laid down first: a coordinator that still has the job
//! in its queue is told the stage instead of having it run again (clause T-12). Then the job's file is taken out of its
//! stage, by which the job is gone; what is left of it, its history first, is found again by that file, so that a crash
//! leaves a whole job or none, and the next pruning clears away the rest.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;

use super::{Queue, QueueError, QueueResult, durable_files, locks};
use crate::ids::JobId;
use crate::stage::Stage;

const FINAL: [Stage; 3] = [Stage::Shipped, Stage::Failed, Stage::Quarantine];

/// Why a job is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PruneRefusal {
    /// Someone works with it at this moment, or it came to another stage.
    HeldElsewhere,
    /// Its last report has not reached the coordinator.
    ReportUndelivered,
}

impl Queue {
    /// Removes a job from a final stage, and says how many bytes that freed.
    pub(crate) fn prune(&self, id: &JobId, stage: Stage) -> QueueResult<Result<u64, PruneRefusal>> {
        let Some(hold) = self.hold(id)? else {
            return Ok(Err(PruneRefusal::HeldElsewhere));
        };
        // Looked at under its lock: it may have been retried a moment ago.
        if !stage.is_final() || self.find(id)? != Some(stage) {
            return Ok(Err(PruneRefusal::HeldElsewhere));
        }
        if self.owes(id)? {
            return Ok(Err(PruneRefusal::ReportUndelivered));
        }
        let (folder, file) = (self.job_folder(id), self.job_path(stage, id));
        let freed = size(&folder).saturating_add(size(&file));
        self.write_pruned_marker(id, stage)?;
        if self.handover(id)?.is_some() {
            self.forget_handover(&hold)?;
        }
        let going = self.going(id);
        self.make_folder(&self.pruning_folder())?;
        {
            // Nobody may use the name before its history is out of the way.
            let _held = locks::lock_queue(self)?;
            self.root
                .rename(&file, &going, RenameFlags::empty())
                .map_err(QueueError::writing(&going))?;
            self.sync_folder(&self.pruning_folder())?;
            self.sync_move(stage, stage)?;
            self.move_history_to_trash(id)?;
        }
        self.remove_leftovers(id)?;
        drop(hold);
        Ok(Ok(freed))
    }

    /// What prunings that were killed have left.
    pub(crate) fn finish_prunings(&self) -> QueueResult<()> {
        for name in self.root.names(&self.pruning_folder()).unwrap_or_default() {
            let Some(id) = name.to_str().and_then(|name| JobId::new(name).ok()) else {
                continue;
            };
            let Some(_hold) = self.hold(&id)? else { continue };
            let _held = locks::lock_queue(self)?;
            // Who put a new file of that name in place by hand goes on with the history that there is.
            if self.find(&id)?.is_none() {
                self.move_history_to_trash(&id)?;
            }
            self.remove_leftovers(&id)?;
        }
        Ok(())
    }

    /// A new job has nothing of one whose pruning was killed; the caller holds the queue's lock.
    pub(super) fn remove_pruned_marker(&self, id: &JobId) -> QueueResult<()> {
        if !self.going(id).exists() {
            return Ok(());
        }
        self.move_history_to_trash(id)?;
        self.remove_leftovers(id)
    }

    /// In one step, so that no half of a history is ever read.
    fn move_history_to_trash(&self, id: &JobId) -> QueueResult<()> {
        let trash = self.trash_folder().join(id.as_str());
        let write = QueueError::writing(&trash);
        self.make_folder(&self.trash_folder())?;
        self.root.remove_folder(&trash).map_err(write)?;
        let moved = self
            .root
            .rename(&self.job_folder(id), &trash, RenameFlags::empty());
        if let Err(error) = moved
            && error.kind() != ErrorKind::NotFound
        {
            return Err(write(error));
        }
        self.sync_folder(&self.jobs_folder())
    }

    /// The file last: while it is there, so may be the rest.
    fn remove_leftovers(&self, id: &JobId) -> QueueResult<()> {
        let (trash, going) = (self.trash_folder().join(id.as_str()), self.going(id));
        let removed = self.root.remove_folder(&trash);
        removed.map_err(QueueError::writing(&trash))?;
        self.remove(&going)
    }

    /// Where a job's file lies until the rest of it is gone.
    fn going(&self, id: &JobId) -> PathBuf {
        self.pruning_folder().join(id.as_str())
    }

    fn pruning_folder(&self) -> PathBuf {
        self.state().join("pruned").join("going")
    }

    fn trash_folder(&self) -> PathBuf {
        self.state().join("pruned").join("trash")
    }

    /// The final stage that a job was pruned from.
    pub(crate) fn pruned(&self, id: &JobId) -> QueueResult<Option<Stage>> {
        for stage in FINAL {
            if self.has_name(&self.pruned_folder(stage), id.as_str())? {
                return Ok(Some(stage));
            }
        }
        Ok(None)
    }

    /// When a file came to where it is, as finely as the file system tells it: many jobs can end in one second, and which
    /// ones are the latest is asked for. `None`: it is gone.
    pub(crate) fn arrival(&self, stage: Stage, id: &JobId) -> Option<jiff::Timestamp> {
        let metadata = self.job_path(stage, id).symlink_metadata().ok()?;
        jiff::Timestamp::new(metadata.ctime(), i32::try_from(metadata.ctime_nsec()).ok()?).ok()
    }

    pub(super) fn pruned_folder(&self, stage: Stage) -> PathBuf {
        self.state().join("pruned").join(stage.folder())
    }

    /// A job of that name that is handed to the coordinator is another one than the one that ended here.
    pub(super) fn forget_pruned(&self, id: &JobId) -> QueueResult<()> {
        for stage in FINAL {
            if self.pruned_folder(stage).exists() {
                self.remove(&self.pruned_folder(stage).join(id.as_str()))?;
                self.sync_folder(&self.pruned_folder(stage))?;
            }
        }
        Ok(())
    }

    fn write_pruned_marker(&self, id: &JobId, stage: Stage) -> QueueResult<()> {
        let folder = self.pruned_folder(stage);
        let path = folder.join(id.as_str());
        self.make_folder(&folder)?;
        durable_files::write_durable(&self.root, &path, b"").map_err(QueueError::writing(&path))?;
        self.sync_folder(&folder)?;
        // An earlier job of that name may have come to another end.
        for other in FINAL.into_iter().filter(|other| *other != stage) {
            self.remove(&self.pruned_folder(other).join(id.as_str()))?;
        }
        Ok(())
    }
}

/// What can't be looked at counts nothing.
fn size(path: &Path) -> u64 {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| size(&entry.path())).sum()
        }
        Ok(metadata) => metadata.size(),
        Err(_) => 0,
    }
}
