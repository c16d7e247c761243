//! Ends everything below a command on systems that give no process the descendants of another. A process belongs to
//! the command by its parent, its group, its session or the mark in its environment. What left all four (a process with
//! an environment of its own in a session of its own, whose parent is gone) is not found.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpgrp, getpid, kill_process, kill_process_group, wait,
    waitid,
};
use signal_hook::consts::SIGCHLD;

use crate::process_list::{self, ListedProcess, ProcessDetail};
use crate::supervise::{MARK, Straggler, spawn};

/// A tree that forks faster than it can be killed is given up after this many rounds.
const ROUNDS_LIMIT: usize = 10_000;
/// How long to wait before the next look: an orphan that ends tells nobody here.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// After a kill, this many looks in a row have to find nothing. One look is no proof: a process that is just replacing
/// its program has no environment for a moment.
const EMPTY_LOOKS: usize = 2;

/// A command whose descendants carry a mark.
pub(in crate::supervise) struct MarkedTree {
    pub(in crate::supervise) command: Pid,
    /// The variable with its value, as it stands in an environment.
    mark: CString,
    /// A byte for each time that a child ended.
    child_ends: UnixStream,
}

impl MarkedTree {
    pub(in crate::supervise) fn start(program: &str, arguments: &[String]) -> std::io::Result<MarkedTree> {
        let (child_ends, sender) = UnixStream::pair()?;
        child_ends.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGCHLD, sender)?;
        // A process id comes back some day; together with the time it does not.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let own = getpid().as_raw_nonzero();
        let mark = CString::new(format!("{MARK}={own}.{}", now.as_nanos()))?;
        let command = spawn::start(program, arguments, Some(&mark))?;
        Ok(MarkedTree {
            command,
            mark,
            child_ends,
        })
    }

    /// What is readable once the command may have ended.
    pub(in crate::supervise) fn end(&self) -> BorrowedFd<'_> {
        self.child_ends.as_fd()
    }

    /// Whether the command ended; asked when `end` is readable. It is not reaped, so its id stays its own.
    pub(in crate::supervise) fn has_ended(&mut self) -> std::io::Result<bool> {
        self.forget_child_ends();
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(self.command), options) {
                Ok(status) => return Ok(status.is_some()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until `grace_ends` for what is left to end by itself, then kills it; returns what had to be killed.
    pub(in crate::supervise) fn sweep(mut self, grace_ends: Instant) -> std::io::Result<Vec<Straggler>> {
        while !self.remaining()?.is_empty() && Instant::now() < grace_ends {
            self.wait_for_change()?;
        }
        let mut stragglers: Vec<Straggler> = Vec::new();
        let mut empty_looks = 0;
        for _ in 0..ROUNDS_LIMIT {
            let remaining = self.remaining()?;
            empty_looks = match remaining.is_empty() {
                true => empty_looks + 1,
                false => 0,
            };
            if empty_looks >= EMPTY_LOOKS || (stragglers.is_empty() && remaining.is_empty()) {
                return Ok(stragglers);
            }
            for process in remaining {
                kill(process.pid);
                let pid = process.pid.as_raw_nonzero().get();
                if !stragglers.iter().any(|known| known.pid == pid) {
                    let command = process.command;
                    stragglers.push(Straggler { pid, command });
                }
            }
            self.wait_for_change()?;
        }
        Err(std::io::Error::other(
            "what the command started forks faster than it can be killed",
        ))
    }

    /// The living processes of the command.
    fn remaining(&self) -> std::io::Result<Vec<ListedProcess>> {
        reap()?;
        let mut others = process_list::living(ProcessDetail::CommandAndEnvironment)?;
        let own = getpid();
        let mut belonging = BTreeSet::from([own.as_raw_nonzero()]);
        let mut found = Vec::new();
        // A child of what belongs to the command can stand before it in the list.
        loop {
            let belongs = |process: &ListedProcess| {
                process.pid != own
                    && (process
                        .parent
                        .is_some_and(|parent| belonging.contains(&parent.as_raw_nonzero()))
                        || self.owns(process))
            };
            let (more, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(belongs);
            others = rest;
            if more.is_empty() {
                return Ok(found);
            }
            belonging.extend(more.iter().map(|process| process.pid.as_raw_nonzero()));
            found.extend(more);
        }
    }

    fn owns(&self, process: &ListedProcess) -> bool {
        let mark = OsStr::from_bytes(self.mark.as_bytes());
        process.environment.iter().any(|variable| variable == mark)
            || group_of(process.pid) == Some(self.command)
            || session_of(process.pid) == Some(self.command)
    }

    /// Until a child ends, and no longer than to the next look.
    fn wait_for_change(&mut self) -> std::io::Result<()> {
        let limit = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(LOOK_INTERVAL.subsec_nanos()),
        };
        let mut watched = [PollFd::new(&self.child_ends, PollFlags::IN)];
        match poll(&mut watched, Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.forget_child_ends();
        Ok(())
    }

    fn forget_child_ends(&mut self) {
        while matches!(self.child_ends.read(&mut [0; 64]), Ok(1..)) {}
    }
}

/// Kills a process with its group at once: in a chain of forks, the one that was seen is gone by now. It may have ended
/// since the look.
fn kill(pid: Pid) {
    match group_of(pid) {
        Some(group) if group != getpgrp() => drop(kill_process_group(group, Signal::KILL)),
        _ => {}
    }
    let _ = kill_process(pid, Signal::KILL);
}

/// None also where its leader is outside of the container that this runs in.
fn group_of(pid: Pid) -> Option<Pid> {
    let group = nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(pid.as_raw_nonzero().get())));
    Pid::from_raw(group.ok()?.as_raw())
}

/// None as of a group.
fn session_of(pid: Pid) -> Option<Pid> {
    let session = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid.as_raw_nonzero().get())));
    Pid::from_raw(session.ok()?.as_raw())
}

/// Collects every child that has ended.
fn reap() -> std::io::Result<()> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
