//! `aq cancel`: a waiting job is given up at once; the runner of a running one is asked to end it.

use super::error::CliError;
use super::{JobListArguments, OutputFormat};
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::job_reason::ReasonCode;
use crate::queue::{JobLocks, Queue};
use crate::settings::Settings;
use crate::shadow;
use crate::stage::Stage;

pub(super) fn run(settings: &Settings, arguments: &JobListArguments) -> Result<ProgramExit, CliError> {
    let queue = Queue::open(&settings.queue.value)?;
    arguments.each(|id| cancel(settings, &queue, id, arguments.format))
}

fn cancel(
    settings: &Settings,
    queue: &Queue,
    id: &JobId,
    format: OutputFormat,
) -> Result<ProgramExit, CliError> {
    queue.require(id)?;
    queue.complete()?;
    refuse_handed_over(queue, id)?;
    let hold = queue.hold(id)?;
    refuse_handed_over(queue, id)?;
    // The stage is read again under the job's lock: a runner may have started the job a moment ago.
    let stage = queue.require(id)?;
    match (stage, hold) {
        (Stage::Inbox | Stage::Review | Stage::Quarantine, Some(hold)) => {
            give_up(settings, queue, hold, stage, format)
        }
        (Stage::Building | Stage::Testing, Some(_)) => Err(CliError::Refused(format!(
            "`{id}` was left behind by a run that is gone: `aq run` takes it up again, and then it can be cancelled"
        ))),
        (Stage::Inbox | Stage::Building | Stage::Testing, None) => {
            queue.wish_cancel(id)?;
            let text = "its runner is asked to end it";
            format.print_job(id, stage, text)
        }
        (Stage::Review, None) if queue.history(id)?.is_routed() => {
            queue.wish_cancel(id)?;
            let text = "the runner that holds its lease is asked to give it up";
            format.print_job(id, stage, text)
        }
        (Stage::Review, None) => Err(CliError::Refused(format!("`{id}` is being shipped"))),
        (Stage::Quarantine, None) => Err(CliError::Refused(format!(
            "something of `{id}` is still alive: cancel it when that is gone"
        ))),
        (Stage::Shipped | Stage::Failed, _) => {
            Err(CliError::Refused(format!("`{id}` is in {stage} already")))
        }
    }
}

/// What the coordinator has, or may have, is not this queue's to give up, unless it runs here under a lease.
fn refuse_handed_over(queue: &Queue, id: &JobId) -> Result<(), CliError> {
    match queue.find(id)? {
        Some(Stage::Inbox) if queue.handover(id)?.is_some() => Err(queue.missing(id)?.into()),
        _ => Ok(()),
    }
}

fn give_up(
    settings: &Settings,
    queue: &Queue,
    hold: JobLocks,
    stage: Stage,
    format: OutputFormat,
) -> Result<ProgramExit, CliError> {
    let id = hold.id().clone();
    queue.advance(&hold, stage, Stage::Failed, Some(&ReasonCode::Cancelled.into()))?;
    drop(hold);
    let text = format!("failed: {}", ReasonCode::Cancelled);
    let exit = format.print_job(&id, Stage::Failed, &text)?;
    shadow::mirror(settings, &id, Stage::Failed);
    Ok(exit)
}
