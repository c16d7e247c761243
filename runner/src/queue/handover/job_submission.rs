//! From this queue to the coordinator: written down before it is sent, and out of the inbox once that was answered.

use std::fs::Metadata;
use std::time::SystemTime;

use super::{HandoverPhase, HandoverRecord, HandoverSource};
use crate::ids::JobId;
use crate::job::Job;
use crate::queue::file_identity::{FileDigest, FileStamp};
use crate::queue::integrity::expected_digest;
use crate::queue::ownership_check::foreign;
use crate::queue::{
    FileState, FileWriters, JobLocks, JobSubmission, Queue, QueueError, QueueResult, WatchedFileState, locks,
};
use crate::stage::Stage;

/// What came of beginning to hand a job over.
#[derive(Debug)]
pub(crate) enum HandoverStart {
    /// It is on record, and nothing else starts it.
    Begun(Box<PendingHandover>),
    /// The coordinator has it already.
    Handed,
    /// Nothing was done, for this reason.
    Refused(String),
}

/// A job on its way to the coordinator, in the hands of this process.
#[derive(Debug)]
pub(crate) struct PendingHandover {
    pub(crate) hold: JobLocks,
    pub(crate) job: Job,
    pub(crate) record: HandoverRecord,
    /// It may have been sent before.
    pub(crate) is_resumed: bool,
}

impl Queue {
    /// Takes a job that waits in the inbox, or goes on with one that was begun before.
    pub(crate) fn begin_handover(&self, id: &JobId, url: &str) -> QueueResult<HandoverStart> {
        let Some(hold) = self.hold(id)? else {
            return Ok(refused("it is in other hands at this moment: try again"));
        };
        if let Some(record) = self.handover(id)? {
            return self.resume_handover(hold, record, url);
        }
        let Some(file) = self.inbox_file(id.file_name().as_ref())? else {
            return Ok(refused("it is in the inbox no more"));
        };
        if let Some(objection) = self.unfit(id, &file)? {
            return Ok(HandoverStart::Refused(objection));
        }
        let (job, bytes) = self.read_job(Stage::Inbox, id)?;
        let digest = FileDigest::of(&bytes);
        let expected = expected_digest(&self.history(id)?, None);
        if !expected.is_ok_and(|expected| expected.is_none_or(|expected| expected == digest)) {
            let text = "it was changed between two attempts: `aq run` sets it aside, then `aq retry` it";
            return Ok(refused(text));
        }
        // After it was read: what somebody began to write before that has changed it.
        let is_same = |now: Metadata| FileStamp::of(&now) == FileStamp::of(&file);
        if !self
            .job_path(Stage::Inbox, id)
            .symlink_metadata()
            .is_ok_and(is_same)
        {
            return Ok(refused("it was changed while it was read: try again"));
        }
        self.begin(hold, job, &bytes, HandoverSource::Inbox, url)
    }

    /// The same with a file that is in no queue. What it is must not be here under that name.
    pub(crate) fn begin_handover_of_file(
        &self,
        submission: &JobSubmission,
        job: Job,
        url: &str,
    ) -> QueueResult<HandoverStart> {
        let id = &submission.id;
        let Some(hold) = self.hold(id)? else {
            return Ok(refused("it is in other hands at this moment: try again"));
        };
        let _held = locks::lock_queue(self)?;
        if let Some(record) = self.handover(id)? {
            if record.digest != FileDigest::of(&submission.bytes) {
                let text = "another file was handed over under that name: choose another name, or take that job back \
                            first";
                return Ok(refused(text));
            }
            return self.resume_handover(hold, record, url);
        }
        if let Some(stage) = self.find(id)? {
            return Err(QueueError::Taken {
                id: id.clone(),
                stage,
            });
        }
        if let Some(conflict) = self.case_conflict(id)? {
            return Err(QueueError::TakenByCase {
                id: id.clone(),
                conflict,
            });
        }
        self.remove_pruned_marker(id)?;
        self.begin(hold, job, &submission.bytes, HandoverSource::File, url)
    }

