//! A hold on a process as a descriptor of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// It is readable from the end of its process on.
#[derive(Debug)]
pub(in crate::supervise) struct PidfdHandle(OwnedFd);

impl PidfdHandle {
    pub(in crate::supervise) fn open(pid: i32) -> Option<PidfdHandle> {
        let opened = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty());
        Some(PidfdHandle(opened.ok()?))
    }

    /// False: this process may not signal that one. It may have ended meanwhile, which is what is wanted.
    pub(in crate::supervise) fn signal(&self, signal: Signal) -> bool {
        pidfd_send_signal(&self.0, signal) != Err(Errno::PERM)
    }
}

impl AsFd for PidfdHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until one of them has ended, but no longer than that.
pub(in crate::supervise) fn wait_for_an_end(handles: &[PidfdHandle], limit: Duration) {
    let mut ends: Vec<PollFd<'_>> = handles
        .iter()
        .map(|handle| PollFd::new(handle, PollFlags::IN))
        .collect();
    if !ends.is_empty() {
        // A failure here costs the wait alone.
        let _ = poll(&mut ends, Timespec::try_from(limit).ok().as_ref());
    }
}
