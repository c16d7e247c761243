//! The processes as `/proc` shows them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use super::ProcessStat;
use crate::file_ownership::user;
use crate::supervise::open_descriptors::process_ids;

/// Fifty numbers and a name take less; the kernel gives all of it to one read.
const STAT_BYTES_MAX: usize = 2048;

/// What `/proc/PID/stat` says, as far as it is of use here. Its start is in clock ticks since the boot.
pub(super) fn process_stat(pid: i32) -> Option<ProcessStat> {
    let mut bytes = [0; STAT_BYTES_MAX];
    let length = File::open(format!("/proc/{pid}/stat"))
        .ok()?
        .read(&mut bytes)
        .ok()?;
    parse(pid, &String::from_utf8_lossy(&bytes[..length]))
}

fn parse(pid: i32, text: &str) -> Option<ProcessStat> {
    // The command's name stands in parentheses and may hold any of them.
    let after_name = &text[text.rfind(')')? + 1..];
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    Some(ProcessStat {
        pid,
        is_dead: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

pub(super) fn process_stats() -> io::Result<BTreeMap<i32, ProcessStat>> {
    let mut found = BTreeMap::new();
    for pid in process_ids()? {
        if let Some(stat) = process_stat(pid) {
            found.insert(pid, stat);
        }
    }
    Ok(found)
}

pub(super) fn environment(pid: i32) -> Vec<Vec<u8>> {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

/// The command line of a process for people, cut to a length that fits a sentence.
pub(in crate::supervise) fn command_line(pid: i32) -> String {
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).replace('\0', " ");
    text.trim().chars().take(80).collect()
}

/// A process that can't be ended, and whose it is, for people.
pub(in crate::supervise) fn description(pid: i32) -> String {
    let line = command_line(pid);
    match fs::metadata(format!("/proc/{pid}")) {
        Ok(process) => format!("process {pid} ({line}), which belongs to {}", user(process.uid())),
        Err(_) => format!("process {pid} ({line})"),
    }
}

/// Read once: it does not change while a process lives. That it could not be read may be over the next time.
pub(super) fn boot() -> Option<&'static str> {
    static BOOT: OnceLock<String> = OnceLock::new();
    if let Some(known) = BOOT.get() {
        return Some(known);
    }
    let read = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(BOOT.get_or_init(|| read.trim().to_owned()))
}

/// The children of a process, whichever of its threads started them.
pub(in crate::supervise) fn children_of(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.extend(text.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    children
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_blanks_and_parentheses() {
        let text = "7 (a) R 1 (b) S 3 4 5 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9\n";
        let stat = parse(7, text).unwrap();
        assert_eq!((stat.parent, stat.group, stat.session), (3, 4, 5));
        assert_eq!((stat.start, stat.is_dead), (4711, false));
    }
}
