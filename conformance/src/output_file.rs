//! The files that options name to be written. Each is looked at before anything runs, and then written as whoever
//! named it means it: a regular file is replaced whole, links are followed, and what is no regular file (a device, a
//! FIFO, a socket, a descriptor of this process) is written through.

mod atomic_replace;
mod file_target;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::fs::{Access, OFlags, access, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use crate::stdio;
use atomic_replace::{replace, temp_file_beside, write_and_sync};
use file_target::{FileIdentity, OutputTarget, flagged};

/// How long a FIFO may be without a reader.
const READER_LIMIT: Duration = Duration::from_secs(5);

/// Why an option's file can't be had.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error("`{option} {}` can't be written: {error}; name a file that you may write, in a folder that is there", path.display())]
    Unwritable {
        option: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error("`{option} {}` was not written: {error}", path.display())]
    Unwritten {
        option: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error("`{one}` and `{other}` both write {}; name a file for each", path.display())]
    SameFile {
        one: &'static str,
        other: &'static str,
        path: PathBuf,
    },
}

/// A file that an option names.
#[derive(Debug)]
pub struct OutputFile {
    option: &'static str,
    path: PathBuf,
    /// What is no file of its own is open from the look on: a second look could find something else.
    open: Option<File>,
    identity: FileIdentity,
}

impl OutputFile {
    /// Looks whether it can be written, and changes nothing.
    pub fn look_at(option: &'static str, path: &Path) -> Result<OutputFile, OutputError> {
        let look = || {
            let open = match OutputTarget::of(path)? {
                OutputTarget::Open(file) => Some(file),
                OutputTarget::Fifo => access(path, Access::WRITE_OK).map(|()| None)?,
                OutputTarget::Regular(..) | OutputTarget::InPlace => {
                    OpenOptions::new().write(true).open(path).map(|_| None)?
                }
                // A draft that lay there for the length of a run would outlive a run that is killed.
                OutputTarget::Absent(path) => temp_file_beside(&path).map(|_| None)?,
            };
            Ok((open, FileIdentity::of(path)?))
        };
        let (open, identity) = look().map_err(|error| unwritable(option, path, error))?;
        Ok(OutputFile {
            option,
            path: path.to_owned(),
            open,
            identity,
        })
    }

    /// Standard output, which this option fills, where it is a file that can be compared with the others.
    pub fn standard_output(option: &'static str) -> Option<OutputFile> {
        let identity = FileIdentity::by(&stdio::metadata_of_output().ok()?);
        Some(OutputFile {
            option,
            path: "standard output".into(),
            open: None,
            identity,
        })
    }

    /// Looks whether a file could be made in this folder.
    pub fn look_into(option: &'static str, folder: &Path) -> Result<(), OutputError> {
        let made = temp_file_beside(&folder.join("file"));
        made.map(drop).map_err(|error| unwritable(option, folder, error))
    }

    /// Refuses two options that would write over each other.
    pub fn are_distinct<'a>(files: impl IntoIterator<Item = &'a OutputFile>) -> Result<(), OutputError> {
        let mut before: Vec<&OutputFile> = Vec::new();
        for file in files {
            if let Some(other) = before.iter().find(|other| other.identity.clashes(&file.identity)) {
                return Err(OutputError::SameFile {
                    one: other.option,
                    other: file.option,
                    path: file.path.clone(),
                });
            }
            before.push(file);
        }
        Ok(())
    }

    /// Makes this text all that it holds.
    pub fn write(&self, text: &str) -> Result<(), OutputError> {
        self.in_option(|| {
            let target = match self.open {
                // A second look at a socket would connect to it a second time.
                Some(_) => OutputTarget::InPlace,
                None => OutputTarget::of(&self.path)?,
            };
            match target {
                OutputTarget::Regular(path, about) => replace(&path, Some(&about), text),
                OutputTarget::Absent(path) => replace(&path, None, text),
                OutputTarget::Open(mut file) => write_and_sync(&mut file, text),
                OutputTarget::Fifo | OutputTarget::InPlace => {
                    write_and_sync(&mut self.opened(OpenOptions::new().truncate(true))?, text)
                }
            }
        })
    }

    /// Adds this text to what it holds.
    pub fn append(&self, text: &str) -> Result<(), OutputError> {
        self.in_option(|| write_and_sync(&mut self.opened(OpenOptions::new().append(true))?, text))
    }

    /// Empties it, for a stream that is written as it happens.
    pub fn stream(&self) -> Result<File, OutputError> {
        self.in_option(|| self.opened(OpenOptions::new().truncate(true)))
    }

    /// Opened in place.
    fn opened(&self, options: &mut OpenOptions) -> io::Result<File> {
        match (&self.open, OutputTarget::is_fifo(&self.path)) {
            (Some(file), _) => file.try_clone(),
            (None, true) => self.opened_fifo(),
            (None, false) => options.write(true).create(true).open(&self.path),
        }
    }

    /// Opened once somebody reads it.
    fn opened_fifo(&self) -> io::Result<File> {
        match flagged(OFlags::NONBLOCK).open(&self.path) {
            Ok(file) => {
                // Writing waits for the reader.
                fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
                return Ok(file);
            }
            Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        let (option, shown) = (self.option, self.path.display());
        stdio::say(format_args!("`{option} {shown}` waits for a reader"));
        let (sender, opened) = channel();
        let path = self.path.clone();
        std::thread::spawn(move || {
            // Nobody listens any more once the time is up.
            let _ = sender.send(OpenOptions::new().write(true).open(path));
        });
        let seconds = READER_LIMIT.as_secs();
        let nobody = |_| io::Error::other(format!("nobody opened this FIFO for reading within {seconds} s"));
        opened.recv_timeout(READER_LIMIT).map_err(nobody)?
    }

    fn in_option<T>(&self, act: impl FnOnce() -> io::Result<T>) -> Result<T, OutputError> {
        act().map_err(|error| OutputError::Unwritten {
            option: self.option,
            path: self.path.clone(),
            error,
        })
    }
}

fn unwritable(option: &'static str, path: &Path, error: io::Error) -> OutputError {
    OutputError::Unwritable {
        option,
        path: path.to_owned(),
        error,
    }
}
