//! From review into the hands of whoever ships: the locks, once nothing of an earlier try is alive.

use super::file_identity::FileDigest;
use super::{ClaimedJob, Queue, QueueResult, WorkSnapshot, locks};
use crate::ids::JobId;
use crate::job_reason::JobReason;
use crate::stage::Stage;

/// What came of taking a job in review.
#[derive(Debug)]
pub(crate) enum ReviewClaim {
    Claimed(Box<ClaimedJob>),
    /// The job, or the lock that it names, is in other hands, or it has left `review`.
    HeldElsewhere,
    /// It is not what was worked on, and lies in `quarantine` for this reason.
    Changed(JobReason),
}

impl Queue {
    /// Takes a job in review, and the lock that it names, to ship it.
    pub(crate) fn claim_review(&self, id: &JobId) -> QueueResult<ReviewClaim> {
        if locks::is_unowned(self, id)? {
            // Left by an `aq ship` that was killed with its supervisor: nobody else would ever end it.
            self.kill_orphans(id, &[])?;
        }
        if let Some(reason) = self.differs_from_record(Stage::Review, id, &self.history(id)?)? {
            return self.quarantine_reviewed(id, reason);
        }
        let (job, bytes) = self.read_job(Stage::Review, id)?;
        let locks::JobLockState::Acquired(hold) = locks::take(self, id, job.lock.as_ref())? else {
            return Ok(ReviewClaim::HeldElsewhere);
        };
        let known = self.history(id)?;
        if self.find(id)? != Some(Stage::Review) || self.finish_review(id, &known)? {
            return Ok(ReviewClaim::HeldElsewhere);
        }
        // It may have been written between the two looks.
        let digest = FileDigest::of(&bytes);
        if known.digest_in_work().is_some_and(|known| *known != digest) {
            return Ok(ReviewClaim::HeldElsewhere);
        }
        Ok(ReviewClaim::Claimed(Box::new(ClaimedJob {
            hold,
            job,
            attempt: known.attempt(),
            spent: known.spent(),
            in_work: WorkSnapshot::new(bytes, digest, known),
            is_rewritten: false,
        })))
    }

    fn quarantine_reviewed(&self, id: &JobId, reason: JobReason) -> QueueResult<ReviewClaim> {
        let locks::JobLockState::Acquired(hold) = locks::take(self, id, None)? else {
            return Ok(ReviewClaim::HeldElsewhere);
        };
        if self.find(id)? != Some(Stage::Review) || self.finish_review(id, &self.history(id)?)? {
            return Ok(ReviewClaim::HeldElsewhere);
        }
        self.advance(&hold, Stage::Review, Stage::Quarantine, Some(&reason))?;
        Ok(ReviewClaim::Changed(reason))
    }
}
