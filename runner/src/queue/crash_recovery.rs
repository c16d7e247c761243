//! What a dead runner left in work is taken up again, once nothing of it is alive.

use super::recovery_decision::{RecoveryDecision, recovery_decision};
use super::{
    HistoryEntry, JobLocks, OutboxEntry, Queue, QueueError, QueueResult, RecoveryOutcome, RequeueCause,
    WorkSnapshot, locks,
};
use crate::ids::JobId;
use crate::job_reason::ReasonCode;
use crate::stage::Stage;
use crate::supervise::orphan_scan::{self, OrphanEvidence, OrphanScan};

impl Queue {
    /// Looks at one job in `building` or `testing` that this process isn't running; `adopted`: orphans of it that
    /// became this process's children; `kept`: what this process knows of it, if it had it in work.
    pub(crate) fn recover(
        &self,
        stage: Stage,
        id: &JobId,
        adopted: &[i32],
        kept: Option<&WorkSnapshot>,
    ) -> QueueResult<RecoveryOutcome> {
        // Asked, not taken: see `locks::take`.
        if !locks::is_unowned(self, id)? {
            return Ok(RecoveryOutcome::Owned);
        }
        match self.remains(id, adopted)? {
            OrphanScan::Nothing => {}
            OrphanScan::Supervised => return Ok(RecoveryOutcome::Ending),
            OrphanScan::Orphans(orphans) => return Ok(RecoveryOutcome::Orphaned(orphans)),
            OrphanScan::Unproven(what) => return Ok(RecoveryOutcome::Blocked(what)),
        }
        let hold = match locks::take(self, id, None)? {
            locks::JobLockState::Acquired(hold) => hold,
            locks::JobLockState::Owned | locks::JobLockState::NameHeld => return Ok(RecoveryOutcome::Owned),
            locks::JobLockState::Orphaned => {
                return Ok(RecoveryOutcome::Blocked(
                    "a process that can't be seen from here holds its lock".to_owned(),
                ));
            }
        };
        // Kept a moment before a move to `review` that never came about.
        self.forget_surroundings(id)?;
        let change = match kept {
            Some(kept) => self.changed(stage, id, kept)?,
            None => self.differs_from_record(stage, id, &self.history(id)?)?,
        };
        if self.job_path(stage, id).symlink_metadata().is_err() {
            return Ok(RecoveryOutcome::Gone);
        }
        let known = self.history(id)?;
        match recovery_decision(&known) {
            RecoveryDecision::ShipUnknown => self.quarantine_shipping(&hold, stage, &known),
            RecoveryDecision::FinishMove(to) => self.finish_announced(id, stage, to, &known),
            RecoveryDecision::LeaseLost => self.quarantine_routed(&hold, stage),
            RecoveryDecision::Retry => match change {
                Some(reason) => {
                    self.advance(&hold, stage, Stage::Quarantine, Some(&reason))?;
                    Ok(RecoveryOutcome::Moved {
                        to: Stage::Quarantine,
                    })
                }
                None => self.retry_interrupted(&hold, stage, known.spent()),
            },
        }
    }

    /// Looks at one job in `review`: a dead process may have been about to move it out of there, or have been the one
    /// that kept its lease, without which nobody here can decide about it (clause T-13). `Ending`: what shipped it is
    /// still being ended.
    pub(crate) fn recover_review(&self, id: &JobId) -> QueueResult<RecoveryOutcome> {
        let known = self.history(id)?;
        let announced = known.lines.last().map_or(Stage::Review, |line| line.stage);
        if !known.is_shipping() && !announced.is_final() && !known.is_routed() {
            return Ok(RecoveryOutcome::Owned);
        }
        if !locks::is_unowned(self, id)? {
            return Ok(RecoveryOutcome::Owned);
        }
        if self.kill_orphans(id, &[])? == OrphanScan::Supervised {
            return Ok(RecoveryOutcome::Ending);
        }
        let locks::JobLockState::Acquired(hold) = locks::take(self, id, None)? else {
            return Ok(RecoveryOutcome::Owned);
        };
        let known = self.history(id)?;
        if self.find(id)? != Some(Stage::Review) {
            return Ok(RecoveryOutcome::Gone);
        }
        if !self.finish_review(&hold, &known)? {
            return match known.is_routed() {
                true => self.quarantine_routed(&hold, Stage::Review),
                false => Ok(RecoveryOutcome::Gone),
            };
        }
        let to = self.find(id)?.unwrap_or(Stage::Quarantine);
        Ok(RecoveryOutcome::Moved { to })
    }

