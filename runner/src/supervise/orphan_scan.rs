//! Finds what is still alive of a command whose runner is gone, and which processes are proven to be the command's.
//!
//! A process is proven by the mark of the command in its environment, by the record, or by descending from a proven
//! one. Without these, it has to hold the job's lock *and* to be in the session or the group of the record. A process
//! that merely holds the lock is not ended: a person has to look at it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, getpid, pidfd_send_signal};

use super::descendants;
use super::open_descriptors::{OpenDescriptor, process_ids};
use super::process_identity::ProcessStat;
use super::process_record::{self, MARK_VARIABLE, ProcessRecord, RecordReading};
use crate::queue_root::QueueRoot;

/// How often everything is looked for and killed before a tree is left for the next scan.
const KILL_ROUNDS_MAX: usize = 64;

/// The longest wait for processes that were sent KILL, before everything is looked at again.
const KILL_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OrphanScan {
    Nothing,
    /// Its supervisor lives, and is ending the rest, or will find that its runner is gone.
    Supervised,
    /// These processes live, and no supervisor is left to end them.
    Orphans(Vec<OrphanProcess>),
    /// What can neither be proven to be the job's nor excluded, as text for a person.
    Unproven(String),
}

/// A process that is proven to be of the command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OrphanProcess {
    pid: i32,
    start: u64,
}

/// Where to look: the record of the job's last command, and the file that is locked while anything of it lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrphanEvidence<'a> {
    pub(crate) root: &'a QueueRoot,
    pub(crate) record: &'a Path,
    pub(crate) lock: &'a Path,
    /// Children of this process that it never started: orphans of a supervisor that it lost.
    pub(crate) adopted: &'a [i32],
}

/// Looks at all processes of the host.
pub(crate) fn scan(evidence: OrphanEvidence<'_>) -> io::Result<OrphanScan> {
    scan_again(evidence, &BTreeSet::new())
}

/// `known` were proven before: a process that is about to be gone has no environment any more, and may still hold the
/// lock.
fn scan_again(evidence: OrphanEvidence<'_>, known: &BTreeSet<OrphanProcess>) -> io::Result<OrphanScan> {
    let record = match process_record::read(evidence.root, evidence.record)? {
        RecordReading::Record(record) if !record.runner.is_of_this_boot() => None,
        RecordReading::Record(record) => Some(record),
        RecordReading::Nothing => None,
        RecordReading::Damaged => {
            return Ok(OrphanScan::Unproven(format!(
                "{} is damaged, so nobody knows what it had running",
                evidence.record.display()
            )));
        }
    };
    if let Some(record) = &record {
        let supervisor = record.supervisor.as_ref();
        if supervisor.is_some_and(|supervisor| supervisor.is_alive()) {
            return Ok(OrphanScan::Supervised);
        }
    }
    let mut holders = holders(evidence.lock)?;
    let all = processes()?;
    // A process that held the lock and is gone since holds nothing any more. This process may hold the lock of a job
    // whose supervisor it has just lost; it is no orphan.
    holders.retain(|pid| all.contains_key(pid) && *pid != getpid().as_raw_nonzero().get());
    let mut proven = proven_processes(record.as_ref(), &all, &holders, evidence.adopted);
    let is_there = |orphan: &&OrphanProcess| {
        all.get(&orphan.pid)
            .is_some_and(|stat| stat.start == orphan.start)
    };
    proven.extend(known.iter().filter(is_there).map(|orphan| orphan.pid));
    if !proven.is_empty() {
        let orphan = |pid: &i32| {
            let start = all.get(pid)?.start;
            Some(OrphanProcess { pid: *pid, start })
        };
        return Ok(OrphanScan::Orphans(proven.iter().filter_map(orphan).collect()));
    }
    Ok(match holders.first() {
        Some(pid) => OrphanScan::Unproven(format!(
            "process {pid} ({}), which can't be proven to be the job's, holds its lock",
            command_line(*pid)
        )),
        None => OrphanScan::Nothing,
    })
}

/// Sends TERM, and wakes what is stopped, because it could not end otherwise.
pub(crate) fn send_term(orphans: &[OrphanProcess]) {
    for orphan in orphans {
        signal(orphan, &[Signal::TERM, Signal::CONT]);
    }
}

