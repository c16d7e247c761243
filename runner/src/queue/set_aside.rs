//! A job whose record or whose file can't be worked with is set aside: it goes to `quarantine` with the code
//! `record_damaged`, and every other job goes on.
//!
//! Where its record can't be written, nothing is written about it: the code is told from the record itself, whenever it is
//! asked for, until `aq repair` has put the record right.

use super::reject::RejectedFile;
use super::stage_move::advance;
use super::{JobHistory, Queue, QueueError, QueueResult, locks};
use crate::error_scope::ErrorScope;
use crate::ids::JobId;
use crate::job_reason::{JobReason, ReasonCode};
use crate::stage::Stage;
use crate::supervise::orphan_scan::OrphanScan;

/// What came of setting a job aside.
#[derive(Debug)]
pub(crate) enum SetAside {
    /// It is in quarantine.
    Moved(RejectedFile),
    /// It can't be moved either, and stays where it is.
    Left(JobReason),
    /// Somebody has it, or it is gone.
    HeldElsewhere,
}

impl Queue {
    /// How far an error reaches that came up about one job. What can't be done with the folders that all jobs share is
    /// the queue's trouble, however it was met.
    pub(crate) fn scope_at_job(&self, error: &QueueError) -> ErrorScope {
        match error {
            QueueError::Read { .. } | QueueError::Write { .. } | QueueError::Move { .. }
                if error.scope() == ErrorScope::Queue && self.loss().is_none() && self.can_be_read() =>
            {
                ErrorScope::Job
            }
            _ => error.scope(),
        }
    }

    /// The history of a job, or what is wrong with it. The outer error is none of this job's.
    pub(crate) fn record(&self, id: &JobId) -> QueueResult<Result<JobHistory, JobReason>> {
        match self.history(id) {
            Ok(known) => Ok(Ok(known)),
            Err(error) if self.scope_at_job(&error) == ErrorScope::Job => Ok(Err(damaged(id, &error))),
            Err(error) => Err(error),
        }
    }

    /// Moves a job out of the way of the others, for this reason.
    pub(crate) fn set_aside(&self, id: &JobId, error: &QueueError) -> QueueResult<SetAside> {
        let reason = damaged(id, error);
        match self.quarantine_damaged(id, &reason) {
            Ok(true) => Ok(SetAside::Moved(RejectedFile {
                stage: Stage::Quarantine,
                id: id.clone(),
                reason,
            })),
            Ok(false) => Ok(SetAside::HeldElsewhere),
            Err(error) if self.scope_at_job(&error) == ErrorScope::Job => Ok(SetAside::Left(reason)),
            Err(error) => Err(error),
        }
    }

    /// False: there is nothing to move.
    fn quarantine_damaged(&self, id: &JobId, reason: &JobReason) -> QueueResult<bool> {
        let Some(_owner) = locks::take_owner(self, id)? else {
            return Ok(false);
        };
        let Some(from) = self.find(id)?.filter(|stage| !stage.is_final()) else {
            return Ok(false);
        };
        let lock = self.job(from, id).ok().and_then(|job| job.lock);
        if let (Stage::Building | Stage::Testing, Some(name)) = (from, lock)
            && !matches!(self.remains(id, &[]), Ok(OrphanScan::Nothing))
        {
            locks::keep_lock_in_quarantine(self, &name, id)?;
        }
        let to = Stage::Quarantine;
        // Written down where that is possible: then it is something else of the job that can't be worked with.
        match advance(&mut &*self, id, from, to, Some(reason)) {
            Err(error) if self.scope_at_job(&error) == ErrorScope::Job => self.move_file(id, from, to)?,
            written => written?,
        }
        Ok(true)
    }

    /// Whether everything that the jobs share can be looked into.
    fn can_be_read(&self) -> bool {
        let stages = Stage::ALL.map(|stage| self.folder(stage)).into_iter();
        let shared = stages.chain([self.jobs_folder(), self.scratch_folder()]);
        shared
            .chain(locks::folders(self))
            .all(|folder| self.root.open(&folder).is_ok())
    }
}

fn damaged(id: &JobId, error: &QueueError) -> JobReason {
    let what = error.cause();
    ReasonCode::RecordDamaged.with(format!("{what}; see `aq repair {id}`"))
}
