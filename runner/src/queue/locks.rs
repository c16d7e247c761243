//! Locks as `flock` on files that are never removed: the kernel frees them when their last holder is gone.
//!
//! Four a job at most. *owner*: a runner takes care of it; held by the runner alone. *job*: something of the job may
//! be alive; held by the runner and by the supervisor of each command, so it outlives the runner. *name*: the lock that
//! the job's file names. *trial*: the job tries an engine whose pause is over, and no other job does. A lock is given back by closing it, never by unlocking: unlocking would take it from the
//! supervisor too.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Queue, QueueError, QueueResult, durable_files, lock_holder};
use crate::ids::{EngineName, JobId, LockName};
use crate::stage::Stage;

const QUEUE_LOCK_WAIT_MAX: Duration = Duration::from_secs(10);
const QUEUE_LOCK_RETRY: Duration = Duration::from_millis(2);

/// A held lock; dropping it gives it back, unless a supervisor holds it too.
#[derive(Debug)]
pub(super) struct HeldLock {
    file: File,
}

/// All that stands for "this job is being worked on, by me".
#[derive(Debug)]
pub(crate) struct JobLocks {
    pub(super) id: JobId,
    _owner: HeldLock,
    job: HeldLock,
    name: Option<HeldLock>,
    trial: Option<HeldLock>,
}

impl JobLocks {
    pub(crate) fn id(&self) -> &JobId {
        &self.id
    }

    /// A job in review holds no lock but its own (clause O-5).
    pub(crate) fn release_name_lock(&mut self) {
        self.name = None;
    }

    /// Takes the lock that the job names again; false: it is held elsewhere.
    pub(crate) fn acquire_name_lock(&mut self, queue: &Queue, name: Option<&LockName>) -> QueueResult<bool> {
        let [_, _, folder, _] = folders(queue);
        if let (None, Some(name)) = (&self.name, name) {
            let path = folder.join(name.as_str());
            self.name = match !is_kept(queue, name)? && probe(queue, &path)? {
                true => try_hold(queue, &path)?,
                false => None,
            };
            return Ok(self.name.is_some());
        }
        Ok(true)
    }

    /// Whether this job tries an engine whose pause is over.
    pub(crate) fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// False: another job tries the engine.
    pub(super) fn acquire_trial_lock(&mut self, queue: &Queue, engine: &EngineName) -> QueueResult<bool> {
        let path = trial_lock(queue, engine);
        self.trial = match probe(queue, &path)? {
            true => try_hold(queue, &path)?,
            false => None,
        };
        Ok(self.trial.is_some())
    }

    /// What came of it is on record.
    pub(crate) fn release_trial_lock(&mut self) {
        self.trial = None;
    }

    /// What a supervisor has to keep open while anything of the job lives.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        std::iter::once(&self.job)
            .chain(&self.name)
            .chain(&self.trial)
            .map(|held| held.file.as_fd())
            .collect()
    }
}

/// Who has a job.
#[derive(Debug)]
pub(super) enum JobLockState {
    Acquired(JobLocks),
    /// A runner that lives takes care of it.
    Owned,
    /// Its runner is gone, but something of it still lives.
    Orphaned,
    /// Nobody has the job, but the lock that it names is held.
    NameHeld,
}

/// Where the lock files lie; a close of one of them is the sign that a lock may be free.
pub(super) fn folders(queue: &Queue) -> [PathBuf; 4] {
    ["owner", "job", "name", "trial"].map(|kind| queue.state().join("locks").join(kind))
}

/// Takes all that a job needs, or nothing.
pub(super) fn take(queue: &Queue, id: &JobId, name: Option<&LockName>) -> QueueResult<JobLockState> {
    let [owner, job, named, _] = folders(queue);
    let (owner, job) = (owner.join(id.as_str()), job.join(id.as_str()));
    let kept = name.map(|name| is_kept(queue, name)).transpose()?;
    let name = name.map(|name| named.join(name.as_str()));
    // Asked for first, so that a lock in other hands is left without a trace: giving back a lock that was taken in vain
    // would wake everyone who waits for one, this process included, again and again.
    if !probe(queue, &owner)? {
        return Ok(JobLockState::Owned);
    }
    if !probe(queue, &job)? {
        return Ok(JobLockState::Orphaned);
    }
    if let Some(name) = &name
        && (kept == Some(true) || !probe(queue, name)?)
    {
        return Ok(JobLockState::NameHeld);
    }
    let Some(owner) = try_hold(queue, &owner)? else {
        return Ok(JobLockState::Owned);
    };
    let Some(job) = try_hold(queue, &job)? else {
        return Ok(JobLockState::Orphaned);
    };
    let name = match name.as_deref().map(|name| try_hold(queue, name)).transpose()? {
        Some(None) => return Ok(JobLockState::NameHeld),
        held => held.flatten(),
    };
    Ok(JobLockState::Acquired(JobLocks {
        id: id.clone(),
        _owner: owner,
        job,
        name,
        trial: None,
    }))
}

/// No runner that lives takes care of the job.
pub(super) fn is_unowned(queue: &Queue, id: &JobId) -> QueueResult<bool> {
    let [owner, ..] = folders(queue);
    probe(queue, &owner.join(id.as_str()))
}

