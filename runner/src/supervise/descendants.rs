//! The processes below this one, as `/proc` shows them.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::signal::SigSet;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use super::command_request::{CommandOutcome, CommandSpec, EnvironmentVariable};
use super::process_identity::ProcessStat;
use super::process_spawn::{ProcessGroup, ProcessSpawn};
use crate::work_folder::{WorkFolder, is_within};

/// Starts the command in a process group of its own, or returns how it ended instead. `output`: where it prints to.
pub(super) fn start(
    order: &CommandSpec,
    environment: Vec<EnvironmentVariable>,
    stdin: OwnedFd,
    output: BorrowedFd<'_>,
) -> Result<Pid, CommandOutcome> {
    let folder = work_folder(order)?;
    folder.enter().map_err(|error| not_entered(order, &error))?;
    let arguments = std::iter::once(&order.program).chain(&order.args);
    let spawn = ProcessSpawn {
        program: &order.program,
        arguments: arguments.map(OsString::as_os_str).collect(),
        environment: &environment,
        streams: [stdin.as_fd(), output, output],
        group: ProcessGroup::Own,
        blocked: SigSet::empty(),
    };
    spawn.start().map_err(|error| CommandOutcome::NotStarted {
        error: format!(
            "{} can't be started: {error}",
            Path::new(&order.program).display()
        ),
    })
}

/// Opens the folder, which stays open until the command is started in it.
fn work_folder(order: &CommandSpec) -> Result<WorkFolder, CommandOutcome> {
    let path = Path::new(&order.cwd);
    let missing = |error: std::io::Error| not_entered(order, &error);
    let folder = WorkFolder::open(path).map_err(missing)?;
    let Some(within) = &order.within else {
        return Ok(folder);
    };
    let place = folder.place().map_err(missing)?;
    let within: Vec<PathBuf> = within.iter().map(PathBuf::from).collect();
    match is_within(&place, &within) {
        true => Ok(folder),
        false => Err(CommandOutcome::Elsewhere { place: place.into() }),
    }
}

fn not_entered(order: &CommandSpec, error: &std::io::Error) -> CommandOutcome {
    CommandOutcome::NotStarted {
        error: format!(
            "its folder {} can't be entered ({error}): correct `cwd`",
            Path::new(&order.cwd).display()
        ),
    }
}

/// The direct children of this process; they stay valid until this process waits for them.
pub(super) fn children() -> Vec<Pid> {
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

pub(super) fn open(pid: Pid) -> Option<OwnedFd> {
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Signals a descendant. The handle is opened before the parent is checked again, so that no other process that got
/// the number is signalled.
pub(super) fn signal(pid: Pid, signals: &[Signal]) {
    let Some(handle) = open(pid) else { return };
    if !descends_from_us(pid) {
        return;
    }
    for signal in signals {
        // It may have ended meanwhile, which is what is wanted.
        let _ = pidfd_send_signal(&handle, *signal);
    }
}

fn children_of(pid: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.extend(
            text.split_whitespace()
                .filter_map(|pid| Pid::from_raw(pid.parse().ok()?)),
        );
    }
    children
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
