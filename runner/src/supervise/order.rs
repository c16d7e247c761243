//! What runner and supervisor say to each other: one order with its descriptors, then single bytes, then one answer.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

/// Standard input, output, the record, and at most two locks.
const DESCRIPTORS_MAX: usize = 5;
/// Arguments have their own, smaller limit; what is larger is no order of ours.
const ORDER_BYTES_MAX: usize = 1024 * 1024;

/// End the tree, with a grace period.
pub(super) const BYTE_END: u8 = b'E';
/// End the tree at once.
pub(super) const BYTE_KILL: u8 = b'K';

/// What to run. The environment is not in it: the supervisor has the one that its command gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) cwd: OsString,
    pub(crate) timeout_ms: u64,
    /// For how long there may be no output.
    pub(crate) idle_timeout_ms: Option<u64>,
    /// Between TERM and KILL.
    pub(crate) grace_ms: u64,
}

/// How a command ended. Whatever it says: nothing that the command started is alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "camelCase")]
pub(crate) enum End {
    /// By itself: one of the two is given.
    Exited {
        code: Option<i32>,
        signal: Option<i32>,
    },
    TimedOut,
    /// No output for too long.
    Idle,
    /// The runner wished it.
    Ordered,
    /// The runner was gone.
    Abandoned,
    NotStarted {
        error: String,
    },
}

/// All that a supervisor needs.
pub(super) struct Handover {
    pub(super) order: Order,
    pub(super) stdin: OwnedFd,
    pub(super) output: File,
    /// Of the processes that come of it.
    pub(super) record: File,
    pub(super) locks: Vec<OwnedFd>,
}

/// Sends an order and its descriptors; the other side need not be reading yet.
pub(super) fn send(socket: &UnixStream, order: &Order, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(order)?;
    bytes.push(b'\n');
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if descriptors.len() > DESCRIPTORS_MAX || !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors for one order",
        ));
    }
    let sent = sendmsg(
        socket.as_fd(),
        &[IoSlice::new(&bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    match sent == bytes.len() {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the arguments are too long for one order",
        )),
    }
}

pub(super) fn receive(socket: &UnixStream) -> io::Result<Handover> {
    let mut bytes = Vec::new();
    let mut descriptors = Vec::new();
    while bytes.last() != Some(&b'\n') {
        let mut chunk = vec![0; 64 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            socket.as_fd(),
            &mut [IoSliceMut::new(&mut chunk)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        bytes.extend_from_slice(&chunk[..received.bytes]);
        if received.bytes == 0 || bytes.len() > ORDER_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "no order came from a runner",
            ));
        }
    }
    let order = serde_json::from_slice(&bytes)?;
    let mut descriptors = descriptors.into_iter();
    match (descriptors.next(), descriptors.next(), descriptors.next()) {
        (Some(stdin), Some(output), Some(record)) => Ok(Handover {
            order,
            stdin,
            output: File::from(output),
            record: File::from(record),
            locks: descriptors.collect(),
        }),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the order came without its descriptors",
        )),
    }
}
