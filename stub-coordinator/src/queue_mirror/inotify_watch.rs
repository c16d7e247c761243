//! Tells by inotify that a file was moved into a folder, or was written there to its end.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// A folder that is watched until this is dropped.
pub(super) struct InotifyWatch {
    descriptor: OwnedFd,
}

impl InotifyWatch {
    pub(super) fn open(folder: &Path) -> io::Result<InotifyWatch> {
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(
            &descriptor,
            folder,
            WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE,
        )?;
        Ok(InotifyWatch { descriptor })
    }

    /// What is readable once there was a change.
    pub(super) fn changes(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// To be called before the folder is read.
    pub(super) fn forget_changes(&mut self) {
        let mut space = [MaybeUninit::uninit(); 16_384];
        let mut events = inotify::Reader::new(&self.descriptor, &mut space);
        while events.next().is_ok() {}
    }
}
