//! What a dead runner left in work is taken up again, once nothing of it is alive.

use std::time::Duration;

use super::recovery_decision::{RecoveryDecision, recovery_decision};
use super::routed_claim::is_reported;
use super::stage_move::{advance, advance_with_report, requeue};
use super::{
    JobHistory, JobStore, OutboxEntry, Queue, QueueError, QueueResult, RecoveryOutcome, RequeueCause,
    WorkSnapshot, locks,
};
use crate::ids::JobId;
use crate::job_reason::{JobReason, ReasonCode};
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
        let change = match kept {
            Some(kept) => self.changed(stage, id, kept)?,
            None => self.differs_from_record(stage, id, &self.history(id)?)?,
        };
        if self.job_path(stage, id).symlink_metadata().is_err() {
            return Ok(RecoveryOutcome::Gone);
        }
        // Not read earlier: a record that is not what this process wrote has just been put right.
        let known = self.history(id)?;
        let found = AbandonedJob {
            id,
            stage,
            known: &known,
        };
        let decision = recovery_decision(&known);
        // Written a moment before a move to `review` that was never announced. One that was is finished, and `ship`
        // needs them.
        if decision != RecoveryDecision::FinishMove(Stage::Review) {
            self.forget_surroundings(id)?;
        }
        let mut is_cancelled = false;
        let to = recover_job(&mut &*self, &found, decision, || {
            let attempt = self.interrupted_attempt(stage, id, change)?;
            is_cancelled = matches!(attempt, InterruptedAttempt::Cancelled);
            Ok(attempt)
        })?;
        if is_cancelled {
            self.take_cancel_wish(&hold)?;
        }
        Ok(RecoveryOutcome::Moved { to })
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
        let locks::JobLockState::Acquired(_hold) = locks::take(self, id, None)? else {
            return Ok(RecoveryOutcome::Owned);
        };
        let known = self.history(id)?;
        if self.find(id)? != Some(Stage::Review) {
            return Ok(RecoveryOutcome::Gone);
        }
        if !self.finish_review(id, &known)? {
            return match known.is_routed() {
                true => {
                    let to = quarantine_interrupted(&mut &*self, id, Stage::Review)?;
                    Ok(RecoveryOutcome::Moved { to })
                }
                false => Ok(RecoveryOutcome::Gone),
            };
        }
        let to = self.find(id)?.unwrap_or(Stage::Quarantine);
        Ok(RecoveryOutcome::Moved { to })
    }

    /// What was published, or may have been, is not published again; true: the job has left `review`.
    pub(super) fn finish_review(&self, id: &JobId, known: &JobHistory) -> QueueResult<bool> {
        let found = AbandonedJob {
            id,
            stage: Stage::Review,
            known,
        };
        let announced = known.lines.last().map_or(Stage::Review, |line| line.stage);
        if known.is_shipping() {
            quarantine_shipping(&mut &*self, &found)?;
        } else if announced.is_final() {
            finish_announced(&mut &*self, &found, announced)?;
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
            let found = AbandonedJob {
                id,
                stage,
                known: &known,
            };
            finish_announced(&mut &*self, &found, to)?;
            return Ok(RecoveryOutcome::Moved { to });
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
        let to = Stage::Quarantine;
        match known.lease() {
            // Not given back: what may be alive here must not be started elsewhere.
            Some(proof) => {
                let posted = advance_with_report(&mut &*self, id, stage, to, Some(&reason), &proof)?;
                drop(posted);
            }
            None => advance(&mut &*self, id, stage, to, Some(&reason))?,
        }
        Ok(RecoveryOutcome::Moved { to })
    }

    /// What is alive of the job's last command, as far as this host shows it.
    pub(crate) fn remains(&self, id: &JobId, adopted: &[i32]) -> QueueResult<OrphanScan> {
        self.with_orphan_evidence(id, adopted, false, orphan_scan::scan)
    }

    /// Kills what is proven to be the job's, and says what is left.
    pub(crate) fn kill_orphans(&self, id: &JobId, adopted: &[i32]) -> QueueResult<OrphanScan> {
        self.with_orphan_evidence(id, adopted, false, orphan_scan::kill)
    }

    /// The same for a job whose lock this process holds.
    pub(crate) fn kill_orphans_of_own_job(&self, id: &JobId, adopted: &[i32]) -> QueueResult<OrphanScan> {
        self.with_orphan_evidence(id, adopted, true, orphan_scan::kill)
    }

    fn with_orphan_evidence(
        &self,
        id: &JobId,
        adopted: &[i32],
        is_held_here: bool,
        act: impl FnOnce(OrphanEvidence<'_>) -> std::io::Result<OrphanScan>,
    ) -> QueueResult<OrphanScan> {
        let record = self.process_record(id);
        let lock = locks::job_lock(self, id);
        act(OrphanEvidence {
            root: &self.root,
            record: &record,
            lock: &lock,
            adopted,
            is_held_here,
        })
        .map_err(QueueError::reading(&record))
    }

    /// Of a job of this queue's own; `change`: what of it is not as it was when it was taken.
    fn interrupted_attempt(
        &self,
        stage: Stage,
        id: &JobId,
        change: Option<JobReason>,
    ) -> QueueResult<InterruptedAttempt> {
        if let Some(change) = change {
            return Ok(InterruptedAttempt::Changed(change));
        }
        let retries = match self.job(stage, id) {
            Ok(job) => job.retries,
            Err(QueueError::Job(_)) => 0,
            Err(error) => return Err(error),
        };
        // Cleared when the attempt began, so it is meant for this one, whose runner never came to it.
        Ok(match self.cancel_marker(id).exists() {
            true => InterruptedAttempt::Cancelled,
            false => InterruptedAttempt::Retryable { retries },
        })
    }
}

/// A job in work that nobody looks after, and of which nothing is alive.
pub(crate) struct AbandonedJob<'a> {
    pub(crate) id: &'a JobId,
    /// Where its file lies.
    pub(crate) stage: Stage,
    pub(crate) known: &'a JobHistory,
}

