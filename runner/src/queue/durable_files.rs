//! Files that are either wholly there or not at all, and moves that never overwrite.

use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::{OFlags, RenameFlags};

use crate::queue_root::QueueRoot;

/// Writes a new file whose bytes have reached the disk, in place of one that is there.
pub(super) fn write_durable(root: &QueueRoot, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = root.create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// One `rename(2)`; fails with `AlreadyExists` instead of overwriting.
pub(super) fn move_new(root: &QueueRoot, from: &Path, to: &Path) -> io::Result<()> {
    root.rename(from, to, RenameFlags::NOREPLACE)
}

/// The file's bytes, cut one behind the limit, so that the caller sees that it was exceeded.
pub(super) fn read_bounded(root: &QueueRoot, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    root.open_regular(path)?
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn read_text(root: &QueueRoot, path: &Path) -> io::Result<String> {
    io::read_to_string(root.open(path)?)
}

/// Appends to a file in a single write, made durable; a torn end of an earlier write is cut off first.
pub(super) fn append_line(root: &QueueRoot, path: &Path, line: &str) -> io::Result<()> {
    let mut file = root.open_kept(path, OFlags::APPEND)?;
    let mut held = Vec::new();
    file.read_to_end(&mut held)?;
    let whole = held
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |position| position + 1);
    if whole < held.len() {
        file.set_len(whole as u64)?;
    }
    file.write_all(line.as_bytes())?;
    file.sync_data()
}
