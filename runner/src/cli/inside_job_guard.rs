//! Refuses a command that decides about a queue inside one of its own jobs, unless the option says that this is meant.
//!
//! This prevents mistakes and is no boundary: whatever runs as this user can take the mark out of its environment.

use super::error::CliError;
use crate::ids::JobId;
use crate::queue::Queue;
use crate::settings::Settings;
use crate::supervise::process_record::MARK_VARIABLE;

#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct InsideJob {
    /// Do it although this is inside a job of this queue
    #[arg(long)]
    inside_job: bool,
}

impl InsideJob {
    pub(super) fn check(self, settings: &Settings) -> Result<(), CliError> {
        match own_job(settings) {
            Some(id) if !self.inside_job => Err(CliError::InsideJob(id)),
            _ => Ok(()),
        }
    }
}

/// The job of this very queue that this process is part of: the record of that job has the mark of this process.
pub(super) fn own_job(settings: &Settings) -> Option<JobId> {
    let id = JobId::new(&std::env::var("AQ_JOB_ID").ok()?).ok()?;
    let mark = std::env::var(MARK_VARIABLE).ok()?;
    let queue = Queue::at(&settings.queue.value);
    queue.is_marked(&id, &mark).then_some(id)
}
