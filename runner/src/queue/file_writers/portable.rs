//! Nobody tells who has a file open: every file may be one that is being written, until it is quiet.

use std::collections::{HashMap, HashSet};

use super::FileWriters;

/// What even this user's own processes have open can't be seen.
pub(super) const SHOWS_OWN_PROCESSES: bool = false;

pub(super) fn look_for(_wanted: &HashSet<(u64, u64)>) -> FileWriters {
    FileWriters {
        found: HashMap::new(),
        hidden: true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::queue::{FileState, QUIET, WatchedFileState};

    #[test]
    fn a_file_counts_when_it_has_not_changed_for_a_while_whoever_has_it_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        let mut writer = File::create(&path).unwrap();
        writer.write_all(b"half").unwrap();
        let classify = |sign, later: Duration| {
            let file = path.symlink_metadata().unwrap();
            FileWriters::of([&file]).classify(&file, sign, SystemTime::now() + later)
        };
        for sign in [WatchedFileState::Unknown, WatchedFileState::Opened] {
            let FileState::Unproven(wait) = classify(sign, Duration::ZERO) else {
                panic!("nobody can know who has it open");
            };
            assert!(wait <= QUIET && wait > QUIET / 2, "{wait:?}");
            assert_eq!(classify(sign, wait), FileState::Whole);
            assert_eq!(classify(sign, QUIET), FileState::Whole);
        }
        // Neither a new name nor other rights are proof: programs change both before they have written all.
        fs::rename(&path, folder.path().join("b.md")).unwrap();
        fs::rename(folder.path().join("b.md"), &path).unwrap();
        let renamed = classify(WatchedFileState::Unknown, Duration::ZERO);
        assert!(matches!(renamed, FileState::Unproven(_)), "{renamed:?}");
    }
}
