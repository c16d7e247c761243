//! Watches a run's queue folder from outside: which job file entered or left which stage folder, and how far the
//! shadow log had grown by when. The kernel keeps what happens until it is read, so no runner waits for this.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{PipeReader, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::evidence::{ObservedMove, QueueObservations};
use crate::sandbox::STAGES;

/// A watch on its way.
pub(super) struct QueueWatcher {
    /// Its end is what ends the watch.
    stop: PipeWriter,
    thread: JoinHandle<QueueObservations>,
}

impl QueueWatcher {
    /// Watches `job_queue` and the shadow log at this path below it.
    pub(super) fn start(queue: &Path, log: &str) -> std::io::Result<QueueWatcher> {
        let (stopped, stop) = std::io::pipe()?;
        let mut watch = InotifyWatch::open(queue, log)?;
        let thread = std::thread::Builder::new()
            .name("queue-watch".into())
            .spawn(move || {
                if let Err(error) = watch.until(&stopped) {
                    watch.seen.trouble = Some(error.to_string());
                }
                watch.seen
            })?;
        Ok(QueueWatcher { stop, thread })
    }

    /// All that was seen up to now.
    pub(super) fn finish(self) -> QueueObservations {
        drop(self.stop);
        self.thread
            .join()
            .unwrap_or_else(|_| QueueObservations::blind("the watch ended by itself"))
    }
}

/// What is looked at, and what was seen of it.
struct InotifyWatch {
    descriptor: OwnedFd,
    queue: PathBuf,
    log: PathBuf,
    folders: BTreeMap<i32, PathBuf>,
    /// Job files by stage, as far as it is known.
    present: BTreeSet<(String, String)>,
    /// Moves that may have a second half, by the kernel's number for them.
    unpaired_moves: BTreeMap<u32, usize>,
    seen: QueueObservations,
}

impl InotifyWatch {
    fn open(queue: &Path, log: &str) -> std::io::Result<InotifyWatch> {
        let mut watch = InotifyWatch {
            descriptor: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            queue: queue.to_owned(),
            log: queue.join(log),
            folders: BTreeMap::new(),
            present: BTreeSet::new(),
            unpaired_moves: BTreeMap::new(),
            seen: QueueObservations::default(),
        };
        watch.look(queue, Instant::now())?;
        // What lay there before is no doing of the run.
        watch.seen.moves.clear();
        watch.seen.log_before = watch.seen.log.pop().map_or(0, |(_, size)| size);
        Ok(watch)
    }

