//! The process tree of one command: which processes have ended, and how the command itself ended.

#[cfg(all(target_os = "linux", not(portable)))]
mod descendants;
#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod membership;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

use rustix::process::{Pid, WaitStatus};

#[cfg(all(target_os = "linux", not(portable)))]
pub(super) use descendants::{adopt_orphans, children};
#[cfg(all(target_os = "linux", not(portable)))]
pub(super) use linux::{AdoptedTree as ProcessTree, PidfdEnds as ProcessEnds};
#[cfg(any(portable, not(target_os = "linux")))]
pub(super) use portable::{ListedTree as ProcessTree, PolledEnds as ProcessEnds, adopt_orphans, children};

/// Whether anything of the command is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TreeRemainder {
    Something,
    /// Nothing is left that the system shows as the command's.
    Nothing,
}

/// The command itself, the one process of the tree whose end is told.
#[derive(Debug, Default)]
pub(super) struct MainCommand {
    /// None before it is started.
    pid: Option<Pid>,
    /// How it ended; none while it runs.
    status: Option<WaitStatus>,
}

impl MainCommand {
    /// It was started.
    pub(super) fn begin(&mut self, pid: Pid) {
        self.pid = Some(pid);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.status.is_some()
    }

    /// Takes note of the end of a child, which may be another one.
    fn note(&mut self, pid: Pid, status: WaitStatus) {
        if self.pid == Some(pid) {
            self.status = Some(status);
        }
    }

    /// The exit code of the command, or the signal that ended it.
    pub(super) fn code_or_signal(&self) -> (Option<i32>, Option<i32>) {
        (
            self.status.and_then(WaitStatus::exit_status),
            self.status.and_then(WaitStatus::terminating_signal),
        )
    }
}
