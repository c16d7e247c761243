//! What a run is asked for, and why it could not be done.

use crate::engine::EngineError;
use crate::error_scope::{ErrorScope, HostTrouble};
use crate::fleet::client::ClientError;
use crate::queue::QueueError;
use crate::terminal;

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

#[derive(Debug, Clone, Copy)]
pub(crate) struct RunOptions {
    pub(crate) until: RunUntil,
    pub(crate) workers: usize,
    /// Whether a job that failed makes the whole run a failure.
    pub(crate) fail_on_job_failure: bool,
    /// Whether the line that the run ends with is for a program.
    pub(crate) json: bool,
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
    /// How far it reaches, as far as that can be told without a look at the queue.
    pub(super) fn scope(&self) -> ErrorScope {
        match self {
            RunError::Queue(error) => error.scope(),
            RunError::Engine(_) => ErrorScope::Engine,
            RunError::System { source, .. } | RunError::RouteFolder(source) => {
                HostTrouble::of(source).map_or(ErrorScope::Queue, ErrorScope::Host)
            }
            RunError::Client(_) | RunError::Refused(_) => ErrorScope::Queue,
        }
    }

    /// What could not be done, and why.
    pub(super) fn cause(&self) -> String {
        match self {
            RunError::Queue(error) => error.cause(),
            error => terminal::error_chain(error),
        }
    }

    pub(super) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> RunError {
        let what = what.into();
        move |source| RunError::System { what, source }
    }
}
