//! A page goes into its file whole or not at all: no reader finds half of it, and where it can't be written what was there
//! stays.

use std::fs::Permissions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Who may read any new file may read a page.
const MODE: u32 = 0o666;

/// Puts a new file into the place of the named one, or of what a link of that name leads to. `kept` are not replaced.
pub(super) fn replace(path: &Path, text: &str, kept: &[PathBuf]) -> io::Result<()> {
    let (place, old) = match path.canonicalize() {
        Ok(place) => (place, Some(path.metadata()?)),
        Err(error) if error.kind() == ErrorKind::NotFound => (path.to_owned(), None),
        Err(error) => return Err(error),
    };
    if kept
        .iter()
        .any(|kept| kept.canonicalize().is_ok_and(|kept| kept == place))
    {
        return Err(io::Error::other(
            "it is one of the logs that were read; name another file",
        ));
    }
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Err(io::Error::other(
            "it is no regular file; `-` writes to standard output",
        ));
    }
    let folder = match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Its own message has the name of a file that nobody named.
    let draft = tempfile::Builder::new()
        .prefix(".aq-page-")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder);
    let mut draft = draft.map_err(|error| io::Error::from(error.kind()))?;
    if let Some(old) = old {
        draft.as_file().set_permissions(old.permissions())?;
    }
    draft.write_all(text.as_bytes())?;
    // A file system may tell of a full disk as late as here.
    draft.as_file().sync_all()?;
    draft.persist(&place).map(drop).map_err(io::Error::from)
}