    fn begin(
        &self,
        hold: JobLocks,
        job: Job,
        bytes: &[u8],
        source: HandoverSource,
        url: &str,
    ) -> QueueResult<HandoverStart> {
        self.write_handed_copy(&hold, bytes)?;
        // The coordinator may assign it to this very host, and it is another job than one of that name that ended here.
        self.forget_pruned(hold.id())?;
        let record = HandoverRecord::new(HandoverPhase::Submitting, source, url, FileDigest::of(bytes));
        self.write_handover(&hold, &record)?;
        Ok(HandoverStart::Begun(Box::new(PendingHandover {
            hold,
            job,
            record,
            is_resumed: false,
        })))
    }

    fn resume_handover(
        &self,
        hold: JobLocks,
        record: HandoverRecord,
        url: &str,
    ) -> QueueResult<HandoverStart> {
        Ok(match record.phase {
            HandoverPhase::Submitting if record.url != url => HandoverStart::Refused(elsewhere(&record)),
            HandoverPhase::Submitting => HandoverStart::Begun(Box::new(PendingHandover {
                job: self.handed_job(hold.id())?,
                hold,
                record,
                is_resumed: true,
            })),
            HandoverPhase::Handed => {
                self.leave_inbox(&hold, &record)?;
                HandoverStart::Handed
            }
            HandoverPhase::Recalling | HandoverPhase::Returned => {
                refused("it is being taken back: `aq fleet-recall` goes on with that")
            }
            HandoverPhase::Unreadable => HandoverStart::Refused(self.unreadable_handover(hold.id())),
        })
    }

    /// Why a file of the inbox can't be handed over as it is.
    fn unfit(&self, id: &JobId, file: &Metadata) -> QueueResult<Option<String>> {
        if let Some(reason) = foreign(file) {
            return Ok(reason.detail);
        }
        if self.history(id)?.counted() == Some(FileStamp::of(file)) {
            return Ok(None);
        }
        let state = FileWriters::of([file]).classify(file, WatchedFileState::Unknown, SystemTime::now());
        Ok(match state {
            FileState::Whole => None,
            FileState::BeingWritten(writer) => Some(format!("{writer} is still writing it: try again later")),
            FileState::Unproven(_) => Some(String::from("it may still be written: try again in a moment")),
        })
    }

    /// The coordinator said that it has it: the file leaves the inbox.
    pub(crate) fn handed(&self, pending: &PendingHandover) -> QueueResult<()> {
        let record = pending.record.at_phase(HandoverPhase::Handed);
        self.write_handover(&pending.hold, &record)?;
        self.leave_inbox(&pending.hold, &record)
    }

    /// The coordinator has it for certain not: it is this queue's own again, or the file's that was named.
    pub(crate) fn not_handed(&self, pending: &PendingHandover) -> QueueResult<()> {
        let id = pending.hold.id();
        if pending.record.source == HandoverSource::Inbox && self.find(id)?.is_none() {
            // Somebody removed the file while nobody knew whose the job is.
            return self.return_to(&pending.hold, &pending.record, Stage::Inbox);
        }
        self.forget_handover(&pending.hold)
    }

    /// The same where a person wants to have it here: also the job of a file that was named goes to the inbox.
    pub(crate) fn never_handed(&self, pending: &PendingHandover) -> QueueResult<()> {
        match self.find(pending.hold.id())? {
            Some(_) => self.forget_handover(&pending.hold),
            None => self.return_to(&pending.hold, &pending.record, Stage::Inbox),
        }
    }

    /// What the copy in `.state/handed/` has is not kept twice. Another file of that name stays.
    pub(super) fn leave_inbox(&self, hold: &JobLocks, record: &HandoverRecord) -> QueueResult<()> {
        if self.is_handed_file(hold.id(), record)? {
            self.remove(&self.job_path(Stage::Inbox, hold.id()))?;
            self.sync_folder(&self.folder(Stage::Inbox))?;
        }
        Ok(())
    }

    pub(crate) fn unreadable_handover(&self, id: &JobId) -> String {
        format!(
            "{} can't be read: if the coordinator does not have the job, remove that file, and add {}",
            self.handover_file(id).display(),
            self.handed_copy(id).display()
        )
    }
}

/// For a job that another coordinator has, or may have.
pub(super) fn elsewhere(record: &HandoverRecord) -> String {
    format!(
        "it was handed to {}, which is not the address that is set: set AQ_FLEET_URL to that",
        record.url
    )
}

fn refused(text: &str) -> HandoverStart {
    HandoverStart::Refused(text.to_owned())
}
