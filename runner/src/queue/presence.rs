//! Whether the queue is still the folder that this process began to work with: people, and jobs, remove, move and replace
//! folders.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::{Queue, QueueError, QueueLoss, QueueResult};
use crate::stage::Stage;

impl Queue {
    /// What became of the queue, if it is not what it was.
    pub(crate) fn loss(&self) -> Option<QueueLoss> {
        let stages = Stage::ALL.map(|stage| self.folder(stage)).into_iter();
        self.loss_among(stages.chain([self.state(), self.jobs_folder()]))
    }

    /// The same where these are the folders below it that have to be there.
    fn loss_among(&self, mut folders: impl Iterator<Item = PathBuf>) -> Option<QueueLoss> {
        let held = self.root.open(self.root()).and_then(|folder| folder.metadata());
        // What can't be looked at is no proof of anything.
        let held = held.ok()?;
        let named = match self.root().metadata() {
            Ok(named) => named,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Some(match held.nlink() {
                    0 => QueueLoss::Removed,
                    _ => QueueLoss::Moved,
                });
            }
            Err(_) => return None,
        };
        if (held.dev(), held.ino()) != (named.dev(), named.ino()) {
            return Some(QueueLoss::Replaced);
        }
        let is_gone = |folder: &PathBuf| {
            let found = folder.symlink_metadata();
            found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        };
        folders
            .any(|folder| is_gone(&folder))
            .then_some(QueueLoss::Removed)
    }

    /// That the queue is gone is an error.
    pub(crate) fn check_presence(&self) -> QueueResult<()> {
        self.refuse(self.loss())
    }

    /// The same of who was told of nothing in particular, and may look between two commands of somebody who puts another
    /// folder into the place of a stage: those other than the inbox are missed when something has to go there.
    pub(crate) fn check_inbox_presence(&self) -> QueueResult<()> {
        self.refuse(self.loss_among([self.folder(Stage::Inbox)].into_iter()))
    }

    fn refuse(&self, loss: Option<QueueLoss>) -> QueueResult<()> {
        match loss {
            None => Ok(()),
            Some(loss) => Err(QueueError::Lost {
                path: self.root().to_owned(),
                loss,
            }),
        }
    }

    /// Version control that cleans up, or puts aside, what it does not know leaves the queue alone. A file of that name
    /// that is there is somebody's own.
    pub(super) fn hide_from_version_control(&self) -> QueueResult<()> {
        let path = self.root().join(".gitignore");
        if path.symlink_metadata().is_ok() {
            return Ok(());
        }
        let write = || self.root.create(&path)?.write_all(b"*\n");
        write().map_err(QueueError::writing(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_moved_away_while_a_run_begins_is_not_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        Queue::create(&path).unwrap();
        let queue = Queue::open(&path).unwrap();
        std::fs::rename(&path, folder.path().join("away")).unwrap();
        let _ = queue.complete();
        assert!(!path.exists());
        assert_eq!(queue.loss(), Some(QueueLoss::Moved));
    }
}
