//! Whether a folder can carry a queue at all: one file system, that can be written to, keeps locks, and moves a file
//! without overwriting another. Tried out before the first job is looked at, because the first transition is too late.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Queue, QueueError, QueueResult, durable_files};
use crate::queue_root::QueueRoot;
use crate::stage::Stage;

/// Why a folder can't carry a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FilesystemDefect {
    SpansFileSystems,
    RenameOverwrites,
    LocksUnsupported,
}

impl FilesystemDefect {
    fn of(error: &io::Error) -> Option<FilesystemDefect> {
        Some(match Errno::from_io_error(error)? {
            Errno::XDEV => FilesystemDefect::SpansFileSystems,
            Errno::INVAL | Errno::NOSYS => FilesystemDefect::RenameOverwrites,
            // Two numbers for one thing on some systems, and one on others.
            errno if [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOTSUP].contains(&errno) => {
                FilesystemDefect::LocksUnsupported
            }
            _ => return None,
        })
    }

    /// What is so, and what to do.
    fn advice(self) -> &'static str {
        match self {
            FilesystemDefect::SpansFileSystems => {
                "it lies on another file system than the queue's .state folder, and a job changes its stage by one \
                 rename, which works within one file system only: put the whole queue on one, without links or mounts \
                 inside"
            }
            FilesystemDefect::RenameOverwrites => {
                "its file system can't move a file without overwriting another of that name: put the queue on a local \
                 disk"
            }
            FilesystemDefect::LocksUnsupported => {
                "its file system keeps no locks, so two runs could work on one job: put the queue on a local disk"
            }
        }
    }
}

impl Queue {
    /// Tries everything that a run relies on.
    pub(crate) fn check_filesystem(&self) -> QueueResult<()> {
        let probe = self
            .scratch_folder()
            .join(format!(".probe-{}", std::process::id()));
        let tried = self.probe_filesystem(&probe);
        // A probe that is left is hidden, and no job.
        let _ = self.root.remove(&probe);
        tried.map_err(|(path, source)| match FilesystemDefect::of(&source) {
            Some(unsound) => QueueError::UnsuitableFolder {
                path,
                advice: unsound.advice(),
            },
            None => QueueError::Write { path, source },
        })
    }

    fn probe_filesystem(&self, probe: &Path) -> Result<(), (PathBuf, io::Error)> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| (path, error)
        };
        let file = self.root.create(probe).map_err(at(&self.scratch_folder()))?;
        check_locks_hold(&self.root, probe, &file).map_err(at(&self.state()))?;
        check_no_overwrite(&self.root, probe).map_err(at(&self.scratch_folder()))?;
        let folders = Stage::ALL.map(|stage| self.folder(stage));
        for folder in folders.into_iter().chain([self.outbox_folder()]) {
            // Of a file that isn't there, so that no crash leaves one in a stage: where both ends lie is judged first.
            let absent = Path::new(".absent");
            match durable_files::move_new(
                &self.root,
                &self.scratch_folder().join(absent),
                &folder.join(absent),
            ) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err((folder, error)),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// A move onto a name that is taken has to be refused.
fn check_no_overwrite(root: &QueueRoot, probe: &Path) -> io::Result<()> {
    let other = probe.with_extension("other");
    root.create(&other)?;
    let moved = durable_files::move_new(root, &other, probe);
    let _ = root.remove(&other);
    match moved {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A Mac says this of a file system that can't.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTSUP) => Err(Errno::NOSYS.into()),
        Err(error) => Err(error),
        Ok(()) => Err(Errno::NOSYS.into()),
    }
}

/// A second holder has to be refused.
fn check_locks_hold(root: &QueueRoot, path: &Path, first: &File) -> io::Result<()> {
    flock(first, FlockOperation::NonBlockingLockExclusive)?;
    match flock(root.open(path)?, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Ok(()),
        Err(errno) => Err(errno.into()),
        Ok(()) => Err(Errno::NOLCK.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_way_of_being_unsound_says_what_to_do() {
        for (errno, words) in [
            (Errno::XDEV, "the whole queue on one"),
            (Errno::INVAL, "without overwriting"),
            (Errno::NOLCK, "keeps no locks"),
            (Errno::OPNOTSUPP, "keeps no locks"),
        ] {
            let unsound = FilesystemDefect::of(&errno.into()).unwrap();
            assert!(unsound.advice().contains(words), "{errno}: {}", unsound.advice());
        }
        // What may be over at any time is no defect of the folder.
        for errno in [Errno::ACCESS, Errno::ROFS, Errno::NOSPC] {
            assert_eq!(FilesystemDefect::of(&errno.into()), None, "{errno}");
        }
    }

    #[test]
    fn a_sound_folder_is_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        queue.check_filesystem().unwrap();
        let scratch = fs::read_dir(queue.scratch_folder()).unwrap().count();
        let inbox = fs::read_dir(queue.folder(Stage::Inbox)).unwrap().count();
        assert_eq!((scratch, inbox), (0, 0));
    }
}
