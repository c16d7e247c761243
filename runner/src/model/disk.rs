//! A queue folder of the model: what is on it survives the process. The lines and the letters are production's.

use std::collections::BTreeMap;

use crate::job_reason::JobReason;
use crate::queue::{HistoryEntry, JobHistory, OutboxEntry};
use crate::stage::Stage;

pub(super) struct ModelDisk {
    /// Where the file of a job lies, if there is one.
    pub(super) files: BTreeMap<usize, Stage>,
    histories: Vec<JobHistory>,
    /// By their sequence.
    pub(super) outbox: BTreeMap<u64, OutboxEntry>,
    sequence: u64,
}

impl ModelDisk {
    pub(super) fn new(jobs: usize) -> ModelDisk {
        ModelDisk {
            files: BTreeMap::new(),
            histories: vec![JobHistory::default(); jobs],
            outbox: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// As `aq add` does.
    pub(super) fn enqueue(&mut self, job: usize) {
        let mut queued = HistoryEntry::moved(self.known(job), Stage::Inbox, 0, None);
        queued.sequence = Some(job as u64 + 1);
        self.append(job, queued);
        self.files.insert(job, Stage::Inbox);
    }

    pub(super) fn known(&self, job: usize) -> &JobHistory {
        &self.histories[job]
    }

    pub(super) fn append(&mut self, job: usize, line: HistoryEntry) {
        self.histories[job].lines.push(line);
    }

    pub(super) fn announce(&mut self, job: usize, to: Stage, reason: Option<&JobReason>) {
        let known = self.known(job);
        let announced = HistoryEntry::moved(known, to, known.spent(), reason);
        self.append(job, announced);
    }

    /// The attempt that is over does not count.
    pub(super) fn announce_interrupted(&mut self, job: usize, reason: &JobReason) {
        let known = self.known(job);
        let announced =
            HistoryEntry::moved(known, Stage::Inbox, known.spent().saturating_sub(1), Some(reason));
        self.append(job, announced);
    }

    pub(super) fn post(&mut self, letter: OutboxEntry) -> u64 {
        self.sequence += 1;
        self.outbox.insert(self.sequence, letter);
        self.sequence
    }

    pub(super) fn has_outbox_entry(&self, letter: &OutboxEntry) -> bool {
        self.outbox.values().any(|there| there.key == letter.key)
    }
}
