//! The shadow log: one JSON object a line, appended whole (clauses S-2, S-11, S-13, S-14).
//!
//! The file is opened for each line, or for those that come at once. Opening takes microseconds and delays no job. A
//! log that was rotated or made writable again is found, and a line that another process left torn is ended every
//! time. A line that can't be written is counted and given up, because a lost comparison must not cost a job.

pub(crate) mod line;
pub(crate) mod rotation;

use std::cell::Cell;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::fleet::call_failure::CallFailure;
use crate::fleet::coordinator_health::ApiOperation;
use crate::ids::JobId;
use crate::queue_root::QueueRoot;
pub(crate) use line::{ShadowLogEvent, ShadowLogLine, SkipReason};

use crate::settings::{LogSettings, Settings};

/// Where the log of a queue lies.
pub(crate) fn path_in(queue: &Path) -> PathBuf {
    queue.join(".state").join("fleet-shadow.log")
}

/// A log, and how many of its lines could not be written.
#[derive(Debug)]
pub(crate) struct ShadowLog {
    /// The file that is written; its parts lie beside it.
    path: PathBuf,
    /// When a part is begun, and how long parts stay.
    limits: LogSettings,
    /// Lines of this process that could not be written; the first one is told.
    lost: Cell<u64>,
}

impl ShadowLog {
    pub(crate) fn new(settings: &Settings) -> ShadowLog {
        ShadowLog::within(&settings.queue.value, settings.log)
    }

    fn within(queue: &Path, limits: LogSettings) -> ShadowLog {
        ShadowLog {
            path: path_in(queue),
            limits,
            lost: Cell::new(0),
        }
    }

    pub(crate) fn append(&self, line: &ShadowLogLine) {
        self.append_all(std::slice::from_ref(line));
    }

    /// Writes the line of a report that got no answer.
    pub(crate) fn append_report_failure(&self, job: Option<&JobId>, failure: &CallFailure) {
        let operation = ApiOperation::ShadowReport.name();
        let job = job.map(JobId::as_str);
        self.append(&ShadowLogLine::error(operation, None, job, failure));
    }

    /// Says on stderr, once, when the log can't be written; the caller goes on in any case.
    pub(crate) fn append_all(&self, lines: &[ShadowLogLine]) {
        let mut written = 0;
        if let Err(error) = self.write(lines, &mut written)
            && self.lose(lines.len() - written) == 0
        {
            // A closed stderr is no reason to stop either.
            let _ = writeln!(
                io::stderr(),
                "aq: warning: can't write {} ({error}): comparisons are lost, jobs are not",
                self.path.display()
            );
        }
    }

    /// Counts lines that were lost, and returns how many there were before.
    fn lose(&self, count: usize) -> u64 {
        self.lost.replace(self.lost.get().saturating_add(count as u64))
    }

    /// Writes what a person says, who has to know whether it was written.
    pub(crate) fn try_append(&self, line: &ShadowLogLine) -> io::Result<()> {
        self.write(std::slice::from_ref(line), &mut 0)
    }

    fn write(&self, lines: &[ShadowLogLine], count: &mut usize) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut file = self.current()?;
        if has_torn_tail(&file)? {
            bytes.push(b'\n');
        }
        for line in lines {
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
            // One call, not `write_all`: a line that was cut short must not be continued behind another writer's.
            if file.write(&bytes)? < bytes.len() {
                return Err(io::Error::new(io::ErrorKind::WriteZero, "the line was cut short"));
            }
            bytes.clear();
            *count += 1;
        }
        Ok(())
    }

    /// Returns the file to write to, with its lock held until it is closed. Without the lock, or on a file system that
    /// has none, the lines are written all the same: what was rotated meanwhile is read as well.
    fn current(&self) -> io::Result<File> {
        let file = open(&self.path)?;
        if wait_for_writers(&file).is_err() {
            return Ok(file);
        }
        // A log that can't be rotated, for want of space for instance, goes on to grow.
        let rotated = rotation::rotate(&self.path, &file, self.limits).unwrap_or_default();
        match rotated || !rotation::is_at(&self.path, &file).unwrap_or(true) {
            true => {
                let next = open(&self.path)?;
                let _ = wait_for_writers(&next);
                Ok(next)
            }
            false => Ok(file),
        }
    }
}

/// Never waits, whatever lies there: a pipe, a device or a link is refused, not written to.
fn open(path: &Path) -> io::Result<File> {
    QueueRoot::of(path).open_kept(path, OFlags::APPEND)
}

/// Appending needs no lock, but telling a torn tail from a line that is just being written does: a write that crosses
/// a page shows in two steps. A process that holds the lock for long is not awaited: nothing here waits for ever.
fn wait_for_writers(file: &File) -> Result<(), TryLockError> {
    const TRIES: u32 = 50;
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            decided => return decided,
        }
    }
    file.try_lock()
}

fn has_torn_tail(file: &File) -> io::Result<bool> {
    let mut last = [b'\n'];
    match file.metadata()?.len().checked_sub(1) {
        Some(offset) => file.read_at(&mut last, offset)?,
        None => 0,
    };
    Ok(last != [b'\n'])
}

#[cfg(test)]
mod tests;
