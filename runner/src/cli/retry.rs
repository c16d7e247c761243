//! `aq retry`: puts a job that failed into the inbox again, at the end of the order and with all its retries.

use std::io::{Write, stderr};

use super::error::CliError;
use super::{JobListArguments, OutputFormat};
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::queue::Queue;
use crate::run::ShipPlan;
use crate::settings::Settings;
use crate::shadow;
use crate::stage::Stage;
use crate::terminal::escape_control;

pub(super) fn run(settings: &Settings, arguments: &JobListArguments) -> Result<ProgramExit, CliError> {
    let queue = Queue::open(&settings.queue.value)?;
    arguments.each(|id| retry(settings, &queue, id, arguments.format))
}

fn retry(
    settings: &Settings,
    queue: &Queue,
    id: &JobId,
    format: OutputFormat,
) -> Result<ProgramExit, CliError> {
    let stage = queue.require(id)?;
    if !matches!(stage, Stage::Failed | Stage::Quarantine) {
        return Err(CliError::Refused(format!(
            "`{id}` is in {stage}: only a failed or quarantined job is retried"
        )));
    }
    if queue.history(id)?.is_routed() {
        return Err(CliError::Refused(format!(
            "`{id}` was assigned by the coordinator, which decides whether it runs again; to run it from this queue, \
             add it under another name"
        )));
    }
    queue.complete()?;
    // A file that is no job would only come back to where it is.
    let (job, digest) = queue.job_and_digest(stage, id)?;
    let Some(hold) = queue.hold(id)? else {
        return Err(CliError::Refused(format!(
            "something of `{id}` is still alive: try again when it is gone"
        )));
    };
    let is_rewritten = queue.is_rewritten(stage, id)?;
    queue.enqueue_again(&hold, stage)?;
    drop(hold);
    if is_rewritten {
        warn_rewritten(&ShipPlan::of(&job, digest, None));
    }
    let exit = format.print_job(id, Stage::Inbox, "in the inbox")?;
    shadow::mirror(settings, id, Stage::Inbox);
    Ok(exit)
}

/// A person may have corrected the file, or the job may have changed it, so this prints what will run.
fn warn_rewritten(plan: &ShipPlan) {
    let mut err = stderr().lock();
    let _ = writeln!(
        err,
        "aq: its file was changed since it ran, and runs as it stands now:"
    );
    for (name, value) in plan.lines() {
        let _ = writeln!(err, "  {name:<11}  {}", escape_control(&value));
    }
}
