//! Everything that ends a command, and the exit code that it ends with.

use std::io;

use crate::engine::EngineError;
use crate::exit_codes::ProgramExit;
use crate::fleet::call_failure::CallFailure;
use crate::fleet::client::ClientError;
use crate::ids::{InvalidId, JobId};
use crate::job::JobDiagnostic;
use crate::queue::QueueError;
use crate::run::RunError;
use crate::settings::SettingsError;

#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Id(#[from] InvalidId),
    #[error("nothing was added{}", listed(.0))]
    Jobs(Vec<JobDiagnostic>),
    #[error("nothing was handed over{}", listed(.0))]
    NotSubmitted(Vec<JobDiagnostic>),
    #[error("can't read {name}")]
    Input {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("can't write {name}")]
    OutputFile {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("can't write to the shadow log")]
    ShadowLog(#[source] io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("this is inside the job `{0}` of this very queue: leave it to a person, or add --inside-job")]
    InsideJob(JobId),
    #[error("{0} asks the coordinator, and AQ_FLEET is 0: nothing was done; set AQ_FLEET=1 for this command")]
    FleetOff(&'static str),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the coordinator can't be asked, so nothing was done: {0}")]
    Coordinator(CallFailure),
    #[error("can't write the output")]
    Output(#[from] io::Error),
}

impl CliError {
    /// Whoever read our output has seen enough, as `head` does.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, CliError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(super) fn exit(&self) -> ProgramExit {
        match self {
            CliError::Settings(_)
            | CliError::Engine(_)
            | CliError::Id(_)
            | CliError::InsideJob(_)
            | CliError::FleetOff(_) => ProgramExit::Usage,
            CliError::Queue(error) | CliError::Run(RunError::Queue(error)) if error.is_unsafe() => {
                ProgramExit::Usage
            }
            CliError::Run(RunError::Engine(_) | RunError::RouteFolder(_)) => ProgramExit::Usage,
            CliError::Queue(_)
            | CliError::Run(_)
            | CliError::Jobs(_)
            | CliError::NotSubmitted(_)
            | CliError::Input { .. }
            | CliError::OutputFile { .. }
            | CliError::ShadowLog(_)
            | CliError::Refused(_)
            | CliError::Client(_)
            | CliError::Coordinator(_)
            | CliError::Output(_) => ProgramExit::Failed,
        }
    }
}

fn listed(remarks: &[JobDiagnostic]) -> String {
    remarks.iter().map(|remark| format!("\n  {remark}")).collect()
}
