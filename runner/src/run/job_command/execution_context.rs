//! What the commands of one process have in common.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::queue::SavedExecutionContext;
use crate::settings::Settings;
use crate::supervise::{EnvironmentVariable, SpareSupervisor};

/// What every command of this process has in common.
#[derive(Debug)]
pub(crate) struct ExecutionContext {
    /// Without anything that is the fleet's (clause O-9).
    pub(super) environment: Vec<EnvironmentVariable>,
    /// Where a job runs that names no folder, and what relative ones start from.
    pub(super) folder: PathBuf,
    pub(super) grace: Duration,
    /// The most that the log of one attempt keeps, in bytes.
    pub(super) log_max: u64,
    /// Before the first retry of a job that names no wait.
    retry_delay: Duration,
}

impl ExecutionContext {
    pub(in crate::run) fn retry_delay(&self) -> Duration {
        self.retry_delay
    }

    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A supervisor that is started ahead of its order.
    pub(crate) fn spare(&self) -> io::Result<SpareSupervisor> {
        SpareSupervisor::start(&self.environment)
    }

    /// Those that were kept of a job in review.
    pub(crate) fn kept(kept: SavedExecutionContext, settings: &Settings) -> ExecutionContext {
        ExecutionContext {
            environment: kept.environment,
            folder: kept.folder,
            grace: settings.grace,
            log_max: settings.log_max,
            retry_delay: settings.retry_delay,
        }
    }

    pub(crate) fn of_this_process(settings: &Settings) -> io::Result<ExecutionContext> {
        Ok(ExecutionContext {
            environment: settings.child_environment(),
            folder: std::env::current_dir()?,
            grace: settings.grace,
            log_max: settings.log_max,
            retry_delay: settings.retry_delay,
        })
    }
}
