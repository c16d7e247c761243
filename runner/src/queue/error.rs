//! What can go wrong with the queue folder, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::case_conflict::CaseConflict;
use super::handover::HandoverPhase;
use super::queue_loss::QueueLoss;
use crate::error_scope::{ErrorScope, HostTrouble};
use crate::file_ownership::ForeignWriter;
use crate::ids::JobId;
use crate::job::JobDiagnostic;
use crate::stage::Stage;

#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    #[error(
        "there is no queue at {}: name one with --queue or AQ_QUEUE, or make it with `aq init` or `aq add FILE`",
        path.display()
    )]
    Missing { path: PathBuf },
    #[error("can't read {}: nothing is done, because an unreadable queue is no empty one; check owner and permissions", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("can't write {}: check owner, permissions and free space", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("can't move {} to {}: the whole queue has to lie on one file system that supports locks", from.display(), to.display())]
    Move {
        from: PathBuf,
        to: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the queue {} {loss}", path.display())]
    Lost { path: PathBuf, loss: QueueLoss },
    #[error("{} can't carry a queue: {advice}", path.display())]
    UnsuitableFolder { path: PathBuf, advice: &'static str },
    #[error(
        "{} is a link, and aq follows none below a queue folder: put the folder itself there, or make the whole queue \
         folder a link",
        path.display()
    )]
    Linked { path: PathBuf },
    #[error("{} is not safe from others: {stranger}, so they decide what runs here: {}", path.display(), stranger.advice(path))]
    Exposed { path: PathBuf, stranger: ForeignWriter },
    #[error(
        "{} can be replaced by anybody, as everyone on this host can write to {}: `chmod o-w {}`, or put the queue elsewhere",
        path.display(), folder.display(), folder.display()
    )]
    Replaceable { path: PathBuf, folder: PathBuf },
    #[error("{} is damaged in line {line}", path.display())]
    Damaged { path: PathBuf, line: usize },
    #[error("{} is not to be trusted: {stranger}; {}", path.display(), stranger.advice(path))]
    ForeignRecord { path: PathBuf, stranger: ForeignWriter },
    #[error("{0}")]
    Job(JobDiagnostic),
    #[error("a job `{id}` is already in {stage}: choose another name{}", advice(id, *stage))]
    Taken { id: JobId, stage: Stage },
    #[error("there can be no job `{id}`: {conflict}: choose another name")]
    TakenByCase { id: JobId, conflict: CaseConflict },
    #[error("there is no job `{id}` here: `aq list` shows those that there are")]
    Unknown { id: JobId },
    #[error("{}", phase.who_has_it(id))]
    HandedOver { id: JobId, phase: HandoverPhase },
    #[error("{holder} keeps {} locked: see whether it is stopped, or end it", path.display())]
    Busy { path: PathBuf, holder: String },
}

impl QueueError {
    /// For `map_err`: this could not be read.
    pub(super) fn reading(path: &Path) -> impl Fn(io::Error) -> QueueError + Copy {
        move |source| QueueError::Read {
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err`: this could not be written.
    pub(super) fn writing(path: &Path) -> impl Fn(io::Error) -> QueueError + Copy {
        move |source| QueueError::Write {
            path: path.to_owned(),
            source,
        }
    }

    /// What could not be done, and why, without a word about what to do: for where that is something else.
    pub(crate) fn cause(&self) -> String {
        match self {
            QueueError::Read { path, source } => format!("{} can't be read: {source}", path.display()),
            QueueError::Write { path, source } => format!("{} can't be written: {source}", path.display()),
            QueueError::Move { from, source, .. } => format!("{} can't be moved: {source}", from.display()),
            other => other.to_string(),
        }
    }

    /// How far it reaches, as far as that can be told without a look at the queue: what concerns the file of one job has
    /// the scope `Queue` here, and `Queue::scope_at_job` tells the two apart.
    pub(crate) fn scope(&self) -> ErrorScope {
        match self {
            QueueError::Read { source, .. }
            | QueueError::Write { source, .. }
            | QueueError::Move { source, .. } => {
                HostTrouble::of(source).map_or(ErrorScope::Queue, ErrorScope::Host)
            }
            QueueError::Job(_)
            | QueueError::Damaged { .. }
            | QueueError::ForeignRecord { .. }
            | QueueError::Taken { .. }
            | QueueError::TakenByCase { .. }
            | QueueError::HandedOver { .. }
            | QueueError::Unknown { .. } => ErrorScope::Job,
            QueueError::Missing { .. }
            | QueueError::Lost { .. }
            | QueueError::UnsuitableFolder { .. }
            | QueueError::Linked { .. }
            | QueueError::Exposed { .. }
            | QueueError::Replaceable { .. }
            | QueueError::Busy { .. } => ErrorScope::Queue,
        }
    }

    /// The queue lies where it is not to be worked on; nothing was started.
    pub(crate) fn is_unsafe(&self) -> bool {
        matches!(
            self,
            QueueError::Linked { .. } | QueueError::Exposed { .. } | QueueError::Replaceable { .. }
        )
    }
}

/// What was found at a path; none if nothing lies there.
pub(super) fn if_present<T>(path: &Path, found: io::Result<T>) -> Result<Option<T>, QueueError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(QueueError::reading(path)(source)),
    }
}

fn advice(id: &JobId, stage: Stage) -> String {
    match stage {
        Stage::Failed => format!(", or run it again with `aq retry {id}`"),
        _ => String::new(),
    }
}
