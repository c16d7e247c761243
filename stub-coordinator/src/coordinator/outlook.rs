//! Who is given what: for one set of capabilities the heads of the eligible lines, in order.
//!
//! An outlook is a cache over the queue that catches up when somebody looks through it: each change since the last
//! look costs a few steps in a tree, so a claim is O(log n) in the jobs held and pays once for each change that
//! happened meanwhile; only the first sight of a capability set looks at every line. Where jobs are passed over
//! because a shadow view has them taken, a cursor in each line stands behind those, so that they are walked over once
//! and not at every look. Nothing in here is state: a copy starts empty.

use std::collections::{BTreeSet, HashMap};

use super::queue::{Change, LineNumber, Place, Queue};
use crate::ids::{Capability, JobId, LockName};

/// Which jobs are out of the question, besides those that need too much.
pub(super) struct Judge<'a> {
    pub(super) lock_is_free: &'a dyn Fn(&LockName) -> bool,
    pub(super) is_taken: &'a dyn Fn(&JobId) -> bool,
}

/// Outlooks for a few sets of capabilities; the least recently used goes.
#[derive(Debug)]
pub(super) struct Outlooks {
    limit: usize,
    by_caps: HashMap<BTreeSet<Capability>, Outlook>,
    looks: u64,
}

#[derive(Debug, Default)]
struct Outlook {
    /// The eligible lines.
    lines: HashMap<LineNumber, Sight>,
    heads: BTreeSet<(Place, LineNumber)>,
    /// How many lines of the queue were looked at.
    known: usize,
    /// How many of the queue's changes were.
    seen: u64,
    /// Changes in what is taken that were not looked at yet.
    pending: Vec<Change>,
    last_look: u64,
}

/// One line as seen from here.
#[derive(Debug)]
struct Sight {
    /// The first job that may be given; where it stands in `heads`.
    head: Option<Place>,
    /// All jobs of the line before here are taken or in `returned`.
    cursor: Place,
    /// Jobs before the cursor that are free: put back, or taken back.
    returned: BTreeSet<Place>,
}

impl Outlooks {
    pub(super) fn new(limit: usize) -> Outlooks {
        Outlooks {
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
        judge: &Judge<'_>,
    ) -> Option<&'queue JobId> {
        self.looks += 1;
        if !self.by_caps.contains_key(caps) {
            if self.by_caps.len() >= self.limit {
                self.drop_least_used();
            }
            self.by_caps.insert(caps.clone(), Outlook::default());
        }
        let outlook = self.by_caps.get_mut(caps)?;
        outlook.last_look = self.looks;
        outlook.catch_up(queue, caps, judge);
        outlook.first(queue)
    }

    /// Says that a job was taken or came free in the judge's eyes, or that the lock of a line did.
    pub(super) fn judge_again(&mut self, change: Change) {
        for outlook in self.by_caps.values_mut() {
            outlook.pending.push(change);
        }
        // Nobody looks through those that have fallen far behind; they start again when somebody does.
        self.by_caps
            .retain(|_, outlook| outlook.pending.len() <= PENDING_LIMIT);
    }

    fn drop_least_used(&mut self) {
        let least = self.by_caps.iter().min_by_key(|(_, outlook)| outlook.last_look);
        if let Some(caps) = least.map(|(caps, _)| caps.clone()) {
            self.by_caps.remove(&caps);
        }
    }
}

/// How many changes wait for a look.
const PENDING_LIMIT: usize = 8_192;

impl Clone for Outlooks {
    fn clone(&self) -> Outlooks {
        Outlooks::new(self.limit)
    }
}

impl Outlook {
    fn catch_up(&mut self, queue: &Queue, caps: &BTreeSet<Capability>, judge: &Judge<'_>) {
        let pending = std::mem::take(&mut self.pending);
        match queue.changes_since(self.seen) {
            Some(changes) => {
                for change in pending.into_iter().chain(changes) {
                    self.look_again(queue, change, judge);
                }
            }
            None => {
                *self = Outlook {
                    last_look: self.last_look,
                    ..Outlook::default()
                };
            }
        }
        self.seen = queue.change_count();
        for (number, line) in queue.lines_since(self.known) {
            if line.needs.is_subset(caps) {
                self.lines.insert(number, Sight::new());
                self.set_head(queue, number, judge);
            }
        }
        self.known = queue.line_count();
    }

    /// Judges one place by what is true now; so it does not matter in which order changes are looked at.
    fn look_again(&mut self, queue: &Queue, change: Change, judge: &Judge<'_>) {
        let Some(sight) = self.lines.get_mut(&change.line) else {
            return;
        };
        if let Some(place) = change.at.filter(|place| *place < sight.cursor) {
            let job = queue.line(change.line).jobs.get(&place);
            if job.is_some_and(|job| !(judge.is_taken)(job)) {
                sight.returned.insert(place);
            } else {
                sight.returned.remove(&place);
            }
        }
        self.set_head(queue, change.line, judge);
    }

    fn set_head(&mut self, queue: &Queue, number: LineNumber, judge: &Judge<'_>) {
        let Some(sight) = self.lines.get_mut(&number) else {
            return;
        };
        let before = sight.head;
        sight.head = sight.find_head(queue, number, judge);
        if before == sight.head {
            return;
        }
        if let Some(before) = before {
            self.heads.remove(&(before, number));
        }
        if let Some(head) = sight.head {
            self.heads.insert((head, number));
        }
    }

    fn first<'queue>(&self, queue: &'queue Queue) -> Option<&'queue JobId> {
        let (place, line) = self.heads.first()?;
        queue.line(*line).jobs.get(place)
    }
}

impl Sight {
    fn new() -> Sight {
        Sight {
            head: None,
            cursor: Place::START,
            returned: BTreeSet::new(),
        }
    }

    fn find_head(&mut self, queue: &Queue, number: LineNumber, judge: &Judge<'_>) -> Option<Place> {
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
