//! The hold on a state file: one stub at a time writes to it.
//!
//! The state file itself is replaced at every change, so what is locked is a file beside it. The lock goes with its
//! process, however that ends; what may be left behind then is a file that nobody holds, and the next one takes it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How often a lock file may be replaced under our hands before we give up.
const ATTEMPTS: usize = 16;
/// The longest name of a holder that is shown.
const HOLDER_LIMIT: u64 = 64;

/// Why a state file is not ours.
#[derive(Debug)]
pub(super) enum StateLockError {
    /// Somebody else holds it: who.
    Held(String),
    Failed(io::Error),
}

/// A state file that nobody else writes to, until this is dropped.
#[derive(Debug)]
pub(crate) struct StateFileLock {
    lock: PathBuf,
    file: File,
}

impl StateFileLock {
    /// Takes hold of a state file, whether it is there yet or not.
    pub(super) fn take(state: &Path) -> Result<StateFileLock, StateLockError> {
        let lock = beside(state, "lock");
        for _ in 0..ATTEMPTS {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&lock)
                .map_err(StateLockError::Failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(StateLockError::Held(holder(&file))),
                Err(TryLockError::Error(error)) => return Err(StateLockError::Failed(error)),
            }
            // Its last holder may have taken it away between our opening and our locking.
            if is_at(&file, &lock) {
                sign(&mut file).map_err(StateLockError::Failed)?;
                return Ok(StateFileLock { lock, file });
            }
        }
        Err(StateLockError::Failed(io::Error::other(
            "its lock file comes and goes",
        )))
    }
}

impl Drop for StateFileLock {
    fn drop(&mut self) {
        // While it is still ours: a lock file that somebody else made is not ours to take away.
        if is_at(&self.file, &self.lock) {
            let _ = fs::remove_file(&self.lock);
        }
    }
}

/// A file in the same folder, hidden.
pub(super) fn beside(state: &Path, suffix: &str) -> PathBuf {
    let name = state.file_name().unwrap_or_default().to_string_lossy();
    state.with_file_name(format!(".{name}.{suffix}"))
}

fn is_at(file: &File, path: &Path) -> bool {
    let same =
        |left: &fs::Metadata, right: &fs::Metadata| (left.dev(), left.ino()) == (right.dev(), right.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(ours), Ok(there)) if same(&ours, &there))
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "process {}", std::process::id())
}

/// Who wrote itself down as the holder.
fn holder(file: &File) -> String {
    let mut name = String::new();
    // It may be about to: then nobody is named.
    let _ = file.take(HOLDER_LIMIT).read_to_string(&mut name);
    match name.trim() {
        "" => "another process".to_owned(),
        name => name.escape_debug().to_string(),
    }
}
