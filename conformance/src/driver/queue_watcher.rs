//! Watches a run's queue folder from outside: which job file entered or left which stage folder, and how far the
//! shadow log had grown by when. The kernel keeps what happens until it is read, so no runner waits for this.

#[cfg(all(target_os = "linux", not(portable)))]
mod inotify_watch;
#[cfg(any(portable, not(target_os = "linux")))]
mod snapshot_watch;

use std::io::{PipeReader, PipeWriter};
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::evidence::QueueObservations;
#[cfg(all(target_os = "linux", not(portable)))]
use inotify_watch::InotifyWatch as QueueWatch;
#[cfg(any(portable, not(target_os = "linux")))]
use snapshot_watch::SnapshotWatch as QueueWatch;

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
        let mut watch = QueueWatch::open(queue, log)?;
        let thread = std::thread::Builder::new()
            .name("queue-watch".into())
            .spawn(move || {
                if let Err(error) = read_until(&stopped, &mut watch) {
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

/// Reads what there is whenever something happened, and once more at the end.
fn read_until(stopped: &PipeReader, watch: &mut QueueWatch) -> std::io::Result<()> {
    loop {
        let wanted = [watch.changes(), stopped.as_fd()];
        let mut polled = wanted.map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
        match poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let last = !polled[1].revents().is_empty();
        watch.read()?;
        if last {
            return Ok(());
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
    #[cfg_attr(
        any(portable, not(target_os = "linux")),
        ignore = "needs inotify, which reports each move"
    )]
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
