//! `aq run`: turns the options into what the run needs to know.

use super::error::CliError;
use crate::exit_codes::ProgramExit;
use crate::run::{self, RunOptions, RunUntil};
use crate::settings::Settings;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aq run --drain              everything that waits, then end
  aq run --once               one job, then end
  aq run --workers 3          for ever, three jobs at a time

Ctrl-C puts running jobs back into the inbox; a second one ends them at once. The end of the terminal puts
them back too, unless `nohup` or a script that started the run in the background has it ignored.

A routed run tells harm that the coordinator does. `rollback = \"act\"` under [fleet] in aq.toml has it turn
`route_via_service` off there by itself; nothing turns it on.")]
pub(super) struct RunArguments {
    /// End when nothing is left to do
    #[arg(long, conflicts_with = "once")]
    drain: bool,
    /// End after one job
    #[arg(long)]
    once: bool,
    /// How many jobs run at a time
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Exit with 1 if a job failed
    #[arg(long)]
    fail_on_job_failure: bool,
    #[command(flatten)]
    format: super::OutputFormat,
}

pub(super) fn run(settings: &Settings, arguments: &RunArguments) -> Result<ProgramExit, CliError> {
    let until = match (arguments.drain, arguments.once) {
        (true, _) => RunUntil::Drained,
        (false, true) => RunUntil::Once,
        (false, false) => RunUntil::Stopped,
    };
    let options = RunOptions {
        until,
        workers: usize::from(arguments.workers),
        fail_on_job_failure: arguments.fail_on_job_failure,
        json: arguments.format.json,
    };
    Ok(run::run(settings, options)?)
}
