//! The file in which a rehearsal's state outlives the process. Written whole and put in place in one step, so that
//! whatever ends the process leaves the last state or the one before; what can't be read is refused, never taken for
//! empty.

mod lock;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use thiserror::Error;

use crate::coordinator::saved_state::SavedState;
pub(crate) use lock::StateFileLock;
use lock::StateLockError;

/// Why a state file is not taken.
#[derive(Debug, Error)]
pub enum StateFileError {
    /// It can't be read.
    #[error("can't read the state file {path}; check the path and its permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no state, or not a whole one.
    #[error(
        "the state file {path} is broken and is left as it is; put a good copy there, or move it away to begin anew"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another stub writes to it.
    #[error(
        "the state file {path} is kept by another stub ({holder}); end that one, or give this one a file of its own"
    )]
    Held {
        /// The file.
        path: PathBuf,
        /// The process that holds it.
        holder: String,
    },
    /// It can't be written.
    #[error("can't write the state file {path}; check its folder, its permissions and the space left")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Takes a state file for this stub alone.
pub(crate) fn take_lock(path: &Path) -> Result<StateFileLock, StateFileError> {
    StateFileLock::take(path).map_err(|not_ours| match not_ours {
        StateLockError::Held(holder) => StateFileError::Held {
            path: path.to_owned(),
            holder,
        },
        StateLockError::Failed(source) => StateFileError::Write {
            path: path.to_owned(),
            source,
        },
    })
}

/// Reads a state file; none where there is no file yet.
pub(crate) fn load(path: &Path) -> Result<Option<SavedState>, StateFileError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(StateFileError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|source| broken(path, source))
}

/// Says that a file is there and no good.
pub(crate) fn broken(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> StateFileError {
    StateFileError::Broken {
        path: path.to_owned(),
        source: Box::new(source),
    }
}

/// Writes states to one file, one after the other.
#[derive(Debug)]
pub(crate) struct StateFile {
    /// Where the state is put in place; set at the start.
    path: PathBuf,
    /// Held while a state is written, so that two are never written at once.
    status: Mutex<StateFileStatus>,
}

#[derive(Debug)]
struct StateFileStatus {
    /// None once the stub has ended: the file is somebody else's then.
    lock: Option<StateFileLock>,
    /// Why the last state could not be written; none once one is written again.
    write_error: Option<String>,
}

impl StateFile {
    pub(crate) fn new(path: PathBuf, lock: StateFileLock) -> StateFile {
        StateFile {
            path,
            status: Mutex::new(StateFileStatus {
                lock: Some(lock),
                write_error: None,
            }),
        }
    }

    /// Writes no more, and lets others have the file.
    pub(crate) fn release(&self) {
        self.status().lock = None;
    }

    /// Writes what `save` gives. Taken within the turn, so that a later state is never overwritten by an earlier one.
    pub(crate) fn write_state(&self, save: impl FnOnce() -> SavedState) -> Result<(), StateFileError> {
        let mut status = self.status();
        if status.lock.is_none() {
            return Ok(());
        }
        let written = self.write(&save()).map_err(|source| StateFileError::Write {
            path: self.path.clone(),
            source,
        });
        status.write_error = match &written {
            Err(StateFileError::Write { source, .. }) => Some(source.to_string()),
            _ => None,
        };
        written
    }

    /// Why the last state could not be written, where that is so.
    pub(crate) fn write_error(&self) -> Option<String> {
        self.status().write_error.clone()
    }

    fn status(&self) -> MutexGuard<'_, StateFileStatus> {
        self.status
            .lock()
            .expect("no holder of the state file's lock panics")
    }

    fn write(&self, saved: &SavedState) -> io::Result<()> {
        let scratch = lock::beside(&self.path, &std::process::id().to_string());
        let written = self.write_by_way_of(&scratch, saved);
        if written.is_err() {
            // Half a state helps nobody, and a full disk has no room for it.
            let _ = fs::remove_file(&scratch);
        }
        written
    }

    fn write_by_way_of(&self, scratch: &Path, saved: &SavedState) -> io::Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // It holds tokens: nobody else reads it.
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(scratch)?;
        file.write_all(&serde_json::to_vec(saved)?)?;
        file.sync_all()?;
        fs::rename(scratch, &self.path)?;
        File::open(folder)?.sync_all()
    }
}
