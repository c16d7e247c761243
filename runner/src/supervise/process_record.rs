//! The record of the processes of one command. It holds who runs the command and what marks it, and is on the disk
//! before the command can do anything.
//!
//! It has three lines, each of one write: the runner's, the supervisor's, which is written before that gets its order,
//! and the command's, which the supervisor writes. It is read under the same boot alone. The page cache outlives every
//! process that is killed, so nothing is synced.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rustix::process::{Pid, getpid};
use serde::{Deserialize, Serialize};

use super::process_identity::ProcessIdentity;
use crate::ids::random_hex;
use crate::queue_root::QueueRoot;

/// The variable that marks everything that a command starts.
pub(crate) const MARK_VARIABLE: &str = "AQ_RUN";

/// What distinguishes one start of a command from every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ProcessTag(String);

impl ProcessTag {
    pub(crate) fn fresh() -> ProcessTag {
        ProcessTag(random_hex())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "who", rename_all = "camelCase")]
enum ProcessRecordLine {
    Runner {
        mark: ProcessTag,
        identity: ProcessIdentity,
    },
    Supervisor {
        identity: ProcessIdentity,
    },
    Command {
        identity: ProcessIdentity,
    },
}

/// What the record says of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessRecord {
    pub(super) mark: ProcessTag,
    pub(super) runner: ProcessIdentity,
    pub(super) supervisor: Option<ProcessIdentity>,
    pub(super) command: Option<ProcessIdentity>,
}

/// The result of reading a record.
#[derive(Debug)]
pub(super) enum RecordReading {
    /// No command was ever started.
    Nothing,
    Record(ProcessRecord),
    /// There was one, and it can't be read any more.
    Damaged,
}

/// Begins the record of a command that is about to be started; nothing of an earlier one is alive.
pub(crate) fn begin(root: &QueueRoot, path: &Path, mark: &ProcessTag) -> io::Result<File> {
    let file = root.create(path)?;
    let identity = identity_of(getpid())?;
    let mark = mark.clone();
    write(&file, &ProcessRecordLine::Runner { mark, identity })?;
    Ok(file)
}

/// Adds the supervisor. The last one counts: another one replaces a supervisor that was lost before it had its order.
pub(super) fn note_supervisor(file: &File, identity: &ProcessIdentity) -> io::Result<()> {
    let identity = identity.clone();
    write(file, &ProcessRecordLine::Supervisor { identity })
}

pub(super) fn note_command(file: &File, pid: Pid) -> io::Result<()> {
    let identity = identity_of(pid)?;
    write(file, &ProcessRecordLine::Command { identity })
}

pub(super) fn read(root: &QueueRoot, path: &Path) -> io::Result<RecordReading> {
    let text = match root.open(path).and_then(io::read_to_string) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(RecordReading::Nothing),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(RecordReading::Damaged),
        Err(error) => return Err(error),
    };
    // What follows the last newline was cut off on a full disk, and the process that it should have named was not
    // started.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut lines = whole.lines().map(serde_json::from_str::<ProcessRecordLine>);
    let mut record = match lines.next() {
        None => return Ok(RecordReading::Nothing),
        Some(Ok(ProcessRecordLine::Runner { mark, identity })) => ProcessRecord {
            mark,
            runner: identity,
            supervisor: None,
            command: None,
        },
        Some(_) => return Ok(RecordReading::Damaged),
    };
    for line in lines {
        match line {
            Ok(ProcessRecordLine::Supervisor { identity }) => record.supervisor = Some(identity),
            Ok(ProcessRecordLine::Command { identity }) => record.command = Some(identity),
            _ => return Ok(RecordReading::Damaged),
        }
    }
    Ok(RecordReading::Record(record))
}

/// Whether the command that this record is of has that mark.
pub(crate) fn is_marked(root: &QueueRoot, path: &Path, mark: &str) -> bool {
    matches!(read(root, path), Ok(RecordReading::Record(record)) if record.mark.as_str() == mark)
}

fn identity_of(pid: Pid) -> io::Result<ProcessIdentity> {
    ProcessIdentity::shown(pid.as_raw_nonzero().get())
}

fn write(mut file: &File, line: &ProcessRecordLine) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    file.write_all(text.as_bytes())
}
