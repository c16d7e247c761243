//! A rehearsal on a real queue: what enters the `inbox/` of a local queue folder is submitted here, in the order in
//! which it was enqueued there. Nothing is written to the folder, and where its jobs go from there is not followed:
//! the factory's own shadow reports say that.

#[cfg(all(target_os = "linux", not(portable)))]
mod inotify_watch;
#[cfg(any(portable, not(target_os = "linux")))]
mod notify_watch;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, PipeReader, PipeWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde::Deserialize;
use thiserror::Error;

use crate::contract::execution_mode::ExecutionMode;
use crate::coordinator::commands::{CommandRefusal, CoordinatorCommand, JobNaming, JobSubmission};
use crate::job_file::read_job_file;
use crate::shared_stub::SharedStub;
#[cfg(all(target_os = "linux", not(portable)))]
use inotify_watch::InotifyWatch as FolderWatch;
#[cfg(any(portable, not(target_os = "linux")))]
use notify_watch::NotifyWatch as FolderWatch;

/// The longest history of a job that is read; a longer one says its sequence in its end.
const HISTORY_LIMIT: usize = 1_048_576;

/// Why a queue folder can't be mirrored.
#[derive(Debug, Error)]
#[error("can't watch the inbox {path}; give the folder of a queue, the one that `inbox/` lies in")]
pub struct MirrorError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// A queue folder that is being followed, until this is dropped.
#[derive(Debug)]
pub(crate) struct QueueMirror {
    /// Closed to end the thread.
    stop: Option<PipeWriter>,
    /// Follows the inbox; none once it was joined.
    thread: Option<JoinHandle<()>>,
}

/// One line of a job's history, as far as it is looked at.
#[derive(Deserialize)]
struct HistoryLine {
    #[serde(default)]
    sequence: Option<u64>,
}

impl QueueMirror {
    /// Submits what lies in the inbox, then follows it. `tell` is given a line about each file that is no job.
    pub(crate) fn follow(
        shared: Arc<SharedStub>,
        queue: &Path,
        tell: impl Fn(String) + Send + 'static,
    ) -> Result<QueueMirror, MirrorError> {
        let inbox = queue.join("inbox");
        let failed = |source: io::Error| MirrorError {
            path: inbox.clone(),
            source,
        };
        // Watched before it is read: what comes in between is seen twice rather than never.
        let watch = FolderWatch::open(&inbox).map_err(failed)?;
        let (ended, stop) = io::pipe().map_err(failed)?;
        let mut follower = InboxWatcher {
            shared,
            queue: queue.to_owned(),
            refused: BTreeSet::new(),
            tell: Box::new(tell),
        };
        follower.submit_all().map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("mirror".to_owned())
            .spawn(move || follower.run(watch, &ended))
            .map_err(failed)?;
        Ok(QueueMirror {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for QueueMirror {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended as well.
            let _ = thread.join();
        }
    }
}

/// Whether a file is one by itself. A job can lay a link to another file into its queue, or a FIFO, which is never read
/// to its end.
fn is_regular(path: &Path) -> io::Result<bool> {
    Ok(fs::symlink_metadata(path)?.is_file())
}

struct InboxWatcher {
    shared: Arc<SharedStub>,
    queue: PathBuf,
    /// Files that were no jobs, so that each is told of once.
    refused: BTreeSet<String>,
    tell: Box<dyn Fn(String) + Send>,
}

impl InboxWatcher {
    fn run(mut self, mut watch: FolderWatch, ended: &PipeReader) {
        loop {
            let mut both = [
                PollFd::from_borrowed_fd(watch.changes(), PollFlags::IN),
                PollFd::new(ended, PollFlags::IN),
            ];
            match poll(&mut both, None) {
                Err(Errno::INTR) => continue,
                Err(_) => return,
                Ok(_) if !both[1].revents().is_empty() => return,
                Ok(_) => {}
            }
            // Which file it was does not matter, nor that events were lost: the folder itself is read.
            watch.forget_changes();
            if let Err(error) = self.submit_all() {
                (self.tell)(format!("the inbox can't be read: {error}"));
            }
        }
    }

    /// Submits what the inbox holds and the coordinator does not, in enqueue order.
    fn submit_all(&mut self) -> io::Result<()> {
        let mut waiting = Vec::new();
        for entry in fs::read_dir(self.queue.join("inbox"))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(id) = name.strip_suffix(".md").filter(|id| !id.starts_with('.')) else {
                continue;
            };
            // Those that the queue has not numbered yet come last, by name, as they will be numbered.
            let sequence = self.sequence_of(id).unwrap_or(u64::MAX);
            waiting.push((sequence, id.to_owned(), entry.path()));
        }
        waiting.sort();
        for (_, id, path) in waiting {
            self.submit(&id, &path);
        }
        Ok(())
    }

    fn submit(&mut self, id: &str, path: &Path) {
        let spec = match is_regular(path).map(|regular| regular.then(|| read_job_file(path))) {
            // It may have gone on in the meantime; that is no trouble.
            Err(_) => return,
            Ok(None) => Err("it is no regular file; put the job file itself there".to_owned()),
            Ok(Some(Ok(read))) => read.job.into_spec().map_err(|error| error.to_string()),
            Ok(Some(Err(_))) if !path.exists() => return,
            Ok(Some(Err(error))) => Err(error.to_string()),
        };
        match spec {
            Ok(spec) => {
                let naming = JobNaming::BySubmitter;
                let submission = JobSubmission { spec, naming };
                let outcome = self.shared.apply(
                    CoordinatorCommand::Submit(submission),
                    None,
                    ExecutionMode::Honest,
                );
                // One that is known already is left as it is.
                if let Err(CommandRefusal::JobBytesExhausted { limit }) = outcome.result {
                    self.refuse(
                        id,
                        &format!("the jobs take all of the {limit} bytes of --job-bytes"),
                    );
                }
            }
            Err(error) => self.refuse(id, &error),
        }
    }

    /// Tells once of a job that is not submitted.
    fn refuse(&mut self, id: &str, why: &str) {
        if self.refused.insert(id.to_owned()) {
            (self.tell)(format!("{id} is not mirrored: {why}"));
        }
    }

    /// The place in enqueue order that the queue noted last for a job.
    fn sequence_of(&self, id: &str) -> Option<u64> {
        let path = self.queue.join(".state/jobs").join(id).join("history.jsonl");
        let bytes = is_regular(&path).ok()?.then(|| fs::read(path).ok())??;
        let end = &bytes[bytes.len().saturating_sub(HISTORY_LIMIT)..];
        end.rsplit(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<HistoryLine>(line).ok())
            .find_map(|line| line.sequence)
    }
}
