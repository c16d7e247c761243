//! Who is writing a file: one that was put into the inbox by hand counts once nobody does (clause O-10).
//!
//! There are two kinds of evidence. What processes have open shows who writes at this moment, but not those that this
//! user may not look into, nor those outside this process namespace or on another host. What happened to a name while a
//! runner watched is true of them as well: who made the file by opening it will close it. Where neither kind decides, a
//! file counts when nothing has changed for a while.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt::{self, Display, Formatter};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::process::geteuid;
use serde::Serialize;

use super::{Queue, QueueError, QueueResult, WatchedFileState};
use crate::ids::JobId;
use crate::stage::Stage;
use crate::supervise::open_descriptors::{OpenDescriptor, process_ids};

/// A file whose writer may be one that can't be seen counts when it has not changed for so long.
pub(crate) const QUIET: Duration = Duration::from_secs(10);

/// Where it is not shown, processes are hidden from those who don't own them.
const FIRST_PROCESS: i32 = 1;
/// The process namespace that all others lie in.
const OUTERMOST_NAMESPACE: &str = "pid:[4026531836]";

/// A process that has a file open for writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FileWriter {
    pub(crate) pid: i32,
    pub(crate) program: String,
}

impl FileWriter {
    fn of(pid: i32) -> FileWriter {
        let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        FileWriter {
            pid,
            program: program.trim_end().to_owned(),
        }
    }
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
    /// Nobody is seen to write it, and that does not prove that nobody does.
    Unproven,
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
        let mut seen = FileWriters::default();
        if wanted.is_empty() {
            return seen;
        }
        let processes = process_ids().unwrap_or_default();
        seen.hidden = !processes.contains(&FIRST_PROCESS) || !sees_all_namespaces();
        for pid in processes {
            match OpenDescriptor::all_of(pid) {
                Ok(all) => {
                    let of_these = all.iter().filter(|open| wanted.contains(&open.file));
                    for open in of_these.filter(|open| open.can_write()) {
                        seen.found.entry(open.file).or_insert_with(|| FileWriter::of(pid));
                    }
                }
                Err(error) => seen.hidden |= error.kind() == ErrorKind::PermissionDenied,
            }
        }
        seen
    }

    pub(crate) fn writer(&self, file: &Metadata) -> Option<&FileWriter> {
        self.found.get(&identity(file))
    }

    /// `sign`: what happened to it last, as far as that is known.
    pub(super) fn classify(&self, file: &Metadata, sign: WatchedFileState, now: SystemTime) -> FileState {
        if let Some(writer) = self.writer(file) {
            return FileState::BeingWritten(writer.clone());
        }
        let is_own = file.uid() == geteuid().as_raw();
        let is_proven = match sign {
            WatchedFileState::Closed => true,
            WatchedFileState::Opened if is_written_in_place(file) => !self.hidden,
            WatchedFileState::Opened | WatchedFileState::Unknown => is_own || !self.hidden,
        };
        match is_proven || is_quiet(file, now) {
            true => FileState::Whole,
            false => FileState::Unproven,
        }
    }
}

fn sees_all_namespaces() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|own| own == Path::new(OUTERMOST_NAMESPACE))
}

/// What was last done to the file is a write; to one that was linked to where it is, or moved there, it is that.
pub(super) fn is_written_in_place(file: &Metadata) -> bool {
    let written = (file.mtime(), file.mtime_nsec());
    file.is_file() && file.nlink() == 1 && written == (file.ctime(), file.ctime_nsec())
}

/// A clock that was set back makes a file old, never young for long.
fn is_quiet(file: &Metadata, now: SystemTime) -> bool {
    let seconds = u64::try_from(file.ctime()).unwrap_or(0);
    let nanos = u32::try_from(file.ctime_nsec()).unwrap_or(0);
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    now.duration_since(changed).map_or(true, |age| age >= QUIET)
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    fn classify(path: &Path, sign: WatchedFileState, hidden: bool, later: Duration) -> FileState {
        let file = path.symlink_metadata().unwrap();
        let mut seen = FileWriters::of([&file]);
        seen.hidden = hidden;
        seen.classify(&file, sign, SystemTime::now() + later)
    }

    #[test]
    fn whoever_has_it_open_for_writing_writes_it_whatever_happened_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        for sign in [
            WatchedFileState::Unknown,
            WatchedFileState::Opened,
            WatchedFileState::Closed,
        ] {
            let FileState::BeingWritten(writer) = classify(&path, sign, false, 2 * QUIET) else {
                panic!("{sign:?}: nobody writes it");
            };
            assert!(writer.pid == pid && !writer.program.is_empty(), "{writer}");
        }
        let reader = File::open(&path).unwrap();
        drop(file);
        let closed = classify(&path, WatchedFileState::Closed, true, Duration::ZERO);
        assert_eq!(closed, FileState::Whole);
        drop(reader);
    }

    #[test]
    fn what_was_opened_and_not_closed_counts_once_it_is_quiet_or_all_can_be_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        fs::write(&path, "half").unwrap();
        let opened = |path: &Path, later| classify(path, WatchedFileState::Opened, true, later);
        assert_eq!(opened(&path, Duration::ZERO), FileState::Unproven);
        assert_eq!(opened(&path, QUIET), FileState::Whole);
        let by_link = classify(&path, WatchedFileState::Opened, false, Duration::ZERO);
        assert_eq!(by_link, FileState::Whole);
        let own = classify(&path, WatchedFileState::Unknown, true, Duration::ZERO);
        assert_eq!(own, FileState::Whole);
        // A link is made without an open, so that no close follows.
        let linked = folder.path().join("b.md");
        fs::hard_link(&path, &linked).unwrap();
        assert_eq!(opened(&linked, Duration::ZERO), FileState::Whole);
    }

    #[test]
    fn what_belongs_to_another_counts_when_it_was_closed_or_is_quiet_or_all_can_be_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        fs::write(&path, "half").unwrap();
        // Only the administrator can give a file away.
        if std::os::unix::fs::chown(&path, Some(geteuid().as_raw() + 1), None).is_err() {
            return;
        }
        let unknown = |hidden, later| classify(&path, WatchedFileState::Unknown, hidden, later);
        assert_eq!(unknown(true, Duration::ZERO), FileState::Unproven);
        assert_eq!(unknown(true, QUIET), FileState::Whole);
        assert_eq!(unknown(false, Duration::ZERO), FileState::Whole);
        let closed = classify(&path, WatchedFileState::Closed, true, Duration::ZERO);
        assert_eq!(closed, FileState::Whole);
    }
}
