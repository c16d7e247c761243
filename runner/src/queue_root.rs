//! Files below a queue folder, reached without following a link on the way (clause O-18).
//!
//! Jobs share the runner's user, so a job can put a link where the runner is about to write. The queue folder itself may
//! be reached by a link; it is opened once, and all else is found from there.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

/// Job files and the output of jobs may hold secrets of their owner.
const PRIVATE_FILE: Mode = Mode::from_raw_mode(0o600);
/// Nobody else may change the queue's own state, or hold its locks.
const PRIVATE_FOLDER: Mode = Mode::from_raw_mode(0o700);
/// The mode of the queue folder and its stages; a looser umask does not make them writable for others.
const QUEUE_FOLDER_MODE: u32 = 0o755;

/// A queue folder; all paths that its methods are given begin with its path.
#[derive(Debug, Clone)]
pub(crate) struct QueueRoot {
    path: PathBuf,
    /// Opened when it is first needed: what its name leads to later does not matter to this process.
    handle: Arc<OnceLock<OwnedFd>>,
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
        let mut names = Vec::new();
        for entry in Dir::new(open)? {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
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
            true => Mode::from_raw_mode(QUEUE_FOLDER_MODE),
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
        let remove = || {
            let (folder, name) = self.place(path)?;
            // `remove_dir_all` follows no link below what it is given, and this name of an open folder leads nowhere
            // else.
            let folder = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
            std::fs::remove_dir_all(folder.join(name))
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

    fn folder(&self, path: &Path) -> io::Result<OwnedFd> {
        Ok(self.open_with(path, OFlags::PATH | OFlags::DIRECTORY)?.into())
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
        let flags = match flags.contains(OFlags::PATH) {
            true => flags | OFlags::CLOEXEC | OFlags::NOFOLLOW,
            false => flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY,
        };
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
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let opened = match rustix::fs::openat2(root, below, flags, mode, resolve) {
            // The system doesn't have this call, or a filter forbids it.
            Err(Errno::NOSYS | Errno::PERM) => open_stepwise(root, below, flags, mode),
            opened => opened,
        };
        match opened {
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
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, &self.path, flags, Mode::empty())?;
        Ok(self.handle.get_or_init(|| opened))
    }
}

/// Does the same, one folder after the other.
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
        let on_the_way = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = rustix::fs::openat(at, name, on_the_way, Mode::empty())?;
        if rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&next)?.st_mode).is_symlink() {
            return Err(Errno::LOOP);
        }
        folder = Some(next);
    }
    Err(Errno::NOENT)
}

#[cfg(test)]
mod tests;