/// Sends KILL to all that is left, again and again while something was started meanwhile.
pub(crate) fn kill(evidence: OrphanEvidence<'_>) -> io::Result<OrphanScan> {
    let mut known = BTreeSet::new();
    for _ in 0..KILL_ROUNDS_MAX {
        match scan_again(evidence, &known)? {
            OrphanScan::Orphans(orphans) => {
                orphans
                    .iter()
                    .for_each(|orphan| signal(orphan, &[Signal::STOP, Signal::KILL]));
                // A scan at once would only take from them the time in which they die.
                wait_for_an_end(&orphans);
                known.extend(orphans);
            }
            other => return Ok(other),
        }
    }
    scan_again(evidence, &known)
}

/// Waits until one of them has ended, or for a while.
fn wait_for_an_end(orphans: &[OrphanProcess]) {
    let handles: Vec<OwnedFd> = orphans
        .iter()
        .filter_map(|orphan| descendants::open(Pid::from_raw(orphan.pid)?))
        .collect();
    let mut ends: Vec<PollFd<'_>> = handles
        .iter()
        .map(|handle| PollFd::new(handle, PollFlags::IN))
        .collect();
    if !ends.is_empty() {
        // A failure here costs the wait alone.
        let _ = poll(&mut ends, Some(&KILL_WAIT));
    }
}

/// The handle is opened before the start is looked at again: no other process that got the number is ever signalled.
fn signal(orphan: &OrphanProcess, signals: &[Signal]) {
    let Some(handle) = Pid::from_raw(orphan.pid).and_then(descendants::open) else {
        return;
    };
    if ProcessStat::of(orphan.pid).is_none_or(|stat| stat.start != orphan.start) {
        return;
    }
    for signal in signals {
        // It may have ended meanwhile, which is the aim.
        let _ = pidfd_send_signal(&handle, *signal);
    }
}

fn proven_processes(
    record: Option<&ProcessRecord>,
    all: &BTreeMap<i32, ProcessStat>,
    holders: &[i32],
    adopted: &[i32],
) -> BTreeSet<i32> {
    let mut proven: BTreeSet<i32> = adopted
        .iter()
        .copied()
        .filter(|pid| all.contains_key(pid))
        .collect();
    if let Some(record) = record {
        let started = record.runner.start;
        let found = all
            .values()
            .filter(|stat| stat.start >= started)
            .filter(|stat| is_proven(record, stat, holders));
        proven.extend(found.map(|stat| stat.pid));
    }
    // Adds what descends from one of them. A parent is never younger than its child, so this ends.
    loop {
        let more: Vec<i32> = all
            .values()
            .filter(|stat| proven.contains(&stat.parent) && !proven.contains(&stat.pid))
            .map(|stat| stat.pid)
            .collect();
        if more.is_empty() {
            break;
        }
        proven.extend(more);
    }
    proven.remove(&getpid().as_raw_nonzero().get());
    proven
}

fn is_proven(record: &ProcessRecord, stat: &ProcessStat, holders: &[i32]) -> bool {
    let is = |identity: &super::process_identity::ProcessIdentity| {
        identity.pid == stat.pid && identity.start == stat.start
    };
    if record.command.as_ref().is_some_and(is) || is_marked(stat.pid, record.mark.as_str()) {
        return true;
    }
    let session = record.supervisor.as_ref().map(|supervisor| supervisor.session);
    let group = record.command.as_ref().map(|command| command.group);
    let in_session_or_group = session == Some(stat.session) || group == Some(stat.group);
    in_session_or_group && holders.contains(&stat.pid)
}

fn is_marked(pid: i32, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let variable_of_mark = format!("{MARK_VARIABLE}={mark}");
    environment
        .split(|byte| *byte == 0)
        .any(|variable| variable == variable_of_mark.as_bytes())
}

/// All processes that are alive and visible from here.
fn processes() -> io::Result<BTreeMap<i32, ProcessStat>> {
    let mut found = BTreeMap::new();
    for pid in process_ids()? {
        if let Some(stat) = ProcessStat::of(pid).filter(|stat| !stat.is_dead) {
            found.insert(pid, stat);
        }
    }
    Ok(found)
}

/// The processes through which the file's lock is held.
fn holders(lock: &Path) -> io::Result<Vec<i32>> {
    let file = match lock.symlink_metadata() {
        Ok(metadata) => (metadata.dev(), metadata.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for pid in processes()?.into_keys() {
        let descriptors = OpenDescriptor::all_of(pid).unwrap_or_default();
        if descriptors
            .iter()
            .any(|open| open.file == file && open.holds_lock())
        {
            found.push(pid);
        }
    }
    Ok(found)
}

fn command_line(pid: i32) -> String {
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).replace('\0', " ");
    text.trim().chars().take(80).collect()
}
