//! Whether a job is still what it was when it was taken into work (clause O-16).
//!
//! A job runs as the user of its runner, so it can write its own file and its record. What the runner keeps in memory
//! goes before both. Where no runner has lived through, the file is held against the digest in the record, which can't
//! tell a record that was forged with it: this finds changes, and is no sandbox.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::if_present;
use super::file_identity::FileDigest;
use super::{JobHistory, JobLocks, Queue, QueueError, QueueResult, durable_files, history};
use crate::ids::JobId;
use crate::job::{FILE_BYTES_MAX, Job};
use crate::job_reason::{JobReason, ReasonCode};
use crate::stage::Stage;
use crate::supervise::{EnvironmentVariable, read_environment, written_environment};

/// More than an environment can have that a process is started with.
const SURROUNDINGS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a runner keeps in memory of a job that it has in work.
#[derive(Debug, Clone)]
pub(crate) struct WorkSnapshot {
    /// Its file, as it was when it was taken.
    bytes: Arc<[u8]>,
    digest: FileDigest,
    /// Its record, as it was when its command was started: nobody else writes it before that has ended.
    record: JobHistory,
}

impl WorkSnapshot {
    pub(super) fn new(bytes: Vec<u8>, digest: FileDigest, record: JobHistory) -> WorkSnapshot {
        WorkSnapshot {
            bytes: bytes.into(),
            digest,
            record,
        }
    }

    pub(crate) fn digest(&self) -> &FileDigest {
        &self.digest
    }

    /// The record was read, or written, while nothing of the job ran.
    pub(crate) fn remember(&mut self, record: JobHistory) {
        self.record = record;
    }

    /// The digest that the file of a job has to have which was put back into the inbox, or what is wrong with its record:
    /// others may have taken it from there, and then go on in the record where this process ended.
    pub(super) fn expects(&self, known: &JobHistory) -> Result<Option<FileDigest>, JobReason> {
        match known.lines.strip_prefix(self.record.lines.as_slice()) {
            None => Err(record_changed()),
            Some([]) => Ok(Some(self.digest.clone())),
            Some(_) => expected_digest(known, None),
        }
    }
}

/// Where a job was worked on, for the one command of it that a person starts.
#[derive(Debug)]
pub(crate) struct SavedExecutionContext {
    /// Where its runner was started.
    pub(crate) folder: PathBuf,
    /// That its runner had for its commands.
    pub(crate) environment: Vec<EnvironmentVariable>,
}

impl Queue {
    /// What of a job is not as it was when its command was started. What was removed, and the record, are put
    /// back as they were.
    pub(crate) fn changed(
        &self,
        stage: Stage,
        id: &JobId,
        known: &WorkSnapshot,
    ) -> QueueResult<Option<JobReason>> {
        let file = self.changed_file(stage, id, known)?;
        let same = matches!(self.history(id), Ok(record) if record == known.record);
        if !same {
            history::replace(self, id, &known.record)?;
        }
        Ok(file.or_else(|| (!same).then(record_changed)))
    }

    /// The same of its file alone.
    pub(crate) fn changed_file(
        &self,
        stage: Stage,
        id: &JobId,
        known: &WorkSnapshot,
    ) -> QueueResult<Option<JobReason>> {
        let change = self.differs(stage, id, &known.digest)?;
        if self.job_path(stage, id).symlink_metadata().is_err() {
            let (scratch, _) = self.write_scratch(id, &known.bytes)?;
            self.place(&scratch, id, stage)?;
        }
        Ok(change)
    }

