//! What this process was started with by way of signals.

use std::fs;
use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal};

/// Undoes what this process could not work with, whoever started it: a blocked signal never arrives, and of an ignored
/// SIGCHLD nobody learns how a child ended.
pub(crate) fn undo_inherited() {
    // Neither fails for a signal that exists.
    let _ = SigSet::all().thread_unblock();
    if is_ignored(Signal::SIGCHLD) {
        let _ = signal_hook::flag::register(Signal::SIGCHLD as i32, Arc::default());
    }
}

/// Whether a signal is ignored: what nobody listens to is what it was when this process was started.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal as u64 - 1) & 1 == 1)
}
