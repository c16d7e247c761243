//! What a file in the inbox is: a job with its place, one without, no job at all.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

use super::refuse::elsewhere;
use super::{InWork, Queue, QueueError, Reading, claim, stem};
use crate::decide::Waiting;
use crate::ids::JobId;
use crate::stage::Stage;

/// Says whether a file is still the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
        }
    }
}

pub(super) enum Judged {
    /// With the file as it counted when it got its place.
    Registered(Waiting, Option<Stamp>),
    /// A good file without a place in the order.
    Unregistered(Waiting),
    Bad(String),
    /// It is not what was put back into the inbox.
    Changed(JobId, String),
    Gone,
}

/// `kept`: what this process knows of jobs that it put back.
pub(super) fn judge(queue: &Queue, name: &OsStr, kept: &HashMap<JobId, InWork>) -> Reading<Judged> {
    let id = match stem(name).map(JobId::new) {
        Some(Ok(id)) => id,
        Some(Err(error)) => return Ok(Judged::Bad(format!("the file's name: {error}"))),
        None => return Ok(Judged::Bad("the file's name is not UTF-8: rename it".to_owned())),
    };
    let known = queue.history(&id)?;
    let change = match claim::expected(&known, kept.get(&id)) {
        Ok(Some(expected)) => queue.differs(Stage::Inbox, &id, &expected)?,
        Ok(None) => None,
        Err(change) => Some(change),
    };
    if let Some(change) = change {
        return Ok(match queue.job_path(Stage::Inbox, &id).symlink_metadata() {
            Ok(_) => Judged::Changed(id, change),
            Err(_) => Judged::Gone,
        });
    }
    let job = match queue.job(Stage::Inbox, &id) {
        Ok(job) => job,
        Err(QueueError::Job(remark)) => return Ok(Judged::Bad(remark.to_string())),
        Err(QueueError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(Judged::Gone);
        }
        Err(QueueError::Read { source, .. }) => {
            return Ok(Judged::Bad(format!("the file can't be read: {source}")));
        }
        Err(error) => return Err(error),
    };
    let sequence = known.waiting_at();
    let waiting = Waiting {
        id,
        priority: job.priority,
        sequence: sequence.unwrap_or(0),
        lock: job.lock,
        engine: job.engine,
        caps: job.caps,
    };
    match (sequence, elsewhere(queue, &waiting.id)?) {
        (_, Some(stage)) => Ok(Judged::Bad(format!(
            "a job of that name is already in {stage}: rename the file"
        ))),
        (Some(_), None) => Ok(Judged::Registered(waiting, known.counted())),
        (None, None) => Ok(Judged::Unregistered(waiting)),
    }
}
