//! A hold on a process by its number and its start, which are looked at right before each signal. Between that look and
//! the signal the process may end; its number would have to be given away in the same instant to reach another one.

use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::supervise::process_table::ProcessStat;

/// The first wait before a look for an end; each is twice as long as the one before.
const LOOK_FIRST: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(in crate::supervise) struct IdentityHandle {
    pid: i32,
    start: u64,
}

impl IdentityHandle {
    pub(in crate::supervise) fn open(pid: i32) -> Option<IdentityHandle> {
        let start = ProcessStat::of(pid)?.start;
        Some(IdentityHandle { pid, start })
    }

    /// False: this process may not signal that one. It may have ended meanwhile, which is what is wanted.
    pub(in crate::supervise) fn signal(&self, signal: Signal) -> bool {
        match Pid::from_raw(self.pid).filter(|_| self.is_alive()) {
            Some(pid) => kill_process(pid, signal) != Err(Errno::PERM),
            None => true,
        }
    }

    fn is_alive(&self) -> bool {
        ProcessStat::of(self.pid).is_some_and(|stat| stat.start == self.start && !stat.is_dead)
    }
}

/// Waits until one of them has ended, but no longer than that. Nothing here tells of the end of a process that is no
/// child, so they are looked at.
pub(in crate::supervise) fn wait_for_an_end(handles: &[IdentityHandle], limit: Duration) {
    let until = Instant::now() + limit;
    let mut pause = LOOK_FIRST;
    while !handles.is_empty() && handles.iter().all(IdentityHandle::is_alive) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(pause.min(left));
        pause *= 2;
    }
}
