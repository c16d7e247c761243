//! Opens a path in one call that follows no link, and folders without the right to read them.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

use super::open_stepwise;

/// A folder that other calls start from.
pub(super) const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// Fails with `LOOP` where a link lies on the way.
pub(super) fn open_below(root: &OwnedFd, below: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(root, below, flags, mode, resolve) {
        // The system doesn't have this call, or a filter forbids it.
        Err(Errno::NOSYS | Errno::PERM) => open_stepwise(root, below, flags, mode),
        opened => opened,
    }
}
