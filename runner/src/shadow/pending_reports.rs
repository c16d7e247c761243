//! The reports that the coordinator has not answered yet, in the order in which they became due. Each job has one; its
//! last stage wins.

use std::collections::{BTreeMap, HashMap};

use crate::ids::JobId;
use crate::stage::Stage;

/// The lane writes it, until the end of the run; what is left then is found again by its stage folder.
#[derive(Debug, Default)]
pub(crate) struct PendingReports {
    /// By the order in which they became due.
    due: BTreeMap<u64, (JobId, Stage)>,
    /// Where in `due` a job is; each job is there once.
    places: HashMap<JobId, u64>,
    /// The place of the next report.
    next: u64,
}

impl PendingReports {
    /// Adds a report. A job that has one already goes to the end with its new stage: the earlier report need not be
    /// sent any more.
    pub(crate) fn put(&mut self, job: JobId, stage: Stage) {
        self.forget(&job);
        self.places.insert(job.clone(), self.next);
        self.due.insert(self.next, (job, stage));
        self.next += 1;
    }

    pub(crate) fn first(&self) -> Option<(JobId, Stage)> {
        self.due.first_key_value().map(|(_, report)| report.clone())
    }

    /// Takes a report out, if it is still the one that was answered.
    pub(crate) fn answered(&mut self, job: &JobId, stage: Stage) {
        let place = self.places.get(job).and_then(|place| self.due.get(place));
        if place.is_some_and(|(_, due)| *due == stage) {
            self.forget(job);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    fn forget(&mut self, job: &JobId) {
        if let Some(place) = self.places.remove(job) {
            self.due.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::test_coordinator::id;

    #[test]
    fn the_last_stage_of_a_job_wins_and_jobs_keep_their_order() {
        let mut pending = PendingReports::default();
        pending.put(id("alpha"), Stage::Building);
        pending.put(id("beta"), Stage::Building);
        pending.put(id("alpha"), Stage::Shipped);
        assert_eq!(pending.first(), Some((id("beta"), Stage::Building)));
        pending.answered(&id("beta"), Stage::Building);
        // An answer to a report that was coalesced settles nothing.
        pending.answered(&id("alpha"), Stage::Building);
        assert_eq!(pending.first(), Some((id("alpha"), Stage::Shipped)));
        pending.answered(&id("alpha"), Stage::Shipped);
        assert!(pending.is_empty() && pending.places.is_empty());
    }
}
