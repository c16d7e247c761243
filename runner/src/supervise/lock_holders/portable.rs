//! Whether anybody holds a lock. No system shows to all programs who that is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::queue_root::QueueRoot;
use crate::supervise::process_table::ProcessStat;

/// A lock that is held by processes that the system does not name, or one that is free.
pub(in crate::supervise) struct UnlistedHolders {
    /// The file, as long as its lock is held elsewhere.
    held: Option<File>,
    /// This process holds it itself, so that nobody can tell whether others do.
    is_held_here: bool,
}

impl UnlistedHolders {
    /// Whether the file's lock is held at this moment. The lock that this takes to find out is free again when it returns.
    pub(in crate::supervise) fn of(
        root: &QueueRoot,
        lock: &Path,
        is_held_here: bool,
    ) -> io::Result<UnlistedHolders> {
        let file = match root.open(lock) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(UnlistedHolders {
                    held: None,
                    is_held_here,
                });
            }
            Err(error) => return Err(error),
        };
        let held = (!is_held_here && is_held(&file)?).then_some(file);
        Ok(UnlistedHolders { held, is_held_here })
    }

    /// Asks again, now that the living processes are known: who held the lock may have ended before they were listed.
    pub(in crate::supervise) fn keep(&mut self, _all: &BTreeMap<i32, ProcessStat>) {
        self.held = self.held.take().filter(|file| is_held(file).unwrap_or(true));
    }

    /// Whether the lock may be held through this process.
    pub(in crate::supervise) fn include(&self, _pid: i32) -> bool {
        self.is_held_here || self.held.is_some()
    }

    /// What holds the lock and is not known to be the job's, as text for a person; none if the lock is free.
    pub(in crate::supervise) fn unproven(&self) -> Option<String> {
        self.held.as_ref().map(|_| {
            String::from(
                "something that can't be proven to be the job's holds its lock, and this system does not show which \
                 process that is",
            )
        })
    }
}

fn is_held(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}
