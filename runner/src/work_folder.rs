//! The folder that a command works in. It is opened once, so that the command works in the folder that was checked,
//! whatever its name leads to by then.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

#[cfg(all(target_os = "linux", not(portable)))]
use linux as system;
#[cfg(any(portable, not(target_os = "linux")))]
use portable as system;

/// An open folder.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    handle: OwnedFd,
    /// By which it was opened.
    path: PathBuf,
}

impl WorkFolder {
    /// Opens a folder; links are followed.
    pub(crate) fn open(path: &Path) -> io::Result<WorkFolder> {
        let flags = system::FOLDER | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        let path = path.to_owned();
        Ok(WorkFolder { handle, path })
    }

    /// Where it really lies at this moment.
    pub(crate) fn place(&self) -> io::Result<PathBuf> {
        let place = system::place_of(&self.handle, &self.path)?;
        // A folder that was removed, moved or lies in another mount namespace has the name of something else.
        let (held, named) = (rustix::fs::fstat(&self.handle)?, rustix::fs::stat(&place)?);
        match (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino) {
            true => Ok(place),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Makes it the current folder of this process, whatever its name leads to by now.
    pub(crate) fn enter(&self) -> io::Result<()> {
        Ok(rustix::process::fchdir(&self.handle)?)
    }
}

/// Whether `place` is one of these folders or lies below one; all of them as they really lie.
pub(crate) fn is_within(place: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| place.starts_with(folder))
}

/// The warning if the queue lies in a folder that a job works in: that job could rewrite the queue.
pub(crate) fn holds_queue(folder: &Path, queue: &Path) -> Option<String> {
    let (folder, queue) = (folder.canonicalize().ok()?, queue.canonicalize().ok()?);
    is_within(&queue, std::slice::from_ref(&folder)).then(|| {
        format!(
            "the queue {} lies in the folder that a job works in ({}), so that job can rewrite it: keep the queue elsewhere \
             (AQ_QUEUE), or give the job a `cwd` that doesn't hold it",
            queue.display(),
            folder.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_that_was_opened_is_judged_and_worked_in_whatever_its_name_means_by_then() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let [inner, outer, away] = ["inner", "outer", "away"].map(|name| root.join(name));
        fs::create_dir(&inner).unwrap();
        fs::create_dir(&outer).unwrap();
        let folder = WorkFolder::open(&inner).unwrap();
        assert_eq!(folder.place().unwrap(), inner);
        fs::rename(&inner, &away).unwrap();
        symlink(&outer, &inner).unwrap();
        // Where a system does not tell what became of an open folder, it has no place any more.
        let place = folder.place().ok();
        assert_eq!(
            place,
            cfg!(all(target_os = "linux", not(portable))).then_some(away.clone())
        );
        assert_eq!(WorkFolder::open(&inner).unwrap().place().unwrap(), outer);
        fs::remove_dir(&away).unwrap();
        assert!(folder.place().is_err());
    }

    #[test]
    fn a_neighbour_whose_name_begins_alike_is_not_within() {
        let folders = [PathBuf::from("/srv/work")];
        assert!(is_within(Path::new("/srv/work"), &folders));
        assert!(is_within(Path::new("/srv/work/below"), &folders));
        assert!(!is_within(Path::new("/srv/workshop"), &folders));
        assert!(!is_within(Path::new("/srv"), &folders));
        assert!(!is_within(Path::new("/srv/work"), &[]));
    }
}
