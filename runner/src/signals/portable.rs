//! What this process inherited of signals, as a child that inherits the same shows it. To ask the system itself is unsafe.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

/// Whether a signal was ignored when this process was started; nothing in this process ignores one. A shell sends it to
/// itself: it outlives only what is ignored.
pub(super) fn is_ignored(signal: Signal) -> bool {
    let name = signal.as_str().trim_start_matches("SIG");
    let ended = Command::new("/bin/sh")
        .args(["-c", &format!("kill -s {name} $$")])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ended.is_ok_and(|status| status.signal().is_none())
}

/// No child can tell, because SIGCHLD ends nothing.
pub(super) fn may_ignore_children() -> bool {
    true
}
