//! Final reports, and quarantines, that the coordinator has to get: on the disk before they are sent, and until they
//! were answered (clauses T-4 and T-9).
//!
//! One file a report, named so that their order is that of the folder. Whoever delivers one holds a lock on its file,
//! so that a second process leaves it alone; the key inside makes a second delivery harmless all the same.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::if_present;
use super::{Queue, QueueError, QueueResult, durable_files, enqueue_order, history, locks};
use crate::ids::{JobId, LeaseId, LeaseProof};
use crate::job_reason::JobReason;
use crate::queue_root::QueueRoot;
use crate::stage::Stage;

const OUTBOX_ENTRY_BYTES_MAX: usize = 64 * 1024;

/// A final report, or a quarantine, with all that sending it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutboxEntry {
    job: String,
    lease: String,
    fencing_token: u64,
    stage: String,
    pub(crate) at: String,
    #[serde(flatten)]
    pub(crate) reason: Option<JobReason>,
    /// Its `Idempotency-Key`, the same however often it is sent.
    pub(crate) key: String,
}

impl OutboxEntry {
    pub(crate) fn new(
        job: &JobId,
        proof: &LeaseProof,
        stage: Stage,
        reason: Option<&JobReason>,
    ) -> OutboxEntry {
        OutboxEntry {
            job: job.to_string(),
            lease: proof.lease.to_string(),
            fencing_token: proof.fencing_token,
            stage: stage.folder().to_owned(),
            at: history::now(),
            reason: reason.cloned(),
            key: key(job, proof),
        }
    }

    /// What it is about; none for a file that is no letter of ours.
    pub(crate) fn subject(&self) -> Option<(JobId, LeaseProof, Stage)> {
        let proof = LeaseProof {
            lease: LeaseId::new(&self.lease).ok()?,
            fencing_token: self.fencing_token,
        };
        let stage = Stage::from_folder(&self.stage).filter(|stage| stage.is_final())?;
        Some((JobId::new(&self.job).ok()?, proof, stage))
    }
}

/// A lease has one last word, so its key follows from the lease: a letter that is written again after a crash is the
/// same request. Hashed, because a key may be no longer than one id.
fn key(job: &JobId, proof: &LeaseProof) -> String {
    let mut hasher = DefaultHasher::new();
    (job, &proof.lease).hash(&mut hasher);
    format!("end-{}-{:016x}", proof.fencing_token, hasher.finish())
}

/// A letter in the outbox, in the hands of this process.
#[derive(Debug)]
pub(crate) struct PersistedEntry {
    pub(crate) letter: OutboxEntry,
    path: PathBuf,
    root: QueueRoot,
    _held: Option<locks::HeldLock>,
}

impl PersistedEntry {
    /// It was answered, whatever the answer.
    pub(crate) fn answered(self) -> QueueResult<()> {
        self.root
            .remove(&self.path)
            .map_err(QueueError::writing(&self.path))
    }
}

impl Queue {
    pub(super) fn post(&self, id: &JobId, letter: OutboxEntry) -> QueueResult<PersistedEntry> {
        let sequence = match locks::lock_queue(self) {
            Ok(_held) => enqueue_order::reserve_sequence(self, 1)?,
            // Nobody who keeps the queue locked takes a report from it: of two with one number the ids decide.
            Err(QueueError::Busy { .. }) => enqueue_order::next_sequence(self)?,
            Err(error) => return Err(error),
        };
        let path = self.outbox_folder().join(format!("{sequence:020}-{id}.json"));
        let write = QueueError::writing(&path);
        let text = serde_json::to_string(&letter).map_err(|error| write(error.into()))?;
        // There as a whole or not at all.
        let scratch = self.scratch_folder().join(format!("letter-{sequence}"));
        durable_files::write_durable(&self.root, &scratch, text.as_bytes()).map_err(write)?;
        durable_files::move_new(&self.root, &scratch, &path).map_err(write)?;
        self.sync_folder(&self.outbox_folder())?;
        Ok(PersistedEntry {
            letter,
            _held: locks::try_hold(self, &path)?,
            root: self.root.clone(),
            path,
        })
    }

