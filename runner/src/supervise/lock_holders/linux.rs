//! The holders of a lock, one by one, as `/proc` shows what processes have open.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::getpid;

use crate::queue_root::QueueRoot;
use crate::supervise::open_descriptors::OpenDescriptor;
use crate::supervise::process_table::linux::command_line;
use crate::supervise::process_table::{ProcessStat, living_processes};

/// The processes through which a lock is held.
pub(in crate::supervise) struct ListedHolders(Vec<i32>);

impl ListedHolders {
    /// Who holds the file's lock at this moment.
    pub(in crate::supervise) fn of(
        _root: &QueueRoot,
        lock: &Path,
        _is_held_here: bool,
    ) -> io::Result<ListedHolders> {
        let file = match lock.symlink_metadata() {
            Ok(metadata) => (metadata.dev(), metadata.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ListedHolders(Vec::new())),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for pid in living_processes()?.into_keys() {
            let descriptors = OpenDescriptor::all_of(pid).unwrap_or_default();
            if descriptors
                .iter()
                .any(|open| open.file == file && open.holds_lock())
            {
                found.push(pid);
            }
        }
        Ok(ListedHolders(found))
    }

    /// Takes out those that are not among these. A process that held the lock and is gone since holds nothing any more.
    /// This process may hold the lock of a job whose supervisor it has just lost; it is no orphan.
    pub(in crate::supervise) fn keep(&mut self, all: &BTreeMap<i32, ProcessStat>) {
        let own = getpid().as_raw_nonzero().get();
        self.0.retain(|pid| all.contains_key(pid) && *pid != own);
    }

    /// Whether the lock is held through this process.
    pub(in crate::supervise) fn include(&self, pid: i32) -> bool {
        self.0.contains(&pid)
    }

    /// What holds the lock and is not known to be the job's, as text for a person; none if the lock is free.
    pub(in crate::supervise) fn unproven(&self) -> Option<String> {
        self.0.first().map(|pid| {
            let line = command_line(*pid);
            format!("process {pid} ({line}), which can't be proven to be the job's, holds its lock")
        })
    }
}
