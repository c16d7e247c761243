//! `aq ship`: a person's approval of a job in review.

use std::io::Write;

use super::JobArguments;
use super::error::CliError;
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::queue::Queue;
use crate::run;
use crate::settings::Settings;

pub(super) fn run(settings: &Settings, arguments: &JobArguments) -> Result<ProgramExit, CliError> {
    let id = JobId::new(&arguments.id)?;
    let queue = Queue::open(&settings.queue.value)?;
    let (exit, plan) = run::ship(settings, &queue, &id)?;
    // The result is printed to people while it happens.
    if let (true, Some(stage)) = (arguments.format.json, queue.find(&id)?) {
        let value = serde_json::json!({ "id": id.as_str(), "stage": stage.folder(), "approved": plan });
        writeln!(std::io::stdout().lock(), "{value}")?;
    }
    Ok(exit)
}
