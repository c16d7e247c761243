//! What the runners of a queue tell of themselves: a file each in `.state/runners/`, locked while its runner lives.
//!
//! The lock is all that says that a runner is at work: it goes with the process, however that ends, and no process id
//! that was used again can take its place. Each text is a new file, locked before it is moved to its place, so that a
//! reader finds a whole one that is held, or one that nobody holds any more. A text that can't be written is given up.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, RenameFlags, flock};
use rustix::io::Errno;

use super::Queue;
use crate::boot_clock::BootInstant;
use crate::queue_root::QueueRoot;

const TEXT_BYTES_MAX: u64 = 64 * 1024;
/// A file that is replaced by a newer one while it is looked at is looked at again.
const READ_ATTEMPTS_MAX: u32 = 16;

/// The file of one runner.
#[derive(Debug)]
pub(crate) struct RunnerFile {
    root: QueueRoot,
    path: PathBuf,
    /// Where the next text is written first.
    scratch: PathBuf,
    /// The one in its place, open for as long as it has to be locked.
    held: Option<File>,
}

impl Queue {
    /// A file of this process's own; those of runners that are gone are removed.
    pub(crate) fn runner_file(&self) -> RunnerFile {
        let folder = folder_in(self.root());
        let _ = self.root.make_folder(&folder);
        for path in files_in(&self.root, &folder) {
            if let Ok(RunnerFileState::Stale) = look(&self.root, &path) {
                let _ = self.root.remove(&path);
            }
        }
        let name = format!("{}-{}", std::process::id(), BootInstant::now().nanos());
        RunnerFile {
            root: self.root.clone(),
            path: folder.join(format!("{name}.json")),
            scratch: self.scratch_folder().join(format!("runner-{name}")),
            held: None,
        }
    }
}

impl RunnerFile {
    pub(crate) fn write(&mut self, text: &[u8]) {
        match self.try_write(text) {
            Ok(file) => self.held = Some(file),
            Err(_) => {
                if self.held.is_none() {
                    // Its name tells who it is of, and there is more often room for a name than for a text.
                    self.held = self.try_write(b"").ok();
                }
                let _ = self.root.remove(&self.scratch);
                self.overwrite(text);
            }
        }
    }

    /// Where there is no room for another file, or no descriptor, the one in its place is written anew: by one write, so
    /// that a reader finds one text or the other, with blanks over what was longer.
    fn overwrite(&self, text: &[u8]) {
        let Some(file) = &self.held else { return };
        let length = file.metadata().map_or(0, |file| file.len());
        let length = usize::try_from(length).unwrap_or(0).max(text.len());
        let mut padded = text.to_vec();
        padded.resize(length, b' ');
        // A text that can't be written is given up.
        let _ = file.write_all_at(&padded, 0);
    }

    pub(crate) fn remove(&mut self) {
        if self.held.take().is_some() {
            let _ = self.root.remove(&self.path);
        }
    }

    fn try_write(&self, text: &[u8]) -> io::Result<File> {
        let mut file = self.root.create(&self.scratch)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        file.write_all(text)?;
        self.root
            .rename(&self.scratch, &self.path, RenameFlags::empty())?;
        Ok(file)
    }
}

/// What a runner at work tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RunnerText {
    /// By the name of its file.
    pub(crate) pid: Option<u32>,
    /// Empty where there was no room for it.
    pub(crate) text: Vec<u8>,
}

/// What the runners that are at work on a queue tell, for those who only want to know.
pub(crate) fn read_runner_files(queue_dir: &Path) -> Vec<RunnerText> {
    let root = QueueRoot::at(queue_dir);
    let mut paths = files_in(&root, &folder_in(queue_dir));
    paths.sort();
    let texts = paths.iter().filter_map(|path| match look(&root, path) {
        Ok(RunnerFileState::Alive(text)) => Some(RunnerText {
            pid: pid_in(path),
            text,
        }),
        Ok(RunnerFileState::Stale) | Err(_) => None,
    });
    texts.collect()
}

fn pid_in(path: &Path) -> Option<u32> {
    let (pid, _) = path.file_stem()?.to_str()?.split_once('-')?;
    pid.parse().ok()
}

fn folder_in(queue_dir: &Path) -> PathBuf {
    queue_dir.join(".state").join("runners")
}

/// None where there is no such folder: a queue of an earlier version, or one that nothing has run.
fn files_in(root: &QueueRoot, folder: &Path) -> Vec<PathBuf> {
    let names = root.names(folder).unwrap_or_default().into_iter();
    let paths = names.map(|name| folder.join(name));
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect()
}

