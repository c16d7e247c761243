//! The processes of this machine, on systems that have no `/proc` to read them from.

use std::ffi::OsString;

use rustix::process::Pid;
use sysinfo::{Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

/// What is read of each process beside its parent. Each of them takes a call to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProcessDetail {
    Command,
    CommandAndEnvironment,
}

/// A process as it was when it was looked at.
#[derive(Debug, Clone)]
pub(crate) struct ListedProcess {
    pub(crate) pid: Pid,
    pub(crate) parent: Option<Pid>,
    /// Its arguments, with blanks between them; empty where the system does not show them.
    pub(crate) command: String,
    /// As `NAME=VALUE`; empty where the system does not show it.
    pub(crate) environment: Vec<OsString>,
}

/// All processes that have not ended.
pub(crate) fn living(detail: ProcessDetail) -> std::io::Result<Vec<ListedProcess>> {
    look(ProcessesToUpdate::All, detail)
}

/// This process, unless it has ended.
pub(crate) fn find(pid: u32) -> Option<ListedProcess> {
    let pid = sysinfo::Pid::from_u32(pid);
    look(ProcessesToUpdate::Some(&[pid]), ProcessDetail::Command)
        .ok()?
        .pop()
}

fn look(which: ProcessesToUpdate<'_>, detail: ProcessDetail) -> std::io::Result<Vec<ListedProcess>> {
    let mut wanted = ProcessRefreshKind::nothing()
        .without_tasks()
        .with_cmd(UpdateKind::Always);
    if detail == ProcessDetail::CommandAndEnvironment {
        wanted = wanted.with_environ(UpdateKind::Always);
    }
    let mut system = System::new().map_err(std::io::Error::other)?;
    system.refresh_processes_specifics(which, false, wanted);
    Ok(system.processes().values().filter_map(listed).collect())
}

fn listed(process: &Process) -> Option<ListedProcess> {
    if matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead) {
        return None;
    }
    let words: Vec<_> = process.cmd().iter().map(|word| word.to_string_lossy()).collect();
    Some(ListedProcess {
        pid: to_pid(process.pid())?,
        parent: process.parent().and_then(to_pid),
        command: words.join(" "),
        environment: process.environ().to_vec(),
    })
}

fn to_pid(pid: sysinfo::Pid) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid.as_u32()).ok()?)
}
