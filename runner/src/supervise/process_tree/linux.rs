//! The process tree of a command whose orphans become this process's children, so that the kernel knows when nothing is
//! left.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, wait};

use super::{MainCommand, TreeRemainder, descendants};
use crate::supervise::command_request::EnvironmentVariable;
use crate::supervise::process_handle::{ProcessHandle, wait_for_an_end};
use crate::supervise::process_table::linux::description;

/// How often orphans that ended are collected while the command runs.
const REAP_INTERVAL: Duration = Duration::from_secs(10);
/// What was sent KILL is gone within moments, unless it hangs in the kernel.
const KILL_WAIT_MAX: Duration = Duration::from_secs(5);
/// What is started meanwhile is sent KILL after this.
const KILL_PAUSE: Duration = Duration::from_millis(10);

/// The processes of one command. The watchdog writes it, from the start of the command until none of them is left.
#[derive(Debug)]
pub(in crate::supervise) struct AdoptedTree {
    pub(in crate::supervise) main: MainCommand,
    /// Processes that got TERM, so that each gets it once; a process that ended is taken out, because its number may
    /// be given away.
    asked_to_end: HashSet<Pid>,
}

impl AdoptedTree {
    pub(in crate::supervise) fn below_this_process(
        _environment: &[EnvironmentVariable],
    ) -> io::Result<AdoptedTree> {
        Ok(AdoptedTree {
            main: MainCommand::default(),
            asked_to_end: HashSet::new(),
        })
    }

    /// What tells the end of the command itself.
    pub(in crate::supervise) fn main_end(&self) -> PidfdEnds {
        let main = self.main.pid.map(|pid| pid.as_raw_nonzero().get());
        PidfdEnds(main.and_then(ProcessHandle::open).into_iter().collect())
    }

    /// What tells the end of any of the processes.
    pub(in crate::supervise) fn any_end(&mut self) -> PidfdEnds {
        let children = descendants::children().into_iter();
        let handles = children.filter_map(|pid| ProcessHandle::open(pid.as_raw_nonzero().get()));
        PidfdEnds(handles.collect())
    }

    /// When to reap again although nothing has told of an end.
    pub(in crate::supervise) fn next_reap(&self, now: Instant) -> Instant {
        now + REAP_INTERVAL
    }

    /// Notes all processes that ended so far; it waits for nothing.
    pub(in crate::supervise) fn reap(&mut self) -> TreeRemainder {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.note(pid, status),
                Ok(None) => return TreeRemainder::Something,
                Err(Errno::INTR) => {}
                // There is no child any more. As orphans become our children, nothing is left at all.
                Err(_) => return TreeRemainder::Nothing,
            }
        }
    }

    /// Sends TERM, once, to each process that is there now. A stopped one is woken, because it could not end
    /// otherwise.
    pub(in crate::supervise) fn send_term(&mut self) {
        for pid in descendants::descendants() {
            if self.asked_to_end.insert(pid) {
                descendants::signal(pid, &[Signal::TERM, Signal::CONT]);
            }
        }
    }

    /// Sends KILL to all processes. Returned is what is left when all others are gone: a process that this one may not
    /// signal, or one that does not die for long.
    pub(in crate::supervise) fn kill(&mut self) -> Option<String> {
        let deadline = Instant::now() + KILL_WAIT_MAX;
        while self.reap() == TreeRemainder::Something {
            let ends = self.any_end();
            let all = descendants::descendants();
            let is_refused = |pid: &&Pid| !descendants::signal(**pid, &[Signal::KILL]);
            let refused: Vec<Pid> = all.iter().filter(is_refused).copied().collect();
            let is_hopeless = !refused.is_empty() && refused.len() == all.len();
            if let Some(left) = refused.first().or(all.first())
                && (is_hopeless || deadline <= Instant::now())
            {
                return Some(description(left.as_raw_nonzero().get()));
            }
            wait_for_an_end(&ends.0, KILL_PAUSE);
        }
        None
    }

    fn note(&mut self, pid: Pid, status: WaitStatus) {
        self.main.note(pid, status);
        // The number may be given to another process from now on.
        self.asked_to_end.remove(&pid);
    }
}

/// The ends of some processes, as descriptors that become readable.
#[derive(Debug)]
pub(in crate::supervise) struct PidfdEnds(Vec<ProcessHandle>);

impl PidfdEnds {
    pub(in crate::supervise) fn polled(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.0.iter().map(|process| PollFd::new(process, PollFlags::IN))
    }

    /// How long to rely on them: as long as one likes.
    pub(in crate::supervise) fn wait_limit(&self) -> Option<Duration> {
        None
    }
}