enum RunnerFileState {
    /// Its runner lives.
    Alive(Vec<u8>),
    /// Its runner is gone.
    Stale,
}

fn look(root: &QueueRoot, path: &Path) -> io::Result<RunnerFileState> {
    for _ in 0..READ_ATTEMPTS_MAX {
        let file = root.open_regular(path)?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => {
                let mut text = Vec::new();
                file.take(TEXT_BYTES_MAX).read_to_end(&mut text)?;
                return Ok(RunnerFileState::Alive(text));
            }
            Err(errno) => return Err(errno.into()),
            Ok(()) => {}
        }
        // Nobody holds it: left behind, or replaced since it was opened.
        if path.symlink_metadata()?.ino() == file.metadata()?.ino() {
            return Ok(RunnerFileState::Stale);
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn queue() -> (tempfile::TempDir, Queue) {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        (folder, queue)
    }

    fn texts(queue: &Queue) -> Vec<Vec<u8>> {
        let found = read_runner_files(queue.root());
        let own = Some(std::process::id());
        assert!(found.iter().all(|found| found.pid == own), "{found:?}");
        found.into_iter().map(|found| found.text).collect()
    }

    #[test]
    fn where_there_is_no_room_for_another_text_the_old_one_is_written_over() {
        let (_folder, queue) = queue();
        let mut own = queue.runner_file();
        own.write(b"a longer text");
        own.overwrite(b"short");
        assert_eq!(texts(&queue), [b"short        "]);
        own.overwrite(b"the longest text of all");
        assert_eq!(texts(&queue), [b"the longest text of all"]);
    }

    #[test]
    fn what_a_runner_tells_last_is_seen_until_it_is_gone_however_that_comes_about() {
        let (_folder, queue) = queue();
        assert!(read_runner_files(queue.root()).is_empty());
        let (mut one, mut other) = (queue.runner_file(), queue.runner_file());
        one.write(b"first");
        one.write(b"second");
        other.write(b"other");
        assert_eq!(texts(&queue), [&b"second"[..], b"other"]);
        one.remove();
        assert_eq!(texts(&queue), [b"other"]);
        // As if it were killed: its lock goes, its file stays, until the next runner comes.
        drop(other);
        for path in files_in(queue.below(), &folder_in(queue.root())) {
            // A child of a test beside this one has the lock as well, until it has become its program.
            flock(File::open(path).unwrap(), FlockOperation::LockExclusive).unwrap();
        }
        assert!(read_runner_files(queue.root()).is_empty());
        assert_eq!(files_in(queue.below(), &folder_in(queue.root())).len(), 1);
        queue.runner_file();
        assert!(files_in(queue.below(), &folder_in(queue.root())).is_empty());
    }

    #[test]
    fn what_is_no_file_of_a_runner_is_passed_over_and_never_waited_for() {
        let (_folder, queue) = queue();
        let mut own = queue.runner_file();
        let folder = folder_in(queue.root());
        fs::create_dir(folder.join("folder.json")).unwrap();
        let mut pipe = std::process::Command::new("mkfifo");
        assert!(pipe.arg(folder.join("pipe.json")).status().unwrap().success());
        std::os::unix::fs::symlink("/dev/full", folder.join("link.json")).unwrap();
        fs::write(folder.join("left.json"), "{").unwrap();
        own.write(b"own");
        assert_eq!(texts(&queue), [b"own"]);
    }

    #[test]
    fn a_place_that_can_not_be_written_to_is_no_trouble() {
        let (_folder, queue) = queue();
        fs::write(folder_in(queue.root()), "in the way").unwrap();
        let mut own = queue.runner_file();
        own.write(b"own");
        own.remove();
        assert!(read_runner_files(queue.root()).is_empty());
        let scratch = fs::read_dir(queue.scratch_folder()).unwrap().count();
        assert_eq!(scratch, 0);
    }

    #[test]
    fn readers_that_look_while_a_runner_writes_always_see_it() {
        let (_folder, queue) = queue();
        let mut own = queue.runner_file();
        own.write(b"own");
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| (0..300).all(|_| texts(&queue) == [b"own"])))
                .collect();
            while readers.iter().any(|reader| !reader.is_finished()) {
                own.write(b"own");
            }
            assert!(readers.into_iter().all(|reader| reader.join().unwrap()));
        });
    }
}
