//! Jobs enter here: ids that nobody has yet, a place in the order, the whole file or nothing (clause O-1).

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;

use super::classify::FileStamp;
use super::{
    FileDigest, HistoryEntry, JobHistory, Queue, QueueError, QueueResult, durable_files, history, locks,
};
use crate::ids::JobId;
use crate::stage::Stage;

/// A run that finds the queue locked goes on without the new files and looks at them again.
const REGISTER_WAIT_MAX: Duration = Duration::from_millis(250);

/// A job file that was found good.
#[derive(Debug)]
pub(crate) struct JobSubmission {
    pub(crate) id: JobId,
    pub(crate) bytes: Vec<u8>,
    /// Where it works, as it says itself.
    pub(crate) cwd: Option<PathBuf>,
}

impl Queue {
    /// Enqueues all of them, in this order, or none if one of the ids is taken.
    pub(crate) fn add(&self, submissions: &[JobSubmission]) -> QueueResult<()> {
        let _held = locks::lock_queue(self)?;
        for submission in submissions {
            if let Some(stage) = self.find(&submission.id)? {
                return Err(QueueError::Taken {
                    id: submission.id.clone(),
                    stage,
                });
            }
        }
        let first = reserve_sequence(self, submissions.len() as u64)?;
        for (submission, sequence) in submissions.iter().zip(first..) {
            self.remove_pruned_marker(&submission.id)?;
            let (scratch, counted) = self.write_scratch(&submission.id, &submission.bytes)?;
            let digest = FileDigest::of(&submission.bytes);
            let line = queued(&JobHistory::default(), sequence, Some(counted), Some(digest));
            history::append(self, &submission.id, &line)?;
            self.place(&scratch, &submission.id, Stage::Inbox)?;
        }
        let inbox = self.folder(Stage::Inbox);
        self.root
            .sync_folder(&inbox)
            .map_err(|source| QueueError::Write { path: inbox, source })
    }

    /// Gives jobs that were placed by hand their place in the order: that of the moment in which they are first seen.
    /// `None`: the job is in other hands or gone.
    pub(super) fn register(&self, jobs: &[(JobId, FileStamp)]) -> QueueResult<Vec<Option<u64>>> {
        let _held = locks::lock_queue_within(self, REGISTER_WAIT_MAX)?;
        let first = reserve_sequence(self, jobs.len() as u64)?;
        jobs.iter()
            .zip(first..)
            .map(|((id, counted), sequence)| self.register_one(id, *counted, sequence))
            .collect()
    }

    fn register_one(&self, id: &JobId, counted: FileStamp, sequence: u64) -> QueueResult<Option<u64>> {
        // Under the job's own lock: it could be on its way through another runner already.
        let locks::JobLockState::Acquired(_hold) = locks::take(self, id, None)? else {
            return Ok(None);
        };
        if self.find(id)? != Some(Stage::Inbox) {
            return Ok(None);
        }
        let known = self.history(id)?;
        match known.waiting_at() {
            None => {
                history::append(self, id, &queued(&known, sequence, Some(counted), None))?;
                Ok(Some(sequence))
            }
            kept => Ok(kept),
        }
    }

    /// Writes a new job's file where it is no job yet.
    pub(super) fn write_scratch(&self, id: &JobId, bytes: &[u8]) -> QueueResult<(PathBuf, FileStamp)> {
        let path = self.scratch_folder().join(format!("{id}.md"));
        match durable_files::write_durable(&self.root, &path, bytes).and_then(|()| path.symlink_metadata()) {
            Ok(file) => Ok((path, FileStamp::of(&file))),
            Err(source) => Err(QueueError::Write { path, source }),
        }
    }

    /// A new file in a stage: wholly there, or not at all.
    pub(super) fn place(&self, scratch: &Path, id: &JobId, stage: Stage) -> QueueResult<()> {
        let target = self.job_path(stage, id);
        durable_files::move_new(&self.root, scratch, &target).map_err(|source| QueueError::Move {
            from: scratch.to_owned(),
            to: target,
            source,
        })
    }
}

/// The line of a job that enters the queue, or enters it again at a person's wish.
pub(super) fn queued(
    known: &JobHistory,
    sequence: u64,
    counted: Option<FileStamp>,
    digest: Option<FileDigest>,
) -> HistoryEntry {
    HistoryEntry {
        at: history::now(),
        stage: Stage::Inbox,
        attempt: known.attempt(),
        spent: 0,
        reason: None,
        detail: None,
        shipping: false,
        sequence: Some(sequence),
        counted,
        digest,
        lease: None,
        fencing_token: None,
    }
}

/// The first of `count` numbers that no job has had; the caller holds the queue's lock.
pub(super) fn reserve_sequence(queue: &Queue, count: u64) -> QueueResult<u64> {
    let next = next_sequence(queue)?;
    let path = queue.state().join("sequence");
    write_sequence(queue, &path, next + count).map_err(|source| QueueError::Write { path, source })?;
    Ok(next)
}

/// The first of them, not taken yet.
pub(super) fn next_sequence(queue: &Queue) -> QueueResult<u64> {
    let path = queue.state().join("sequence");
    match durable_files::read_text(&queue.root, &path) {
        Ok(text) => match text.trim().parse::<u64>() {
            Ok(next) => Ok(next),
            // Written in place: a crash can leave it empty or cut, and the histories know better.
            Err(_) => next_free_sequence(queue),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => next_free_sequence(queue),
        Err(source) => Err(QueueError::Read { path, source }),
    }
}

/// All digits, always as many, in place: nothing but the bytes has to reach the disk.
fn write_sequence(queue: &Queue, path: &Path, next: u64) -> io::Result<()> {
    use std::io::Write;
    let mut file = queue.root.open_kept(path, OFlags::empty())?;
    file.write_all(format!("{next:020}\n").as_bytes())?;
    file.sync_data()
}

fn next_free_sequence(queue: &Queue) -> QueueResult<u64> {
    let path = queue.jobs_folder();
    let read = |source| QueueError::Read {
        path: path.clone(),
        source,
    };
    let mut next = 1;
    for name in queue.root.names(&path).map_err(read)? {
        if let Some(id) = name.to_str().and_then(|name| JobId::new(name).ok()) {
            next = next.max(queue.history(&id)?.sequence().map_or(0, |sequence| sequence + 1));
        }
    }
    Ok(next)
}
