//! A hold on one process: a signal reaches that process or none, whoever gets its number later.

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

use rustix::process::Signal;

#[cfg(all(target_os = "linux", not(portable)))]
pub(super) use linux::{PidfdHandle as ProcessHandle, wait_for_an_end};
#[cfg(any(portable, not(target_os = "linux")))]
pub(super) use portable::{IdentityHandle as ProcessHandle, wait_for_an_end};

use super::process_table::ProcessStat;

/// Signals the process with that number and that start, if it is there; false: this process may not. The handle is opened before the start is looked
/// at: no other process that got the number is ever signalled.
pub(super) fn signal_process(pid: i32, start: u64, signals: &[Signal]) -> bool {
    let Some(handle) = ProcessHandle::open(pid) else {
        return true;
    };
    if ProcessStat::of(pid).is_none_or(|stat| stat.start != start) {
        return true;
    }
    signals.iter().all(|signal| handle.signal(*signal))
}
