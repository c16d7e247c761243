//! Looks through what processes have open, in `/proc`.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{FileWriter, FileWriters};
use crate::supervise::open_descriptors::{OpenDescriptor, process_ids};

/// What this user's processes have open can be seen.
pub(super) const SHOWS_OWN_PROCESSES: bool = true;
/// Where it is not shown, processes are hidden from those who don't own them.
const FIRST_PROCESS: i32 = 1;
/// The process namespace that all others lie in.
const OUTERMOST_NAMESPACE: &str = "pid:[4026531836]";

pub(super) fn look_for(wanted: &HashSet<(u64, u64)>) -> FileWriters {
    let mut seen = FileWriters::default();
    let processes = process_ids().unwrap_or_default();
    seen.hidden = !processes.contains(&FIRST_PROCESS) || !sees_all_namespaces();
    for pid in processes {
        match OpenDescriptor::all_of(pid) {
            Ok(all) => {
                let of_these = all.iter().filter(|open| wanted.contains(&open.file));
                for open in of_these.filter(|open| open.can_write()) {
                    seen.found.entry(open.file).or_insert_with(|| writer_of(pid));
                }
            }
            Err(error) => seen.hidden |= error.kind() == ErrorKind::PermissionDenied,
        }
    }
    seen
}

fn writer_of(pid: i32) -> FileWriter {
    let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    FileWriter {
        pid,
        program: program.trim_end().to_owned(),
    }
}

fn sees_all_namespaces() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|own| own == Path::new(OUTERMOST_NAMESPACE))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::Path;

    use std::time::{Duration, SystemTime};

    use rustix::process::geteuid;

    use super::*;
    use crate::queue::{FileState, QUIET, WatchedFileState};

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
        assert!(matches!(opened(&path, Duration::ZERO), FileState::Unproven(_)));
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
        assert!(matches!(unknown(true, Duration::ZERO), FileState::Unproven(_)));
        assert_eq!(unknown(true, QUIET), FileState::Whole);
        assert_eq!(unknown(false, Duration::ZERO), FileState::Whole);
        let closed = classify(&path, WatchedFileState::Closed, true, Duration::ZERO);
        assert_eq!(closed, FileState::Whole);
    }
}
