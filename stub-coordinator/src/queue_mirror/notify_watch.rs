//! Tells of changes in a folder on systems without inotify. They do not say that a file was written to its end, so a
//! change counts once the folder has been quiet for a moment.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use notify::{Config, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How often to look where the system tells of no change.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long nothing may change before the folder is read.
const QUIET: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// A folder that never is quiet is read after as many changes.
const CHANGES_LIMIT: usize = 20;

/// A folder that is watched until this is dropped.
pub(super) struct NotifyWatch {
    /// A byte for some of the changes, and at least one after the last of them.
    changes: UnixStream,
    /// Told of by the system, or found by looking again and again.
    _watcher: Box<dyn Watcher + Send>,
}

impl NotifyWatch {
    pub(super) fn open(folder: &Path) -> io::Result<NotifyWatch> {
        let (changes, teller) = UnixStream::pair()?;
        changes.set_nonblocking(true)?;
        teller.set_nonblocking(true)?;
        let watcher = watcher_of(folder, &teller).map_err(to_io_error)?;
        Ok(NotifyWatch {
            changes,
            _watcher: watcher,
        })
    }

    /// What is readable once there was a change.
    pub(super) fn changes(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }

    /// To be called before the folder is read. Waits until it is quiet.
    pub(super) fn forget_changes(&mut self) {
        for _ in 0..CHANGES_LIMIT {
            while matches!(self.changes.read(&mut [0; 64]), Ok(1..)) {}
            let mut watched = [PollFd::new(&self.changes, PollFlags::IN)];
            if matches!(poll(&mut watched, Some(&QUIET)), Ok(0)) {
                return;
            }
        }
    }
}

/// What tells of changes in this folder: the system itself, or looks at it where the system can't.
fn watcher_of(folder: &Path, teller: &UnixStream) -> notify::Result<Box<dyn Watcher + Send>> {
    let tell = || -> io::Result<_> {
        let mut teller = teller.try_clone()?;
        Ok(move |event: notify::Result<Event>| {
            // To read the folder is no change of it. A stream that is full tells enough.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                let _ = teller.write(&[0]);
            }
        })
    };
    let by_system = RecommendedWatcher::new(tell()?, Config::default()).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    if let Ok(watcher) = by_system {
        return Ok(Box::new(watcher));
    }
    let mut watcher = PollWatcher::new(tell()?, Config::default().with_poll_interval(LOOK_INTERVAL))?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(Box::new(watcher))
}

fn to_io_error(error: notify::Error) -> io::Error {
    match error.kind {
        notify::ErrorKind::Io(error) => error,
        notify::ErrorKind::PathNotFound => io::ErrorKind::NotFound.into(),
        _ => io::Error::other(error),
    }
}
