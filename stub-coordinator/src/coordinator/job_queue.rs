//! The queued jobs, in lines: jobs that need the same and hold the same lock stand in one line, in order (C-3).
//!
//! Only the first of a line can be given to anybody, so whoever looks for a job (an [`EligibilityIndex`](super::eligibility_index::EligibilityIndex))
//! compares the heads of lines. The queue says which lines changed since somebody last looked; what is eligible for
//! whom is left to those who look. Lines are numbered as they come up and stay, empty or not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::job::JobRecord;
use crate::contract::ids::{Capability, JobId, LockName};

/// How many changes are kept for those who look; who is further behind looks at all lines again.
const CHANGE_LIMIT: usize = 8_192;

/// A job's place: higher priority first, then submission order (C-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct QueuePosition(Reverse<i32>, u64);

impl QueuePosition {
    /// Before every job.
    pub(super) const START: QueuePosition = QueuePosition(Reverse(i32::MAX), 0);

    pub(super) fn of(job: &JobRecord) -> QueuePosition {
        QueuePosition(Reverse(job.spec.priority), job.sequence)
    }

    /// Just behind a job: no other job's place lies between.
    pub(super) fn just_after(self) -> QueuePosition {
        QueuePosition(self.0, self.1 + 1)
    }
}

/// Ordinal of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PartitionNumber(usize);

/// Queued jobs with the same needs and the same lock.
#[derive(Debug, Clone)]
pub(super) struct QueuePartition {
    pub(super) needs: BTreeSet<Capability>,
    pub(super) lock: Option<LockName>,
    pub(super) jobs: BTreeMap<QueuePosition, JobId>,
}

/// What changed in a line: a job at a place, or the state of its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartitionChange {
    pub(super) line: PartitionNumber,
    pub(super) at: Option<QueuePosition>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    lines: Vec<QueuePartition>,
    numbers: HashMap<(BTreeSet<Capability>, Option<LockName>), PartitionNumber>,
    by_lock: HashMap<LockName, Vec<PartitionNumber>>,
    /// The line of each job, by its sequence: what it needs is worked out once.
    of_job: HashMap<u64, PartitionNumber>,
    in_order: BTreeMap<QueuePosition, JobId>,
    changes: VecDeque<PartitionChange>,
    /// How many changes there ever were.
    changed: u64,
}

impl Queue {
    pub(crate) fn insert(&mut self, job: &JobRecord) {
        let (line, place) = (self.partition_for(job), QueuePosition::of(job));
        self.lines[line.0].jobs.insert(place, job.id().clone());
        self.in_order.insert(place, job.id().clone());
        self.note(line, Some(place));
    }

    pub(crate) fn remove(&mut self, job: &JobRecord) {
        let (line, place) = (self.partition_for(job), QueuePosition::of(job));
        self.lines[line.0].jobs.remove(&place);
        self.in_order.remove(&place);
        self.note(line, Some(place));
    }

    /// Says that a lock was taken or came free.
    pub(crate) fn lock_changed(&mut self, lock: &LockName) {
        for line in self.by_lock.get(lock).cloned().unwrap_or_default() {
            self.note(line, None);
        }
    }

    /// Every queued job, in order.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &JobId> {
        self.in_order.values()
    }

    pub(super) fn line(&self, number: PartitionNumber) -> &QueuePartition {
        &self.lines[number.0]
    }

    pub(super) fn partition_count(&self) -> usize {
        self.lines.len()
    }

    /// The lines that came up since there were `known` of them.
    pub(super) fn partitions_since(
        &self,
        known: usize,
    ) -> impl Iterator<Item = (PartitionNumber, &QueuePartition)> {
        let new = self.lines.iter().enumerate().skip(known);
        new.map(|(number, line)| (PartitionNumber(number), line))
    }

    pub(super) fn lines_of(&self, lock: &LockName) -> &[PartitionNumber] {
        self.by_lock.get(lock).map_or(&[], Vec::as_slice)
    }

    /// The line that a job stands in when it is queued, if it ever was.
    pub(super) fn line_of(&self, job: &JobRecord) -> Option<PartitionNumber> {
        self.of_job.get(&job.sequence).copied()
    }

    pub(super) fn change_count(&self) -> u64 {
        self.changed
    }

    /// The changes since there were `seen` of them; none where they are not all known any more.
    pub(super) fn changes_since(&self, seen: u64) -> Option<impl Iterator<Item = PartitionChange>> {
        let missed = usize::try_from(self.changed.checked_sub(seen)?).ok()?;
        let first = self.changes.len().checked_sub(missed)?;
        Some(self.changes.range(first..).copied())
    }

    fn note(&mut self, line: PartitionNumber, at: Option<QueuePosition>) {
        if self.changes.len() >= CHANGE_LIMIT {
            self.changes.pop_front();
        }
        self.changes.push_back(PartitionChange { line, at });
        self.changed += 1;
    }

    fn partition_for(&mut self, job: &JobRecord) -> PartitionNumber {
        if let Some(known) = self.of_job.get(&job.sequence) {
            return *known;
        }
        let key = (job.spec.needs(), job.spec.lock.clone());
        let number = match self.numbers.get(&key) {
            Some(known) => *known,
            None => self.open_partition(key),
        };
        self.of_job.insert(job.sequence, number);
        number
    }

    fn open_partition(&mut self, key: (BTreeSet<Capability>, Option<LockName>)) -> PartitionNumber {
        let number = PartitionNumber(self.lines.len());
        if let Some(lock) = &key.1 {
            self.by_lock.entry(lock.clone()).or_default().push(number);
        }
        self.lines.push(QueuePartition {
            needs: key.0.clone(),
            lock: key.1.clone(),
            jobs: BTreeMap::new(),
        });
        self.numbers.insert(key, number);
        number
    }
}
