//! By inotify, pidfd and `/proc`.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::queue_fixture::LIMIT_S;

const LIMIT: Timespec = Timespec {
    tv_sec: LIMIT_S,
    tv_nsec: 0,
};

pub struct InotifyFileChanges {
    watch: OwnedFd,
}

impl InotifyFileChanges {
    pub fn of(path: &Path) -> InotifyFileChanges {
        let watch = inotify::init(CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&watch, path, WatchFlags::MODIFY).unwrap();
        InotifyFileChanges { watch }
    }

    /// Until something was written; false: nothing was for long.
    pub fn wait(&self) -> bool {
        let mut told = [PollFd::new(&self.watch, PollFlags::IN)];
        let is_told = poll(&mut told, Some(&LIMIT)).unwrap() == 1;
        if is_told {
            rustix::io::read(&self.watch, &mut [0; 1024]).unwrap();
        }
        is_told
    }
}

/// A process that is gone already has ended.
pub fn has_ended_in_time(pid: Pid) -> bool {
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
        return true;
    };
    let mut ended = [PollFd::new(&handle, PollFlags::IN)];
    poll(&mut ended, Some(&LIMIT)).unwrap() == 1
}

/// Whether a process that wrote its id into a file is alive.
pub fn is_alive(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}
