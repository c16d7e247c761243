//! How the files of the queue come to lie where they belong, and go: each step wholly done, or not at all.

use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;

use super::file_identity::FileStamp;
use super::{Queue, QueueError, QueueResult, durable_files};
use crate::ids::JobId;
use crate::stage::Stage;

impl Queue {
    /// Writes a new job's file where it is no job yet.
    pub(super) fn write_scratch(&self, id: &JobId, bytes: &[u8]) -> QueueResult<(PathBuf, FileStamp)> {
        let path = self.scratch_folder().join(id.file_name());
        let written = durable_files::write_durable(&self.root, &path, bytes);
        let file = written.and_then(|()| path.symlink_metadata());
        let file = file.map_err(QueueError::writing(&path))?;
        Ok((path, FileStamp::of(&file)))
    }

    /// A file that says what it said or what it is to say, and never half of either; `scratch`: a name for the caller
    /// alone.
    pub(super) fn replace(&self, path: &Path, scratch: &str, bytes: &[u8]) -> QueueResult<()> {
        let scratch = self.scratch_folder().join(scratch);
        durable_files::write_durable(&self.root, &scratch, bytes)
            .and_then(|()| self.root.rename(&scratch, path, RenameFlags::empty()))
            .map_err(QueueError::writing(path))
    }

    /// A new file in a stage: wholly there, or not at all.
    pub(super) fn place(&self, scratch: &Path, id: &JobId, stage: Stage) -> QueueResult<()> {
        let target = self.job_path(stage, id);
        durable_files::move_new(&self.root, scratch, &target).map_err(|source| QueueError::Move {
            from: scratch.to_owned(),
            to: target,
            source,
        })
    }

    pub(super) fn sync_move(&self, from: Stage, to: Stage) -> QueueResult<()> {
        self.sync_folder(&self.folder(to))?;
        self.sync_folder(&self.folder(from))
    }

    pub(super) fn sync_folder(&self, path: &Path) -> QueueResult<()> {
        self.root.sync_folder(path).map_err(QueueError::writing(path))
    }

    pub(super) fn make_folder(&self, path: &Path) -> QueueResult<bool> {
        self.root.make_folder(path).map_err(QueueError::writing(path))
    }

    /// Nothing is wrong where nothing lies.
    pub(super) fn remove(&self, path: &Path) -> QueueResult<()> {
        self.root.remove(path).map_err(QueueError::writing(path))
    }
}
