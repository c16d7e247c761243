//! Finds what is still alive of a command whose runner is gone, and which processes are proven to be the command's.
//!
//! A process is proven by the mark of the command in its environment, by the record, or by descending from a proven
//! one. Without these, it has to hold the job's lock *and* to be in the session or the group of the record. A process
//! that merely holds the lock is not ended: a person has to look at it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Signal, getpid};

use super::lock_holders::LockHolders;
use super::process_handle::{ProcessHandle, signal_process, wait_for_an_end};
use super::process_identity::ProcessIdentity;
use super::process_record::{self, MARK_VARIABLE, ProcessRecord, RecordReading};
use super::process_table::{self, ProcessStat, has_variable, living_processes};
use crate::queue_root::QueueRoot;

/// How often everything is looked for and killed before a tree is left for the next scan.
const KILL_ROUNDS_MAX: usize = 64;

/// The longest wait for processes that were sent KILL, before everything is looked at again.
const KILL_WAIT: Duration = Duration::from_millis(10);

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

impl OrphanProcess {
    /// Which it is and whose, for people.
    pub(crate) fn description(&self) -> String {
        process_table::description(self.pid)
    }
}

/// Where to look: the record of the job's last command, and the file that is locked while anything of it lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrphanEvidence<'a> {
    pub(crate) root: &'a QueueRoot,
    pub(crate) record: &'a Path,
    pub(crate) lock: &'a Path,
    /// Children of this process that it never started: orphans of a supervisor that it lost.
    pub(crate) adopted: &'a [i32],
    /// This process itself holds the lock.
    pub(crate) is_held_here: bool,
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
    let mut holders = LockHolders::of(evidence.root, evidence.lock, evidence.is_held_here)?;
    let all = living_processes()?;
    holders.keep(&all);
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
    Ok(match holders.unproven() {
        Some(what) => OrphanScan::Unproven(what),
        None => OrphanScan::Nothing,
    })
}

/// Sends TERM, and wakes what is stopped, because it could not end otherwise.
pub(crate) fn send_term(orphans: &[OrphanProcess]) {
    for orphan in orphans {
        signal_process(orphan.pid, orphan.start, &[Signal::TERM, Signal::CONT]);
    }
}

/// Sends KILL to all that is left, again and again while something was started meanwhile.
pub(crate) fn kill(evidence: OrphanEvidence<'_>) -> io::Result<OrphanScan> {
    let mut known = BTreeSet::new();
    for _ in 0..KILL_ROUNDS_MAX {
        match scan_again(evidence, &known)? {
            OrphanScan::Orphans(orphans) => {
                let is_refused = |orphan: &&OrphanProcess| {
                    !signal_process(orphan.pid, orphan.start, &[Signal::STOP, Signal::KILL])
                };
                if orphans.iter().filter(is_refused).count() == orphans.len() {
                    return Ok(OrphanScan::Orphans(orphans));
                }
                // A scan at once would only take from them the time in which they die.
                let handles = orphans
                    .iter()
                    .filter_map(|orphan| ProcessHandle::open(orphan.pid));
                wait_for_an_end(&handles.collect::<Vec<_>>(), KILL_WAIT);
                known.extend(orphans);
            }
            other => return Ok(other),
        }
    }
    scan_again(evidence, &known)
}

fn proven_processes(
    record: Option<&ProcessRecord>,
    all: &BTreeMap<i32, ProcessStat>,
    holders: &LockHolders,
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
            .filter(|stat| is_proven(record, stat, all, holders));
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

fn is_proven(
    record: &ProcessRecord,
    stat: &ProcessStat,
    all: &BTreeMap<i32, ProcessStat>,
    holders: &LockHolders,
) -> bool {
    let is = |identity: &ProcessIdentity| identity.pid == stat.pid && identity.start == stat.start;
    let mark = record.mark.as_str();
    if record.command.as_ref().is_some_and(is) || has_variable(stat.pid, MARK_VARIABLE, mark) {
        return true;
    }
    // A session and a group have the number of the process that began them, until the last of their processes is gone.
    // If another process has that number, they are another's.
    let is_its_own = |leader: &&ProcessIdentity| {
        let with_its_number = all.get(&leader.pid);
        with_its_number.is_none_or(|found| found.start == leader.start)
    };
    let supervisor = record.supervisor.as_ref().filter(is_its_own);
    let command = record.command.as_ref().filter(is_its_own);
    let session = supervisor.map(|supervisor| supervisor.session);
    let group = command.map(|command| command.group);
    let in_session_or_group = session == Some(stat.session) || group == Some(stat.group);
    in_session_or_group && holders.include(stat.pid)
}
