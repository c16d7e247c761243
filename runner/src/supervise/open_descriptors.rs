//! The files that processes have open, as `/proc` shows them.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;

/// The access modes in which a file can be written, and the flag of a descriptor that is no more than a name.
const WRITE_ONLY: u32 = 0o1;
const READ_WRITE: u32 = 0o2;
const ACCESS_MODES: u32 = 0o3;
const NAME_ONLY: u32 = 0o10_000_000;

/// One file that one process has open.
#[derive(Debug)]
pub(crate) struct OpenDescriptor {
    pid: i32,
    number: i32,
    /// Device and inode of the file.
    pub(crate) file: (u64, u64),
}

impl OpenDescriptor {
    /// All files that a process has open; an error if this user may not know them.
    pub(crate) fn all_of(pid: i32) -> io::Result<Vec<OpenDescriptor>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
            let entry = entry?;
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            match fs::metadata(entry.path()) {
                Ok(metadata) => all.push(OpenDescriptor {
                    pid,
                    number,
                    file: (metadata.dev(), metadata.ino()),
                }),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(error),
                // It was closed meanwhile.
                Err(_) => {}
            }
        }
        Ok(all)
    }

    /// Whether the lock is held through it. A process that only asks whether the lock is free has the file open too.
    #[cfg(not(portable))]
    pub(super) fn holds_lock(&self) -> bool {
        self.details().lines().any(|line| line.starts_with("lock:"))
    }

    pub(crate) fn can_write(&self) -> bool {
        let details = self.details();
        let flags = details.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
        flags.is_some_and(|flags| {
            flags & NAME_ONLY == 0 && [WRITE_ONLY, READ_WRITE].contains(&(flags & ACCESS_MODES))
        })
    }

    /// None, if it was closed meanwhile.
    fn details(&self) -> String {
        let (pid, number) = (self.pid, self.number);
        fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap_or_default()
    }
}

/// The numbers of all processes that can be seen from here.
pub(crate) fn process_ids() -> io::Result<Vec<i32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        found.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok()),
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};

    use super::*;

    #[test]
    fn who_can_write_a_file_is_told_from_who_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let own = i32::try_from(std::process::id()).unwrap();
        let writers = |path: &std::path::Path| {
            let metadata = fs::metadata(path).unwrap();
            let file = (metadata.dev(), metadata.ino());
            let all = OpenDescriptor::all_of(own).unwrap();
            let of_it: Vec<_> = all.iter().filter(|open| open.file == file).collect();
            (of_it.len(), of_it.iter().filter(|open| open.can_write()).count())
        };
        let made = File::create(&path).unwrap();
        assert_eq!(writers(&path), (1, 1));
        let appends = OpenOptions::new().append(true).open(&path).unwrap();
        let both = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let reads = File::open(&path).unwrap();
        assert_eq!(writers(&path), (4, 3));
        drop((made, appends, both));
        assert_eq!(writers(&path), (1, 0));
        drop(reads);
        assert_eq!(writers(&path), (0, 0));
    }
}
