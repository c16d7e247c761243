//! A queue folder of the model: what is on it survives the process. The lines and the letters are production's.

use std::collections::BTreeMap;

use super::host::job_number;
use super::world::ModelWorld;
use crate::ids::JobId;
use crate::queue::{HistoryEntry, JobHistory, JobStore, OutboxEntry};
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

    pub(super) fn post(&mut self, letter: OutboxEntry) -> u64 {
        self.sequence += 1;
        self.outbox.insert(self.sequence, letter);
        self.sequence
    }
}

/// A process died between two writes: nothing more of it happens.
#[derive(Debug)]
pub(super) struct ModelDeath;

/// The disk of a host, as the process on it writes there: after each write it may die.
pub(super) struct ModelQueue<'a> {
    pub(super) world: &'a mut ModelWorld,
    pub(super) host: usize,
}

impl ModelQueue<'_> {
    fn disk(&mut self) -> &mut ModelDisk {
        &mut self.world.hosts[self.host].disk
    }

    pub(super) fn place(&mut self, job: usize, stage: Stage) -> Result<(), ModelDeath> {
        self.disk().files.insert(job, stage);
        self.world.outlives_write(self.host)
    }
}

impl JobStore for ModelQueue<'_> {
    type Error = ModelDeath;
    /// Its sequence.
    type Posted = u64;

    fn history(&self, id: &JobId) -> Result<JobHistory, ModelDeath> {
        Ok(self.world.hosts[self.host].disk.known(job_number(id)).clone())
    }

    fn announce(&mut self, id: &JobId, line: &HistoryEntry) -> Result<(), ModelDeath> {
        self.disk().append(job_number(id), line.clone());
        self.world.outlives_write(self.host)
    }

    fn has_outbox_entry(&self, entry: &OutboxEntry) -> Result<bool, ModelDeath> {
        let outbox = &self.world.hosts[self.host].disk.outbox;
        Ok(outbox.values().any(|there| there.key == entry.key))
    }

    fn post(&mut self, _: &JobId, entry: OutboxEntry) -> Result<u64, ModelDeath> {
        let sequence = self.disk().post(entry);
        self.world.outlives_write(self.host)?;
        Ok(sequence)
    }

    fn move_file(&mut self, id: &JobId, _: Stage, to: Stage) -> Result<(), ModelDeath> {
        self.place(job_number(id), to)
    }

    fn remove_file(&mut self, id: &JobId, _: Stage) -> Result<(), ModelDeath> {
        self.disk().files.remove(&job_number(id));
        self.world.outlives_write(self.host)
    }
}
