//! From the inbox into work: the locks first, then the file, then the attempt is counted; the engine comes after all
//! of it.

use std::fs::Metadata;
use std::io::ErrorKind;

use super::classify::FileStamp;
use super::{
    FileDigest, HistoryEntry, JobHistory, JobLocks, Queue, QueueError, QueueResult, WorkSnapshot,
    durable_files, history, locks,
};
use crate::ids::{JobId, LeaseProof};
use crate::job::Job;
use crate::job_reason::JobReason;
use crate::scheduler::WaitingJob;
use crate::stage::Stage;

/// What came of trying to take a job.
#[derive(Debug)]
pub(crate) enum InboxClaim {
    Claimed(Box<ClaimedJob>),
    /// Another process has it, or its file is no longer what was decided on: look again.
    Unavailable,
    /// The lock that it names is held elsewhere.
    LockHeld,
}

/// A job in `building`, ours, its attempt counted.
#[derive(Debug)]
pub(crate) struct ClaimedJob {
    pub(crate) hold: JobLocks,
    pub(crate) job: Job,
    pub(crate) attempt: u32,
    /// Attempts that count against `retries`, this one included.
    pub(crate) spent: u32,
    pub(crate) in_work: WorkSnapshot,
    /// Somebody wrote its file anew while it waited.
    pub(crate) is_rewritten: bool,
}

/// Starts the next attempt of the job that was chosen, unless someone was faster.
///
/// `counted`: the file as it was when nobody was writing it. `lease_time`: the coordinator's, where the job is taken because
/// it said so. `kept`: what this process knows of it, if it was the one that put it back.
pub(super) fn claim(
    queue: &Queue,
    chosen: &WaitingJob,
    counted: FileStamp,
    lease: Option<&LeaseProof>,
    kept: Option<&WorkSnapshot>,
) -> QueueResult<InboxClaim> {
    let hold = match locks::take(queue, &chosen.id, chosen.lock.as_ref())? {
        locks::JobLockState::Acquired(hold) => hold,
        locks::JobLockState::NameHeld => return Ok(InboxClaim::LockHeld),
        locks::JobLockState::Owned | locks::JobLockState::Orphaned => return Ok(InboxClaim::Unavailable),
    };
    let (job, bytes) = match queue.read_job(Stage::Inbox, &chosen.id) {
        Ok(read) => read,
        Err(QueueError::Job(_)) => return Ok(InboxClaim::Unavailable),
        Err(QueueError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(InboxClaim::Unavailable);
        }
        Err(error) => return Err(error),
    };
    let (from, to) = (
        queue.job_path(Stage::Inbox, &chosen.id),
        queue.job_path(Stage::Building, &chosen.id),
    );
    // After it was read: what somebody began to write before that has changed it.
    let is_counted = |file: Metadata| FileStamp::of(&file) == counted;
    if !from.symlink_metadata().is_ok_and(is_counted) {
        return Ok(InboxClaim::Unavailable);
    }
    // A wish to cancel an earlier attempt is not meant for this one.
    queue.take_cancel_wish(&hold)?;
    let known = queue.history(&chosen.id)?;
    let digest = FileDigest::of(&bytes);
    // Whoever looks at it next says what is wrong with it.
    let is_expected = |expected: Option<FileDigest>| expected.is_none_or(|expected| expected == digest);
    if !expected(&known, kept).is_ok_and(is_expected) {
        return Ok(InboxClaim::Unavailable);
    }
    match durable_files::move_new(&queue.root, &from, &to) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(InboxClaim::Unavailable),
        Err(source) => return Err(QueueError::Move { from, to, source }),
    }
    queue.sync_move(Stage::Inbox, Stage::Building)?;
    let started = started(&known, lease, Some(&digest));
    history::append(queue, &chosen.id, &started)?;
    Ok(InboxClaim::Claimed(Box::new(ClaimedJob {
        hold,
        job,
        attempt: started.attempt,
        spent: started.spent,
        is_rewritten: known.digest().is_some_and(|known| *known != digest),
        in_work: WorkSnapshot::new(bytes, digest, known),
    })))
}

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
        if self.find(id)? != Some(Stage::Review) || self.finish_review(&hold, &known)? {
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
        if self.find(id)? != Some(Stage::Review) || self.finish_review(&hold, &self.history(id)?)? {
            return Ok(ReviewClaim::HeldElsewhere);
        }
        self.advance(&hold, Stage::Review, Stage::Quarantine, Some(&reason))?;
        Ok(ReviewClaim::Changed(reason))
    }
}

/// The digest that the file of a job in the inbox has to have, if any; or what is wrong with its record.
pub(super) fn expected(
    known: &JobHistory,
    kept: Option<&WorkSnapshot>,
) -> Result<Option<FileDigest>, JobReason> {
    match kept {
        Some(kept) => kept.expects(known),
        // What comes by the name of a job that is elsewhere is no work of it.
        None if known.lines.last().is_none_or(|line| line.stage != Stage::Inbox) => Ok(None),
        None => Ok(known.digest_in_work().cloned()),
    }
}

pub(crate) fn started(
    known: &JobHistory,
    lease: Option<&LeaseProof>,
    digest: Option<&FileDigest>,
) -> HistoryEntry {
    HistoryEntry {
        at: history::now(),
        stage: Stage::Building,
        attempt: known.attempt() + 1,
        spent: known.spent() + 1,
        reason: None,
        detail: None,
        shipping: false,
        sequence: None,
        counted: None,
        digest: digest.cloned(),
        lease: lease.map(|proof| proof.lease.to_string()),
        fencing_token: lease.map(|proof| proof.fencing_token),
    }
}
