//! `aq init`: makes the queue folder, for a host on which nobody has added a job yet.

use std::io::Write;

use super::OutputFormat;
use super::error::CliError;
use crate::exit_codes::ProgramExit;
use crate::queue::{Queue, QueueError};
use crate::settings::Settings;
use crate::terminal::escape_control;

pub(super) const AFTER_HELP: &str = "Examples:
  aq init
  AQ_QUEUE=/var/lib/aq/queue aq init

A queue that is there keeps all that it holds; what is missing of its folders is made. `aq add` makes the queue
too, and so does `aq run` where all work comes from a coordinator (AQ_FLEET=1, AQ_FLEET_ROUTE=1).";

pub(super) fn run(settings: &Settings, format: OutputFormat) -> Result<ProgramExit, CliError> {
    let root = &settings.queue.value;
    let queue = match Queue::open(root) {
        Ok(queue) => queue,
        Err(QueueError::Missing { .. }) => Queue::at(root),
        Err(error) => return Err(error.into()),
    };
    let made = queue.complete()?;
    queue.check_filesystem()?;
    let place = root.display().to_string();
    let value = serde_json::json!({ "queue": place, "made": made });
    let place = escape_control(&place);
    format.print_done(&value, |out| match made.is_empty() {
        true => writeln!(out, "there is a queue at {place}: nothing was made"),
        false => writeln!(out, "made the queue at {place}: {}", made.join(", ")),
    })
}
