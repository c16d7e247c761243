//! How the files of the queue come to lie where they belong, and go: each step wholly done, or not at all.

use std::path::{Path, PathBuf};

use super::file_identity::FileStamp;
use super::{Queue, QueueError, QueueResult, durable_files};
use crate::ids::JobId;
use crate::stage::Stage;

impl Queue {
    /// Writes a new job's file where it is no job yet.
    pub(super) fn write_scratch(&self, id: &JobId, bytes: &[u8]) -> QueueResult<(PathBuf, FileStamp)> {
        let path = self.scratch_folder().join(id.file_name());
        match durable_files::write_durable(&self.root, &path, bytes).and_then(|()| path.symlink_metadata()) {
            Ok(file) => Ok((path, FileStamp::of(&file))),
            Err(source) => Err(QueueError::Write { path, source }),
        }
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
        for path in [self.folder(to), self.folder(from)] {
            self.root
                .sync_folder(&path)
                .map_err(|source| QueueError::Write { path, source })?;
        }
        Ok(())
    }

    /// Nothing is wrong where nothing lies.
    pub(super) fn remove(&self, path: &Path) -> QueueResult<()> {
        self.root.remove(path).map_err(|source| QueueError::Write {
            path: path.to_owned(),
            source,
        })
    }
}
