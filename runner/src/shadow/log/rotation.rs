//! The parts of a shadow log that has grown long: `fleet-shadow.log.1`, `.2` and so on, beside the file that is written.
//!
//! A file that continues others says so in its first line, which names them. So all are read as one log, and whoever
//! moves the written file aside begins another one: the next file continues nothing.
//!
//! The new file is made whole under the next number and then exchanged with the written one, in one step: at any moment
//! either file is all that it should be. Who writes by a descriptor of the old one adds a line to a part, which is read
//! as well.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use rustix::fs::RenameFlags;
use serde::Deserialize;

use super::line::{PartRange, ShadowLogEvent, ShadowLogLine};
use crate::queue_root::QueueRoot;
use crate::settings::LogSettings;
use crate::shadow::report;

/// No first line that names parts is longer.
const FIRST_LINE_MAX: usize = 1024;

/// The start of a line that names parts, as far as that is read back.
#[derive(Deserialize)]
struct ContinuationLine {
    event: String,
    parts: PartRange,
}

/// A log with its parts, oldest first and the file that is written last.
pub(crate) struct RotatedLog {
    pub(crate) files: Vec<File>,
    /// How many parts of it were pruned.
    pub(crate) pruned: u64,
}

/// # Errors
/// The file that is written is not there, or one of them can't be read.
pub(crate) fn open_all(path: &Path) -> io::Result<RotatedLog> {
    let written = open(path)?;
    let (mut files, mut pruned) = (Vec::new(), 0);
    if let Some(range) = range_of(&written)? {
        let here = numbers(path)?;
        let of_it = here.into_iter().filter(|number| range.contains(*number));
        for number in of_it {
            match open(&part(path, number)) {
                Ok(file) => files.push(file),
                // Pruned since it was looked for.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        pruned = (range.last - range.first)
            .saturating_add(1)
            .saturating_sub(files.len() as u64);
    }
    files.push(written);
    Ok(RotatedLog { files, pruned })
}

/// Makes the file that is written a part, if it has grown long, and says whether it did. `written` is that file, with its
/// lock held.
pub(super) fn rotate(path: &Path, written: &File, limits: LogSettings) -> io::Result<bool> {
    // Whoever holds the lock of the file that is written is the only one who may exchange it.
    if written.metadata()?.len() < limits.shadow_size || !is_at(path, written)? {
        return Ok(false);
    }
    let last = numbers(path)?.last().map_or(1, |last| last + 1);
    let first = range_of(written)?.map_or(last, |range| range.first);
    let range = PartRange { first, last };
    let next = part(path, last);
    begin(&next, range)?;
    let root = QueueRoot::of(path);
    if let Err(error) = root.rename(&next, path, RenameFlags::EXCHANGE) {
        // Nothing but a first line stands in it.
        let _ = root.remove(&next);
        return Err(error);
    }
    prune(path, range, limits)?;
    Ok(true)
}

/// Whether this is still the file that is written.
pub(super) fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let (named, opened) = (path.symlink_metadata()?, file.metadata()?);
    Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino()))
}

/// A new file that continues these parts, on the disk before any name is changed.
fn begin(path: &Path, range: PartRange) -> io::Result<()> {
    let root = QueueRoot::of(path);
    let mut file = root.create(path)?;
    let mut bytes = serde_json::to_vec(&ShadowLogLine::continues(range))?;
    bytes.push(b'\n');
    file.write_all(&bytes)
        .and_then(|()| file.sync_all())
        .inspect_err(|_| drop(root.remove(path)))
}

/// Deletes parts that are old enough, the oldest first. Of the log itself none behind an answer that would have done harm:
/// that holds the gate. Parts of a log that was moved aside count for nothing any more.
fn prune(path: &Path, range: PartRange, limits: LogSettings) -> io::Result<()> {
    for number in numbers(path)? {
        let part = part(path, number);
        let written = part.symlink_metadata()?.modified()?;
        let age = SystemTime::now().duration_since(written).unwrap_or_default();
        let counts = range.contains(number);
        if age < limits.shadow_age || (counts && has_harm(&part)?) {
            if counts {
                return Ok(());
            }
            continue;
        }
        QueueRoot::of(path).remove(&part)?;
    }
    Ok(())
}

fn has_harm(part: &Path) -> io::Result<bool> {
    report::has_harm(open(part)?, Timestamp::now())
}

fn range_of(file: &File) -> io::Result<Option<PartRange>> {
    let mut start = [0; FIRST_LINE_MAX];
    let read = file.read_at(&mut start, 0)?;
    let line = start[..read]
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let first = serde_json::from_slice::<ContinuationLine>(line).ok();
    Ok(first
        .filter(|first| first.event == ShadowLogEvent::CONTINUES && first.parts.first <= first.parts.last)
        .map(|first| first.parts))
}

impl PartRange {
    fn contains(self, number: u64) -> bool {
        (self.first..=self.last).contains(&number)
    }
}

fn part(path: &Path, number: u64) -> PathBuf {
    path.with_extension(format!("log.{number}"))
}

/// The numbers of the parts that are there, in order.
fn numbers(path: &Path) -> io::Result<Vec<u64>> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let folder = path.parent().unwrap_or(Path::new("."));
    let names = QueueRoot::of(path).names(folder)?;
    let of_parts = names.iter().filter_map(|found| {
        let number = found.to_str()?.strip_prefix(&name)?.strip_prefix('.')?;
        let is_file = folder
            .join(found)
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_file());
        number.parse::<u64>().ok().filter(|_| is_file)
    });
    let mut numbers: Vec<u64> = of_parts.collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// For reading.
fn open(path: &Path) -> io::Result<File> {
    QueueRoot::of(path).open_regular(path)
}
