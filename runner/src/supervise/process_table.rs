//! The processes of this host, as far as the system shows them: which there are, and what is known of each.

#[cfg(all(target_os = "linux", not(portable)))]
pub(super) mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

use std::collections::BTreeMap;
use std::io;

#[cfg(all(target_os = "linux", not(portable)))]
use linux as system;
#[cfg(any(portable, not(target_os = "linux")))]
use portable as system;

/// What the system says of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessStat {
    pub(super) pid: i32,
    /// 0 for one that has none, or none that is shown.
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// When it was started, in the system's own unit; together with the number it tells one process of a boot from
    /// every other.
    pub(super) start: u64,
    /// It has ended, and nobody has asked how.
    pub(super) is_dead: bool,
}

impl ProcessStat {
    pub(super) fn of(pid: i32) -> Option<ProcessStat> {
        system::process_stat(pid)
    }
}

/// All processes that are alive and visible from here.
pub(super) fn living_processes() -> io::Result<BTreeMap<i32, ProcessStat>> {
    let mut found = system::process_stats()?;
    found.retain(|_, stat| !stat.is_dead);
    Ok(found)
}

/// Whether a process was started with this variable in its environment; not, if the system does not show that.
pub(super) fn has_variable(pid: i32, name: &str, value: &str) -> bool {
    let variable = format!("{name}={value}");
    system::environment(pid)
        .iter()
        .any(|found| found == variable.as_bytes())
}

/// A process that can't be ended, and whose it is where the system shows that, for people.
pub(super) fn description(pid: i32) -> String {
    system::description(pid)
}

/// What distinguishes this boot of the host from every other.
pub(super) fn boot() -> Option<&'static str> {
    system::boot()
}
