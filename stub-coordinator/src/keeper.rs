//! The file in which a rehearsal's state outlives the process. Written whole and put in place in one step, so that
//! whatever ends the process leaves the last state or the one before; what can't be read is refused, never taken for
//! empty.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use thiserror::Error;

use crate::coordinator::saved::Saved;

/// Why a state file is not taken.
#[derive(Debug, Error)]
pub enum StateError {
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

/// Reads a state file; none where there is no file yet.
pub(crate) fn load(path: &Path) -> Result<Option<Saved>, StateError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(StateError::Read {
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
pub(crate) fn broken(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> StateError {
    StateError::Broken {
        path: path.to_owned(),
        source: Box::new(source),
    }
}

/// Writes states to one file, one after the other.
#[derive(Debug)]
pub(crate) struct Keeper {
    path: PathBuf,
    /// Why the last state could not be written.
    trouble: Mutex<Option<String>>,
}

impl Keeper {
    pub(crate) fn new(path: PathBuf) -> Keeper {
        Keeper {
            path,
            trouble: Mutex::new(None),
        }
    }

    /// Writes what `save` gives. Taken within the turn, so that a later state is never overwritten by an earlier one.
    pub(crate) fn keep(&self, save: impl FnOnce() -> Saved) -> Result<(), StateError> {
        let mut trouble = self
            .trouble
            .lock()
            .expect("no holder of the keeper's lock panics");
        let written = self.write(&save()).map_err(|source| StateError::Write {
            path: self.path.clone(),
            source,
        });
        *trouble = match &written {
            Err(StateError::Write { source, .. }) => Some(source.to_string()),
            _ => None,
        };
        written
    }

    /// Why the last state could not be written, where that is so.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .expect("no holder of the keeper's lock panics")
            .clone()
    }

    fn write(&self, saved: &Saved) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let scratch = folder.join(format!(".{name}.{}", std::process::id()));
        // It holds tokens: nobody else reads it.
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&scratch)?;
        file.write_all(&serde_json::to_vec(saved)?)?;
        file.sync_all()?;
        fs::rename(&scratch, &self.path)?;
        File::open(folder)?.sync_all()
    }
}
