//! Puts what an engine has used on record, with the change of its job that follows: no line of its own, and no write more.

use super::{HistoryEntry, JobHistory, JobStore, OutboxEntry};
use crate::ids::JobId;
use crate::stage::Stage;
use crate::token_usage::TokenUsage;

/// A store that adds it to the first line that is announced.
pub(crate) struct UsageRecorder<S> {
    store: S,
    usage: Option<TokenUsage>,
}

impl<S> UsageRecorder<S> {
    /// `usage`: none where nothing was told, or all is on record already.
    pub(crate) fn new(store: S, usage: Option<TokenUsage>) -> UsageRecorder<S> {
        UsageRecorder { store, usage }
    }
}

impl<S: JobStore> JobStore for UsageRecorder<S> {
    type Error = S::Error;
    type Posted = S::Posted;

    fn history(&self, id: &JobId) -> Result<JobHistory, S::Error> {
        self.store.history(id)
    }

    fn announce(&mut self, id: &JobId, line: &HistoryEntry) -> Result<(), S::Error> {
        match self.usage.take() {
            None => self.store.announce(id, line),
            usage => self.store.announce(
                id,
                &HistoryEntry {
                    usage,
                    ..line.clone()
                },
            ),
        }
    }

    fn has_outbox_entry(&self, entry: &OutboxEntry) -> Result<bool, S::Error> {
        self.store.has_outbox_entry(entry)
    }

    fn post(&mut self, id: &JobId, entry: OutboxEntry) -> Result<S::Posted, S::Error> {
        self.store.post(id, entry)
    }

    fn move_file(&mut self, id: &JobId, from: Stage, to: Stage) -> Result<(), S::Error> {
        self.store.move_file(id, from, to)
    }

    fn remove_file(&mut self, id: &JobId, from: Stage) -> Result<(), S::Error> {
        self.store.remove_file(id, from)
    }
}
