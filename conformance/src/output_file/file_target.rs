//! What a path that is to be written leads to.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;

/// As many links as the kernel follows.
const LINKS_MAX: usize = 40;

/// What a path leads to.
pub(super) enum OutputTarget {
    /// A descriptor of this process, a socket or a device.
    Open(File),
    Fifo,
    /// A regular file, by the name that it has in its folder.
    Regular(PathBuf, Metadata),
    /// A regular file that has to stay the one it is: it has other names too, or none.
    InPlace,
    /// Nothing yet; what is made there gets this name.
    Absent(PathBuf),
}

/// Where a path leads once every link is followed.
enum LinkEnd {
    Descriptor(i32),
    Path(PathBuf),
}

/// What decides whether two paths are of one file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileIdentity {
    Inode(u64, u64),
    /// Nothing is there yet.
    Path(PathBuf),
    /// A character device, such as the null device or a terminal, takes what several write.
    Shared,
}

impl OutputTarget {
    /// What this path leads to; what is no file of its own is opened.
    pub(super) fn of(path: &Path) -> io::Result<OutputTarget> {
        if let Ok(LinkEnd::Descriptor(number)) = LinkEnd::of(path) {
            return descriptor(number, path).map(OutputTarget::Open);
        }
        let about = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return match LinkEnd::of(path)? {
                    LinkEnd::Path(path) => Ok(OutputTarget::Absent(path)),
                    LinkEnd::Descriptor(_) => Err(error),
                };
            }
            about => about?,
        };
        let kind = about.file_type();
        if kind.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        if kind.is_fifo() {
            return Ok(OutputTarget::Fifo);
        }
        if kind.is_socket() {
            let stream = UnixStream::connect(path)?;
            return Ok(OutputTarget::Open(File::from(OwnedFd::from(stream))));
        }
        if !kind.is_file() {
            // A terminal that is written to does not become the one that Ctrl-C is typed at.
            return flagged(OFlags::NOCTTY).open(path).map(OutputTarget::Open);
        }
        Ok(match LinkEnd::of(path)? {
            LinkEnd::Path(path)
                if about.nlink() == 1 && FileIdentity::of(&path)? == FileIdentity::by(&about) =>
            {
                OutputTarget::Regular(path, about)
            }
            _ => OutputTarget::InPlace,
        })
    }

    pub(super) fn is_fifo(path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|about| about.file_type().is_fifo())
    }
}

impl LinkEnd {
    /// Follows links by hand: those of descriptors lead to no path, and the last may lead to what is not there yet.
    fn of(path: &Path) -> io::Result<LinkEnd> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder.canonicalize()?,
                _ => Path::new(".").canonicalize()?,
            };
            let is_folder = path.as_os_str().as_bytes().ends_with(b"/");
            let name = path.file_name().filter(|_| !is_folder);
            let name = name.ok_or(ErrorKind::IsADirectory)?;
            let number = name.to_str().and_then(|name| name.parse().ok());
            if let (Some(number), true) = (number, holds_descriptors(&folder)) {
                return Ok(LinkEnd::Descriptor(number));
            }
            let here = folder.join(name);
            match here.read_link() {
                Ok(target) => path = folder.join(target),
                Err(_) => return Ok(LinkEnd::Path(here)),
            }
        }
        Err(Errno::LOOP.into())
    }
}

/// Whether this folder's entries are the descriptors of this process.
fn holds_descriptors(folder: &Path) -> bool {
    let own = Path::new("/proc").join(std::process::id().to_string());
    folder == Path::new("/dev/fd") || (folder.starts_with(own) && folder.ends_with("fd"))
}

/// Writes where the descriptor of this number does, and goes on where that stands.
fn descriptor(number: i32, path: &Path) -> io::Result<File> {
    let file = match number {
        1 => File::from(io::stdout().as_fd().try_clone_to_owned()?),
        2 => File::from(io::stderr().as_fd().try_clone_to_owned()?),
        _ => OpenOptions::new().append(true).open(path)?,
    };
    match fcntl_getfl(&file)? & OFlags::RWMODE {
        OFlags::RDONLY => Err(Errno::BADF.into()),
        _ => Ok(file),
    }
}

/// What opens for writing with this flag.
pub(super) fn flagged(flag: OFlags) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(flag.bits().cast_signed());
    options
}

impl FileIdentity {
    pub(super) fn of(path: &Path) -> io::Result<FileIdentity> {
        match (fs::metadata(path), LinkEnd::of(path)) {
            (Ok(about), _) => Ok(FileIdentity::by(&about)),
            (Err(_), Ok(LinkEnd::Path(path))) => Ok(FileIdentity::Path(path)),
            (Err(error), _) => Err(error),
        }
    }

    pub(super) fn by(about: &Metadata) -> FileIdentity {
        match about.file_type().is_char_device() {
            true => FileIdentity::Shared,
            false => FileIdentity::Inode(about.dev(), about.ino()),
        }
    }

    /// Whether what is written to one would write over the other.
    pub(super) fn clashes(&self, other: &FileIdentity) -> bool {
        self == other && *self != FileIdentity::Shared
    }
}
