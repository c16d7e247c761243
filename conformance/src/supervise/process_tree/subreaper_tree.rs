//! Ends everything below this process: all descendants are adopted by it (it is their subreaper), so that
//! "no child left" from the kernel is proof that nothing survived.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, set_child_subreaper, wait,
};

use crate::supervise::{Straggler, spawn};

/// A tree that forks faster than it can be killed is given up after this many rounds.
const ROUNDS_LIMIT: usize = 10_000;

/// A command whose descendants all come to this process.
pub(in crate::supervise) struct SubreaperTree {
    pub(in crate::supervise) command: Pid,
    /// Readable once the command ended.
    end: OwnedFd,
}

impl SubreaperTree {
    pub(in crate::supervise) fn start(program: &str, arguments: &[String]) -> std::io::Result<SubreaperTree> {
        set_child_subreaper(Some(getpid()))?;
        let command = spawn::start(program, arguments, None)?;
        let end = pidfd_open(command, PidfdFlags::empty())?;
        Ok(SubreaperTree { command, end })
    }

    /// What is readable once the command may have ended.
    pub(in crate::supervise) fn end(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }

    /// Whether the command ended; asked when `end` is readable.
    pub(in crate::supervise) fn has_ended(&mut self) -> std::io::Result<bool> {
        Ok(true)
    }

    pub(in crate::supervise) fn sweep(self, grace_ends: Instant) -> std::io::Result<Vec<Straggler>> {
        sweep(grace_ends)
    }
}

/// Waits until `grace_ends` for what is left to end by itself, then kills it; returns what had to be killed.
fn sweep(grace_ends: Instant) -> std::io::Result<Vec<Straggler>> {
    while reap()? == RemainingChildren::SomeLeft {
        let now = Instant::now();
        if now >= grace_ends || !one_ends_within(grace_ends - now)? {
            break;
        }
    }
    let mut stragglers: Vec<Straggler> = Vec::new();
    for _ in 0..ROUNDS_LIMIT {
        if reap()? == RemainingChildren::NoneLeft {
            return Ok(stragglers);
        }
        for pid in descendants() {
            if !stragglers
                .iter()
                .any(|known| known.pid == pid.as_raw_nonzero().get())
                && alive(pid)
            {
                stragglers.push(Straggler {
                    pid: pid.as_raw_nonzero().get(),
                    command: command_of(pid),
                });
            }
            let _ = kill_process(pid, Signal::KILL);
        }
        match wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return Ok(stragglers),
            Err(error) => return Err(error.into()),
        }
    }
    Err(std::io::Error::other(
        "what the command started forks faster than it can be killed",
    ))
}

#[derive(PartialEq, Eq)]
enum RemainingChildren {
    NoneLeft,
    SomeLeft,
}

/// Collects every child that has ended.
fn reap() -> std::io::Result<RemainingChildren> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Ok(RemainingChildren::SomeLeft),
            Err(Errno::CHILD) => return Ok(RemainingChildren::NoneLeft),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether any child ends before the limit.
fn one_ends_within(limit: Duration) -> std::io::Result<bool> {
    let children: Vec<OwnedFd> = children_of(getpid())
        .into_iter()
        .filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        .collect();
    let mut watched: Vec<PollFd> = children
        .iter()
        .map(|child| PollFd::new(child, PollFlags::IN))
        .collect();
    if watched.is_empty() {
        return Ok(true);
    }
    let limit = Timespec {
        tv_sec: limit.as_secs() as i64,
        tv_nsec: i64::from(limit.subsec_nanos()),
    };
    match poll(&mut watched, Some(&limit)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn descendants() -> Vec<Pid> {
    let mut found = Vec::new();
    let mut parents = vec![getpid()];
    while let Some(parent) = parents.pop() {
        let children = children_of(parent);
        parents.extend(&children);
        found.extend(children);
    }
    found
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let tasks = format!("/proc/{}/task", parent.as_raw_nonzero());
    let mut children = Vec::new();
    for task in std::fs::read_dir(tasks).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.extend(
            text.split_whitespace()
                .filter_map(|pid| Pid::from_raw(pid.parse().ok()?)),
        );
    }
    children
}

fn alive(pid: Pid) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    text.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn command_of(pid: Pid) -> String {
    let text = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .replace('\0', " ")
        .trim()
        .to_owned()
}
