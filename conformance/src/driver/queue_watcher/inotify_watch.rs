//! Follows the queue folder by inotify, which reports every move of a file with both of its ends.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::job_of;
use crate::evidence::{ObservedMove, QueueObservations};
use crate::sandbox::STAGES;

/// What is looked at, and what was seen of it.
pub(super) struct InotifyWatch {
    descriptor: OwnedFd,
    queue: PathBuf,
    log: PathBuf,
    folders: BTreeMap<i32, PathBuf>,
    /// Job files by stage, as far as it is known.
    present: BTreeSet<(String, String)>,
    /// Moves that may have a second half, by the kernel's number for them.
    unpaired_moves: BTreeMap<u32, usize>,
    pub(super) seen: QueueObservations,
}

impl InotifyWatch {
    pub(super) fn open(queue: &Path, log: &str) -> std::io::Result<InotifyWatch> {
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

    /// What is readable once something happened.
    pub(super) fn changes(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Takes what the kernel holds. All that it gives at once has the time at which it was given: by then it had
    /// happened.
    pub(super) fn read(&mut self) -> std::io::Result<()> {
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
