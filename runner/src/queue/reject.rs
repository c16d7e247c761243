//! What lies in the inbox and is no job goes to `failed`, where its reason can be read; nothing is overwritten.

use std::ffi::OsStr;
use std::io::ErrorKind;

use super::{HistoryEntry, Queue, QueueError, QueueResult, durable_files, history, locks, stem};
use crate::ids::JobId;
use crate::job_reason::JobReason;
use crate::stage::Stage;

/// A file in the inbox that is no job, or not the one that it was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RejectedFile {
    /// Where it lies now.
    pub(crate) stage: Stage,
    /// What it is called there.
    pub(crate) id: JobId,
    pub(crate) reason: JobReason,
}

/// Moves a bad file to `failed`, under its own name if that is an id that nothing else has.
pub(super) fn reject(queue: &Queue, name: &OsStr, reason: JobReason) -> QueueResult<Option<RejectedFile>> {
    let own = stem(name).and_then(|stem| JobId::new(stem).ok());
    let id = match own {
        Some(id)
            if queue.find_past_inbox(&id)?.is_none()
                && queue.case_conflict(&id)?.is_none()
                && !queue.is_handed_over(&id)? =>
        {
            id
        }
        _ => free_id(queue, name)?,
    };
    let locks::JobLockState::Acquired(_hold) = locks::take(queue, &id, None)? else {
        return Ok(None);
    };
    let known = queue.history(&id)?;
    let line = HistoryEntry::moved(&known, Stage::Failed, known.spent(), Some(&reason));
    history::append(queue, &id, &line)?;
    let (from, to) = (
        queue.folder(Stage::Inbox).join(name),
        queue.job_path(Stage::Failed, &id),
    );
    match durable_files::move_new(&queue.root, &from, &to) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(QueueError::Move { from, to, source }),
    }
    queue.sync_move(Stage::Inbox, Stage::Failed)?;
    let stage = Stage::Failed;
    Ok(Some(RejectedFile { stage, id, reason }))
}

/// Moves a job that was changed between two attempts to `quarantine`.
pub(super) fn quarantine(queue: &Queue, id: JobId, reason: JobReason) -> QueueResult<Option<RejectedFile>> {
    let locks::JobLockState::Acquired(hold) = locks::take(queue, &id, None)? else {
        return Ok(None);
    };
    let stage = Stage::Quarantine;
    queue.advance(&hold, Stage::Inbox, stage, Some(&reason))?;
    Ok(Some(RejectedFile { stage, id, reason }))
}

/// `my job!.md` becomes `my-job-.refused-1`.
fn free_id(queue: &Queue, name: &OsStr) -> QueueResult<JobId> {
    let lossy = name.to_string_lossy();
    let stem = lossy.strip_suffix(".md").unwrap_or(&lossy);
    let stem: String = stem.chars().take(80).collect();
    let safe = stem.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    let safe = match safe.trim_start_matches('-') {
        "" => "job",
        safe => safe,
    };
    let mut number: u64 = 0;
    loop {
        number += 1;
        if let Ok(id) = JobId::new(&format!("{safe}.refused-{number}"))
            && queue.find(&id)?.is_none()
            && queue.case_conflict(&id)?.is_none()
            && queue.handover(&id)?.is_none()
        {
            return Ok(id);
        }
    }
}
