//! Jobs that the coordinator assigned: in and out of `building` without ever lying in the inbox (clause T-13), unless
//! they came from there (clause T-12).

use std::time::{Duration, SystemTime};

use super::file_identity::{FileDigest, FileStamp};
use super::ownership_check::foreign;
use super::{
    ClaimedJob, FileState, FileWriter, FileWriters, HistoryEntry, JobLocks, Queue, QueueResult,
    WatchedFileState, WorkSnapshot, durable_files, history, inbox_claim, locks,
};
use crate::ids::{JobId, LeaseProof};
use crate::job::Job;
use crate::job_reason::{JobReason, ReasonCode};
use crate::scheduler::WaitingJob;
use crate::stage::Stage;

/// What came of taking a job that the coordinator assigned.
#[derive(Debug)]
pub(crate) enum RoutedJobClaim {
    Claimed(Box<ClaimedJob>),
    /// The job, or the lock that it names, is in other hands, or it came to lie elsewhere meanwhile.
    HeldElsewhere,
    /// Its engine is paused, or another job tries it.
    EnginePaused,
    /// Its file is not whole yet.
    BeingWritten(FileWriter),
    /// Its file may be one that is being written. It counts after this time, if nothing changes it until then.
    Unproven(Duration),
}

impl Queue {
    /// Writes the coordinator's job to `building`: announced first, then there as a whole or not at all.
    pub(crate) fn admit(&self, job: Job, text: &str, lease: &LeaseProof) -> QueueResult<RoutedJobClaim> {
        let locks::JobLockState::Acquired(mut hold) = locks::take(self, &job.id, job.lock.as_ref())? else {
            return Ok(RoutedJobClaim::HeldElsewhere);
        };
        if self.find(&job.id)?.is_some() {
            return Ok(RoutedJobClaim::HeldElsewhere);
        }
        if !self.may_start_engine(&job.engine, &mut hold)? {
            return Ok(RoutedJobClaim::EnginePaused);
        }
        self.take_cancel_wish(&hold)?;
        let known = self.history(&job.id)?;
        let digest = FileDigest::of(text.as_bytes());
        let started = HistoryEntry::started(&known, Some(lease), Some(&digest));
        let (scratch, _) = self.write_scratch(&job.id, text.as_bytes())?;
        history::append(self, &job.id, &started)?;
        self.place(&scratch, &job.id, Stage::Building)?;
        self.sync_move(Stage::Building, Stage::Building)?;
        let (attempt, spent) = (started.attempt, started.spent);
        Ok(RoutedJobClaim::Claimed(Box::new(ClaimedJob {
            hold,
            job,
            attempt,
            spent,
            in_work: WorkSnapshot::new(text.as_bytes().to_vec(), digest, known),
            is_rewritten: false,
        })))
    }

    /// Takes the local file of a job that the coordinator assigned: it is the job (clause T-12).
    pub(crate) fn admit_local(&self, id: &JobId, lease: &LeaseProof) -> QueueResult<RoutedJobClaim> {
        let Some(file) = self.inbox_file(id.file_name().as_ref())? else {
            return Ok(RoutedJobClaim::HeldElsewhere);
        };
        if foreign(&file).is_some() {
            return Ok(RoutedJobClaim::HeldElsewhere);
        }
        let stamp = FileStamp::of(&file);
        if self.history(id)?.counted() != Some(stamp) {
            match FileWriters::of([&file]).classify(&file, WatchedFileState::Unknown, SystemTime::now()) {
                FileState::Whole => {}
                FileState::BeingWritten(writer) => return Ok(RoutedJobClaim::BeingWritten(writer)),
                FileState::Unproven(wait) => return Ok(RoutedJobClaim::Unproven(wait)),
            }
        }
        let job = self.job(Stage::Inbox, id)?;
        let chosen = WaitingJob {
            id: id.clone(),
            priority: job.priority,
            sequence: 0,
            lock: job.lock,
            engine: job.engine,
            caps: job.caps,
            // The coordinator decides when.
            retry_at_ms: None,
        };
        Ok(
            match inbox_claim::claim(self, &chosen, stamp, Some(lease), None)? {
                super::InboxClaim::Claimed(claimed) => RoutedJobClaim::Claimed(claimed),
                super::InboxClaim::EnginePaused => RoutedJobClaim::EnginePaused,
                super::InboxClaim::Unavailable | super::InboxClaim::LockHeld => RoutedJobClaim::HeldElsewhere,
            },
        )
    }

    /// A person approved it as the file with this digest describes it; the runner that holds its lease ships it.
    pub(crate) fn approve(&self, id: &JobId, digest: &FileDigest) -> QueueResult<()> {
        let path = self.approval_marker(id);
        let scratch = format!("{id}.approval-{}", std::process::id());
        // The runner may look at any moment, and takes half a digest for that of another file.
        self.replace(&path, &scratch, digest.as_str().as_bytes())
    }

    /// Whether a person approved this job, as the file with that digest describes it; asking takes the approval back.
    pub(crate) fn take_approval(&self, hold: &JobLocks, digest: &FileDigest) -> QueueResult<bool> {
        let path = self.approval_marker(hold.id());
        let approved = durable_files::read_bounded(&self.root, &path, digest.as_str().len());
        self.remove(&path)?;
        Ok(approved.is_ok_and(|approved| approved == digest.as_str().as_bytes()))
    }
}

/// Whether a job that lies in quarantine for this reason was reported as such: where its lease was given back, it was
/// not, so that another factory may have it.
pub(crate) fn is_reported(reason: &JobReason) -> bool {
    reason.code != ReasonCode::LeaseReleased
}
