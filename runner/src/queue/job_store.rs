//! What a change of stage is made of: each call here is one write that a crash leaves whole or undone, so the order of the
//! calls is the order on the disk.
//!
//! The queue folder implements it, and so does the disk of the model: `stage_move` and `crash_recovery` are the same code
//! for both.

use super::{HistoryEntry, JobHistory, OutboxEntry, PersistedEntry, Queue, QueueError, QueueResult, history};
use crate::ids::JobId;
use crate::stage::Stage;

/// Of jobs that this process holds.
pub(crate) trait JobStore {
    /// Nothing may be written after it.
    type Error;
    /// A report in the outbox, in the hands of this process.
    type Posted;

    fn history(&self, id: &JobId) -> Result<JobHistory, Self::Error>;

    /// Appends a line to the history of a job.
    fn announce(&mut self, id: &JobId, line: &HistoryEntry) -> Result<(), Self::Error>;

    fn has_outbox_entry(&self, entry: &OutboxEntry) -> Result<bool, Self::Error>;

    /// Puts a report into the outbox.
    fn post(&mut self, id: &JobId, entry: OutboxEntry) -> Result<Self::Posted, Self::Error>;

    fn move_file(&mut self, id: &JobId, from: Stage, to: Stage) -> Result<(), Self::Error>;

    fn remove_file(&mut self, id: &JobId, from: Stage) -> Result<(), Self::Error>;
}

impl JobStore for &Queue {
    type Error = QueueError;
    type Posted = PersistedEntry;

    fn history(&self, id: &JobId) -> QueueResult<JobHistory> {
        Queue::history(self, id)
    }

    fn announce(&mut self, id: &JobId, line: &HistoryEntry) -> QueueResult<()> {
        history::append(self, id, line)
    }

    fn has_outbox_entry(&self, entry: &OutboxEntry) -> QueueResult<bool> {
        Queue::has_outbox_entry(self, entry)
    }

    fn post(&mut self, id: &JobId, entry: OutboxEntry) -> QueueResult<PersistedEntry> {
        Queue::post(self, id, entry)
    }

    fn move_file(&mut self, id: &JobId, from: Stage, to: Stage) -> QueueResult<()> {
        Queue::move_file(self, id, from, to)
    }

    fn remove_file(&mut self, id: &JobId, from: Stage) -> QueueResult<()> {
        self.remove(&self.job_path(from, id))?;
        self.sync_move(from, from)
    }
}
