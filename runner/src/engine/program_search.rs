//! Finds a program the way a shell would.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The absolute path of an executable file of that name; a name with a slash is taken as a path.
pub(crate) fn find(command: &str) -> Option<PathBuf> {
    if command.contains('/') {
        return Some(PathBuf::from(command)).filter(|path| is_executable(path));
    }
    let folders = std::env::var_os("PATH")?;
    // To a shell an empty element means the current folder. Here it is skipped, so that a file in a job's folder can't
    // pass for an engine.
    let mut candidates = std::env::split_paths(&folders)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(command));
    candidates.find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
