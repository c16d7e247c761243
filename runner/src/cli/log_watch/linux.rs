//! Is told by inotify.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::POLL_INTERVAL;
use crate::queue::Queue;
use crate::stage::Stage;

pub(in crate::cli) struct NotifiedLogWatch(OwnedFd);

impl NotifiedLogWatch {
    /// From now on it is told when a job leaves its work.
    pub(in crate::cli) fn start(queue: &Queue) -> io::Result<NotifiedLogWatch> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        for stage in [Stage::Inbox, Stage::Building, Stage::Testing] {
            inotify::add_watch(&watch, queue.folder(stage), WatchFlags::MOVED_FROM)?;
        }
        Ok(NotifiedLogWatch(watch))
    }

    /// From now on it is told of output in this folder, if the folder is there; watching it twice has no effect.
    pub(in crate::cli) fn watch_output(&self, folder: &Path) {
        let _ = inotify::add_watch(&self.0, folder, WatchFlags::MODIFY | WatchFlags::CREATE);
    }

    /// Waits for a change, and for a while at most.
    pub(in crate::cli) fn wait(&self) -> io::Result<()> {
        let mut descriptors = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut descriptors, Some(&POLL_INTERVAL))?;
        let mut events = [0; 4096];
        while rustix::io::read(&self.0, &mut events).is_ok_and(|count| count > 0) {}
        Ok(())
    }
}
