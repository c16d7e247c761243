//! The record of the processes of one command: who runs it and what marks it, on file before it can do anything.
//!
//! Three lines, each one write: the runner's; the supervisor's, before it gets its order; the command's, which that
//! supervisor writes. It is read under the same boot alone, which the page cache outlives whatever is killed, so nothing
//! is synced.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rustix::process::{Pid, getpid};
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use crate::queue_root::QueueRoot;

/// The variable by which everything that a command starts can be told from everything else.
pub(crate) const MARK_VARIABLE: &str = "AQ_RUN";

/// What distinguishes one start of a command from every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn fresh() -> Mark {
        use std::hash::{BuildHasher, Hasher, RandomState};
        // Two independently seeded hashers are 128 bits from the system's generator.
        let [high, low] = [(); 2].map(|()| RandomState::new().build_hasher().finish());
        Mark(format!("{high:016x}{low:016x}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "who", rename_all = "camelCase")]
enum Line {
    Runner { mark: Mark, identity: Identity },
    Supervisor { identity: Identity },
    Command { identity: Identity },
}

/// What is on file of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) mark: Mark,
    pub(super) runner: Identity,
    pub(super) supervisor: Option<Identity>,
    pub(super) command: Option<Identity>,
}

/// What became of reading a record.
#[derive(Debug)]
pub(super) enum Reading {
    /// No command was ever started.
    Nothing,
    Record(Record),
    /// There was one, and nobody knows what it said.
    Damaged,
}

/// Begins the record of a command that is about to be started; nothing of an earlier one is alive.
pub(crate) fn begin(root: &QueueRoot, path: &Path, mark: &Mark) -> io::Result<File> {
    let file = root.create(path)?;
    let identity = identity_of(getpid())?;
    let mark = mark.clone();
    write(&file, &Line::Runner { mark, identity })?;
    Ok(file)
}

/// The last one counts: another takes the place of one that was lost before it had its order.
pub(super) fn note_supervisor(file: &File, identity: &Identity) -> io::Result<()> {
    let identity = identity.clone();
    write(file, &Line::Supervisor { identity })
}

pub(super) fn note_command(file: &File, pid: Pid) -> io::Result<()> {
    let identity = identity_of(pid)?;
    write(file, &Line::Command { identity })
}

pub(super) fn read(root: &QueueRoot, path: &Path) -> io::Result<Reading> {
    let text = match root.open(path).and_then(io::read_to_string) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Reading::Nothing),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Reading::Damaged),
        Err(error) => return Err(error),
    };
    // What follows the last newline was cut off on a full disk, and what it should have said was not begun.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut lines = whole.lines().map(serde_json::from_str::<Line>);
    let mut record = match lines.next() {
        None => return Ok(Reading::Nothing),
        Some(Ok(Line::Runner { mark, identity })) => Record {
            mark,
            runner: identity,
            supervisor: None,
            command: None,
        },
        Some(_) => return Ok(Reading::Damaged),
    };
    for line in lines {
        match line {
            Ok(Line::Supervisor { identity }) => record.supervisor = Some(identity),
            Ok(Line::Command { identity }) => record.command = Some(identity),
            _ => return Ok(Reading::Damaged),
        }
    }
    Ok(Reading::Record(record))
}

/// Whether the command that this record is of has that mark.
pub(crate) fn is_marked(root: &QueueRoot, path: &Path, mark: &str) -> bool {
    matches!(read(root, path), Ok(Reading::Record(record)) if record.mark.as_str() == mark)
}

fn identity_of(pid: Pid) -> io::Result<Identity> {
    Identity::of(pid.as_raw_nonzero().get()).ok_or_else(|| io::Error::other("/proc does not show a process"))
}

fn write(mut file: &File, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    file.write_all(text.as_bytes())
}
