//! Watches by what the system has for it, which is FSEvents on a Mac, and polls until that has told of a change.
//!
//! An event only means that it is time to look. FSEvents tells late, joins what happened within a short time, repeats
//! what it said of a file before, and says nothing of a writer that closes a file. On some disks it stays silent
//! without an error. So each look is at the whole inbox, and the first look of all makes a change itself: where nobody
//! tells of that one, the queue is looked at every second for as long as the run lasts.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::{ChangeSource, FolderChanges};
use crate::queue::Queue;
use crate::stage::Stage;

/// While no event has come.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Where events come, in case that one is lost.
const RECHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Readable when something changed.
#[derive(Debug)]
pub(crate) struct NotifyWatcher {
    /// Gets a byte for each event from the thread of the watcher.
    news: UnixStream,
    /// Set by that thread at the first event.
    is_told: Arc<AtomicBool>,
    /// The watched folders, by device and inode.
    folders: Vec<(PathBuf, (u64, u64))>,
    /// Ends that thread when it is dropped.
    _watcher: RecommendedWatcher,
}

impl NotifyWatcher {
    pub(crate) fn start(queue: &Queue) -> io::Result<NotifyWatcher> {
        let (news, sender) = UnixStream::pair()?;
        news.set_nonblocking(true)?;
        sender.set_nonblocking(true)?;
        let is_told = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_told);
        let note = move |event: notify::Result<notify::Event>| {
            if is_look(&event) {
                return;
            }
            told.store(true, Ordering::Release);
            // It is full where nobody has looked for long: then whoever looks finds something in it all the same.
            let _ = (&sender).write(&[0]);
        };
        let mut watcher = notify::recommended_watcher(note).map_err(io::Error::other)?;
        let mut folders = Vec::new();
        for folder in [
            queue.folder(Stage::Inbox),
            queue.cancel_folder(),
            queue.approval_folder(),
            queue.pause_folder(),
            queue.paused_folder(),
            // Where `aq.toml` lies.
            queue.root().to_owned(),
        ] {
            watch(&mut watcher, &folder)?;
            let identity = identity(&folder)?;
            folders.push((folder, identity));
        }
        // A change that has to be told of. The name is hidden, so it is no job's.
        let probe = queue
            .cancel_folder()
            .join(format!(".probe-{}", std::process::id()));
        queue.below().create(&probe)?;
        queue.below().remove(&probe)?;
        Ok(NotifyWatcher {
            news,
            is_told,
            folders,
            _watcher: watcher,
        })
    }

    /// What happened since the last call: nobody can say what not, but whether a folder is another than was watched.
    pub(crate) fn take(&self) -> FolderChanges {
        let mut any = false;
        let mut bytes = [0; 256];
        while (&self.news).read(&mut bytes).is_ok_and(|count| count > 0) {
            any = true;
        }
        FolderChanges {
            any,
            folder_gone: any && self.has_lost_a_folder(),
            ..FolderChanges::everything()
        }
    }

    fn has_lost_a_folder(&self) -> bool {
        let is_lost = |(folder, known): &(PathBuf, _)| identity(folder).ok() != Some(*known);
        self.folders.iter().any(is_lost)
    }

    /// How often to look without being told.
    pub(crate) fn look_interval(&self) -> Option<Duration> {
        Some(match self.source() {
            ChangeSource::Events => RECHECK_INTERVAL,
            ChangeSource::Polling => POLL_INTERVAL,
        })
    }

    pub(crate) fn source(&self) -> ChangeSource {
        match self.is_told.load(Ordering::Acquire) {
            true => ChangeSource::Events,
            false => ChangeSource::Polling,
        }
    }
}

/// Somebody has only looked: this process opens files too, and must not wake itself by that.
fn is_look(event: &notify::Result<notify::Event>) -> bool {
    event.as_ref().is_ok_and(|event| event.kind.is_access())
}

fn identity(folder: &Path) -> io::Result<(u64, u64)> {
    let found = folder.metadata()?;
    Ok((found.dev(), found.ino()))
}

fn watch(watcher: &mut RecommendedWatcher, folder: &Path) -> io::Result<()> {
    // FSEvents is asked by text, and its events have the name that no link leads to.
    let folder = folder.canonicalize()?;
    if folder.to_str().is_none() {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    watcher
        .watch(&folder, RecursiveMode::NonRecursive)
        .map_err(io::Error::other)
}

impl AsFd for NotifyWatcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}

impl AsRawFd for NotifyWatcher {
    fn as_raw_fd(&self) -> RawFd {
        self.news.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, AccessMode, CreateKind};
    use notify::{Event, EventKind};
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn queue() -> (tempfile::TempDir, Queue) {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        (folder, queue)
    }

    fn wait_for_news(watch: &NotifyWatcher) {
        poll(&mut [PollFd::new(watch, PollFlags::IN)], None).unwrap();
    }

    #[test]
    fn each_look_is_at_everything_and_a_change_wakes() {
        let (_folder, queue) = queue();
        let watch = NotifyWatcher::start(&queue).unwrap();
        wait_for_news(&watch);
        let changes = watch.take();
        assert!(changes.any && changes.everything && changes.inbox.is_empty());
        for path in [
            queue.folder(Stage::Inbox).join("a.md"),
            queue.cancel_folder().join("a"),
            queue.root().join("aq.toml"),
        ] {
            std::fs::write(path, "").unwrap();
            wait_for_news(&watch);
            assert!(watch.take().any);
        }
        queue.pause(None).unwrap();
        wait_for_news(&watch);
        assert!(watch.take().any);
    }

    #[test]
    fn a_folder_is_gone_when_another_one_has_its_name_or_none_and_not_whenever_something_changes() {
        let (folder, queue) = queue();
        let watch = NotifyWatcher::start(&queue).unwrap();
        let inbox = queue.folder(Stage::Inbox);
        let is_gone = |act: &dyn Fn() -> io::Result<()>| {
            act().unwrap();
            wait_for_news(&watch);
            watch.take().folder_gone
        };
        assert!(!is_gone(&|| std::fs::write(inbox.join("a.md"), "")));
        assert!(!is_gone(&|| std::fs::rename(
            queue.folder(Stage::Shipped),
            folder.path().join("shipped")
        )));
        assert!(is_gone(&|| std::fs::rename(&inbox, folder.path().join("inbox"))));
        assert!(is_gone(&|| std::fs::create_dir(&inbox)));
    }

    #[test]
    fn the_queue_is_polled_every_second_until_a_change_was_told() {
        let (_folder, queue) = queue();
        let watch = NotifyWatcher::start(&queue).unwrap();
        wait_for_news(&watch);
        assert_eq!(watch.source(), ChangeSource::Events);
        assert_eq!(watch.look_interval(), Some(RECHECK_INTERVAL));
        watch.is_told.store(false, Ordering::Release);
        assert_eq!(watch.source(), ChangeSource::Polling);
        assert_eq!(watch.look_interval(), Some(POLL_INTERVAL));
    }

    #[test]
    fn the_probe_is_gone_when_the_watcher_has_started() {
        let (_folder, queue) = queue();
        let _watch = NotifyWatcher::start(&queue).unwrap();
        assert!(queue.below().names(&queue.cancel_folder()).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_was_only_opened_wakes_nobody() {
        let of = |kind| Ok(Event::new(kind));
        assert!(is_look(&of(EventKind::Access(AccessKind::Open(AccessMode::Any)))));
        assert!(!is_look(&of(EventKind::Create(CreateKind::Any))));
        assert!(!is_look(&Err(notify::Error::generic("lost"))));
    }
}
