//! Who is writing a file: one that was put into the inbox by hand counts once nobody does (clause O-10).
//!
//! There are two kinds of evidence. What processes have open shows who writes at this moment, but not those that this
//! user may not look into, nor those outside this process namespace or on another host. What happened to a name while a
//! runner watched is true of them as well: who made the file by opening it will close it. Where neither kind decides, a
//! file counts when nothing has changed for a while.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt::{self, Display, Formatter};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use rustix::process::geteuid;
use serde::Serialize;

use super::{Queue, QueueError, QueueResult, WatchedFileState};
use crate::ids::JobId;
use crate::stage::Stage;

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

#[cfg(all(target_os = "linux", not(portable)))]
use linux as system;
#[cfg(any(portable, not(target_os = "linux")))]
use portable as system;

/// A file whose writer may be one that can't be seen counts when it has not changed for so long.
pub(crate) const QUIET: Duration = Duration::from_secs(10);

/// A process that has a file open for writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FileWriter {
    pub(crate) pid: i32,
    pub(crate) program: String,
}

impl Display for FileWriter {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.pid, self.program)
    }
}

/// Whether a file is all that its writer wanted it to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileState {
    Whole,
    BeingWritten(FileWriter),
    /// Nobody is seen to write it, and that does not prove that nobody does. It counts after this time, if nothing
    /// changes it until then.
    Unproven(Duration),
}

/// One look at what all processes have open.
#[derive(Debug, Default)]
pub(crate) struct FileWriters {
    found: HashMap<(u64, u64), FileWriter>,
    /// There may be processes that this one can't look into.
    hidden: bool,
}

impl FileWriters {
    /// Looks for those who write one of these files.
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = &'a Metadata>) -> FileWriters {
        let wanted: HashSet<(u64, u64)> = files.into_iter().map(identity).collect();
        match wanted.is_empty() {
            true => FileWriters::default(),
            false => system::look_for(&wanted),
        }
    }

    pub(crate) fn writer(&self, file: &Metadata) -> Option<&FileWriter> {
        self.found.get(&identity(file))
    }

    /// `sign`: what happened to it last, as far as that is known.
    pub(super) fn classify(&self, file: &Metadata, sign: WatchedFileState, now: SystemTime) -> FileState {
        if let Some(writer) = self.writer(file) {
            return FileState::BeingWritten(writer.clone());
        }
        let is_own = system::SHOWS_OWN_PROCESSES && file.uid() == geteuid().as_raw();
        let is_proven = match sign {
            WatchedFileState::Closed => true,
            WatchedFileState::Opened if is_written_in_place(file) => !self.hidden,
            WatchedFileState::Opened | WatchedFileState::Unknown => is_own || !self.hidden,
        };
        match quiet_in(file, now) {
            Some(wait) if !is_proven => FileState::Unproven(wait),
            Some(_) | None => FileState::Whole,
        }
    }
}

/// What was last done to the file is a write; to one that was linked to where it is, or moved there, it is that.
pub(super) fn is_written_in_place(file: &Metadata) -> bool {
    let written = (file.mtime(), file.mtime_nsec());
    file.is_file() && file.nlink() == 1 && written == (file.ctime(), file.ctime_nsec())
}

/// When the file has not changed for `QUIET`, if that is still to come. A clock that was set back makes a file old, never
/// young for long.
fn quiet_in(file: &Metadata, now: SystemTime) -> Option<Duration> {
    let seconds = u64::try_from(file.ctime()).unwrap_or(0);
    let nanos = u32::try_from(file.ctime_nsec()).unwrap_or(0);
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    let age = now.duration_since(changed).ok()?;
    QUIET.checked_sub(age).filter(|wait| !wait.is_zero())
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

impl Queue {
    /// The jobs in the inbox whose files are being written, as far as this user can see.
    pub(crate) fn writers(&self) -> QueueResult<BTreeMap<JobId, FileWriter>> {
        let ids = self.ids(Stage::Inbox)?.into_iter();
        let files: Vec<(JobId, Metadata)> = ids
            .filter_map(|id| {
                let metadata = self.job_path(Stage::Inbox, &id).symlink_metadata().ok()?;
                Some((id, metadata))
            })
            .collect();
        let writers = FileWriters::of(files.iter().map(|(_, file)| file));
        let written = files
            .into_iter()
            .filter_map(|(id, file)| Some((id, writers.writer(&file)?.clone())));
        Ok(written.collect())
    }

    /// A file of the inbox as it is now; nothing, if it is gone.
    pub(super) fn inbox_file(&self, name: &OsStr) -> QueueResult<Option<Metadata>> {
        let path = self.folder(Stage::Inbox).join(name);
        match path.symlink_metadata() {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(QueueError::Read { path, source }),
        }
    }
}
