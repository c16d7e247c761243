//! A job goes from one stage to the next: announced in its history, then one `rename(2)`, then both folders durable.

use std::time::Duration;

use super::enqueue_order::reserve_sequence;
use super::{
    FileDigest, HistoryEntry, JobLocks, JobStore, OutboxEntry, Queue, QueueError, QueueResult, durable_files,
    locks,
};
use crate::ids::{JobId, LeaseProof};
use crate::job_reason::{JobReason, ReasonCode};
use crate::stage::Stage;

/// Why a job goes back to the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequeueCause {
    /// This attempt counts against the job's `retries`.
    Failure,
    /// The attempt was ended for no fault of the job.
    Interruption,
}

/// Announces the change, then moves the file: a crash in between loses neither.
pub(crate) fn advance<S: JobStore>(
    store: &mut S,
    id: &JobId,
    from: Stage,
    to: Stage,
    reason: Option<&JobReason>,
) -> Result<(), S::Error> {
    let known = store.history(id)?;
    let line = HistoryEntry::moved(&known, to, known.spent(), reason);
    announce_and_move(store, id, from, to, &line)
}

/// The end of a job under its lease: announces it, posts its report, and moves the file.
pub(crate) fn advance_with_report<S: JobStore>(
    store: &mut S,
    id: &JobId,
    from: Stage,
    to: Stage,
    reason: Option<&JobReason>,
    proof: &LeaseProof,
) -> Result<S::Posted, S::Error> {
    let known = store.history(id)?;
    let entry = OutboxEntry::new(id, proof, to, reason);
    store.announce(id, &HistoryEntry::moved(&known, to, known.spent(), reason))?;
    let posted = store.post(id, entry)?;
    store.move_file(id, from, to)?;
    Ok(posted)
}

/// Back to where the job stood in the inbox. `wait`: before it starts again, if it failed.
pub(crate) fn requeue<S: JobStore>(
    store: &mut S,
    id: &JobId,
    from: Stage,
    cause: RequeueCause,
    wait: Duration,
    reason: &JobReason,
) -> Result<(), S::Error> {
    let known = store.history(id)?;
    let line = match cause {
        RequeueCause::Failure => HistoryEntry::retried(&known, known.spent(), reason, wait),
        RequeueCause::Interruption => {
            let spent = known.spent().saturating_sub(1);
            HistoryEntry::moved(&known, Stage::Inbox, spent, Some(reason))
        }
    };
    announce_and_move(store, id, from, Stage::Inbox, &line)
}

/// The lease on a job that came from the coordinator is given back: it is the coordinator's alone.
pub(crate) fn give_back<S: JobStore>(store: &mut S, id: &JobId, from: Stage) -> Result<(), S::Error> {
    let known = store.history(id)?;
    let spent = known.spent().saturating_sub(1);
    let reason = ReasonCode::LeaseReleased.with("given back to the coordinator");
    let line = HistoryEntry::moved(&known, Stage::Inbox, spent, Some(&reason));
    store.announce(id, &line)?;
    store.remove_file(id, from)
}

/// The next attempt under the same lease: the file goes back to `building`. Returned are its number and what counts of
/// it against `retries`.
pub(crate) fn start_again<S: JobStore>(
    store: &mut S,
    id: &JobId,
    from: Stage,
    proof: &LeaseProof,
    digest: Option<&FileDigest>,
) -> Result<(u32, u32), S::Error> {
    let started = HistoryEntry::started(&store.history(id)?, Some(proof), digest);
    let counts = (started.attempt, started.spent);
    match from {
        Stage::Building => store.announce(id, &started)?,
        _ => announce_and_move(store, id, from, Stage::Building, &started)?,
    }
    Ok(counts)
}

/// Before the command of `ship` is started: from here on a crash must not lead to another go.
pub(crate) fn announce_ship<S: JobStore>(store: &mut S, id: &JobId, stage: Stage) -> Result<(), S::Error> {
    let known = store.history(id)?;
    store.announce(id, &HistoryEntry::shipping(&known, stage))
}

pub(super) fn announce_and_move<S: JobStore>(
    store: &mut S,
    id: &JobId,
    from: Stage,
    to: Stage,
    line: &HistoryEntry,
) -> Result<(), S::Error> {
    store.announce(id, line)?;
    store.move_file(id, from, to)
}

impl Queue {
    /// Moves a job that this process holds.
    pub(crate) fn advance(
        &self,
        hold: &JobLocks,
        from: Stage,
        to: Stage,
        reason: Option<&JobReason>,
    ) -> QueueResult<()> {
        advance(&mut &*self, hold.id(), from, to, reason)
    }

    /// A person wants another go: at the end of the order, with all its retries.
    pub(crate) fn enqueue_again(&self, hold: &JobLocks, from: Stage) -> QueueResult<()> {
        let _held = locks::lock_queue(self)?;
        let sequence = reserve_sequence(self, 1)?;
        let known = self.history(hold.id())?;
        let digest = Some(self.digest(from, hold.id())?);
        let queued = HistoryEntry::queued(&known, sequence, None, digest);
        announce_and_move(&mut &*self, hold.id(), from, Stage::Inbox, &queued)
    }

    /// Back to the inbox by its file alone, where nothing can be written down: its next look finds it like a file that was
    /// placed by hand.
    pub(crate) fn put_back_unwritten(&self, id: &JobId, from: Stage) -> QueueResult<()> {
        self.move_file(id, from, Stage::Inbox)
    }

    /// A job that is the coordinator's alone is given back by its file alone.
    pub(crate) fn remove_unwritten(&self, id: &JobId, from: Stage) -> QueueResult<()> {
        JobStore::remove_file(&mut &*self, id, from)
    }

    /// Takes a job where it lies, to ship, retry or cancel it; `Ok(None)`: someone else has it.
    pub(crate) fn hold(&self, id: &JobId) -> QueueResult<Option<JobLocks>> {
        match locks::take(self, id, None)? {
            locks::JobLockState::Acquired(hold) => Ok(Some(hold)),
            _ => Ok(None),
        }
    }

    /// Never overwrites: a name that is taken in the new stage gets a suffix, so both files are kept.
    pub(super) fn move_file(&self, id: &JobId, from: Stage, to: Stage) -> QueueResult<()> {
        let source_path = self.job_path(from, id);
        if from == Stage::Review {
            // Announced by now: nothing of it is shipped from there any more.
            self.forget_surroundings(id)?;
        }
        let mut target = self.job_path(to, id);
        let mut copies = 0;
        loop {
            match durable_files::move_new(&self.root, &source_path, &target) {
                Ok(()) => break,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && copies < 1000 => {
                    copies += 1;
                    target = self.folder(to).join(format!("{id}.again-{copies}.md"));
                }
                Err(source) => {
                    return Err(QueueError::Move {
                        from: source_path,
                        to: target,
                        source,
                    });
                }
            }
        }
        self.sync_move(from, to)
    }

    /// Whether a person asked for the end of this job; asking takes the wish back.
    pub(crate) fn take_cancel_wish(&self, hold: &JobLocks) -> QueueResult<bool> {
        let path = self.cancel_marker(hold.id());
        let wished = path.exists();
        self.remove(&path)?;
        Ok(wished)
    }

    pub(crate) fn wish_cancel(&self, id: &JobId) -> QueueResult<()> {
        let path = self.cancel_marker(id);
        durable_files::write_durable(&self.root, &path, b"").map_err(QueueError::writing(&path))
    }
}