    /// Whether a report of that job waits here.
    pub(super) fn owes(&self, id: &JobId) -> QueueResult<bool> {
        Ok(!self.outbox_entries_of(id.as_str())?.is_empty())
    }

    pub(super) fn has_outbox_entry(&self, letter: &OutboxEntry) -> QueueResult<bool> {
        let entries = self.outbox_entries_of(&letter.job)?;
        Ok(entries.iter().any(|there| there.key == letter.key))
    }

    fn outbox_entries_of(&self, job: &str) -> QueueResult<Vec<OutboxEntry>> {
        let ending = format!("-{job}.json");
        let mut entries = Vec::new();
        for name in self.outbox_entry_names()? {
            if name.ends_with(&ending) {
                entries.extend(self.read_outbox_entry(&name)?);
            }
        }
        entries.retain(|entry| entry.job == job);
        Ok(entries)
    }

    /// What waits to be delivered, in order, and is in nobody else's hands.
    pub(crate) fn undelivered(&self) -> QueueResult<Vec<PersistedEntry>> {
        let mut found = Vec::new();
        for name in self.outbox_entry_names()? {
            let path = self.outbox_folder().join(&name);
            if !path.exists() {
                continue;
            }
            let Some(held) = locks::try_hold(self, &path)? else {
                continue;
            };
            if let Some(letter) = self.read_outbox_entry(&name)? {
                found.push(PersistedEntry {
                    letter,
                    path,
                    root: self.root.clone(),
                    _held: Some(held),
                });
            }
        }
        Ok(found)
    }

    /// None if it is gone, or was put there by someone else, who may know what it is.
    fn read_outbox_entry(&self, name: &str) -> QueueResult<Option<OutboxEntry>> {
        let path = self.outbox_folder().join(name);
        let bytes = durable_files::read_bounded(&self.root, &path, OUTBOX_ENTRY_BYTES_MAX);
        Ok(if_present(&path, bytes)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn outbox_entry_names(&self) -> QueueResult<Vec<String>> {
        let path = self.outbox_folder();
        let found = self.root.names(&path).map_err(QueueError::reading(&path))?;
        let mut names: Vec<String> = found.into_iter().flat_map(OsString::into_string).collect();
        names.retain(|name| name.ends_with(".json"));
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(job: &JobId, lease: &str) -> OutboxEntry {
        let proof = LeaseProof {
            lease: LeaseId::new(lease).unwrap(),
            fencing_token: 4,
        };
        OutboxEntry::new(job, &proof, Stage::Shipped, None)
    }

    #[test]
    fn letters_are_delivered_in_the_order_of_their_ends_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        // The order is neither that of the names nor that in which a folder happens to be read.
        let ids: Vec<JobId> = (10..30)
            .rev()
            .map(|number| JobId::new(&format!("j{number}")).unwrap())
            .collect();
        for id in &ids {
            drop(queue.post(id, letter(id, "lease-1")).unwrap());
        }
        let found = queue.undelivered().unwrap();
        let order: Vec<JobId> = found
            .iter()
            .map(|posted| posted.letter.subject().unwrap().0)
            .collect();
        assert_eq!(order, ids);
        assert!(queue.undelivered().unwrap().is_empty(), "they are in our hands");
        for posted in found.into_iter().skip(1) {
            posted.answered().unwrap();
        }
        assert_eq!(queue.undelivered().unwrap().len(), 1, "the others were answered");
    }

    #[test]
    fn a_lease_has_one_last_word_under_one_key() {
        let [a, b] = ["a", "b"].map(|id| JobId::new(id).unwrap());
        let key = |job, lease| letter(job, lease).key;
        assert_eq!(key(&a, "lease-1"), key(&a, "lease-1"));
        assert_ne!(key(&a, "lease-1"), key(&a, "lease-2"));
        assert_ne!(key(&a, "lease-1"), key(&b, "lease-1"));
    }
}
