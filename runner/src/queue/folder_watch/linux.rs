//! Watches by inotify, which also tells that a writer has closed a file.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::{ChangeSource, FolderChanges, WatchedFileState};
use crate::queue::{Queue, is_job_file, locks};
use crate::stage::Stage;

/// Of a watched folder itself.
const GONE: WatchFlags = WatchFlags::DELETE_SELF.union(WatchFlags::MOVE_SELF);

/// While no event comes, or none of other hosts.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// By the numbers that `statfs(2)` tells: NFS, SMB (three of them), 9P, FUSE, Ceph, AFS, VirtualBox, VMware.
const SHARED_FILE_SYSTEMS: [u32; 10] = [
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x6573_5546,
    0x00c3_6400,
    0x6b41_4653,
    0x786f_4256,
    0xbacb_acbc,
];

/// Readable when something changed.
#[derive(Debug)]
pub(crate) struct InotifyWatcher {
    descriptor: OwnedFd,
    inbox: i32,
    source: ChangeSource,
}

impl InotifyWatcher {
    pub(crate) fn start(queue: &Queue) -> Result<InotifyWatcher, std::io::Error> {
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let files =
            WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM | WatchFlags::DELETE;
        let inbox = inotify::add_watch(
            &descriptor,
            queue.folder(Stage::Inbox),
            files | WatchFlags::CREATE | GONE,
        )?;
        for folder in [queue.cancel_folder()].into_iter().chain(locks::folders(queue)) {
            inotify::add_watch(&descriptor, folder, WatchFlags::CLOSE_WRITE | GONE)?;
        }
        // These are moved there when they are written.
        inotify::add_watch(&descriptor, queue.approval_folder(), WatchFlags::MOVED_TO)?;
        let pause = WatchFlags::MOVED_TO | WatchFlags::DELETE;
        for folder in [queue.pause_folder(), queue.paused_folder()] {
            inotify::add_watch(&descriptor, folder, pause)?;
        }
        // Where `aq.toml` lies; nothing else is ever written there.
        inotify::add_watch(&descriptor, queue.root(), files | GONE)?;
        let mut watcher = InotifyWatcher {
            descriptor,
            inbox,
            source: ChangeSource::Polling,
        };
        if watcher.is_told_of_a_probe(queue) && !is_shared(queue) {
            watcher.source = ChangeSource::Events;
        }
        Ok(watcher)
    }

    /// A change that has to be told of. The name is hidden, so it is no job's.
    fn is_told_of_a_probe(&self, queue: &Queue) -> bool {
        let probe = queue
            .cancel_folder()
            .join(format!(".probe-{}", std::process::id()));
        let made = queue.below().create(&probe).map(drop);
        let made = made.and_then(|()| queue.below().remove(&probe));
        // Where there is no room for it nothing is proven.
        made.is_ok() && self.take().any
    }

    /// How often to look without being told.
    pub(crate) fn look_interval(&self) -> Option<Duration> {
        match self.source {
            ChangeSource::Events => None,
            ChangeSource::Polling => Some(POLL_INTERVAL),
        }
    }

    pub(crate) fn source(&self) -> ChangeSource {
        self.source
    }

    /// All that happened since the last call.
    pub(crate) fn take(&self) -> FolderChanges {
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut reader = inotify::Reader::new(self.descriptor.as_fd(), &mut buffer);
        let mut changes = match self.source {
            ChangeSource::Events => FolderChanges::default(),
            // Nobody can say what did not happen.
            ChangeSource::Polling => FolderChanges::everything(),
        };
        loop {
            let next = reader.next();
            changes.any |= next.is_ok();
            match next {
                Ok(event) if event.events().intersects(gone()) => changes.folder_gone = true,
                Ok(event) if event.wd() == self.inbox => {
                    let name = event
                        .file_name()
                        .map(|name| OsStr::from_bytes(name.to_bytes()).to_owned());
                    let sign = match event.events().contains(ReadFlags::CREATE) {
                        true => WatchedFileState::Opened,
                        false => WatchedFileState::Closed,
                    };
                    let name = name.filter(|name| is_job_file(name));
                    changes.inbox.extend(name.map(|name| (name, sign)));
                }
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => changes.everything = true,
                Ok(_) => {}
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return changes,
                // Can't be read any more: the safe answer is that anything may have changed.
                Err(_) => return FolderChanges::everything(),
            }
        }
    }
}

/// Whether other hosts can change the folder: of that the system of this one is not told.
fn is_shared(queue: &Queue) -> bool {
    let found = rustix::fs::statfs(queue.folder(Stage::Inbox));
    found.is_ok_and(|found| SHARED_FILE_SYSTEMS.contains(&(found.f_type as u32)))
}

fn gone() -> ReadFlags {
    ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED | ReadFlags::UNMOUNT
}

impl AsFd for InotifyWatcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for InotifyWatcher {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_job_file_is_told_once_as_something_that_changed() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        let watch = InotifyWatcher::start(&queue).unwrap();
        assert_eq!(watch.take(), FolderChanges::default());
        for path in [queue.root().join("aq.toml"), queue.cancel_folder().join("alpha")] {
            std::fs::write(path, "").unwrap();
            let told = FolderChanges {
                any: true,
                ..FolderChanges::default()
            };
            assert_eq!(watch.take(), told);
            assert_eq!(watch.take(), FolderChanges::default());
        }
    }

    #[test]
    fn an_approval_is_told_once_and_is_whole_then() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        let approvals = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&approvals, queue.approval_folder(), WatchFlags::ALL_EVENTS).unwrap();
        let watch = InotifyWatcher::start(&queue).unwrap();
        let id = crate::ids::JobId::new("alpha").unwrap();
        queue
            .approve(&id, &crate::queue::FileDigest::of(b"a job"))
            .unwrap();
        assert!(watch.take().any);
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut events = inotify::Reader::new(&approvals, &mut buffer);
        assert_eq!(events.next().unwrap().events(), ReadFlags::MOVED_TO);
        assert_eq!(events.next().err(), Some(Errno::AGAIN));
    }

    #[test]
    fn a_pause_and_its_end_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        let watch = InotifyWatcher::start(&queue).unwrap();
        queue.pause(None).unwrap();
        assert!(watch.take().any);
        queue.resume().unwrap();
        assert!(watch.take().any);
    }
}
