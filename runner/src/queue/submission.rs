//! Jobs enter here: ids that nobody has yet, a place in the order, the whole file or nothing (clause O-1).

use std::path::PathBuf;
use std::time::Duration;

use super::case_conflict::{CaseConflict, differ_by_case};
use super::enqueue_order::reserve_sequence;
use super::file_identity::{FileDigest, FileStamp};
use super::{HistoryEntry, JobHistory, Queue, QueueError, QueueResult, history, locks};
use crate::ids::JobId;
use crate::stage::Stage;

/// A run that finds the queue locked goes on without the new files and looks at them again.
const REGISTER_WAIT_MAX: Duration = Duration::from_millis(250);

/// A job file that was found good.
#[derive(Debug)]
pub(crate) struct JobSubmission {
    pub(crate) id: JobId,
    pub(crate) bytes: Vec<u8>,
    /// Where it works, as it says itself.
    pub(crate) cwd: Option<PathBuf>,
}

impl Queue {
    /// Enqueues all of them, in this order, or none if one of the ids is taken.
    pub(crate) fn add(&self, submissions: &[JobSubmission]) -> QueueResult<()> {
        let _held = locks::lock_queue(self)?;
        for (position, submission) in submissions.iter().enumerate() {
            let id = submission.id.clone();
            if let Some(stage) = self.find(&id)? {
                return Err(QueueError::Taken { id, stage });
            }
            if self.handover(&id)?.is_some() {
                return Err(self.missing(&id)?);
            }
            let conflict = match self.case_conflict(&id)? {
                None => self.conflict_among(&id, &submissions[..position]),
                found => found,
            };
            if let Some(conflict) = conflict {
                return Err(QueueError::TakenByCase { id, conflict });
            }
        }
        let first = reserve_sequence(self, submissions.len() as u64)?;
        for (submission, sequence) in submissions.iter().zip(first..) {
            self.remove_pruned_marker(&submission.id)?;
            let (scratch, counted) = self.write_scratch(&submission.id, &submission.bytes)?;
            let digest = FileDigest::of(&submission.bytes);
            let line = HistoryEntry::queued(&JobHistory::default(), sequence, Some(counted), Some(digest));
            history::append(self, &submission.id, &line)?;
            self.place(&scratch, &submission.id, Stage::Inbox)?;
        }
        self.sync_folder(&self.folder(Stage::Inbox))
    }

    /// Of jobs that are about to be enqueued.
    fn conflict_among(&self, id: &JobId, earlier: &[JobSubmission]) -> Option<CaseConflict> {
        let other = earlier
            .iter()
            .find(|other| self.root.folds_case() && differ_by_case(id, &other.id))?;
        Some(CaseConflict {
            other: other.id.clone(),
            stage: Stage::Inbox,
        })
    }

    /// Gives jobs that were placed by hand their place in the order: that of the moment in which they are first seen.
    /// `None`: the job is in other hands or gone. An error of one of them is not the others'.
    pub(super) fn register(&self, jobs: &[(JobId, FileStamp)]) -> QueueResult<Vec<QueueResult<Option<u64>>>> {
        let _held = locks::lock_queue_within(self, REGISTER_WAIT_MAX)?;
        let first = reserve_sequence(self, jobs.len() as u64)?;
        let jobs = jobs.iter().zip(first..);
        let registered = jobs.map(|((id, counted), sequence)| self.register_one(id, *counted, sequence));
        Ok(registered.collect())
    }

    fn register_one(&self, id: &JobId, counted: FileStamp, sequence: u64) -> QueueResult<Option<u64>> {
        // Under the job's own lock: it could be on its way through another runner already.
        let locks::JobLockState::Acquired(_hold) = locks::take(self, id, None)? else {
            return Ok(None);
        };
        if self.find(id)? != Some(Stage::Inbox) {
            return Ok(None);
        }
        let known = self.history(id)?;
        match known.waiting_at() {
            None => {
                let line = HistoryEntry::queued(&known, sequence, Some(counted), None);
                history::append(self, id, &line)?;
                Ok(Some(sequence))
            }
            kept => Ok(kept),
        }
    }
}
