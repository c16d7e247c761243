//! `aq fleet-recall`: takes jobs back that the coordinator holds and nobody works on (clause F-15).

use super::OutputFormat;
use super::error::CliError;
use super::handover_report::{CoordinatorAccess, HandoverReport, warn_of};
use crate::exit_codes::ProgramExit;
use crate::fleet::job_handover::RecallOptions;
use crate::ids::JobId;
use crate::mode::Mode;
use crate::queue::Queue;
use crate::settings::Settings;

const NEXT: &str = "run `aq fleet-recall` again to go on with it";

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aq fleet-recall --all            all that this queue has handed over, for instance after a rollback
  aq fleet-recall fix-login
  AQ_FLEET=1 AQ_FLEET_ROUTE=0 aq fleet-recall --fleet-token-file ~/submitter --all

A job comes back to the inbox, where it stood before, when the coordinator has said that it gives it up. A job that
somebody works on stays there (exit code 1): its end is reported there, and a later recall takes it back if nobody
ended it. A job that has ended there is not run again: its file goes to the stage that the coordinator tells, and
`aq retry` can start one that failed. Where no answer came (exit code 3), nobody starts the job here, and the same
command goes on.
A job that this queue did not hand over can be named, too. Its text is the coordinator's, so it is taken only as
`[route]` in aq.toml allows.

The token needs the scope `submit`: --fleet-token-file names one for this command alone.

Exit codes: 0 none of them is left with the coordinator, 1 some are, 3 of some nobody knows.")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["ids", "all"]))]
pub(super) struct FleetRecallArguments {
    /// The jobs
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All that this queue has handed over
    #[arg(long)]
    all: bool,
    /// The coordinator has another address than when the jobs were handed over
    #[arg(long)]
    moved: bool,
    /// Also what somebody else has withdrawn there; see first that nobody runs it
    #[arg(long)]
    withdrawn: bool,
    #[command(flatten)]
    pub(super) inside: super::InsideJob,
    #[command(flatten)]
    format: OutputFormat,
}

pub(super) fn run(settings: &Settings, arguments: &FleetRecallArguments) -> Result<ProgramExit, CliError> {
    if settings.mode == Mode::Offline {
        // Nothing is asked then (clause F-1).
        return Err(CliError::FleetOff("fleet-recall"));
    }
    let named = arguments.ids.iter().map(|id| JobId::new(id));
    let named = named.collect::<Result<Vec<_>, _>>()?;
    let queue = Queue::open(&settings.queue.value)?;
    let access = CoordinatorAccess::new(settings, queue)?;
    warn_of(access.queue.finish_handovers()?);
    let ids = match arguments.all {
        true => access.queue.handovers()?.into_iter().map(|(id, _)| id).collect(),
        false => named,
    };
    let options = RecallOptions {
        moved: arguments.moved,
        withdrawn: arguments.withdrawn,
    };
    let mut report = HandoverReport::new(arguments.format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(recall(&access, &ids, options, &mut report))?;
    report.finish("the coordinator has no job that this queue handed over")
}

async fn recall(
    access: &CoordinatorAccess,
    ids: &[JobId],
    options: RecallOptions,
    report: &mut HandoverReport,
) -> Result<(), CliError> {
    if ids.is_empty() {
        return Ok(());
    }
    access.check().await?;
    let handover = access.handover();
    for id in ids {
        if report.leaves(id) {
            continue;
        }
        let outcome = handover.recall(id, options).await;
        report.note(access, id, outcome, NEXT).await;
    }
    Ok(())
}
