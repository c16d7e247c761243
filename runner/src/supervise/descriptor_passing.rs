//! Sends open descriptors through a socket, and receives them.

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, SendAncillaryBuffer, SendAncillaryMessage, recvmsg, sendmsg,
};

#[cfg(all(target_os = "linux", not(portable)))]
use linux::{RECEIVE_FLAGS, close_on_exec};
#[cfg(all(target_os = "linux", not(portable)))]
pub(super) use linux::{SEND_FLAGS, unnamed_file};
#[cfg(any(portable, not(target_os = "linux")))]
use portable::{RECEIVE_FLAGS, close_on_exec};
#[cfg(any(portable, not(target_os = "linux")))]
pub(super) use portable::{SEND_FLAGS, unnamed_file};

/// There are the order, standard input, the log, its folder, the record, and at most three locks: of the job, of the name
/// in its file, and of the try of an engine.
const DESCRIPTORS_MAX: usize = 8;

/// Sends a byte and these descriptors with it.
pub(super) fn send(socket: &UnixStream, byte: u8, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let message = SendAncillaryMessage::ScmRights(descriptors);
    if descriptors.len() > DESCRIPTORS_MAX || !control.push(message) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors for one order",
        ));
    }
    sendmsg(socket.as_fd(), &[IoSlice::new(&[byte])], &mut control, SEND_FLAGS)?;
    Ok(())
}

/// Waits for a byte, and returns it with the descriptors that came with it; none at the end of the other side.
pub(super) fn receive(socket: &UnixStream) -> io::Result<Option<(u8, Vec<OwnedFd>)>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        socket.as_fd(),
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RECEIVE_FLAGS,
    )?;
    let descriptors = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => rights.collect(),
        _ => Vec::new(),
    });
    let descriptors: Vec<OwnedFd> = descriptors.collect();
    close_on_exec(&descriptors)?;
    Ok((received.bytes > 0).then_some((byte[0], descriptors)))
}
