//! How far an error reaches: one job, one engine, this host, or the whole queue (`docs/architecture.md`, "Scope of an
//! error").
//!
//! A narrower scope leaves everything beside it at work. Only an error about the queue ends a run.

use std::fmt;
use std::io;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Whose trouble an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorScope {
    /// That job is set aside, and every other goes on.
    Job,
    /// Jobs of that engine wait, and those of others go on.
    Engine,
    /// No job is started, and what runs goes on, until it is over.
    Host(HostTrouble),
    /// Nothing can be done with the queue.
    Queue,
}

/// What this host has run out of, or lost. It is no job's fault, and it may be over at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HostTrouble {
    /// No space is left, or the quota of this user is used up.
    DiskFull,
    /// A file may grow no further (`ulimit -f`).
    FileSizeLimit,
    /// This process, or the host, has no descriptor left.
    OutOfDescriptors,
    /// There is no memory left for the system's own tables, or for a process.
    OutOfMemory,
    /// No further process may be started.
    OutOfProcesses,
    /// A disk does not answer as it should.
    IoError,
    /// The file system was mounted read-only, or turned so after an error.
    ReadOnly,
}

impl HostTrouble {
    pub(crate) const ALL: [HostTrouble; 7] = [
        HostTrouble::DiskFull,
        HostTrouble::FileSizeLimit,
        HostTrouble::OutOfDescriptors,
        HostTrouble::OutOfMemory,
        HostTrouble::OutOfProcesses,
        HostTrouble::IoError,
        HostTrouble::ReadOnly,
    ];

    /// As it is called in JSON and in labels.
    pub(crate) fn code(self) -> &'static str {
        match self {
            HostTrouble::DiskFull => "disk-full",
            HostTrouble::FileSizeLimit => "file-size-limit",
            HostTrouble::OutOfDescriptors => "out-of-descriptors",
            HostTrouble::OutOfMemory => "out-of-memory",
            HostTrouble::OutOfProcesses => "out-of-processes",
            HostTrouble::IoError => "io-error",
            HostTrouble::ReadOnly => "read-only",
        }
    }

    pub(crate) fn of(error: &io::Error) -> Option<HostTrouble> {
        Some(match Errno::from_io_error(error)? {
            Errno::NOSPC | Errno::DQUOT => HostTrouble::DiskFull,
            Errno::FBIG => HostTrouble::FileSizeLimit,
            Errno::MFILE | Errno::NFILE => HostTrouble::OutOfDescriptors,
            Errno::NOMEM | Errno::NOBUFS => HostTrouble::OutOfMemory,
            // Of a call that waits for nothing it would mean another thing; those are told apart where they are made.
            Errno::AGAIN => HostTrouble::OutOfProcesses,
            Errno::IO => HostTrouble::IoError,
            Errno::ROFS => HostTrouble::ReadOnly,
            _ => return None,
        })
    }

    /// The jobs of this runner may have used it up, and no attempt fails for want of it: a command is started later.
    pub(crate) fn is_freed_by_jobs(self) -> bool {
        match self {
            HostTrouble::OutOfDescriptors | HostTrouble::OutOfMemory | HostTrouble::OutOfProcesses => true,
            HostTrouble::DiskFull
            | HostTrouble::FileSizeLimit
            | HostTrouble::IoError
            | HostTrouble::ReadOnly => false,
        }
    }

    /// What a person can do.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            HostTrouble::DiskFull => "free some space; `aq prune` removes old jobs and what they printed",
            HostTrouble::FileSizeLimit => "raise the limit (`ulimit -f`)",
            HostTrouble::OutOfDescriptors => "raise the limit (`ulimit -n`), or run fewer workers",
            HostTrouble::OutOfMemory => "end what uses the memory of this host, or run fewer workers",
            HostTrouble::OutOfProcesses => "raise the limit (`ulimit -u`), or run fewer workers",
            HostTrouble::IoError => "see what the system's log says of the disk (`dmesg`)",
            HostTrouble::ReadOnly => "mount the file system for writing",
        }
    }
}

impl fmt::Display for HostTrouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            HostTrouble::DiskFull => "no space is left on the disk of the queue",
            HostTrouble::FileSizeLimit => "a file of the queue has reached the limit on its size",
            HostTrouble::OutOfDescriptors => "there are no file descriptors left",
            HostTrouble::OutOfMemory => "there is no memory left",
            HostTrouble::OutOfProcesses => "no further process can be started",
            HostTrouble::IoError => "the disk of the queue has errors",
            HostTrouble::ReadOnly => "the file system of the queue is read-only",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_code_is_the_one_of_json() {
        for trouble in HostTrouble::ALL {
            let json = serde_json::to_value(trouble).unwrap();
            assert_eq!(json, trouble.code());
        }
    }

    #[test]
    fn what_the_host_lacks_is_told_from_what_a_file_is() {
        for (errno, trouble) in [
            (Errno::NOSPC, HostTrouble::DiskFull),
            (Errno::DQUOT, HostTrouble::DiskFull),
            (Errno::MFILE, HostTrouble::OutOfDescriptors),
            (Errno::NFILE, HostTrouble::OutOfDescriptors),
            (Errno::NOMEM, HostTrouble::OutOfMemory),
            (Errno::IO, HostTrouble::IoError),
            (Errno::ROFS, HostTrouble::ReadOnly),
        ] {
            assert_eq!(HostTrouble::of(&errno.into()), Some(trouble), "{errno}");
        }
        for errno in [
            Errno::NOENT,
            Errno::ACCESS,
            Errno::ISDIR,
            Errno::LOOP,
            Errno::PERM,
        ] {
            assert_eq!(HostTrouble::of(&errno.into()), None, "{errno}");
        }
    }
}
