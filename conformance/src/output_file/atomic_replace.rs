//! A regular file gets a whole new one in its place.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use tempfile::NamedTempFile;

/// Puts a new file in the place of the old one, in one rename. Where the old one has to stay, it is written itself: its
/// folder may take no new file, its owner may be somebody else, and it may be mounted there by itself.
pub(super) fn replace(path: &Path, old: Option<&Metadata>, text: &str) -> io::Result<()> {
    let made = temp_file_beside(path).and_then(|draft| match old {
        Some(old) => copy_ownership(draft, old),
        None => Ok(draft),
    });
    let placed = made.and_then(|mut draft| {
        write_and_sync(draft.as_file_mut(), text)?;
        draft.persist(path).map(drop).map_err(io::Error::from)
    });
    match placed {
        Err(error) if old.is_some() && must_write_in_place(&error) => {
            let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
            write_and_sync(&mut file, text)
        }
        placed => placed,
    }
}

/// Whether this error of a new file, or of its rename, says nothing against writing the old one.
fn must_write_in_place(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::ResourceBusy
            | ErrorKind::CrossesDevices
    )
}

/// A new file in the folder of this one, so that it can be renamed into its place.
pub(super) fn temp_file_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // What others may read of any new file, they may read of a report.
    let mode = Permissions::from_mode(0o666);
    let draft = tempfile::Builder::new().permissions(mode).tempfile_in(folder);
    // Its own message has the draft's path, which nobody named.
    draft.map_err(|error| error.kind().into())
}

/// With the owner, the group and the mode of the old file.
fn copy_ownership(draft: NamedTempFile, old: &Metadata) -> io::Result<NamedTempFile> {
    let new = draft.as_file().metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(draft.as_file(), Some(old.uid()), Some(old.gid()))?;
    }
    draft.as_file().set_permissions(old.permissions())?;
    Ok(draft)
}

/// An error that a file system reports late is reported by the sync.
pub(super) fn write_and_sync(file: &mut File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    match file.metadata()?.is_file() {
        true => file.sync_all(),
        false => Ok(()),
    }
}
