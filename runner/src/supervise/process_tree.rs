//! The process tree of one command: which processes have ended, and how the command itself ended.

use std::collections::HashSet;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, wait};

use super::descendants;

/// Whether anything of the command is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TreeRemainder {
    Something,
    /// The kernel says that there is no child any more. As orphans become our children, nothing is left at all.
    Nothing,
}

/// The processes of one command. The watchdog writes it, from the start of the command until none of them is left.
#[derive(Debug)]
pub(super) struct ProcessTree {
    /// The command itself.
    main: Pid,
    /// How the command itself ended; none while it runs.
    status: Option<WaitStatus>,
    /// Processes that got TERM, so that each gets it once; a process that ended is taken out, because its number may
    /// be given away.
    asked_to_end: HashSet<Pid>,
}

impl ProcessTree {
    pub(super) fn of(main: Pid) -> ProcessTree {
        ProcessTree {
            main,
            status: None,
            asked_to_end: HashSet::new(),
        }
    }

    pub(super) fn main(&self) -> Pid {
        self.main
    }

    pub(super) fn main_has_ended(&self) -> bool {
        self.status.is_some()
    }

    /// The exit code of the command, or the signal that ended it.
    pub(super) fn main_status(&self) -> (Option<i32>, Option<i32>) {
        (
            self.status.and_then(WaitStatus::exit_status),
            self.status.and_then(WaitStatus::terminating_signal),
        )
    }

    /// Notes all processes that ended so far; it waits for nothing.
    pub(super) fn reap(&mut self) -> TreeRemainder {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.note(pid, status),
                Ok(None) => return TreeRemainder::Something,
                Err(Errno::INTR) => {}
                Err(_) => return TreeRemainder::Nothing,
            }
        }
    }

    /// Sends TERM, once, to each process that is there now. A stopped one is woken, because it could not end
    /// otherwise.
    pub(super) fn send_term(&mut self) {
        for pid in descendants::descendants() {
            if self.asked_to_end.insert(pid) {
                descendants::signal(pid, &[Signal::TERM, Signal::CONT]);
            }
        }
    }

    /// Sends KILL to all processes, until nothing is left.
    pub(super) fn kill(&mut self) {
        while self.reap() == TreeRemainder::Something {
            let children = descendants::children();
            for pid in descendants::descendants() {
                descendants::signal(pid, &[Signal::KILL]);
            }
            // One that was a child before KILL was sent has received it, so this wait ends.
            if let Some(pid) = children.first()
                && let Ok(Some((pid, status))) = rustix::process::waitpid(Some(*pid), WaitOptions::empty())
            {
                self.note(pid, status);
            }
        }
    }

    fn note(&mut self, pid: Pid, status: WaitStatus) {
        if pid == self.main {
            self.status = Some(status);
        }
        // The number may be given to another process from now on.
        self.asked_to_end.remove(&pid);
    }
}
