//! Is told by inotify.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::POLL_INTERVAL;
use crate::queue::Queue;
use crate::stage::Stage;

/// Without a descriptor, where the system gives no more of them, it only looks again after a while.
pub(in crate::cli) struct NotifiedLogWatch(Option<OwnedFd>);

impl NotifiedLogWatch {
    /// From now on it is told when a job leaves its work.
    pub(in crate::cli) fn start(queue: &Queue) -> NotifiedLogWatch {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        for stage in [Stage::Inbox, Stage::Building, Stage::Testing] {
            watch_folder(watch.as_ref(), &queue.folder(stage), WatchFlags::MOVED_FROM);
        }
        NotifiedLogWatch(watch)
    }

    /// From now on it is told of output in this folder, if the folder is there; watching it twice has no effect.
    pub(in crate::cli) fn watch_output(&self, folder: &Path) {
        watch_folder(self.0.as_ref(), folder, WatchFlags::MODIFY | WatchFlags::CREATE);
    }

    /// Waits for a change, and for a while at most.
    pub(in crate::cli) fn wait(&self) -> io::Result<()> {
        let mut descriptors: Vec<_> = self
            .0
            .iter()
            .map(|watch| PollFd::new(watch, PollFlags::IN))
            .collect();
        poll(&mut descriptors, Some(&POLL_INTERVAL))?;
        let mut events = [0; 4096];
        if let Some(watch) = &self.0 {
            while rustix::io::read(watch, &mut events).is_ok_and(|count| count > 0) {}
        }
        Ok(())
    }
}

/// A folder that can't be watched is looked at after a while, like all of them.
fn watch_folder(watch: Option<&OwnedFd>, folder: &Path, changes: WatchFlags) {
    let _ = watch.map(|watch| inotify::add_watch(watch, folder, changes));
}
