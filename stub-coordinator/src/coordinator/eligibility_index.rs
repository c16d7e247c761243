//! Who is given what: for one set of capabilities the heads of the eligible lines, in order.
//!
//! An index is a cache over the queue that catches up when somebody looks through it: each change since the last
//! look costs a few steps in a tree, so a claim is O(log n) in the jobs held and pays once for each change that
//! happened meanwhile; only the first sight of a capability set looks at every line. Where jobs are passed over
//! because a shadow view has them taken, a cursor in each line stands behind those, so that they are walked over once
//! and not at every look. Nothing in here is state: a copy starts empty.

use std::collections::{BTreeSet, HashMap};

use super::job_queue::{PartitionChange, PartitionNumber, Queue, QueuePosition};
use crate::contract::ids::{Capability, JobId, LockName};

/// Which jobs are out of the question, besides those that need too much.
pub(super) struct JobAvailability<'a> {
    pub(super) lock_is_free: &'a dyn Fn(&LockName) -> bool,
    pub(super) is_taken: &'a dyn Fn(&JobId) -> bool,
}

/// Outlooks for a few sets of capabilities; the least recently used goes.
#[derive(Debug)]
pub(super) struct EligibilityCache {
    limit: usize,
    by_caps: HashMap<BTreeSet<Capability>, EligibilityIndex>,
    looks: u64,
}

#[derive(Debug, Default)]
struct EligibilityIndex {
    /// The eligible lines.
    lines: HashMap<PartitionNumber, PartitionCursor>,
    heads: BTreeSet<(QueuePosition, PartitionNumber)>,
    /// How many lines of the queue were looked at.
    known: usize,
    /// How many of the queue's changes were.
    seen: u64,
    /// Changes in what is taken that were not looked at yet.
    pending: Vec<PartitionChange>,
    last_look: u64,
}

/// One line as seen from here.
#[derive(Debug)]
struct PartitionCursor {
    /// The first job that may be given; where it stands in `heads`.
    head: Option<QueuePosition>,
    /// All jobs of the line before here are taken or in `returned`.
    cursor: QueuePosition,
    /// Jobs before the cursor that are free: put back, or taken back.
    returned: BTreeSet<QueuePosition>,
}

impl EligibilityCache {
    pub(super) fn new(limit: usize) -> EligibilityCache {
        EligibilityCache {
            limit,
            by_caps: HashMap::new(),
            looks: 0,
        }
    }

    /// The first job in order whose needs are all among `caps`, whose lock is free and which is not taken.
    pub(super) fn first<'queue>(
        &mut self,
        queue: &'queue Queue,
        caps: &BTreeSet<Capability>,
        judge: &JobAvailability<'_>,
    ) -> Option<&'queue JobId> {
        self.looks += 1;
        if !self.by_caps.contains_key(caps) {
            if self.by_caps.len() >= self.limit {
                self.drop_least_used();
            }
            self.by_caps.insert(caps.clone(), EligibilityIndex::default());
        }
        let eligibility_index = self.by_caps.get_mut(caps)?;
        eligibility_index.last_look = self.looks;
        eligibility_index.catch_up(queue, caps, judge);
        eligibility_index.first(queue)
    }

    /// Says that a job was taken or came free in the judge's eyes, or that the lock of a line did.
    pub(super) fn recheck_later(&mut self, change: PartitionChange) {
        for eligibility_index in self.by_caps.values_mut() {
            eligibility_index.pending.push(change);
        }
        // Nobody looks through those that have fallen far behind; they start again when somebody does.
        self.by_caps
            .retain(|_, eligibility_index| eligibility_index.pending.len() <= PENDING_LIMIT);
    }

    fn drop_least_used(&mut self) {
        let least = self
            .by_caps
            .iter()
            .min_by_key(|(_, eligibility_index)| eligibility_index.last_look);
        if let Some(caps) = least.map(|(caps, _)| caps.clone()) {
            self.by_caps.remove(&caps);
        }
    }
}

/// How many changes wait for a look.
const PENDING_LIMIT: usize = 8_192;

impl Clone for EligibilityCache {
    fn clone(&self) -> EligibilityCache {
        EligibilityCache::new(self.limit)
    }
}

impl EligibilityIndex {
    fn catch_up(&mut self, queue: &Queue, caps: &BTreeSet<Capability>, judge: &JobAvailability<'_>) {
        let pending = std::mem::take(&mut self.pending);
        match queue.changes_since(self.seen) {
            Some(changes) => {
                for change in pending.into_iter().chain(changes) {
                    self.recheck(queue, change, judge);
                }
            }
            None => {
                *self = EligibilityIndex {
                    last_look: self.last_look,
                    ..EligibilityIndex::default()
                };
            }
        }
        self.seen = queue.change_count();
        for (number, line) in queue.partitions_since(self.known) {
            if line.needs.is_subset(caps) {
                self.lines.insert(number, PartitionCursor::new());
                self.set_head(queue, number, judge);
            }
        }
        self.known = queue.partition_count();
    }

    /// Judges one place by what is true now; so it does not matter in which order changes are looked at.
    fn recheck(&mut self, queue: &Queue, change: PartitionChange, judge: &JobAvailability<'_>) {
        let Some(partition_cursor) = self.lines.get_mut(&change.line) else {
            return;
        };
        if let Some(place) = change.at.filter(|place| *place < partition_cursor.cursor) {
            let job = queue.line(change.line).jobs.get(&place);
            if job.is_some_and(|job| !(judge.is_taken)(job)) {
                partition_cursor.returned.insert(place);
            } else {
                partition_cursor.returned.remove(&place);
            }
        }
        self.set_head(queue, change.line, judge);
    }

    fn set_head(&mut self, queue: &Queue, number: PartitionNumber, judge: &JobAvailability<'_>) {
        let Some(partition_cursor) = self.lines.get_mut(&number) else {
            return;
        };
        let before = partition_cursor.head;
        partition_cursor.head = partition_cursor.find_head(queue, number, judge);
        if before == partition_cursor.head {
            return;
        }
        if let Some(before) = before {
            self.heads.remove(&(before, number));
        }
        if let Some(head) = partition_cursor.head {
            self.heads.insert((head, number));
        }
    }

    fn first<'queue>(&self, queue: &'queue Queue) -> Option<&'queue JobId> {
        let (place, line) = self.heads.first()?;
        queue.line(*line).jobs.get(place)
    }
}

impl PartitionCursor {
    fn new() -> PartitionCursor {
        PartitionCursor {
            head: None,
            cursor: QueuePosition::START,
            returned: BTreeSet::new(),
        }
    }

    fn find_head(
        &mut self,
        queue: &Queue,
        number: PartitionNumber,
        judge: &JobAvailability<'_>,
    ) -> Option<QueuePosition> {
        let line = queue.line(number);
        if line.lock.as_ref().is_some_and(|lock| !(judge.lock_is_free)(lock)) {
            return None;
        }
        if let Some(returned) = self.returned.first() {
            return Some(*returned);
        }
        for (place, job) in line.jobs.range(self.cursor..) {
            if !(judge.is_taken)(job) {
                self.cursor = *place;
                return Some(*place);
            }
            self.cursor = place.just_after();
        }
        None
    }
}
