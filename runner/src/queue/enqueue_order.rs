//! The numbers that keep the order in which jobs were enqueued, and in which reports are delivered.

use std::io::{self, Write};
use std::path::Path;

use rustix::fs::OFlags;

use super::error::if_present;
use super::{Queue, QueueError, QueueResult, durable_files};
use crate::ids::JobId;

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
    let text = if_present(&path, durable_files::read_text(&queue.root, &path))?;
    match text.unwrap_or_default().trim().parse::<u64>() {
        Ok(next) => Ok(next),
        // Written in place: a crash can leave it empty or cut, and the histories know better.
        Err(_) => next_free_sequence(queue),
    }
}

/// All digits, always as many, in place: nothing but the bytes has to reach the disk.
fn write_sequence(queue: &Queue, path: &Path, next: u64) -> io::Result<()> {
    let mut file = queue.root.open_kept(path, OFlags::empty())?;
    file.write_all(format!("{next:020}\n").as_bytes())?;
    file.sync_data()
}

fn next_free_sequence(queue: &Queue) -> QueueResult<u64> {
    let path = queue.jobs_folder();
    let mut next = 1;
    for name in queue.root.names(&path).map_err(QueueError::reading(&path))? {
        if let Some(id) = name.to_str().and_then(|name| JobId::new(name).ok()) {
            // A number that only a damaged record has counts no more.
            let known = queue.record(&id)?.unwrap_or_default();
            next = next.max(known.sequence().map_or(0, |sequence| sequence + 1));
        }
    }
    Ok(next)
}