/// What counts for another attempt at it.
pub(crate) enum InterruptedAttempt {
    /// It made something else of itself, or of its record.
    Changed(JobReason),
    /// A person cancelled it.
    Cancelled,
    /// As often as the job says.
    Retryable { retries: u32 },
}

/// Carries out what was decided about an abandoned job, and says where it went. `attempt`: asked where that counts.
pub(crate) fn recover_job<S: JobStore>(
    store: &mut S,
    found: &AbandonedJob<'_>,
    decision: RecoveryDecision,
    attempt: impl FnOnce() -> Result<InterruptedAttempt, S::Error>,
) -> Result<Stage, S::Error> {
    match decision {
        RecoveryDecision::ShipUnknown => quarantine_shipping(store, found),
        RecoveryDecision::FinishMove(to) => finish_announced(store, found, to),
        RecoveryDecision::LeaseLost => quarantine_interrupted(store, found.id, found.stage),
        RecoveryDecision::Retry => retry_interrupted(store, found, &attempt()?),
    }
}

/// `ship` was started, and nothing says how it ended: nobody may start it again, here or elsewhere.
fn quarantine_shipping<S: JobStore>(store: &mut S, found: &AbandonedJob<'_>) -> Result<Stage, S::Error> {
    let (id, from, to) = (found.id, found.stage, Stage::Quarantine);
    let reason = JobReason::from(ReasonCode::ShipUnknown);
    match found.known.lease() {
        // Delivered with all that wait, by whoever starts to.
        Some(proof) => drop(advance_with_report(store, id, from, to, Some(&reason), &proof)?),
        None => advance(store, id, from, to, Some(&reason))?,
    }
    Ok(to)
}

/// The last line announces a change; if the file isn't there yet, a crash fell between the two.
fn finish_announced<S: JobStore>(
    store: &mut S,
    found: &AbandonedJob<'_>,
    to: Stage,
) -> Result<Stage, S::Error> {
    if found.known.is_routed() {
        post_announced(store, found, to)?;
    }
    store.move_file(found.id, found.stage, to)?;
    Ok(to)
}

/// The report of an end that was announced, unless it was posted before the crash. A quarantine is reported where
/// the lease is not given back instead.
fn post_announced<S: JobStore>(store: &mut S, found: &AbandonedJob<'_>, to: Stage) -> Result<(), S::Error> {
    let reason = found.known.reason();
    let reported = match to {
        Stage::Quarantine => reason.as_ref().is_some_and(is_reported),
        stage => matches!(stage, Stage::Shipped | Stage::Failed),
    };
    let Some(proof) = found.known.lease().filter(|_| reported) else {
        return Ok(());
    };
    let entry = OutboxEntry::new(found.id, &proof, to, reason.as_ref());
    if !store.has_outbox_entry(&entry)? {
        // Delivered with all that wait, by whoever starts to.
        drop(store.post(found.id, entry)?);
    }
    Ok(())
}

/// As evidence; its lease is given back (clause T-13).
fn quarantine_interrupted<S: JobStore>(store: &mut S, id: &JobId, from: Stage) -> Result<Stage, S::Error> {
    let to = Stage::Quarantine;
    let reason = ReasonCode::LeaseReleased.with("its run was interrupted");
    advance(store, id, from, to, Some(&reason))?;
    Ok(to)
}

fn retry_interrupted<S: JobStore>(
    store: &mut S,
    found: &AbandonedJob<'_>,
    attempt: &InterruptedAttempt,
) -> Result<Stage, S::Error> {
    let interrupted = JobReason::from(ReasonCode::Interrupted);
    let (to, reason) = match attempt {
        InterruptedAttempt::Changed(change) => (Stage::Quarantine, change.clone()),
        InterruptedAttempt::Cancelled => (Stage::Failed, ReasonCode::Cancelled.into()),
        InterruptedAttempt::Retryable { retries } if found.known.spent() <= *retries => {
            let cause = RequeueCause::Failure;
            // No engine is at fault, so there is nothing to wait for.
            let wait = Duration::ZERO;
            requeue(store, found.id, found.stage, cause, wait, &interrupted)?;
            return Ok(Stage::Inbox);
        }
        InterruptedAttempt::Retryable { .. } => (Stage::Failed, interrupted),
    };
    advance(store, found.id, found.stage, to, Some(&reason))?;
    Ok(to)
}
