//! The processes below this one. An orphan among them gets this process as its parent, so they are all.

use std::collections::HashSet;
use std::io;

use rustix::process::{Pid, Signal, getpid, set_child_subreaper};

use crate::supervise::process_handle::ProcessHandle;
use crate::supervise::process_table::{ProcessStat, linux};

/// Makes orphans of what this process starts its children. Process 1 has them anyway, and nobody else collects them.
pub(in crate::supervise) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// The direct children of this process; they stay valid until this process waits for them.
pub(in crate::supervise) fn children() -> Vec<Pid> {
    children_of(getpid())
}

/// All processes below this one, at one moment.
pub(super) fn descendants() -> Vec<Pid> {
    let mut found = HashSet::new();
    let mut open = children();
    while let Some(pid) = open.pop() {
        if found.insert(pid) {
            open.extend(children_of(pid));
        }
    }
    found.into_iter().collect()
}

/// Signals a descendant; false: this process may not. The handle is opened before the parent is checked again, so that no other process that got
/// the number is signalled.
pub(super) fn signal(pid: Pid, signals: &[Signal]) -> bool {
    let Some(handle) = ProcessHandle::open(pid.as_raw_nonzero().get()) else {
        return true;
    };
    !descends_from_us(pid) || signals.iter().all(|signal| handle.signal(*signal))
}

fn children_of(pid: Pid) -> Vec<Pid> {
    let children = linux::children_of(pid.as_raw_nonzero().get());
    children.into_iter().filter_map(Pid::from_raw).collect()
}

fn descends_from_us(pid: Pid) -> bool {
    let us = getpid();
    let mut current = pid;
    // No tree is deeper than this. There can be no loop, but nothing here may run for ever.
    for _ in 0..4096 {
        match parent_of(current) {
            Some(parent) if parent == us => return true,
            Some(parent) => current = parent,
            None => return false,
        }
    }
    false
}

fn parent_of(pid: Pid) -> Option<Pid> {
    Pid::from_raw(ProcessStat::of(pid.as_raw_nonzero().get())?.parent)
}
