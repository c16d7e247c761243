//! The files that the output of one command lies in, and how they are read.
//!
//! The first file has the name of the output and holds its beginning. When it is full, the output goes on in further
//! files. The name of each ends with the place of its first byte in the whole output: `engine.out.33554432`. The oldest of
//! them is removed before another one is begun, so what is not kept is what lies between two files. The names alone say
//! how much that is: whoever is killed, and whenever, leaves files that can be read.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::queue_root::QueueRoot;

/// How much of an output is kept, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutputLimits {
    /// Of its beginning.
    pub(crate) beginning: u64,
    /// Of its end, at most. At any moment more than half of it is kept.
    pub(crate) end: u64,
}

impl OutputLimits {
    /// Half of the room for either.
    pub(crate) fn within(room: u64) -> OutputLimits {
        let beginning = room / 2;
        OutputLimits {
            beginning,
            end: room - beginning,
        }
    }
}

/// The name of the file that begins at this place of an output.
pub(crate) fn continued_name(output: &OsStr, start: u64) -> OsString {
    let mut name = output.to_owned();
    name.push(format!(".{start}"));
    name
}

/// The output of one command, whether there is any or not.
#[derive(Debug)]
pub(crate) struct OutputLog {
    root: QueueRoot,
    /// The first file.
    path: PathBuf,
}

/// A stretch of an output that is kept in one file.
#[derive(Debug)]
pub(crate) struct OutputPart {
    /// So many bytes right before it are not kept.
    pub(crate) missing: u64,
    /// Its bytes, and none that come later.
    pub(crate) bytes: Take<File>,
}

/// How much of an output there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutputSize {
    pub(crate) kept: u64,
    pub(crate) missing: u64,
}

impl OutputLog {
    pub(crate) fn new(root: &QueueRoot, path: PathBuf) -> OutputLog {
        let root = root.clone();
        OutputLog { root, path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What there is of it at this moment from a place on, in its order.
    pub(crate) fn parts_from(&self, place: u64) -> io::Result<Vec<OutputPart>> {
        let mut parts = Vec::new();
        let mut reached = place;
        for (start, path) in self.files()? {
            let mut file = match self.root.open_regular(&path) {
                Ok(file) => file,
                // Its turn to be removed came after the look at the names.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let end = start.saturating_add(file.metadata()?.len());
            if end <= reached {
                continue;
            }
            let missing = start.saturating_sub(reached);
            reached += missing;
            file.seek(SeekFrom::Start(reached - start))?;
            let bytes = file.take(end - reached);
            parts.push(OutputPart { missing, bytes });
            reached = end;
        }
        Ok(parts)
    }

    pub(crate) fn size(&self) -> io::Result<OutputSize> {
        let parts = self.parts_from(0)?;
        Ok(OutputSize {
            kept: parts.iter().map(|part| part.bytes.limit()).sum(),
            missing: parts.iter().map(|part| part.missing).sum(),
        })
    }

    /// The last bytes of what is kept.
    pub(crate) fn end(&self, bytes_max: u64) -> io::Result<OutputReader> {
        let mut parts = self.parts_from(0)?;
        let kept: u64 = parts.iter().map(|part| part.bytes.limit()).sum();
        let mut skipped = kept.saturating_sub(bytes_max);
        for part in &mut parts {
            let count = skipped.min(part.bytes.limit());
            if count > 0 {
                part.bytes
                    .get_mut()
                    .seek_relative(i64::try_from(count).unwrap_or(i64::MAX))?;
                part.bytes.set_limit(part.bytes.limit() - count);
                (skipped, part.missing) = (skipped - count, 0);
            }
        }
        parts.retain(|part| part.bytes.limit() > 0);
        Ok(OutputReader {
            parts: parts.into_iter(),
            part: None,
        })
    }

    /// Its files, with the places at which they begin.
    fn files(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let (Some(folder), Some(output)) = (self.path.parent(), self.path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let names = match self.root.names(folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let continued = names.iter().filter_map(|name| {
            let place = name.to_str()?.strip_prefix(output.to_str()?)?.strip_prefix('.')?;
            Some((place.parse().ok()?, folder.join(name)))
        });
        let mut files: Vec<(u64, PathBuf)> = continued.collect();
        files.sort();
        files.insert(0, (0, self.path.clone()));
        Ok(files)
    }
}

/// Reads what is kept of an output. A line ends where something is missing.
#[derive(Debug)]
pub(crate) struct OutputReader {
    parts: std::vec::IntoIter<OutputPart>,
    /// The one that is being read.
    part: Option<OutputPart>,
}

impl Read for OutputReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(part) = &mut self.part else {
                self.part = self.parts.next();
                match (&self.part, buffer.first_mut()) {
                    (Some(part), Some(first)) if part.missing > 0 => {
                        *first = b'\n';
                        return Ok(1);
                    }
                    (Some(_), Some(_)) => continue,
                    _ => return Ok(0),
                }
            };
            match part.bytes.read(buffer)? {
                0 => self.part = None,
                count => return Ok(count),
            }
        }
    }
}

#[cfg(test)]
mod tests;
