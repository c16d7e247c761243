//! Follows the queue folder on systems that do not report each move of a file: at each change below it, what the stages
//! hold is compared with what they held before. What a job did between two looks is not seen, and `seen` says so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::{Config, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};

use super::job_of;
use crate::evidence::{ObservedMove, QueueObservations};
use crate::sandbox::STAGES;

/// How often to look where the system tells of no change.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Shown where the moves are.
const TROUBLE: &str = "this system does not report each move of a file";

/// The stages of each job: more than one while it is copied.
type StagesByJob = BTreeMap<String, BTreeSet<&'static str>>;

/// What is looked at, and what was seen of it.
pub(super) struct SnapshotWatch {
    queue: PathBuf,
    log: PathBuf,
    /// A byte for some of the changes, and at least one after the last of them.
    changes: UnixStream,
    /// Told of by the system, or found by looking again and again. Dropped with this.
    _watcher: Box<dyn Watcher + Send>,
    present: StagesByJob,
    pub(super) seen: QueueObservations,
}

impl SnapshotWatch {
    pub(super) fn open(queue: &Path, log: &str) -> std::io::Result<SnapshotWatch> {
        let (changes, teller) = UnixStream::pair()?;
        changes.set_nonblocking(true)?;
        teller.set_nonblocking(true)?;
        let watcher = watcher_of(queue, &teller).map_err(std::io::Error::other)?;
        let mut watch = SnapshotWatch {
            queue: queue.to_owned(),
            log: queue.join(log),
            changes,
            _watcher: watcher,
            present: stages_by_job(queue),
            seen: QueueObservations::blind(TROUBLE),
        };
        watch.measure(Instant::now());
        watch.seen.log_before = watch.seen.log.pop().map_or(0, |(_, size)| size);
        Ok(watch)
    }

    /// What is readable once something may have happened.
    pub(super) fn changes(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }

    pub(super) fn read(&mut self) -> std::io::Result<()> {
        while matches!(self.changes.read(&mut [0; 64]), Ok(1..)) {}
        self.look();
        Ok(())
    }

    /// All that differs has the time after the look: by then it had happened.
    fn look(&mut self) {
        let now = stages_by_job(&self.queue);
        let at = Instant::now();
        self.measure(at);
        let before = std::mem::replace(&mut self.present, now);
        let jobs: BTreeSet<&String> = before.keys().chain(self.present.keys()).collect();
        let nowhere = BTreeSet::new();
        for job in jobs {
            let old = before.get(job).unwrap_or(&nowhere);
            let new = self.present.get(job).unwrap_or(&nowhere);
            let mut left = old.difference(new);
            let mut entered = new.difference(old);
            loop {
                let (from, to) = (left.next(), entered.next());
                if from.is_none() && to.is_none() {
                    break;
                }
                self.seen.moves.push(ObservedMove {
                    at,
                    job: job.clone(),
                    from: from.map(|stage| (*stage).to_owned()),
                    to: to.map(|stage| (*stage).to_owned()),
                });
            }
        }
    }

    fn measure(&mut self, at: Instant) {
        let size = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        if self.seen.log.last().is_none_or(|(_, last)| *last != size) {
            self.seen.log.push((at, size));
        }
    }
}

/// What tells of changes below this folder: the system itself, or looks at it where the system can't.
fn watcher_of(queue: &Path, teller: &UnixStream) -> notify::Result<Box<dyn Watcher + Send>> {
    let tell = || -> std::io::Result<_> {
        let mut teller = teller.try_clone()?;
        Ok(move |event: notify::Result<Event>| {
            // Our own look opens folders. A stream that is full tells enough.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                let _ = teller.write(&[0]);
            }
        })
    };
    let by_system = RecommendedWatcher::new(tell()?, Config::default()).and_then(|mut watcher| {
        watcher.watch(queue, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    if let Ok(watcher) = by_system {
        return Ok(Box::new(watcher));
    }
    let mut watcher = PollWatcher::new(tell()?, Config::default().with_poll_interval(LOOK_INTERVAL))?;
    watcher.watch(queue, RecursiveMode::Recursive)?;
    Ok(Box::new(watcher))
}

fn stages_by_job(queue: &Path) -> StagesByJob {
    let mut found = StagesByJob::new();
    for stage in STAGES {
        for entry in std::fs::read_dir(queue.join(stage))
            .into_iter()
            .flatten()
            .flatten()
        {
            if let Some(job) = job_of(&entry.file_name().to_string_lossy()) {
                found.entry(job.to_owned()).or_default().insert(stage);
            }
        }
    }
    found
}
