//! The messages between runner and supervisor: one order with its descriptors, then control messages, then one answer.
//!
//! The order lies in a file without a name that is handed over as a descriptor too, so it can have any length, and sending it never
//! waits for the reader. It is a line of JSON and then the environment, where a zero byte ends each variable.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use super::bounded_log::LogSpec;
use super::descriptor_passing;
use crate::boot_clock::KillDeadlines;
use crate::error_scope::HostTrouble;

/// Announces an order, which is in the first descriptor.
const BYTE_ORDER: u8 = b'O';

/// A variable of an environment: its name and its value.
pub(crate) type EnvironmentVariable = (OsString, OsString);

/// What to run, apart from its environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CommandSpec {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) cwd: OsString,
    /// The folders in which, or below which, `cwd` has to lie when the command starts; none: anywhere.
    pub(crate) within: Option<Vec<OsString>>,
    pub(crate) timeout_ms: u64,
    /// How long the command may print nothing; none: as long as it likes.
    pub(crate) idle_timeout_ms: Option<u64>,
    /// The time between TERM and KILL.
    pub(crate) grace_ms: u64,
    pub(crate) log: LogSpec,
    /// When the command has to end for its lease, unless the lease is renewed. The supervisor knows it by itself,
    /// because the runner may be stopped by then.
    pub(crate) fence: Option<KillDeadlines>,
}

/// How a command ended. In each case but one nothing that the command started is alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "camelCase")]
pub(crate) enum CommandOutcome {
    /// It ended by itself; one of the two is given.
    Exited {
        code: Option<i32>,
        signal: Option<i32>,
    },
    TimedOut,
    /// It printed nothing for too long.
    Idle,
    /// The runner ordered it.
    Ordered,
    /// The runner was gone.
    Abandoned,
    /// Its lease was about to end, and nobody had prolonged it.
    Fenced,
    /// Its lease was about to end before the command was started: nothing of it was done.
    TooLate,
    NotStarted {
        error: String,
        /// What the host had run out of, if that was why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trouble: Option<HostTrouble>,
    },
    /// Something that it started can't be ended: another user's, or it hangs in the kernel.
    Unkillable {
        what: String,
    },
    /// Its program is not there, or can't be executed: no other command that starts it would fare better.
    ProgramUnusable {
        error: String,
    },
    /// Its folder really lies at a place where it may not work: nothing of it was done.
    Elsewhere {
        place: OsString,
    },
}

/// All that a supervisor needs.
pub(super) struct CommandRequest {
    pub(super) order: CommandSpec,
    /// The whole environment of the command.
    pub(super) environment: Vec<EnvironmentVariable>,
    pub(super) stdin: OwnedFd,
    /// The file that the output begins in; the command itself gets a pipe.
    pub(super) log: File,
    /// The folder that this file lies in.
    pub(super) log_folder: OwnedFd,
    /// The record of the processes that the command starts.
    pub(super) record: File,
    pub(super) locks: Vec<OwnedFd>,
}

/// Sends an order and its descriptors; the other side need not be reading yet.
pub(super) fn send(
    socket: &UnixStream,
    order: &CommandSpec,
    environment: &[EnvironmentVariable],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let file = descriptor_passing::unnamed_file()?;
    // The position stays at the start, where the other side begins to read.
    file.write_all_at(&written(order, environment)?, 0)?;
    let all: Vec<_> = std::iter::once(file.as_fd())
        .chain(descriptors.iter().copied())
        .collect();
    descriptor_passing::send(socket, BYTE_ORDER, &all)
}

/// Waits for the order; an error if the runner ends first, or lets go of the socket.
pub(super) fn receive(socket: &UnixStream) -> io::Result<CommandRequest> {
    let Some((BYTE_ORDER, descriptors)) = descriptor_passing::receive(socket)? else {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "no order came from a runner",
        ));
    };
    let mut descriptors = descriptors.into_iter();
    let mut next = || {
        descriptors.next().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the order came without its descriptors",
            )
        })
    };
    let mut bytes = Vec::new();
    File::from(next()?).read_to_end(&mut bytes)?;
    let (order, environment) = read(&bytes)?;
    Ok(CommandRequest {
        order,
        environment,
        stdin: next()?,
        log: File::from(next()?),
        log_folder: next()?,
        record: File::from(next()?),
        locks: descriptors.collect(),
    })
}

fn written(order: &CommandSpec, environment: &[EnvironmentVariable]) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(order)?;
    bytes.push(b'\n');
    bytes.extend(written_environment(environment));
    Ok(bytes)
}

/// Writes an environment; a zero byte ends each variable.
pub(crate) fn written_environment(environment: &[EnvironmentVariable]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in environment {
        for part in [name.as_bytes(), b"=", value.as_bytes(), b"\0"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

pub(crate) fn read_environment(bytes: &[u8]) -> Vec<EnvironmentVariable> {
    bytes.split(|byte| *byte == 0).filter_map(variable).collect()
}

fn read(bytes: &[u8]) -> io::Result<(CommandSpec, Vec<EnvironmentVariable>)> {
    // JSON on one line has no newline in it.
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    let (order, rest) = bytes.split_at(end);
    let environment = rest.get(1..).unwrap_or_default();
    Ok((serde_json::from_slice(order)?, read_environment(environment)))
}

/// Reads one variable. Its name may begin with `=`.
fn variable(bytes: &[u8]) -> Option<EnvironmentVariable> {
    let name = 1 + bytes.get(1..)?.iter().position(|byte| *byte == b'=')?;
    let value = OsStr::from_bytes(&bytes[name + 1..]);
    Some((OsString::from_vec(bytes[..name].to_vec()), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::unlimited_log::unlimited_spec;
    use super::*;

    #[test]
    fn an_order_and_its_environment_come_out_as_they_went_in() {
        let order = CommandSpec {
            program: "sh".into(),
            args: vec![
                "-c".into(),
                "a\nb".into(),
                OsString::from_vec(vec![0xff, b'=', b'\n']),
            ],
            cwd: "/".into(),
            within: None,
            timeout_ms: 1,
            idle_timeout_ms: None,
            grace_ms: 2,
            log: unlimited_spec(),
            fence: None,
        };
        let environment: Vec<EnvironmentVariable> = [
            ("EMPTY", ""),
            ("LINES", "one\ntwo=2\n"),
            ("=odd", "=x="),
            ("LONG", &"x".repeat(3 * 1024 * 1024)),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        let (read_order, read_environment) = read(&written(&order, &environment).unwrap()).unwrap();
        assert_eq!(read_order.args, order.args);
        assert!(read_environment == environment);
    }
}
