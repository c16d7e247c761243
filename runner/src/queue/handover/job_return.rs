//! From the coordinator back to this queue: written down before it is asked for, and in a stage once that was answered.

use super::{HandoverPhase, HandoverRecord, HandoverSource};
use crate::ids::JobId;
use crate::job_reason::ReasonCode;
use crate::queue::enqueue_order::reserve_sequence;
use crate::queue::error::if_present;
use crate::queue::file_identity::{FileDigest, FileStamp};
use crate::queue::{HistoryEntry, JobLocks, Queue, QueueError, QueueResult, durable_files, history, locks};
use crate::stage::Stage;

impl Queue {
    /// A recall is about to be asked for. One that was begun before is the same request again.
    pub(crate) fn begin_recall(
        &self,
        hold: &JobLocks,
        record: &HandoverRecord,
    ) -> QueueResult<HandoverRecord> {
        if record.phase == HandoverPhase::Recalling {
            return Ok(record.clone());
        }
        let record = record.recalling();
        self.write_handover(hold, &record)?;
        Ok(record)
    }

    /// The same of a job that this host never had: this is its text.
    pub(crate) fn begin_recall_of_foreign(
        &self,
        hold: &JobLocks,
        text: &str,
        url: &str,
    ) -> QueueResult<HandoverRecord> {
        self.write_handed_copy(hold, text.as_bytes())?;
        let (phase, source) = (HandoverPhase::Recalling, HandoverSource::Coordinator);
        let record = HandoverRecord::new(phase, source, url, FileDigest::of(text.as_bytes()));
        self.write_handover(hold, &record)?;
        Ok(record)
    }

    /// The coordinator has it for certain still.
    pub(crate) fn not_recalled(&self, hold: &JobLocks, record: &HandoverRecord) -> QueueResult<()> {
        match record.source {
            HandoverSource::Coordinator => self.forget_handover(hold),
            HandoverSource::Inbox | HandoverSource::File => {
                self.write_handover(hold, &record.at_phase(HandoverPhase::Handed))
            }
        }
    }

    /// The coordinator has it for certain no more, or has finished it: its file goes to that stage.
    pub(crate) fn return_to(&self, hold: &JobLocks, record: &HandoverRecord, to: Stage) -> QueueResult<()> {
        let record = record.returned_to(to);
        self.write_handover(hold, &record)?;
        self.finish_return(hold, &record)
    }

    pub(super) fn finish_return(&self, hold: &JobLocks, record: &HandoverRecord) -> QueueResult<()> {
        let id = hold.id();
        let copy = self.handed_copy(id);
        if let Some(file) = if_present(&copy, copy.symlink_metadata())? {
            if let Some(stage) = self.find(id)? {
                return Err(QueueError::Taken {
                    id: id.clone(),
                    stage,
                });
            }
            let to = record.returns_to();
            // A record that can't be read would keep the job away for good.
            self.repair(hold, to)?;
            self.announce_return(id, record, FileStamp::of(&file), to)?;
            let target = self.job_path(to, id);
            durable_files::move_new(&self.root, &copy, &target).map_err(|source| QueueError::Move {
                from: copy,
                to: target,
                source,
            })?;
            self.sync_folder(&self.folder(to))?;
        }
        self.forget_handover(hold)
    }

    /// In the inbox it has the place that it had, and another attempt counts as its first.
    fn announce_return(
        &self,
        id: &JobId,
        record: &HandoverRecord,
        counted: FileStamp,
        to: Stage,
    ) -> QueueResult<()> {
        let known = self.history(id)?;
        let line = match to {
            Stage::Inbox => {
                let _held = locks::lock_queue(self)?;
                let sequence = match known.sequence() {
                    Some(kept) => kept,
                    None => reserve_sequence(self, 1)?,
                };
                HistoryEntry::queued(&known, sequence, Some(counted), Some(record.digest.clone()))
            }
            to => {
                let reason = ReasonCode::FinishedElsewhere.with("the coordinator said so");
                HistoryEntry::moved(&known, to, known.spent(), Some(&reason))
            }
        };
        history::append(self, id, &line)
    }
}