    fn until(&mut self, stopped: &PipeReader) -> std::io::Result<()> {
        loop {
            let wanted = [self.descriptor.as_fd(), stopped.as_fd()];
            let mut polled = wanted.map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
            match poll(&mut polled, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let last = !polled[1].revents().is_empty();
            self.read()?;
            if last {
                return Ok(());
            }
        }
    }

    /// Takes what the kernel holds. All that it gives at once has the time at which it was given: by then it had
    /// happened.
    fn read(&mut self) -> std::io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut noticed = Vec::new();
        {
            let mut reader = Reader::new(self.descriptor.as_fd(), &mut buffer);
            let mut at = Instant::now();
            loop {
                let given = reader.is_buffer_empty();
                match reader.next() {
                    Ok(event) => {
                        if given {
                            at = Instant::now();
                        }
                        let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
                        noticed.push((at, event.wd(), event.events(), event.cookie(), name));
                    }
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        for (at, folder, what, cookie, name) in noticed {
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                self.seen.trouble = Some("more happened at once than the kernel keeps".into());
            }
            if let (Some(folder), Some(name)) = (self.folders.get(&folder).cloned(), name) {
                self.take(at, &folder, what, cookie, &name)?;
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        at: Instant,
        folder: &Path,
        what: ReadFlags,
        cookie: u32,
        name: &str,
    ) -> std::io::Result<()> {
        let path = folder.join(name);
        let arrives = what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
        if what.contains(ReadFlags::ISDIR) {
            return match arrives {
                true => self.look(&path, at),
                false => Ok(()),
            };
        }
        if path == self.log {
            self.measure(at);
        }
        let (Some(stage), Some(job)) = (self.stage(folder), job_of(name)) else {
            return Ok(());
        };
        if arrives {
            self.enters(at, job, stage, cookie);
        } else if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            self.leaves(at, job, stage, cookie);
        }
        Ok(())
    }

    fn enters(&mut self, at: Instant, job: &str, stage: &str, cookie: u32) {
        let known = !self.present.insert((stage.to_owned(), job.to_owned()));
        let first_half = (cookie != 0)
            .then(|| self.unpaired_moves.remove(&cookie))
            .flatten();
        let moves = &mut self.seen.moves;
        match first_half.and_then(|index| moves.get_mut(index)) {
            Some(half) if half.job == job => {
                half.at = at;
                half.to = Some(stage.to_owned());
            }
            // It was found when the folder was new, and the kernel reports it as well.
            _ if known => {}
            _ => moves.push(ObservedMove {
                at,
                job: job.to_owned(),
                from: None,
                to: Some(stage.to_owned()),
            }),
        }
    }

    fn leaves(&mut self, at: Instant, job: &str, stage: &str, cookie: u32) {
        self.present.remove(&(stage.to_owned(), job.to_owned()));
        if cookie != 0 {
            self.unpaired_moves.insert(cookie, self.seen.moves.len());
        }
        self.seen.moves.push(ObservedMove {
            at,
            job: job.to_owned(),
            from: Some(stage.to_owned()),
            to: None,
        });
    }

    /// Watches a folder that matters, from now on, and takes in what it holds already.
    fn look(&mut self, folder: &Path, at: Instant) -> std::io::Result<()> {
        let on_the_way = self.log.parent().is_some_and(|log| log.starts_with(folder));
        if folder != self.queue && self.stage(folder).is_none() && !on_the_way {
            return Ok(());
        }
        let what = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::MODIFY
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(&self.descriptor, folder, what) {
            Ok(number) => self.folders.insert(number, folder.to_owned()),
            // It is gone again, or is made so that nothing can be in it.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.look(&path, at)?;
            } else if path == self.log {
                self.measure(at);
            } else if let (Some(stage), Some(job)) = (self.stage(folder), job_of(&name.to_string_lossy())) {
                self.enters(at, job, stage, 0);
            }
        }
        Ok(())
    }

    fn stage(&self, folder: &Path) -> Option<&'static str> {
        let name = folder.strip_prefix(&self.queue).ok()?;
        STAGES.into_iter().find(|stage| Path::new(stage) == name)
    }

    fn measure(&mut self, at: Instant) {
        let size = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        if self.seen.log.last().is_none_or(|(_, last)| *last != size) {
            self.seen.log.push((at, size));
        }
    }
}

/// The job whose file has this name; what is only on its way into a folder has other names.
fn job_of(name: &str) -> Option<&str> {
    name.strip_suffix(".md")
        .filter(|job| !job.is_empty() && !job.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn noticed(seen: &QueueObservations) -> Vec<String> {
        let name = |stage: &Option<String>| stage.clone().unwrap_or_else(|| "-".into());
        let moves = seen.moves.iter();
        moves
            .map(|moved| format!("{} {} {}", moved.job, name(&moved.from), name(&moved.to)))
            .collect()
    }

    #[test]
    fn moves_between_stages_are_seen_and_nothing_else_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let queue = folder.path().join("queue");
        for name in ["inbox", "building", "shipped", ".state"] {
            fs::create_dir_all(queue.join(name)).expect("a stage");
        }
        fs::write(queue.join("inbox/old.md"), "old").expect("a job");
        let watch = QueueWatcher::start(&queue, ".state/fleet-shadow.log").expect("a watch");
        let rename = |from: &str, to: &str| fs::rename(queue.join(from), queue.join(to)).expect("a rename");
        fs::write(queue.join(".state/new"), "alpha").expect("a job");
        rename(".state/new", "inbox/alpha.md");
        rename("inbox/alpha.md", "building/alpha.md");
        rename("building/alpha.md", "shipped/alpha.md");
        fs::copy(queue.join("shipped/alpha.md"), queue.join("inbox/copy.md")).expect("a copy");
        fs::write(queue.join("inbox/.half.md"), "no job yet").expect("a file");
        rename("inbox/.half.md", "inbox/whole.md");
        fs::remove_file(queue.join("inbox/copy.md")).expect("a file");
        rename("inbox/old.md", ".state/old.md");
        let seen = watch.finish();
        let expected = [
            "alpha - inbox",
            "alpha inbox building",
            "alpha building shipped",
            "copy - inbox",
            "whole - inbox",
            "copy inbox -",
            "old inbox -",
        ];
        assert_eq!(
            (noticed(&seen), seen.trouble),
            (expected.map(String::from).to_vec(), None)
        );
    }

    #[test]
    fn a_stage_that_is_made_later_is_watched_with_what_lies_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let queue = folder.path().join("queue");
        fs::create_dir(&queue).expect("a queue");
        let watch = QueueWatcher::start(&queue, "logs/deep/shadow.log").expect("a watch");
        fs::create_dir(queue.join("new")).expect("a folder");
        fs::write(queue.join("new/alpha.md"), "alpha").expect("a job");
        fs::rename(queue.join("new"), queue.join("inbox")).expect("a stage");
        fs::create_dir_all(queue.join("logs/deep")).expect("a folder");
        fs::write(queue.join("logs/deep/shadow.log"), "a line\n").expect("a log");
        let seen = watch.finish();
        assert_eq!(noticed(&seen), ["alpha - inbox"]);
        assert!(seen.log_reached(7).is_some(), "{:?}", seen.log);
        assert!(seen.log_reached(8).is_none(), "{:?}", seen.log);
    }

    #[test]
    fn what_the_log_held_before_has_no_moment() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        fs::write(&log, "old\n").expect("a log");
        let watch = QueueWatcher::start(folder.path(), "log").expect("a watch");
        fs::write(&log, "old\nnew\n").expect("a log");
        let seen = watch.finish();
        assert!(seen.log_reached(4).is_none());
        assert!(seen.log_reached(8).is_some());
    }
}
