//! A log that keeps all that comes, for tests of what writes it.

use std::fs::File;

use super::bounded_log::{BoundedLog, LogSpec};

pub(super) fn unlimited_spec() -> LogSpec {
    LogSpec::of_beginning(u64::MAX)
}

/// A log in this file alone, with all that comes.
pub(super) fn unlimited_log(file: File) -> BoundedLog {
    let folder = File::open("/").unwrap();
    BoundedLog::new(file, folder.into(), unlimited_spec()).unwrap()
}
