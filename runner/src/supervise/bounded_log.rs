//! Writes the output of a command to its log, and keeps no more of it than its beginning and its end
//! ([`crate::output_log`] has the files). Nothing of it is held back in memory.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use serde::{Deserialize, Serialize};

use crate::character_cut::border_from;
use crate::output_log::{OutputLimits, continued_name};

/// The end lies in so many files, of which the oldest one is removed before another one is begun.
const END_FILES: usize = 4;

/// A longer line may be cut.
const LINE_ROOM_MAX: u64 = 64 * 1024;

/// What a supervisor is told of the log in its order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LogSpec {
    /// The name of the first file.
    pub(crate) name: OsString,
    pub(crate) limits: OutputLimits,
}

impl LogSpec {
    /// For a file without a name of its own: of what is printed, the beginning alone is kept.
    pub(crate) fn of_beginning(bytes_max: u64) -> LogSpec {
        LogSpec {
            name: OsString::new(),
            limits: OutputLimits {
                beginning: bytes_max,
                end: 0,
            },
        }
    }
}

/// It lives as long as the watchdog.
pub(super) struct BoundedLog {
    spec: LogSpec,
    /// The folder that the files lie in.
    folder: OwnedFd,
    /// The file that is written to.
    file: File,
    /// The place in the whole output at which that file began.
    start: u64,
    /// The place of the next byte.
    place: u64,
    /// The place from which on another file is begun at the next end of a line.
    full_at: u64,
    /// The place at which another file is begun, whatever stands there.
    ends_at: u64,
    /// The places at which the files with the end begin, the oldest one first.
    end_files: VecDeque<u64>,
    /// The last byte ended a line, or there was none yet.
    is_line_start: bool,
    /// Something could not be written, so what comes next does not belong into the same file.
    is_torn: bool,
}

impl BoundedLog {
    /// `file`: the first file, open to append.
    pub(super) fn new(file: File, folder: OwnedFd, spec: LogSpec) -> io::Result<BoundedLog> {
        let place = file.metadata()?.len();
        let size = spec.limits.beginning;
        Ok(BoundedLog {
            full_at: size - line_room(size),
            ends_at: size,
            spec,
            folder,
            file,
            start: 0,
            place,
            end_files: VecDeque::new(),
            is_line_start: true,
            is_torn: false,
        })
    }

    /// That the log can't be written is neither the command's fault nor a reason to let it wait: what is lost is
    /// missing in the log.
    pub(super) fn write(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let count = self.fitting(rest);
            let (fits, later) = rest.split_at(count);
            self.append(fits);
            rest = later;
            if !rest.is_empty() && self.begin_file().is_err() {
                self.place += rest.len() as u64;
                self.is_torn = true;
                return;
            }
        }
    }

    /// How much still belongs into this file: up to the first end of a line when it is full, or up to the end of a
    /// character where the line is long.
    fn fitting(&self, chunk: &[u8]) -> usize {
        let up_to = |place: u64| usize::try_from(place.saturating_sub(self.place)).unwrap_or(usize::MAX);
        let (full, limit) = (up_to(self.full_at), up_to(self.ends_at));
        if chunk.len() <= full {
            return chunk.len();
        }
        if full == 0 && self.is_line_start && self.place > self.start {
            return 0;
        }
        let is_end = |(index, byte): (usize, &u8)| index + 1 >= full && *byte == b'\n';
        let line = chunk.iter().take(limit).enumerate().position(is_end);
        line.map_or_else(|| border_from(chunk, limit), |last| last + 1)
    }

    fn append(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.is_line_start = *last == b'\n';
        let is_writable = !self.is_torn || self.begin_file().is_ok();
        let written = match is_writable {
            true => write_up_to(&self.file, bytes),
            false => 0,
        };
        if written < bytes.len() {
            self.is_torn = true;
            // An empty file would only take the place of one that has something.
            if written == 0 && is_writable && self.end_files.back() == Some(&self.place) {
                self.end_files.pop_back();
                let _ = self.remove(self.place);
            }
        }
        self.place += bytes.len() as u64;
    }

    /// Begins another file of the end at this place.
    fn begin_file(&mut self) -> io::Result<()> {
        let size = self.spec.limits.end / END_FILES as u64;
        if size == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        while self.end_files.len() >= END_FILES
            && let Some(oldest) = self.end_files.pop_front()
        {
            self.remove(oldest)?;
        }
        let name = continued_name(&self.spec.name, self.place);
        // A job can lay something into the place of the file: that is not followed, and not written to.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.file = openat(&self.folder, &name, flags, Mode::RUSR | Mode::WUSR)?.into();
        self.end_files.push_back(self.place);
        self.start = self.place;
        self.ends_at = self.place.saturating_add(size);
        self.full_at = self.ends_at - line_room(size);
        self.is_torn = false;
        Ok(())
    }

    fn remove(&self, start: u64) -> io::Result<()> {
        match unlinkat(
            &self.folder,
            continued_name(&self.spec.name, start),
            AtFlags::empty(),
        ) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// The room of a file for the rest of its last line.
fn line_room(size: u64) -> u64 {
    LINE_ROOM_MAX.min(size / 8)
}

/// How much could be written.
fn write_up_to(mut file: &File, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    written
}

#[cfg(test)]
mod tests;
