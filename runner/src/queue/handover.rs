//! Jobs that this host handed over to the coordinator, and takes back (clauses F-14 to F-16).
//!
//! `.state/handed/ID.json` says how far that came, and `.state/handed/ID.md` is the job as it was sent. While the first of
//! the two is there, the job is the coordinator's: no local decision starts it, wherever its file lies. The record is
//! written before each request and again after each answer that is definite, so that a crash, or an answer that was
//! lost, leaves a job that nobody starts here, and the same command goes on from there.

mod handover_record;
mod job_return;
mod job_submission;

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::if_present;
use super::file_identity::FileDigest;
use super::{JobLocks, Queue, QueueError, QueueResult, durable_files};
use crate::ids::JobId;
use crate::job::{self, Job, JobIdSource};
use crate::stage::Stage;

pub(crate) use handover_record::{HandoverPhase, HandoverRecord, HandoverSource};
pub(crate) use job_submission::{HandoverStart, PendingHandover};

const RECORD_BYTES_MAX: usize = 64 * 1024;

impl Queue {
    /// What is on record of the hand-over of a job; none: it is this queue's own, or unknown.
    pub(crate) fn handover(&self, id: &JobId) -> QueueResult<Option<HandoverRecord>> {
        let name = format!("{id}.json");
        if !self.has_name(&self.handed_folder(), &name)? {
            return Ok(None);
        }
        let path = self.handover_file(id);
        let bytes = durable_files::read_bounded(&self.root, &path, RECORD_BYTES_MAX);
        Ok(if_present(&path, bytes)?.map(|bytes| HandoverRecord::read(&bytes)))
    }

    /// Whether no local decision may start a job, because the coordinator has it or may have it.
    pub(crate) fn is_handed_over(&self, id: &JobId) -> QueueResult<bool> {
        let record = self.handover(id)?;
        Ok(record.is_some_and(|record| record.phase != HandoverPhase::Returned))
    }

    /// All of them that are in no stage past the inbox here, by their ids.
    pub(crate) fn handovers(&self) -> QueueResult<Vec<(JobId, HandoverRecord)>> {
        let path = self.handed_folder();
        // A queue of an earlier version has no such folder.
        let names = if_present(&path, self.root.names(&path))?.unwrap_or_default();
        let names = names.into_iter().flat_map(OsString::into_string);
        let ids = names.filter_map(|name| JobId::new(name.strip_suffix(".json")?).ok());
        let mut ids: Vec<JobId> = ids.collect();
        ids.sort();
        let mut found = Vec::new();
        for id in ids {
            if let Some(record) = self.handover(&id)?
                && self.find_past_inbox(&id)?.is_none()
            {
                found.push((id, record));
            }
        }
        Ok(found)
    }

    /// A job as it was handed over.
    pub(crate) fn handed_job(&self, id: &JobId) -> QueueResult<Job> {
        let path = self.handed_copy(id);
        let bytes = durable_files::read_bounded(&self.root, &path, job::FILE_BYTES_MAX);
        let bytes = bytes.map_err(QueueError::reading(&path))?;
        let (naming, name) = (JobIdSource::FileName(id.as_str()), path.display().to_string());
        let parsed = job::parse(naming, &name, &bytes).map_err(QueueError::Job)?;
        Ok(parsed.job)
    }

    /// The file of a job as it was handed over.
    pub(crate) fn handed_copy(&self, id: &JobId) -> PathBuf {
        self.handed_folder().join(id.file_name())
    }

    pub(super) fn handed_folder(&self) -> PathBuf {
        self.state().join("handed")
    }

    fn handover_file(&self, id: &JobId) -> PathBuf {
        self.handed_folder().join(format!("{id}.json"))
    }

    /// It has reached the disk when this returns.
    fn write_handover(&self, hold: &JobLocks, record: &HandoverRecord) -> QueueResult<()> {
        let id = hold.id();
        let path = self.handover_file(id);
        let text = serde_json::to_vec(record).map_err(|error| QueueError::writing(&path)(error.into()))?;
        self.replace(&path, &format!("{id}.handover"), &text)?;
        self.sync_folder(&self.handed_folder())
    }

    /// The record last: while it is there, the copy may be needed.
    pub(super) fn forget_handover(&self, hold: &JobLocks) -> QueueResult<()> {
        self.remove(&self.handover_file(hold.id()))?;
        self.sync_folder(&self.handed_folder())?;
        self.remove(&self.handed_copy(hold.id()))
    }

    /// Writes the copy of what is about to be sent, or taken over.
    fn write_handed_copy(&self, hold: &JobLocks, bytes: &[u8]) -> QueueResult<()> {
        let id = hold.id();
        self.make_folder(&self.handed_folder())?;
        self.replace(&self.handed_copy(id), &format!("{id}.handed"), bytes)
    }

    /// Whether the file in the inbox is the one that was handed over.
    pub(super) fn is_handed_file(&self, id: &JobId, record: &HandoverRecord) -> QueueResult<bool> {
        let path = self.job_path(Stage::Inbox, id);
        let bytes = durable_files::read_bounded(&self.root, &path, job::FILE_BYTES_MAX);
        let bytes = if_present(&path, bytes)?;
        Ok(bytes.is_some_and(|bytes| FileDigest::of(&bytes) == record.digest))
    }

    /// What a crash cut off, where no request is needed to finish it. An error about one job keeps no other back.
    pub(crate) fn finish_handovers(&self) -> QueueResult<Vec<QueueError>> {
        let mut troubles = Vec::new();
        let path = self.handed_folder();
        let names = if_present(&path, self.root.names(&path))?.unwrap_or_default();
        for name in names.into_iter().flat_map(OsString::into_string) {
            let Some(id) = name.strip_suffix(".json").and_then(|stem| JobId::new(stem).ok()) else {
                continue;
            };
            // Whoever has it finishes it.
            let Some(hold) = self.hold(&id)? else { continue };
            troubles.extend(self.finish_handover(&hold).err());
        }
        Ok(troubles)
    }

    fn finish_handover(&self, hold: &JobLocks) -> QueueResult<()> {
        let Some(record) = self.handover(hold.id())? else {
            return Ok(());
        };
        if self.ended_here(hold.id())?.is_some() {
            return self.forget_handover(hold);
        }
        match record.phase {
            HandoverPhase::Submitting | HandoverPhase::Recalling | HandoverPhase::Unreadable => Ok(()),
            HandoverPhase::Handed => self.leave_inbox(hold, &record),
            // The coordinator has assigned it to this host all the same.
            HandoverPhase::Returned if self.find_past_inbox(hold.id())?.is_some() => Ok(()),
            HandoverPhase::Returned => self.finish_return(hold, &record),
        }
    }

    /// The end that a job came to here, when the coordinator assigned it to this very host. What lies in quarantine may
    /// have to be done yet.
    pub(crate) fn ended_here(&self, id: &JobId) -> QueueResult<Option<Stage>> {
        let ended = |stage: &Stage| matches!(stage, Stage::Shipped | Stage::Failed);
        let stage = self.find(id)?.filter(ended);
        Ok(match stage {
            Some(stage) if self.history(id)?.is_routed() => Some(stage),
            _ => None,
        })
    }
}