    /// How a file differs from the one that has this digest.
    pub(super) fn differs(
        &self,
        stage: Stage,
        id: &JobId,
        expected: &FileDigest,
    ) -> QueueResult<Option<JobReason>> {
        let path = self.job_path(stage, id);
        let what = match durable_files::read_bounded(&self.root, &path, FILE_BYTES_MAX) {
            Ok(bytes) => match FileDigest::of(&bytes) {
                found if found == *expected => return Ok(None),
                found => format!("SHA-256 {} then, {} now", expected.short(), found.short()),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => "it was removed".to_owned(),
            Err(error) => error.to_string(),
        };
        Ok(Some(ReasonCode::ChangedInWork.with(format!(
            "its file is not the one that was taken into work ({what})"
        ))))
    }

    /// The same of a job of which nobody has kept more than the record.
    pub(super) fn differs_from_record(
        &self,
        stage: Stage,
        id: &JobId,
        known: &JobHistory,
    ) -> QueueResult<Option<JobReason>> {
        match known.digest_in_work() {
            Some(digest) => self.differs(stage, id, digest),
            None => Ok(None),
        }
    }

    /// Whether the file that lies there is another one than the job was last enqueued, or worked on, with.
    pub(crate) fn is_rewritten(&self, stage: Stage, id: &JobId) -> QueueResult<bool> {
        match self.history(id)?.digest() {
            Some(digest) => Ok(self.differs(stage, id, digest)?.is_some()),
            None => Ok(false),
        }
    }

    /// What lies in `review` in place of the job that was worked on.
    pub(crate) fn changed_in_review(&self, id: &JobId) -> QueueResult<Option<JobReason>> {
        self.differs_from_record(Stage::Review, id, &self.history(id)?)
    }

    /// A job and the digest of the bytes that describe it.
    pub(crate) fn job_and_digest(&self, stage: Stage, id: &JobId) -> QueueResult<(Job, FileDigest)> {
        let (job, bytes) = self.read_job(stage, id)?;
        Ok((job, FileDigest::of(&bytes)))
    }

    /// The digest of the file that lies there.
    pub(crate) fn digest(&self, stage: Stage, id: &JobId) -> QueueResult<FileDigest> {
        let path = self.job_path(stage, id);
        let bytes = durable_files::read_bounded(&self.root, &path, FILE_BYTES_MAX);
        Ok(FileDigest::of(&bytes.map_err(QueueError::reading(&path))?))
    }

    /// Keeps, for a job that goes to `review`, what its `ship` needs. The environment can hold secrets: for its owner
    /// alone, and only as long as the job waits there.
    pub(crate) fn save_execution_context(
        &self,
        hold: &JobLocks,
        kept: &SavedExecutionContext,
    ) -> QueueResult<()> {
        let id = hold.id();
        let folder = ("PWD".into(), kept.folder.clone().into_os_string());
        let all: Vec<EnvironmentVariable> = std::iter::once(folder)
            .chain(kept.environment.iter().cloned())
            .collect();
        let scratch = format!("{id}.surroundings");
        self.replace(&self.surroundings_file(id), &scratch, &written_environment(&all))
    }

    /// What was kept of a job in `review`; none: by an earlier version, or somebody removed it.
    pub(crate) fn surroundings(&self, id: &JobId) -> QueueResult<Option<SavedExecutionContext>> {
        let path = self.surroundings_file(id);
        let bytes = durable_files::read_bounded(&self.root, &path, SURROUNDINGS_BYTES_MAX);
        let Some(bytes) = if_present(&path, bytes)? else {
            return Ok(None);
        };
        let mut all = read_environment(&bytes).into_iter();
        Ok(all.next().map(|(_, folder)| SavedExecutionContext {
            folder: folder.into(),
            environment: all.collect(),
        }))
    }

    pub(super) fn forget_surroundings(&self, id: &JobId) -> QueueResult<()> {
        self.remove(&self.surroundings_file(id))
    }

    fn surroundings_file(&self, id: &JobId) -> PathBuf {
        self.job_folder(id).join("surroundings")
    }
}

fn record_changed() -> JobReason {
    ReasonCode::ChangedInWork.with("its record (history.jsonl) is not what its runner wrote")
}

/// The digest that the file of a job in the inbox has to have, if any; or what is wrong with its record.
pub(super) fn expected_digest(
    known: &JobHistory,
    kept: Option<&WorkSnapshot>,
) -> Result<Option<FileDigest>, JobReason> {
    match kept {
        Some(kept) => kept.expects(known),
        // What comes by the name of a job that is elsewhere is no work of it.
        None if known.lines.last().is_none_or(|line| line.stage != Stage::Inbox) => Ok(None),
        None => Ok(known.digest_in_work().cloned()),
    }
}
