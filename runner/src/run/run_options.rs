//! What a run is asked for, and why it could not be done.

use crate::engine::EngineError;
use crate::fleet::client::ClientError;
use crate::queue::QueueError;

/// When a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunUntil {
    /// When nothing is left that can be done here.
    Drained,
    /// After one decision and its job.
    Once,
    /// Never by itself.
    Stopped,
}

/// Whether a job that failed makes the whole run a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnJobFailure {
    Succeed,
    Fail,
}

/// For whom the line is that a run ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SummaryFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RunOptions {
    pub(crate) until: RunUntil,
    pub(crate) workers: usize,
    pub(crate) on_job_failure: OnJobFailure,
    pub(crate) summary: SummaryFormat,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("can't {what}")]
    System {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the folder for routed work can't be used: make it, or correct `cwd` under [route] in aq.toml")]
    RouteFolder(#[source] std::io::Error),
    #[error("can't speak with the coordinator")]
    Client(#[from] ClientError),
    #[error("{0}")]
    Refused(String),
}

impl RunError {
    pub(super) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> RunError {
        let what = what.into();
        move |source| RunError::System { what, source }
    }
}
