//! The system lists all locks with their holders, so a holder writes nothing.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::file_ownership::user;

pub(in crate::queue) fn record(_lock: &File) {}

pub(in crate::queue) fn forget(_lock: &File) {}

/// Who holds a lock, whoever it belongs to, as far as the system tells.
pub(in crate::queue) fn find(path: &Path) -> Option<String> {
    let file = path.symlink_metadata().ok()?;
    let (major, minor) = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
    let place = format!("{major:02x}:{minor:02x}:{}", file.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let held = locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, "FLOCK", _, _, pid, at, ..] if at == place => pid.parse::<u32>().ok(),
            _ => None,
        }
    })?;
    let process = Path::new("/proc").join(held.to_string());
    let owner = process.metadata().ok()?.uid();
    let program = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
    Some(format!(
        "process {held} ({}) of {}",
        program.trim_end(),
        user(owner)
    ))
}
