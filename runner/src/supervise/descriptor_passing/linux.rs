//! What the kernel of Linux has for it alone.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{RecvFlags, SendFlags};

/// An end of the other side is an error, and no signal.
pub(in crate::supervise) const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;

/// No command that is started later gets what is received.
pub(super) const RECEIVE_FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;

/// A file in memory that has no name.
pub(in crate::supervise) fn unnamed_file() -> io::Result<File> {
    Ok(File::from(memfd_create("order", MemfdFlags::CLOEXEC)?))
}

/// The flags have seen to it.
pub(super) fn close_on_exec(_received: &[OwnedFd]) -> io::Result<()> {
    Ok(())
}
