//! From the inbox into work: the locks first, then the file, then the attempt is counted; the engine comes after all
//! of it.

use std::fs::Metadata;
use std::io::ErrorKind;

use super::file_identity::{FileDigest, FileStamp};
use super::integrity::expected_digest;
use super::{
    HistoryEntry, JobLocks, Queue, QueueError, QueueResult, WorkSnapshot, durable_files, history, locks,
};
use crate::ids::LeaseProof;
use crate::job::Job;
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
    /// Its engine is paused, or another job tries it.
    EnginePaused,
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
    let mut hold = match locks::take(queue, &chosen.id, chosen.lock.as_ref())? {
        locks::JobLockState::Acquired(hold) => hold,
        locks::JobLockState::NameHeld => return Ok(InboxClaim::LockHeld),
        locks::JobLockState::Owned | locks::JobLockState::Orphaned => return Ok(InboxClaim::Unavailable),
    };
    // A lease is the coordinator's own word, and nothing else starts what it has.
    if lease.is_none() && queue.is_handed_over(&chosen.id)? {
        return Ok(InboxClaim::Unavailable);
    }
    if !queue.may_start_engine(&chosen.engine, &mut hold)? {
        return Ok(InboxClaim::EnginePaused);
    }
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
    if !expected_digest(&known, kept).is_ok_and(is_expected) {
        return Ok(InboxClaim::Unavailable);
    }
    match durable_files::move_new(&queue.root, &from, &to) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(InboxClaim::Unavailable),
        Err(source) => return Err(QueueError::Move { from, to, source }),
    }
    queue.sync_move(Stage::Inbox, Stage::Building)?;
    let started = HistoryEntry::started(&known, lease, Some(&digest));
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
