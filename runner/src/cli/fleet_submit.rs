//! `aq fleet-submit`: hands jobs to the coordinator, one after the other (clause F-14).

use std::collections::BTreeSet;
use std::io::{Write, stderr};
use std::path::Path;

use super::error::CliError;
use super::handover_report::{CoordinatorAccess, HandoverReport, warn_of};
use super::{OutputFormat, add};
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::job::{self, JobDiagnostic, JobIdSource};
use crate::mode::Mode;
use crate::queue::{HandoverPhase, HandoverStart, JobSubmission, Queue, QueueError};
use crate::settings::Settings;
use crate::stage::Stage;

const NEXT: &str = "run `aq fleet-submit --inbox` to go on with it";

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aq fleet-submit --inbox                                  all that waits in this queue
  aq fleet-submit fix-login.md add-tests.md                jobs that are in no queue yet
  aq fleet-submit queue/inbox/fix-login.md                 one of those that wait in this queue
  aq fleet-submit --fleet-token-file ~/submitter --inbox   with a token that may submit

A job has one authority at any time. It leaves the inbox when the coordinator has said that it has it, and no
runner of this queue starts it meanwhile. Where no answer came (exit code 3), it stays in the inbox, marked, and the
same command goes on with it: it is submitted once. What the coordinator refuses is in the inbox as before.
The copy of a job that was handed over stays in .state/handed/. `aq list`, `aq show ID` and `aq fleet-status` know
it, and `aq fleet-recall ID` takes it back.

The token needs the scope `submit`. A runner's own token need not have it: --fleet-token-file names another one for
this command alone. `aq` sends what the front matter says, but `retry_delay`, which does not count under a lease.

Exit codes: 0 all of them are with the coordinator, 1 some are not, 3 of some nobody knows.")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["files", "inbox"]))]
pub(super) struct FleetSubmitArguments {
    /// Job files, each called NAME.md
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// All that waits in the inbox, and what an earlier command has begun
    #[arg(long)]
    inbox: bool,
    #[command(flatten)]
    pub(super) inside: super::InsideJob,
    #[command(flatten)]
    format: OutputFormat,
}

/// A job that is to be handed over.
enum SubmitCandidate {
    Waiting(JobId),
    File(Box<JobSubmission>),
}

impl SubmitCandidate {
    fn id(&self) -> &JobId {
        match self {
            SubmitCandidate::Waiting(id) => id,
            SubmitCandidate::File(submission) => &submission.id,
        }
    }
}

pub(super) fn run(settings: &Settings, arguments: &FleetSubmitArguments) -> Result<ProgramExit, CliError> {
    if settings.mode == Mode::Offline {
        // Nothing is asked then (clause F-1).
        return Err(CliError::FleetOff("fleet-submit"));
    }
    let root = &settings.queue.value;
    let queue = match arguments.inbox {
        true => Queue::open(root)?,
        false => Queue::create(root)?,
    };
    let access = CoordinatorAccess::new(settings, queue)?;
    warn_of(access.queue.finish_handovers()?);
    let candidates = match arguments.inbox {
        true => waiting(&access.queue)?,
        false => named(&access, &arguments.files)?,
    };
    if !candidates.is_empty() {
        warn_of_mode(settings.mode);
    }
    let mut report = HandoverReport::new(arguments.format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(submit(&access, &candidates, &mut report))?;
    report.finish("no job waits in the inbox")
}

/// A job that is handed over runs where the coordinator decides, and here nobody asks it to.
fn warn_of_mode(mode: Mode) {
    let more = match mode {
        Mode::Route => return,
        Mode::Shadow => "; a comparison that names one of them diverges (`unknown`)",
        Mode::Offline | Mode::Local => "",
    };
    let _ = writeln!(
        stderr(),
        "aq: AQ_FLEET_ROUTE is 0, so no runner of this queue takes these jobs from the coordinator until it is 1{more}"
    );
}

async fn submit(
    access: &CoordinatorAccess,
    candidates: &[SubmitCandidate],
    report: &mut HandoverReport,
) -> Result<(), CliError> {
    if candidates.is_empty() {
        return Ok(());
    }
    access.check().await?;
    let handover = access.handover();
    for candidate in candidates {
        if report.leaves(candidate.id()) {
            continue;
        }
        let outcome = match begin(access, candidate) {
            Ok(start) => handover.submit(start).await,
            Err(error) => Err(error),
        };
        report.note(access, candidate.id(), outcome, NEXT).await;
    }
    Ok(())
}

fn begin(access: &CoordinatorAccess, candidate: &SubmitCandidate) -> Result<HandoverStart, QueueError> {
    match candidate {
        SubmitCandidate::Waiting(id) => access.queue.begin_handover(id, access.url()),
        SubmitCandidate::File(submission) => {
            let naming = JobIdSource::FileName(submission.id.as_str());
            let parsed = job::parse(naming, submission.id.as_str(), &submission.bytes);
            let job = parsed.map_err(QueueError::Job)?.job;
            access.queue.begin_handover_of_file(submission, job, access.url())
        }
    }
}

/// What was begun before, then what waits, in the order in which it was enqueued: that is the coordinator's, too.
fn waiting(queue: &Queue) -> Result<Vec<SubmitCandidate>, CliError> {
    let begun = queue.handovers()?.into_iter();
    let begun = begun.filter(|(_, record)| record.phase == HandoverPhase::Submitting);
    let mut ids: Vec<JobId> = begun.map(|(id, _)| id).collect();
    let known: BTreeSet<JobId> = ids.iter().cloned().collect();
    let mut waiting = Vec::new();
    for id in queue.ids(Stage::Inbox)? {
        if !known.contains(&id) {
            let sequence = queue.record(&id)?.ok().and_then(|known| known.sequence());
            waiting.push((sequence.unwrap_or(u64::MAX), id));
        }
    }
    waiting.sort();
    ids.extend(waiting.into_iter().map(|(_, id)| id));
    Ok(ids.into_iter().map(SubmitCandidate::Waiting).collect())
}

/// All files are read and checked before the first is sent.
fn named(access: &CoordinatorAccess, files: &[String]) -> Result<Vec<SubmitCandidate>, CliError> {
    let inbox = access.queue.folder(Stage::Inbox).canonicalize().ok();
    let (mut candidates, mut refusals) = (Vec::new(), Vec::new());
    let mut sources = Vec::new();
    let mut taken = BTreeSet::new();
    for name in files {
        let candidate = match waiting_in(inbox.as_deref(), name) {
            Some(id) => Ok(SubmitCandidate::Waiting(id)),
            None => add::submission(name, &[], &access.engines, &mut sources)?
                .map(|submission| SubmitCandidate::File(Box::new(submission))),
        };
        match candidate {
            Ok(candidate) if taken.insert(candidate.id().clone()) => candidates.push(candidate),
            Ok(candidate) => {
                let text = format!(
                    "`{}` is named twice here: give each job a name of its own",
                    candidate.id()
                );
                refusals.push(JobDiagnostic::new(name, 1, text));
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    refusals.extend(add::unfinished(&sources));
    match refusals.is_empty() {
        true => Ok(candidates),
        false => Err(CliError::NotSubmitted(refusals)),
    }
}

/// The job of a file that lies in this queue's inbox.
fn waiting_in(inbox: Option<&Path>, name: &str) -> Option<JobId> {
    let path = Path::new(name);
    let folder = path.parent()?.canonicalize().ok()?;
    let stem = path.file_name()?.to_str()?.strip_suffix(".md")?;
    (Some(folder.as_path()) == inbox)
        .then(|| JobId::new(stem).ok())
        .flatten()
}
