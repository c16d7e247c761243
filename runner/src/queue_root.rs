//! Files below a queue folder, reached without following a link on the way (clause O-18).
//!
//! Jobs share the runner's user, so a job can put a link where the runner is about to write. The queue folder itself may
//! be reached by a link; it is opened once, and all else is found from there.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

#[cfg(all(target_os = "linux", not(portable)))]
use linux as system;
#[cfg(any(portable, not(target_os = "linux")))]
use portable as system;

/// Job files and the output of jobs may hold secrets of their owner.
const PRIVATE_FILE: Mode = Mode::from_raw_mode(0o600);
/// Nobody else may change the queue's own state, or hold its locks.
const PRIVATE_FOLDER: Mode = Mode::from_raw_mode(0o700);
/// Of the queue folder; a looser umask does not make it writable for others.
const QUEUE_FOLDER_MODE: u32 = 0o755;
/// Of its stages, for the same reason. Systems differ in how many bits a mode has.
const STAGE_FOLDER: Mode = Mode::from_raw_mode(0o755);

/// A queue folder; all paths that its methods are given begin with its path.
#[derive(Debug, Clone)]
pub(crate) struct QueueRoot {
    path: PathBuf,
    /// Opened when it is first needed: what its name leads to later does not matter to this process.
    handle: Arc<OnceLock<OwnedFd>>,
    /// Whether two names that differ by case alone are one here; looked at when it is first asked for.
    folds_case: Arc<OnceLock<bool>>,
}

/// Why a path below the queue folder is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathRejection {
    #[error(
        "it is a link, or lies behind one, and no link is followed below a queue folder: put the file or folder itself there"
    )]
    SymbolicLink,
    #[error(
        "it is known by another name as well (a hard link): put a copy that has this name alone in its place"
    )]
    HardLink,
}

impl PathRejection {
    /// The rejection in an error, if it has one.
    pub(crate) fn of(error: &io::Error) -> Option<PathRejection> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<PathRejection> for io::Error {
    fn from(diversion: PathRejection) -> io::Error {
        io::Error::other(diversion)
    }
}

impl QueueRoot {
    pub(crate) fn at(path: &Path) -> QueueRoot {
        QueueRoot {
            path: path.to_owned(),
            handle: Arc::default(),
            folds_case: Arc::default(),
        }
    }

    /// The queue folder of a file that lies directly in its `.state`.
    pub(crate) fn of(path: &Path) -> QueueRoot {
        QueueRoot::at(path.ancestors().nth(2).unwrap_or(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file to read, or to lock.
    pub(crate) fn open(&self, path: &Path) -> io::Result<File> {
        self.open_with(path, OFlags::RDONLY)
    }

    /// Opens a file to write on, or to lock. It is made if it isn't there.
    pub(crate) fn open_lock(&self, path: &Path) -> io::Result<File> {
        self.open_with(path, OFlags::RDWR | OFlags::CREATE)
    }

    /// Opens a regular file to read.
    pub(crate) fn open_regular(&self, path: &Path) -> io::Result<File> {
        let file = self.open(path)?;
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file")),
        }
    }

    /// Opens a file to read and to write on, and keeps what it holds. It is made if it isn't there. Anything but a
    /// regular file that has one name is refused.
    pub(crate) fn open_kept(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        let file = self.open_with(path, OFlags::RDWR | OFlags::CREATE | flags)?;
        let metadata = file.metadata()?;
        match (metadata.is_file(), metadata.nlink()) {
            (true, 0 | 1) => Ok(file),
            (true, _) => Err(PathRejection::HardLink.into()),
            (false, _) => Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file")),
        }
    }

    /// Makes a new, empty file, in place of what has that name.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        match self.open_with(path, flags) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(path)?;
                self.open_with(path, flags)
            }
            made => made,
        }
    }

    /// The names in a folder, in no order.
    pub(crate) fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let open = self.open_with(folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(names_in(Dir::new(open)?)?)
    }

