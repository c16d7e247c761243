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
    #[cfg(all(target_os = "linux", not(portable)))]
    pub fn of_this_process() -> SignalDispositions {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let set = |name: &str| {
            let mask = status.lines().find_map(|line| line.strip_prefix(name));
            signals_in(mask.unwrap_or_default())
        };
        SignalDispositions {
            ignored: set("SigIgn:"),
            blocked: set("SigBlk:"),
        }
    }

    /// Those of this process, as it was started. SIGPIPE is left out, which is ignored in any program in Rust.
    /// To ask which signals are ignored takes unsafe code, so `ps` is asked.
    #[cfg(any(portable, not(target_os = "linux")))]
    pub fn of_this_process() -> SignalDispositions {
        let own = std::process::id().to_string();
        let listed = std::process::Command::new("/bin/ps")
            .args(["-o", "ignored=", "-p", &own])
            .output();
        let mask = listed.map(|listed| String::from_utf8_lossy(&listed.stdout).into_owned());
        let blocked = SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty());
        SignalDispositions {
            ignored: signals_in(&mask.unwrap_or_default()),
            blocked: blocked
                .iter()
                .map(|signal| signal as i32)
                .filter(counts)
                .collect(),
        }
    }
}

/// The signals of a mask in hexadecimal digits. `ps` puts `<` before one that it shows the end of.
fn signals_in(mask: &str) -> Vec<i32> {
    let digits = mask.trim().trim_start_matches(['<', '+']);
    let mask = u64::from_str_radix(digits, 16).unwrap_or(0);
    let is_in = |signal: &i32| mask >> (signal - 1) & 1 == 1;
    (1..=64).filter(is_in).filter(counts).collect()
}

/// Whether it says anything of whoever started this process.
fn counts(signal: &i32) -> bool {
    *signal != Signal::SIGPIPE as i32 && !LIBC_RESERVED.contains(signal)
}

/// Undoes what the harness could not work with, whoever started it: a blocked signal never arrives, and of an ignored
/// SIGCHLD nobody learns how a child ended.
pub fn reset_inherited_signals() {
    // It does not fail for signals that exist.
    let _ = SigSet::all().thread_unblock();
    restore_for_children(&[Signal::SIGCHLD]);
}

/// Has what is started from here find the default action of these signals where this process ignores them: what is
/// caught is not ignored by a child. This process goes on ignoring them, but for SIGCHLD.
pub fn restore_for_children(signals: &[Signal]) {
    let ignored = SignalDispositions::of_this_process().ignored;
    for signal in signals.iter().map(|signal| *signal as i32) {
        if ignored.contains(&signal) {
            // It does not fail for a signal that exists.
            let _ = signal_hook::flag::register(signal, Arc::default());
        }
    }
}

/// A signal as people call it.
pub fn name_of(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| signal.to_string(), |signal| signal.as_str().to_owned())
}
