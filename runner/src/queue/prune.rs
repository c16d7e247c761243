//! Old jobs leave the queue for good: what they printed, their history, their file; what stays is a name.
//!
//! The file goes last, so that a crash leaves the whole job or a job without its history, which the next pruning removes.
//! The name, a file without content in `.state/pruned/STAGE/`, is laid down first: a coordinator that still has the job
//! in its queue is told the stage instead of having it run again (clause T-12).

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Queue, QueueError, Reading, files};
use crate::ids::JobId;
use crate::stage::Stage;

const FINAL: [Stage; 3] = [Stage::Shipped, Stage::Failed, Stage::Quarantine];

/// Why a job is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spared {
    /// Someone works with it at this moment, or it came to another stage.
    InOtherHands,
    /// Its last report has not reached the coordinator.
    Owed,
}

impl Queue {
    /// Removes a job from a final stage, and says how many bytes that freed.
    pub(crate) fn prune(&self, id: &JobId, stage: Stage) -> Reading<Result<u64, Spared>> {
        let Some(hold) = self.hold(id)? else {
            return Ok(Err(Spared::InOtherHands));
        };
        // Looked at under its lock: it may have been retried a moment ago.
        if !stage.is_final() || self.find(id)? != Some(stage) {
            return Ok(Err(Spared::InOtherHands));
        }
        if self.owes(id)? {
            return Ok(Err(Spared::Owed));
        }
        self.remember_pruned(id, stage)?;
        let (folder, file) = (self.job_folder(id), self.job_path(stage, id));
        let freed = size(&folder).saturating_add(size(&file));
        let write = |path: &Path| {
            let path = path.to_owned();
            move |source| QueueError::Write { path, source }
        };
        // Out of the way in one step, so that no half of a history is ever read.
        let trash = self.scratch_folder().join(format!("pruned-{id}"));
        remove_folder(&trash).map_err(write(&trash))?;
        match fs::rename(&folder, &trash) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(write(&folder)(error)),
            _ => files::sync_folder(&self.jobs_folder()).map_err(write(&folder))?,
        }
        remove_folder(&trash).map_err(write(&trash))?;
        files::remove(&file).map_err(write(&file))?;
        self.sync_move(stage, stage)?;
        drop(hold);
        Ok(Ok(freed))
    }

    /// The final stage that a job was pruned from.
    pub(crate) fn pruned(&self, id: &JobId) -> Reading<Option<Stage>> {
        for stage in FINAL {
            let path = self.pruned_folder(stage).join(id.as_str());
            match path.symlink_metadata() {
                Ok(_) => return Ok(Some(stage)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(QueueError::Read { path, source }),
            }
        }
        Ok(None)
    }

    /// When a file came to where it is, in seconds since 1970; good enough to say which ones are the latest. `None`: it is
    /// gone.
    pub(crate) fn arrival_s(&self, stage: Stage, id: &JobId) -> Option<i64> {
        let metadata = self.job_path(stage, id).symlink_metadata();
        metadata.ok().map(|metadata| metadata.ctime())
    }

    pub(super) fn pruned_folder(&self, stage: Stage) -> PathBuf {
        self.state().join("pruned").join(stage.folder())
    }

    fn remember_pruned(&self, id: &JobId, stage: Stage) -> Reading<()> {
        let folder = self.pruned_folder(stage);
        let path = folder.join(id.as_str());
        let write = |source| QueueError::Write {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&folder).map_err(write)?;
        files::write_durable(&path, b"").map_err(write)?;
        files::sync_folder(&folder).map_err(write)?;
        // An earlier job of that name may have come to another end.
        for other in FINAL.into_iter().filter(|other| *other != stage) {
            let path = self.pruned_folder(other).join(id.as_str());
            files::remove(&path).map_err(|source| QueueError::Write { path, source })?;
        }
        Ok(())
    }
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
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