    /// What was published, or may have been, is not published again; true: the job has left `review`.
    pub(super) fn finish_review(&self, hold: &JobLocks, known: &super::JobHistory) -> QueueResult<bool> {
        let announced = known.lines.last().map_or(Stage::Review, |line| line.stage);
        if known.is_shipping() {
            self.quarantine_shipping(hold, Stage::Review, known)?;
        } else if announced.is_final() {
            self.finish_announced(hold.id(), Stage::Review, announced, known)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// What can't be proven to be the job's is left alone, and the job is left to a person; its lock stays taken.
    pub(crate) fn quarantine_unproven(
        &self,
        stage: Stage,
        id: &JobId,
        what: &str,
    ) -> QueueResult<RecoveryOutcome> {
        let Some(_owner) = locks::take_owner(self, id)? else {
            return Ok(RecoveryOutcome::Owned);
        };
        if self.job_path(stage, id).symlink_metadata().is_err() {
            return Ok(RecoveryOutcome::Gone);
        }
        let known = self.history(id)?;
        if let RecoveryDecision::FinishMove(to) = recovery_decision(&known) {
            // Announced when nothing of it was alive any more: what is in the way came later, or is none of it.
            return self.finish_announced(id, stage, to, &known);
        }
        if let Some(name) = self.job(stage, id).ok().and_then(|job| job.lock) {
            locks::keep_lock_in_quarantine(self, &name, id)?;
        }
        let code = match known.is_shipping() {
            true => ReasonCode::ShipUnknown,
            false => ReasonCode::OrphanUnproven,
        };
        let again = match known.is_routed() {
            true => String::new(),
            false => format!("`aq retry {id}` or "),
        };
        let reason = code.with(format!(
            "{what}; make sure that nothing of it runs, then {again}`aq cancel {id}`"
        ));
        let line = HistoryEntry::moved(&known, Stage::Quarantine, known.spent(), Some(&reason));
        match known.lease() {
            // Not given back: what may be alive here must not be started elsewhere.
            Some(proof) => {
                let letter = OutboxEntry::new(id, &proof, Stage::Quarantine, Some(&reason));
                drop(self.announce_report_and_move(id, stage, Stage::Quarantine, line, letter)?);
            }
            None => self.announce_and_move(id, stage, Stage::Quarantine, line)?,
        }
        Ok(RecoveryOutcome::Moved {
            to: Stage::Quarantine,
        })
    }

    /// The last line announces a change; if the file isn't there yet, a crash fell between the two.
    pub(super) fn finish_announced(
        &self,
        id: &JobId,
        from: Stage,
        to: Stage,
        known: &super::JobHistory,
    ) -> QueueResult<RecoveryOutcome> {
        if known.is_routed() {
            self.post_announced(id, to, known)?;
        }
        self.move_file(&id.file_name(), from, to)?;
        Ok(RecoveryOutcome::Moved { to })
    }

    /// What is alive of the job's last command, as far as this host shows it.
    pub(crate) fn remains(&self, id: &JobId, adopted: &[i32]) -> QueueResult<OrphanScan> {
        self.with_orphan_evidence(id, adopted, orphan_scan::scan)
    }

    /// Kills what is proven to be the job's, and says what is left.
    pub(crate) fn kill_orphans(&self, id: &JobId, adopted: &[i32]) -> QueueResult<OrphanScan> {
        self.with_orphan_evidence(id, adopted, orphan_scan::kill)
    }

    fn with_orphan_evidence(
        &self,
        id: &JobId,
        adopted: &[i32],
        act: impl FnOnce(OrphanEvidence<'_>) -> std::io::Result<OrphanScan>,
    ) -> QueueResult<OrphanScan> {
        let record = self.process_record(id);
        let lock = locks::job_lock(self, id);
        act(OrphanEvidence {
            root: &self.root,
            record: &record,
            lock: &lock,
            adopted,
        })
        .map_err(|source| QueueError::Read {
            path: record.clone(),
            source,
        })
    }

    fn retry_interrupted(&self, hold: &JobLocks, stage: Stage, spent: u32) -> QueueResult<RecoveryOutcome> {
        let retries = match self.job(stage, hold.id()) {
            Ok(job) => job.retries,
            Err(QueueError::Job(_)) => 0,
            Err(error) => return Err(error),
        };
        let interrupted = ReasonCode::Interrupted.into();
        // Cleared when the attempt began, so it is meant for this one, whose runner never came to it.
        if self.cancel_marker(hold.id()).exists() {
            self.advance(hold, stage, Stage::Failed, Some(&ReasonCode::Cancelled.into()))?;
            self.take_cancel_wish(hold)?;
            return Ok(RecoveryOutcome::Moved { to: Stage::Failed });
        }
        if spent <= retries {
            self.requeue(hold, stage, RequeueCause::Failure, &interrupted)?;
            return Ok(RecoveryOutcome::Moved { to: Stage::Inbox });
        }
        self.advance(hold, stage, Stage::Failed, Some(&interrupted))?;
        Ok(RecoveryOutcome::Moved { to: Stage::Failed })
    }
}
