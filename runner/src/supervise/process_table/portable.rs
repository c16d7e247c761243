//! The processes as every system shows them that `sysinfo` knows.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;

use nix::unistd::{Pid, getpgid, getsid};
use sysinfo::{ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::ProcessStat;

pub(super) fn process_stat(pid: i32) -> Option<ProcessStat> {
    let shown = shown_process(pid, ProcessRefreshKind::nothing())?;
    stat(shown.process(system_pid(pid)?)?)
}

pub(super) fn process_stats() -> io::Result<BTreeMap<i32, ProcessStat>> {
    let shown = shown(ProcessesToUpdate::All, ProcessRefreshKind::nothing())
        .ok_or_else(|| io::Error::other("the system does not list its processes"))?;
    let found = shown.processes().values().filter_map(stat);
    Ok(found.map(|stat| (stat.pid, stat)).collect())
}

pub(super) fn environment(pid: i32) -> Vec<Vec<u8>> {
    let kind = ProcessRefreshKind::nothing().with_environ(UpdateKind::Always);
    let read = || {
        let shown = shown_process(pid, kind)?;
        let variables = shown.process(system_pid(pid)?)?.environ().iter();
        Some(variables.map(|variable| variable.as_bytes().to_vec()).collect())
    };
    read().unwrap_or_default()
}

/// Here the start of a process is told by the wall clock, so that by itself it belongs to one boot. What systems show of
/// the boot itself moves when the wall clock is set.
/// A process that can't be ended, for people.
pub(in crate::supervise) fn description(pid: i32) -> String {
    format!("process {pid}")
}

pub(super) fn boot() -> Option<&'static str> {
    Some("any")
}

fn shown_process(pid: i32, kind: ProcessRefreshKind) -> Option<System> {
    shown(ProcessesToUpdate::Some(&[system_pid(pid)?]), kind)
}

/// What the system shows at this moment. Nothing is kept from one look to the next, as a number may be given away.
fn shown(which: ProcessesToUpdate<'_>, kind: ProcessRefreshKind) -> Option<System> {
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(which, true, kind.without_tasks());
    Some(system)
}

fn system_pid(pid: i32) -> Option<sysinfo::Pid> {
    Some(sysinfo::Pid::from_u32(u32::try_from(pid).ok()?))
}

fn number(pid: sysinfo::Pid) -> Option<i32> {
    i32::try_from(pid.as_u32()).ok()
}

/// None: it has ended meanwhile.
fn stat(process: &sysinfo::Process) -> Option<ProcessStat> {
    let pid = number(process.pid())?;
    // 0, which is the system itself where it is shown, would mean this process. What the kernel runs has group 0.
    let named = (pid > 0).then(|| Pid::from_raw(pid))?;
    Some(ProcessStat {
        pid,
        parent: process.parent().and_then(number).unwrap_or(0),
        group: getpgid(Some(named)).ok()?.as_raw(),
        session: getsid(Some(named)).ok()?.as_raw(),
        start: process.start_time(),
        is_dead: matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead),
    })
}
