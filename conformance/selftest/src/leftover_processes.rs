//! Processes that a case or a weekend which went wrong may have left.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Kills all that have this variable in their environment, with this value.
pub(crate) fn kill_marked(variable: &str, value: &str) {
    let mark = format!("{variable}={value}");
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let is_ours = environment
            .split(|byte| *byte == 0)
            .any(|text| text == mark.as_bytes());
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw).filter(|_| is_ours) {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
