//! The file that holds what happened to a job.

use std::io::{self, Read};
use std::path::PathBuf;

use super::{HistoryEntry, JobHistory};
use crate::file_ownership::ForeignWriter;
use crate::ids::JobId;
use crate::queue::error::if_present;
use crate::queue::{Queue, QueueError, QueueResult, durable_files};

/// Where the record of a job lies.
pub(in crate::queue) fn path(queue: &Queue, id: &JobId) -> PathBuf {
    queue.job_folder(id).join("history.jsonl")
}

pub(in crate::queue) fn read(queue: &Queue, id: &JobId) -> QueueResult<JobHistory> {
    let path = path(queue, id);
    // What a job laid in its place is not followed, nor waited for.
    let Some(file) = if_present(&path, queue.root.open_regular(&path))? else {
        return Ok(JobHistory::default());
    };
    let metadata = file.metadata().map_err(QueueError::reading(&path))?;
    // Another user's words decide nothing here, and nothing could be added to them.
    if let Some(stranger) = ForeignWriter::owner_of(&metadata) {
        return Err(QueueError::ForeignRecord { path, stranger });
    }
    let mut bytes = Vec::new();
    let read = (&file).read_to_end(&mut bytes);
    read.map_err(QueueError::reading(&path))?;
    let (lines, damaged) = parse(&bytes);
    match damaged {
        None => Ok(JobHistory { lines }),
        Some(line) => Err(QueueError::Damaged { path, line }),
    }
}

/// The lines that can be understood, and the number of the first one that can't. What follows the last newline was torn
/// off by a crash before the change that it announced.
pub(in crate::queue) fn parse(bytes: &[u8]) -> (Vec<HistoryEntry>, Option<usize>) {
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let (mut lines, mut damaged) = (Vec::new(), None);
    for (index, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            Ok(line) => lines.push(line),
            Err(_) => drop(damaged.get_or_insert(index + 1)),
        }
    }
    // A disk that lost what was written to it leaves zeros. A first line that a crash tore off has none.
    if whole == 0 && bytes.contains(&0) {
        damaged = Some(1);
    }
    (lines, damaged)
}

/// Appends a line; it has reached the disk when this returns.
pub(in crate::queue) fn append(queue: &Queue, id: &JobId, line: &HistoryEntry) -> QueueResult<()> {
    let path = path(queue, id);
    let write = QueueError::writing(&path);
    let mut text = serde_json::to_string(line).map_err(|error| write(error.into()))?;
    text.push('\n');
    match durable_files::append_line(&queue.root, &path, &text) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            queue.make_folder(&queue.job_folder(id))?;
            durable_files::append_line(&queue.root, &path, &text).map_err(write)?;
            queue.sync_folder(&queue.job_folder(id))?;
            queue.sync_folder(&queue.jobs_folder())
        }
        other => other.map_err(write),
    }
}

/// Writes the whole record anew.
pub(in crate::queue) fn replace(queue: &Queue, id: &JobId, known: &JobHistory) -> QueueResult<()> {
    let path = path(queue, id);
    let write = QueueError::writing(&path);
    let mut text = String::new();
    for line in &known.lines {
        text += &serde_json::to_string(line).map_err(|error| write(error.into()))?;
        text.push('\n');
    }
    let folder = queue.job_folder(id);
    // Whatever a job made of the two.
    if folder.symlink_metadata().is_ok_and(|file| !file.is_dir()) {
        queue.remove(&folder)?;
    }
    if path.symlink_metadata().is_ok_and(|file| file.is_dir()) {
        queue.root.remove_folder(&path).map_err(write)?;
    }
    queue.make_folder(&folder)?;
    queue.replace(&path, &format!("{id}.history"), text.as_bytes())
}
