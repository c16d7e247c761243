//! The queued jobs, indexed for the one question that claims ask: which is the first this factory can be given?
//!
//! Jobs that need the same and hold the same lock form a class; within a class the first in order is the only
//! candidate, so a claim looks at the heads of the classes, not at the jobs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::job::JobRecord;
use crate::ids::{Capability, JobId, LockName};

/// A job's place: higher priority first, then submission order (C-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(Reverse<i32>, u64);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ClassKey {
    needs: BTreeSet<Capability>,
    lock: Option<LockName>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    classes: HashMap<ClassKey, BTreeMap<Place, JobId>>,
}

impl Queue {
    pub(crate) fn insert(&mut self, job: &JobRecord) {
        self.classes
            .entry(class_of(job))
            .or_default()
            .insert(place_of(job), job.id().clone());
    }

    pub(crate) fn remove(&mut self, job: &JobRecord) {
        let key = class_of(job);
        if let Some(jobs) = self.classes.get_mut(&key) {
            jobs.remove(&place_of(job));
            if jobs.is_empty() {
                self.classes.remove(&key);
            }
        }
    }

    /// The first job in order whose needs are all among `caps`, whose lock is free and which is not taken.
    pub(crate) fn first(
        &self,
        caps: &BTreeSet<Capability>,
        lock_is_free: impl Fn(&LockName) -> bool,
        is_taken: impl Fn(&JobId) -> bool,
    ) -> Option<&JobId> {
        self.classes
            .iter()
            .filter(|(class, _)| class.needs.is_subset(caps) && class.lock.as_ref().is_none_or(&lock_is_free))
            .filter_map(|(_, jobs)| jobs.iter().find(|(_, job)| !is_taken(job)))
            .min_by_key(|(place, _)| **place)
            .map(|(_, job)| job)
    }

    /// Every queued job, in order.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &JobId> {
        let mut jobs: Vec<_> = self.classes.values().flatten().collect();
        jobs.sort_by_key(|(place, _)| **place);
        jobs.into_iter().map(|(_, job)| job)
    }
}

fn class_of(job: &JobRecord) -> ClassKey {
    ClassKey {
        needs: job.spec.needs(),
        lock: job.spec.lock.clone(),
    }
}

fn place_of(job: &JobRecord) -> Place {
    Place(Reverse(job.spec.priority), job.sequence)
}
