//! What a file in the inbox is: a job with its place, one without, no job at all.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::ErrorKind;

use jiff::Timestamp;

use super::file_identity::FileStamp;
use super::integrity::expected_digest;
use super::{HandoverPhase, Queue, QueueError, QueueResult, WorkSnapshot, stem};
use crate::ids::JobId;
use crate::job_reason::{JobReason, ReasonCode};
use crate::scheduler::WaitingJob;
use crate::stage::Stage;

pub(super) enum FileClass {
    /// With the file as it counted when it got its place.
    Registered(WaitingJob, Option<FileStamp>),
    /// A good file without a place in the order.
    Unregistered(WaitingJob),
    Invalid(JobReason),
    /// The coordinator has it, or may have it.
    HandedOver(JobId, JobReason),
    /// It is not what was put back into the inbox.
    Changed(JobId, JobReason),
    Gone,
}

/// `kept`: what this process knows of jobs that it put back.
pub(super) fn classify(
    queue: &Queue,
    name: &OsStr,
    kept: &HashMap<JobId, WorkSnapshot>,
) -> QueueResult<FileClass> {
    let invalid = |detail: String| Ok(FileClass::Invalid(ReasonCode::JobInvalid.with(detail)));
    let id = match stem(name).map(JobId::new) {
        Some(Ok(id)) => id,
        Some(Err(error)) => return invalid(format!("the file's name: {error}")),
        None => return invalid("the file's name is not UTF-8: rename it".to_owned()),
    };
    // Before anything of the other job is taken for its own.
    if let Some(conflict) = queue.case_conflict(&id)? {
        let detail = format!("{conflict}: rename the file");
        return Ok(FileClass::Invalid(ReasonCode::IdTaken.with(detail)));
    }
    if let Some(class) = handed_over(queue, &id)? {
        return Ok(class);
    }
    let known = queue.history(&id)?;
    let change = match expected_digest(&known, kept.get(&id)) {
        Ok(Some(expected)) => queue.differs(Stage::Inbox, &id, &expected)?,
        Ok(None) => None,
        Err(change) => Some(change),
    };
    if let Some(change) = change {
        return Ok(match queue.job_path(Stage::Inbox, &id).symlink_metadata() {
            Ok(_) => FileClass::Changed(id, change),
            Err(_) => FileClass::Gone,
        });
    }
    let job = match queue.job(Stage::Inbox, &id) {
        Ok(job) => job,
        Err(QueueError::Job(remark)) => return invalid(remark.to_string()),
        Err(QueueError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(FileClass::Gone);
        }
        Err(QueueError::Read { source, .. }) => {
            return invalid(format!("the file can't be read: {source}"));
        }
        Err(error) => return Err(error),
    };
    let sequence = known.waiting_at();
    let waiting = WaitingJob {
        id,
        priority: job.priority,
        sequence: sequence.unwrap_or(0),
        lock: job.lock,
        engine: job.engine,
        caps: job.caps,
        retry_at_ms: known.retry_at().map(Timestamp::as_millisecond),
    };
    match (sequence, queue.find_past_inbox(&waiting.id)?) {
        (_, Some(stage)) => Ok(FileClass::Invalid(ReasonCode::IdTaken.with(format!(
            "a job of that name is already in {stage}: rename the file"
        )))),
        (Some(_), None) => Ok(FileClass::Registered(waiting, known.counted())),
        (None, None) => Ok(FileClass::Unregistered(waiting)),
    }
}

/// A file whose name the coordinator's job has is that job, or none.
fn handed_over(queue: &Queue, id: &JobId) -> QueueResult<Option<FileClass>> {
    let record = queue.handover(id)?;
    let Some(record) = record.filter(|record| record.phase != HandoverPhase::Returned) else {
        return Ok(None);
    };
    let who = record.phase.who_has_it(id);
    if queue.is_handed_file(id, &record)? || record.phase == HandoverPhase::Unreadable {
        let reason = ReasonCode::HandedOver.with(who);
        return Ok(Some(FileClass::HandedOver(id.clone(), reason)));
    }
    Ok(Some(match queue.job_path(Stage::Inbox, id).symlink_metadata() {
        Ok(_) => FileClass::Invalid(ReasonCode::IdTaken.with(format!("{who}; rename the file"))),
        Err(_) => FileClass::Gone,
    }))
}