/// The part of a hold that is free even while something of the job is alive.
pub(super) fn take_owner(queue: &Queue, id: &JobId) -> QueueResult<Option<HeldLock>> {
    let [owner, ..] = folders(queue);
    try_hold(queue, &owner.join(id.as_str()))
}

/// The file that is locked while anything of the job may be alive.
pub(super) fn job_lock(queue: &Queue, id: &JobId) -> PathBuf {
    let [_, job, ..] = folders(queue);
    job.join(id.as_str())
}

/// Whether a job tries this engine, or something of such a job is alive.
pub(super) fn is_trial_lock_held(queue: &Queue, engine: &EngineName) -> QueueResult<bool> {
    Ok(!probe(queue, &trial_lock(queue, engine))?)
}

fn trial_lock(queue: &Queue, engine: &EngineName) -> PathBuf {
    let [.., trial] = folders(queue);
    trial.join(engine.as_str())
}

/// From now on the name counts as held, whoever is alive, until that job leaves `quarantine`.
pub(super) fn keep_lock_in_quarantine(queue: &Queue, name: &LockName, id: &JobId) -> QueueResult<()> {
    let path = queue.quarantined_locks_folder().join(name.as_str());
    durable_files::append_line(&queue.root, &path, &format!("{id}\n"))
        .map_err(|source| QueueError::Write { path, source })
}

/// The jobs in `quarantine` that keep the lock of this name.
pub(super) fn keepers(queue: &Queue, name: &LockName) -> QueueResult<Vec<JobId>> {
    let path = queue.quarantined_locks_folder().join(name.as_str());
    let text = match durable_files::read_text(&queue.root, &path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(QueueError::Read { path, source }),
    };
    let ids = text.lines().filter_map(|line| JobId::new(line).ok());
    Ok(ids
        .filter(|id| queue.job_path(Stage::Quarantine, id).exists())
        .collect())
}

/// All names that count as held although nothing need be alive.
pub(super) fn quarantined_lock_names(queue: &Queue) -> QueueResult<BTreeSet<LockName>> {
    let path = queue.quarantined_locks_folder();
    let names = match queue.root.names(&path) {
        Ok(names) => names,
        // A queue of an earlier version, that nothing has run yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(source) => return Err(QueueError::Read { path, source }),
    };
    let mut kept = BTreeSet::new();
    for name in names {
        if let Some(name) = name.to_str().and_then(|name| LockName::new(name).ok())
            && is_kept(queue, &name)?
        {
            kept.insert(name);
        }
    }
    Ok(kept)
}

fn is_kept(queue: &Queue, name: &LockName) -> QueueResult<bool> {
    Ok(!keepers(queue, name)?.is_empty())
}

/// The short lock of the whole queue; dropping it gives it back.
#[derive(Debug)]
pub(super) struct QueueLock {
    held: HeldLock,
}

impl Drop for QueueLock {
    fn drop(&mut self) {
        lock_holder::forget(&self.held.file);
    }
}

/// The short lock around what has to be seen and changed as one: ids, and the enqueue order.
pub(super) fn lock_queue(queue: &Queue) -> QueueResult<QueueLock> {
    lock_queue_within(queue, QUEUE_LOCK_WAIT_MAX)
}

pub(super) fn lock_queue_within(queue: &Queue, limit: Duration) -> QueueResult<QueueLock> {
    let path = queue.state().join("queue.lock");
    let started = Instant::now();
    loop {
        if let Some(held) = try_hold(queue, &path)? {
            lock_holder::record(&held.file);
            return Ok(QueueLock { held });
        }
        if started.elapsed() > limit {
            let holder = lock_holder::find(&path)
                .unwrap_or_else(|| String::from("a process that can't be seen from here"));
            return Err(QueueError::Busy { path, holder });
        }
        std::thread::sleep(QUEUE_LOCK_RETRY);
    }
}

/// Holders open a lock file for writing and those who only ask open it for reading: what waits for a lock listens for
/// closes after writing, and must not wake itself by asking.
pub(super) fn try_hold(queue: &Queue, path: &Path) -> QueueResult<Option<HeldLock>> {
    let file = queue.root.open_lock(path).map_err(|source| QueueError::Write {
        path: path.to_owned(),
        source,
    })?;
    Ok(lock(path, &file)?.then_some(HeldLock { file }))
}

/// Whether a lock is free at this moment.
fn probe(queue: &Queue, path: &Path) -> QueueResult<bool> {
    match queue.root.open(path) {
        Ok(file) => lock(path, &file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(QueueError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn lock(path: &Path, file: &File) -> QueueResult<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(QueueError::Write {
            path: path.to_owned(),
            source: errno.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gave_a_name_back_does_not_get_it_again_while_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        let (own, keeper) = (JobId::new("own").unwrap(), JobId::new("keeper").unwrap());
        let name = LockName::new("l").unwrap();
        let JobLockState::Acquired(mut hold) = take(&queue, &own, Some(&name)).unwrap() else {
            panic!("nobody else is here");
        };
        hold.release_name_lock();
        let evidence = queue.job_path(Stage::Quarantine, &keeper);
        std::fs::write(&evidence, "").unwrap();
        keep_lock_in_quarantine(&queue, &name, &keeper).unwrap();
        assert!(!hold.acquire_name_lock(&queue, Some(&name)).unwrap());
        std::fs::remove_file(evidence).unwrap();
        assert!(hold.acquire_name_lock(&queue, Some(&name)).unwrap());
    }
}
