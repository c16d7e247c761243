//! What every system has for it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{RecvFlags, SendFlags};

/// An end of the other side is an error, and no signal: Rust's runtime ignores SIGPIPE from the start.
pub(in crate::supervise) const SEND_FLAGS: SendFlags = SendFlags::empty();

pub(super) const RECEIVE_FLAGS: RecvFlags = RecvFlags::empty();

/// A file on the disk, readable for its owner alone, whose name is gone before anything is written to it.
pub(in crate::supervise) fn unnamed_file() -> io::Result<File> {
    tempfile::tempfile()
}

/// No command that is started later gets what was received. A supervisor has one thread, so none is started in between.
pub(super) fn close_on_exec(received: &[OwnedFd]) -> io::Result<()> {
    for descriptor in received {
        fcntl_setfd(descriptor, FdFlags::CLOEXEC)?;
    }
    Ok(())
}
