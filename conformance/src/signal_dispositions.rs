//! Signals as a process finds them when it is started: which it ignores, which are blocked.

use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal};
use serde::{Deserialize, Serialize};

/// Those that nobody sets for what is started: the C library keeps the two for itself.
const LIBC_RESERVED: [i32; 2] = [32, 33];

/// The signals, by number, that do not have their default action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalDispositions {
    pub ignored: Vec<i32>,
    pub blocked: Vec<i32>,
}

impl SignalDispositions {
    /// Those of this process, as it was started. SIGPIPE is left out, which is ignored in any program in Rust.
    pub fn of_this_process() -> SignalDispositions {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let set = |name: &str| {
            let mask = status.lines().find_map(|line| line.strip_prefix(name));
            let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            let is_in = |signal: &i32| mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1);
            let counts = |signal: &i32| *signal != Signal::SIGPIPE as i32 && !LIBC_RESERVED.contains(signal);
            (1..=64).filter(is_in).filter(counts).collect()
        };
        SignalDispositions {
            ignored: set("SigIgn:"),
            blocked: set("SigBlk:"),
        }
    }
}

/// Undoes what the harness could not work with, whoever started it: a blocked signal never arrives, and of an ignored
/// SIGCHLD nobody learns how a child ended.
pub fn reset_inherited_signals() {
    // Neither fails for a signal that exists.
    let _ = SigSet::all().thread_unblock();
    if SignalDispositions::of_this_process()
        .ignored
        .contains(&(Signal::SIGCHLD as i32))
    {
        let _ = signal_hook::flag::register(Signal::SIGCHLD as i32, Arc::default());
    }
}

/// A signal as people call it.
pub fn name_of(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| signal.to_string(), |signal| signal.as_str().to_owned())
}
