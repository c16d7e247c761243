//! The arguments of commands that decide about jobs by their names.

use super::error::CliError;
use super::inside_job_guard::InsideJob;
use super::{OutputFormat, print_error};
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;

// Of a command that decides about one job. This is no doc comment, because clap would show it as the help of the command.
#[derive(Debug, clap::Args)]
pub(super) struct JobArguments {
    /// The job
    pub(super) id: String,
    #[command(flatten)]
    pub(super) inside: InsideJob,
    #[command(flatten)]
    pub(super) format: OutputFormat,
}

// Of a command that decides about several jobs. No doc comment, as above.
#[derive(Debug, clap::Args)]
pub(super) struct JobListArguments {
    /// The jobs
    #[arg(required = true, value_name = "ID")]
    pub(super) ids: Vec<String>,
    #[command(flatten)]
    pub(super) inside: InsideJob,
    #[command(flatten)]
    pub(super) format: OutputFormat,
}

impl JobListArguments {
    /// Does the same with each job. What can't be done with one is said, and keeps no other back.
    pub(super) fn each(
        &self,
        mut act: impl FnMut(&JobId) -> Result<ProgramExit, CliError>,
    ) -> Result<ProgramExit, CliError> {
        let ids = self.ids.iter().map(|id| JobId::new(id));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        let mut exit = ProgramExit::Done;
        for id in &ids {
            if let Err(error) = act(id) {
                print_error(&error);
                exit = error.exit();
            }
        }
        Ok(exit)
    }
}
