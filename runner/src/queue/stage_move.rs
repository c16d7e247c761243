//! A job goes from one stage to the next: announced in its history, then one `rename(2)`, then both folders durable.

use super::enqueue_order::reserve_sequence;
use super::{HistoryEntry, JobLocks, Queue, QueueError, QueueResult, durable_files, history, locks};
use crate::ids::JobId;
use crate::job_reason::JobReason;
use crate::stage::Stage;

/// Why a job goes back to the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequeueCause {
    /// This attempt counts against the job's `retries`.
    Failure,
    /// The attempt was ended for no fault of the job.
    Interruption,
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
        let known = self.history(hold.id())?;
        self.announce_and_move(
            hold.id(),
            from,
            to,
            HistoryEntry::moved(&known, to, known.spent(), reason),
        )
    }

    /// Puts a job that this process holds back to where it stood in the inbox.
    pub(crate) fn requeue(
        &self,
        hold: &JobLocks,
        from: Stage,
        cause: RequeueCause,
        reason: &JobReason,
    ) -> QueueResult<()> {
        let known = self.history(hold.id())?;
        let spent = match cause {
            RequeueCause::Failure => known.spent(),
            RequeueCause::Interruption => known.spent().saturating_sub(1),
        };
        self.announce_and_move(
            hold.id(),
            from,
            Stage::Inbox,
            HistoryEntry::moved(&known, Stage::Inbox, spent, Some(reason)),
        )
    }

    /// A person wants another go: at the end of the order, with all its retries.
    pub(crate) fn enqueue_again(&self, hold: &JobLocks, from: Stage) -> QueueResult<()> {
        let _held = locks::lock_queue(self)?;
        let sequence = reserve_sequence(self, 1)?;
        let known = self.history(hold.id())?;
        let digest = Some(self.digest(from, hold.id())?);
        self.announce_and_move(
            hold.id(),
            from,
            Stage::Inbox,
            HistoryEntry::queued(&known, sequence, None, digest),
        )
    }

    /// Takes a job where it lies, to ship, retry or cancel it; `Ok(None)`: someone else has it.
    pub(crate) fn hold(&self, id: &JobId) -> QueueResult<Option<JobLocks>> {
        match locks::take(self, id, None)? {
            locks::JobLockState::Acquired(hold) => Ok(Some(hold)),
            _ => Ok(None),
        }
    }

    pub(super) fn announce_and_move(
        &self,
        id: &JobId,
        from: Stage,
        to: Stage,
        line: HistoryEntry,
    ) -> QueueResult<()> {
        history::append(self, id, &line)?;
        self.move_file(&id.file_name(), from, to)
    }

    /// Never overwrites: a name that is taken in the new stage gets a suffix, so both files are kept.
    pub(super) fn move_file(&self, name: &str, from: Stage, to: Stage) -> QueueResult<()> {
        let source_path = self.folder(from).join(name);
        let stem = name.strip_suffix(".md").unwrap_or(name);
        if let (Stage::Review, Ok(id)) = (from, JobId::new(stem)) {
            // Announced by now: nothing of it is shipped from there any more.
            self.forget_surroundings(&id)?;
        }
        let mut target = self.folder(to).join(name);
        let mut copies = 0;
        loop {
            match durable_files::move_new(&self.root, &source_path, &target) {
                Ok(()) => break,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && copies < 1000 => {
                    copies += 1;
                    target = self.folder(to).join(format!("{stem}.again-{copies}.md"));
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

    /// Before the command of `ship` is started: from here on a crash must not lead to another go.
    pub(crate) fn note_shipping(&self, hold: &JobLocks, stage: Stage) -> QueueResult<()> {
        let known = self.history(hold.id())?;
        history::append(self, hold.id(), &HistoryEntry::shipping(&known, stage))
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
        durable_files::write_durable(&self.root, &path, b"")
            .map_err(|source| QueueError::Write { path, source })
    }
}