    /// Makes a folder, and those that it lies in; returns false if it was there.
    pub(crate) fn make_folder(&self, path: &Path) -> io::Result<bool> {
        if path == self.path {
            let made = DirBuilder::new()
                .recursive(true)
                .mode(QUEUE_FOLDER_MODE)
                .create(path);
            return made.map(|()| true);
        }
        let is_shown = path.parent() == Some(&self.path) && !path.ends_with(".state");
        let mode = match is_shown {
            true => STAGE_FOLDER,
            false => PRIVATE_FOLDER,
        };
        let make = || -> io::Result<bool> {
            let (folder, name) = self.place(path)?;
            match rustix::fs::mkdirat(folder, name, mode) {
                Ok(()) => Ok(true),
                // Another process may just have made it.
                Err(Errno::EXIST) => self.folder(path).map(|_| false),
                Err(errno) => Err(errno.into()),
            }
        };
        match make() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folder(path.parent().unwrap_or(&self.path))?;
                make()
            }
            made => made,
        }
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
        let ((from_folder, from), (to_folder, to)) = (self.place(from)?, self.place(to)?);
        Ok(rustix::fs::renameat_with(
            from_folder,
            from,
            to_folder,
            to,
            flags,
        )?)
    }

    /// Removes a file, or a link, that may be gone already.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        let remove = || -> io::Result<()> {
            let (folder, name) = self.place(path)?;
            Ok(rustix::fs::unlinkat(folder, name, AtFlags::empty())?)
        };
        match remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes a folder, with all that is in it, that may be gone already.
    pub(crate) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let remove = || -> io::Result<()> {
            let (folder, name) = self.place(path)?;
            Ok(remove_tree(&folder, name)?)
        };
        match remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes moves into and out of a folder durable.
    pub(crate) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.open_with(path, OFlags::RDONLY | OFlags::DIRECTORY)?
            .sync_all()
    }

    /// Whether the file system takes two names that differ by case alone for one. Asked of the name of `.state`, which
    /// every queue has; of one that has none yet, nothing is known.
    pub(crate) fn folds_case(&self) -> bool {
        let probe = || {
            let file = |name: &str| self.path.join(name).symlink_metadata().ok();
            let one = |found: Metadata| (found.dev(), found.ino());
            let other_case = file(".STATE").map(one);
            other_case.is_some() && other_case == file(".state").map(one)
        };
        *self.folds_case.get_or_init(probe)
    }

    #[cfg(test)]
    pub(crate) fn assume_folded_case(&self) {
        assert!(*self.folds_case.get_or_init(|| true), "it was asked before");
    }

    /// Opens a folder, for calls that start from there.
    pub(crate) fn folder(&self, path: &Path) -> io::Result<OwnedFd> {
        let flags = system::FOLDER | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(self.open_as(path, flags)?.into())
    }

    /// The folder that something lies in, and its name there.
    fn place<'a>(&self, path: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
        match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => Ok((self.folder(folder)?, name)),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Opens without waiting, whatever lies there.
    fn open_with(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        let unwaiting = OFlags::NONBLOCK | OFlags::NOCTTY;
        self.open_as(path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | unwaiting)
    }

    fn open_as(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        let below = match path.strip_prefix(&self.path) {
            Ok(below) if below.as_os_str().is_empty() => Path::new("."),
            Ok(below) => below,
            Err(_) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let root = self.handle()?;
        let mode = match flags.contains(OFlags::CREATE) {
            true => PRIVATE_FILE,
            false => Mode::empty(),
        };
        match system::open_below(root, below, flags, mode) {
            Ok(file) => Ok(file.into()),
            Err(Errno::LOOP) => Err(PathRejection::SymbolicLink.into()),
            Err(Errno::NOTDIR) if flags.contains(OFlags::DIRECTORY) && self.is_link(path) => {
                Err(PathRejection::SymbolicLink.into())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn is_link(&self, path: &Path) -> bool {
        path.symlink_metadata()
            .is_ok_and(|metadata| metadata.is_symlink())
    }

    fn handle(&self) -> io::Result<&OwnedFd> {
        if let Some(handle) = self.handle.get() {
            return Ok(handle);
        }
        let flags = system::FOLDER | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, &self.path, flags, Mode::empty())?;
        Ok(self.handle.get_or_init(|| opened))
    }
}

/// Opens what lies below a folder, one folder after the other.
fn open_stepwise(root: &OwnedFd, below: &Path, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let mut folder: Option<OwnedFd> = None;
    let mut steps = below.components().peekable();
    while let Some(step) = steps.next() {
        let Component::Normal(name) = step else {
            return match step {
                Component::CurDir => rustix::fs::openat(root, ".", flags, mode),
                _ => Err(Errno::XDEV),
            };
        };
        let at = folder.as_ref().unwrap_or(root).as_fd();
        if steps.peek().is_none() {
            return rustix::fs::openat(at, name, flags, mode);
        }
        let on_the_way = system::FOLDER | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        folder = Some(match rustix::fs::openat(at, name, on_the_way, Mode::empty()) {
            // A link is no folder, and systems differ in which of the two they say.
            Err(Errno::NOTDIR) if is_link_at(at, name) => return Err(Errno::LOOP),
            opened => opened?,
        });
    }
    Err(Errno::NOENT)
}

fn is_link_at(folder: BorrowedFd<'_>, name: &OsStr) -> bool {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_symlink())
}

/// Removes a folder with all that is in it, or a file. No link is followed, and each folder is opened before it is
/// emptied, so that nothing else can take its place meanwhile.
fn remove_tree(folder: &OwnedFd, name: &OsStr) -> rustix::io::Result<()> {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if !FileType::from_raw_mode(found.st_mode).is_dir() {
        return rustix::fs::unlinkat(folder, name, AtFlags::empty());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inner = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    for inner_name in names_in(Dir::read_from(&inner)?)? {
        match remove_tree(&inner, &inner_name) {
            // Somebody was faster.
            Err(Errno::NOENT) => {}
            removed => removed?,
        }
    }
    rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
}

fn names_in(folder: Dir) -> rustix::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in folder {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
