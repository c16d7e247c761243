//! `aq fleet-shadow-explain`: both lists of one decision, and the first key in which they differ (clause R-5).

use std::io::{self, Write, stdout};

use serde::Serialize;

use super::error::CliError;
use super::shadow_notes;
use crate::exit_codes::ProgramExit;
use crate::fleet::client::OfferedJob;
use crate::settings::Settings;
use crate::shadow::evidence_context::LocalCandidate;
use crate::shadow::report::log_record::ShadowLogRecord;
use crate::terminal::{ColorChoice, TextTable, escape_control};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  aq fleet-shadow-explain decision-1a2b3c-4")]
pub(super) struct ExplainArguments {
    /// The decision, as `aq fleet-shadow-report --json` names it
    #[arg(value_name = "DECISION")]
    decision: String,
    #[command(flatten)]
    format: super::OutputFormat,
}

/// A decision with what it was taken from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DecisionExplanation {
    decision: String,
    ts: Option<String>,
    verdict: Option<String>,
    reason: Option<String>,
    local_job: Option<String>,
    coord_job: Option<String>,
    engine: Option<String>,
    lock: Option<bool>,
    factory: Option<String>,
    epoch: Option<String>,
    /// The coordinator's policy and version, as it told them.
    policy: Option<String>,
    /// The first that could start here, in their order.
    local: Vec<LocalCandidate>,
    /// What the coordinator would have assigned, and what would have come next, as far as it told.
    coordinator: Vec<OfferedJob>,
    /// What decides between the two jobs, or why nothing can be said.
    difference: String,
}

pub(super) fn run(settings: &Settings, arguments: &ExplainArguments) -> Result<ProgramExit, CliError> {
    let record = shadow_notes::find(settings, &arguments.decision)?;
    let explanation = explain(&arguments.decision, record);
    let mut out = stdout().lock();
    match arguments.format.json {
        true => writeln!(
            out,
            "{}",
            serde_json::to_string(&explanation).map_err(io::Error::from)?
        )?,
        false => print(&mut out, ColorChoice::of(&stdout()), &explanation)?,
    }
    Ok(ProgramExit::Done)
}

fn explain(decision: &str, record: ShadowLogRecord) -> DecisionExplanation {
    DecisionExplanation {
        difference: difference(&record),
        decision: decision.to_owned(),
        ts: record.ts,
        verdict: record.verdict.map(|verdict| verdict.to_string()),
        reason: record.reason.or(record.kind),
        local_job: record.local_job,
        coord_job: record.coord_job,
        engine: record.engine,
        lock: record.lock,
        factory: record.factory,
        epoch: record.epoch,
        policy: record.policy,
        local: record.candidates,
        coordinator: record.coord_candidates,
    }
}

/// The keys are those of the rule of order (clause O-2): priority, enqueue order, id.
fn difference(record: &ShadowLogRecord) -> String {
    let (Some(local), Some(coord)) = (&record.local_job, &record.coord_job) else {
        return match (&record.local_job, &record.coord_job, record.verdict) {
            (_, _, None) => String::from("it was not compared"),
            (Some(_), None, _) => String::from("the coordinator had nothing to assign"),
            _ => String::from("nothing could start here"),
        };
    };
    if local == coord {
        return String::from("both named the same job");
    }
    let find = |id: &String| record.candidates.iter().find(|job| job.id == *id);
    let (Some(ours), Some(theirs)) = (find(local), find(coord)) else {
        return match record.reason.as_deref() {
            Some(reason) => format!("{coord} could not start here ({reason})"),
            None => format!("{coord} is not among the first that could start here"),
        };
    };
    let told = record.coord_candidates.iter().find(|job| job.id == *coord);
    if let Some(priority) = told
        .and_then(|job| job.priority)
        .filter(|told| *told != theirs.priority)
    {
        return format!(
            "the priority of {coord}: {priority} at the coordinator, {} here",
            theirs.priority
        );
    }
    if ours.priority != theirs.priority {
        return format!(
            "the priority: {} of {local}, {} of {coord}",
            ours.priority, theirs.priority
        );
    }
    if ours.sequence != theirs.sequence {
        return format!(
            "the enqueue order: {local} is number {}, {coord} number {}",
            ours.sequence, theirs.sequence
        );
    }
    String::from("nothing but the id: the rule of order does not tell them apart")
}

fn print(out: &mut impl Write, palette: ColorChoice, found: &DecisionExplanation) -> io::Result<()> {
    let or_dash = |text: &Option<String>| text.as_deref().map_or_else(|| String::from("-"), escape_control);
    let verdict = match &found.reason {
        Some(reason) => format!("{} {}", or_dash(&found.verdict), escape_control(reason)),
        None => or_dash(&found.verdict),
    };
    for (label, text) in [
        ("decision", escape_control(&found.decision)),
        ("when", or_dash(&found.ts)),
        ("verdict", verdict),
        ("here", or_dash(&found.local_job)),
        ("coordinator", or_dash(&found.coord_job)),
        ("difference", escape_control(&found.difference)),
        ("policy", or_dash(&found.policy)),
        ("epoch", or_dash(&found.epoch)),
    ] {
        writeln!(out, "{} {text}", palette.dim(&format!("{label:<11}")))?;
    }
    if !found.local.is_empty() {
        writeln!(out, "\n{}", palette.dim("what could start here, in its order"))?;
        let mut table = TextTable::new(&["RANK", "JOB", "PRIORITY", "NUMBER", "LOCK"]);
        for (rank, job) in (1..).zip(&found.local) {
            table.row([
                format!("{rank}"),
                escape_control(&job.id),
                job.priority.to_string(),
                job.sequence.to_string(),
                or_dash(&job.lock),
            ]);
        }
        table.write_plain(out, palette)?;
    }
    if !found.coordinator.is_empty() {
        writeln!(
            out,
            "\n{}",
            palette.dim("what the coordinator would have assigned, as far as it told")
        )?;
        let mut table = TextTable::new(&["RANK", "JOB", "PRIORITY", "SUBMITTED"]);
        for (rank, job) in (1..).zip(&found.coordinator) {
            let priority = job.priority.map(|priority| priority.to_string());
            table.row([
                format!("{rank}"),
                escape_control(&job.id),
                or_dash(&priority),
                or_dash(&job.submitted_at),
            ]);
        }
        table.write_plain(out, palette)?;
    }
    Ok(())
}
