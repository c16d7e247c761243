//! Files of the inbox that are whole: they get their place in the order, or are set aside.

use std::ffi::OsString;

use super::{Inbox, InboxScan};
use crate::error_scope::ErrorScope;
use crate::ids::JobId;
use crate::queue::file_identity::FileStamp;
use crate::queue::{Queue, QueueError, QueueResult, SetAside, WatchedFileState, stem};
use crate::scheduler::WaitingJob;

/// A good file without a place in the order.
pub(super) struct UnregisteredJob {
    pub(super) waiting: WaitingJob,
    pub(super) name: OsString,
    pub(super) stamp: FileStamp,
    pub(super) sign: WatchedFileState,
}

impl Inbox {
    /// Gives good new files their place in the order, those that were seen at the same time by their ids.
    pub(super) fn register(
        &mut self,
        queue: &Queue,
        mut unregistered: Vec<UnregisteredJob>,
        look: &mut InboxScan,
    ) -> QueueResult<()> {
        if unregistered.is_empty() {
            return Ok(());
        }
        unregistered.sort_by(|one, other| one.waiting.id.cmp(&other.waiting.id));
        let jobs = unregistered
            .iter()
            .map(|file| (file.waiting.id.clone(), file.stamp));
        let jobs: Vec<(JobId, FileStamp)> = jobs.collect();
        let sequences = match queue.register(&jobs) {
            Ok(sequences) => sequences,
            Err(busy @ QueueError::Busy { .. }) => {
                look.locked = Some(busy);
                jobs.iter().map(|_| Ok(None)).collect()
            }
            Err(error) => return Err(error),
        };
        for (file, sequence) in unregistered.into_iter().zip(sequences) {
            let mut waiting = file.waiting;
            match sequence {
                Ok(Some(sequence)) => {
                    waiting.sequence = sequence;
                    self.remember(file.name, file.stamp, waiting);
                }
                Ok(None) => self.revisits.held_elsewhere(file.name, file.sign),
                Err(error) => self.set_aside(queue, file.name, error, look)?,
            }
        }
        Ok(())
    }

    /// One job's trouble is not the others': the job goes where a person looks at it. An error of another scope is
    /// returned as it is.
    pub(crate) fn set_aside(
        &mut self,
        queue: &Queue,
        name: OsString,
        error: QueueError,
        look: &mut InboxScan,
    ) -> QueueResult<()> {
        let id = stem(&name).and_then(|stem| JobId::new(stem).ok());
        let Some(id) = id.filter(|_| queue.scope_at_job(&error) == ErrorScope::Job) else {
            return Err(error);
        };
        self.forget(&name);
        self.revisits.remove(&name);
        match queue.set_aside(&id, &error)? {
            SetAside::Moved(refused) => look.refused.push(refused),
            SetAside::Left(reason) => look.left.push((id, reason)),
            SetAside::HeldElsewhere => self.revisits.held_elsewhere(name, WatchedFileState::Unknown),
        }
        Ok(())
    }
}
