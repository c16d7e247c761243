//! What this process inherited of signals, as `/proc` shows it.

use std::fs;

use nix::sys::signal::Signal;

/// Whether a signal was ignored when this process was started; nothing in this process ignores one.
pub(super) fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal as u64 - 1) & 1 == 1)
}

pub(super) fn may_ignore_children() -> bool {
    is_ignored(Signal::SIGCHLD)
}
