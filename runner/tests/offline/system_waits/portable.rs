//! By looking again and again, and by `ps`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::queue_fixture::LIMIT_S;

const LIMIT: Duration = Duration::from_secs(LIMIT_S.unsigned_abs());

pub struct PolledFileChanges {
    until: Instant,
}

impl PolledFileChanges {
    pub fn of(_path: &Path) -> PolledFileChanges {
        PolledFileChanges {
            until: Instant::now() + LIMIT,
        }
    }

    /// Until something may have been written; false: it took too long.
    pub fn wait(&self) -> bool {
        std::thread::yield_now();
        Instant::now() < self.until
    }
}

/// A process that is gone already has ended.
pub fn has_ended_in_time(pid: Pid) -> bool {
    let until = Instant::now() + LIMIT;
    while is_alive(&pid.as_raw_nonzero().to_string()) {
        if Instant::now() > until {
            return false;
        }
    }
    true
}

/// Whether a process that wrote its id into a file is alive.
pub fn is_alive(pid: &str) -> bool {
    let shown = Command::new("ps")
        .args(["-o", "stat=", "-p", pid.trim()])
        .output();
    let state = String::from_utf8(shown.unwrap().stdout).unwrap();
    !state.trim().is_empty() && !state.trim_start().starts_with('Z')
}
