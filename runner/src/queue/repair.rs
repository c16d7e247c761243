//! Puts the record of a job right: what can still be understood of it is kept, and what can't lies beside it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;

use super::error::if_present;
use super::{HistoryEntry, JobHistory, JobLocks, Queue, QueueError, QueueResult, history};
use crate::file_ownership::ForeignWriter;
use crate::job_reason::{JobReason, ReasonCode};
use crate::stage::Stage;

/// More than any job comes to.
const RECORD_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What was done about a record.
#[derive(Debug)]
pub(crate) enum RepairOutcome {
    /// Nothing is wrong with it.
    Sound,
    Repaired {
        /// Where what was there lies now.
        kept: PathBuf,
        /// How many lines of it could be understood.
        lines: usize,
    },
    /// Only another user can put it right.
    Foreign { path: PathBuf, owner: ForeignWriter },
}

impl Queue {
    /// Of a job that this process holds, in this stage.
    pub(crate) fn repair(&self, hold: &JobLocks, stage: Stage) -> QueueResult<RepairOutcome> {
        let id = hold.id();
        let reason = match self.record(id)? {
            Ok(_) => return Ok(RepairOutcome::Sound),
            Err(reason) => reason,
        };
        let (folder, path) = (self.job_folder(id), history::path(self, id));
        for place in [&folder, &path] {
            let found = if_present(place, place.symlink_metadata()).unwrap_or(None);
            if let Some(owner) = found.as_ref().and_then(ForeignWriter::owner_of) {
                let path = place.clone();
                return Ok(RepairOutcome::Foreign { path, owner });
            }
        }
        // A file, or a link, where the folder of the job belongs.
        let is_folder = folder.symlink_metadata().is_ok_and(|found| found.is_dir());
        let (lines, kept) = match is_folder {
            true => (
                self.readable_lines(&path),
                self.keep_beside(&path, &folder, "history.damaged")?,
            ),
            false => {
                let damaged = self.state().join("damaged");
                self.make_folder(&damaged)?;
                (Vec::new(), self.keep_beside(&folder, &damaged, id.as_str())?)
            }
        };
        let mut known = JobHistory { lines };
        let count = known.lines.len();
        let repaired = repaired(&reason, count, &kept);
        known
            .lines
            .push(HistoryEntry::moved(&known, stage, known.spent(), Some(&repaired)));
        history::replace(self, id, &known)?;
        self.sync_folder(&self.job_folder(id))?;
        Ok(RepairOutcome::Repaired { kept, lines: count })
    }

    /// None of what is no file that can be read.
    fn readable_lines(&self, path: &Path) -> Vec<HistoryEntry> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let file = self.root.open_regular(path)?;
            file.take(RECORD_BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        history::parse(&read().unwrap_or_default()).0
    }

    /// Moves what is damaged to a free name in that folder.
    fn keep_beside(&self, path: &Path, folder: &Path, name: &str) -> QueueResult<PathBuf> {
        let mut number: u64 = 0;
        loop {
            number += 1;
            let kept = folder.join(format!("{name}-{number}"));
            match self.root.rename(path, &kept, RenameFlags::NOREPLACE) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                moved => return moved.map(|()| kept).map_err(QueueError::writing(path)),
            }
        }
    }
}

fn repaired(reason: &JobReason, lines: usize, kept: &Path) -> JobReason {
    let was = reason.detail.as_deref().unwrap_or_default();
    let was = was.split_once("; see `aq repair").map_or(was, |(was, _)| was);
    ReasonCode::RecordDamaged.with(format!(
        "repaired: {lines} of its lines could be read, and what was there is kept in {} ({was})",
        kept.display()
    ))
}
