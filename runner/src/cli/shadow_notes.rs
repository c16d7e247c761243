//! `aq fleet-shadow-ack` and `aq fleet-shadow-restart`: what a person says about the evidence, which stays in the log
//! (clause R-5).

use std::io::{Write, stdout};

use jiff::Timestamp;
use jiff::civil::Date;

use super::error::CliError;
use super::inside_job_guard::InsideJob;
use super::shadow_report;
use crate::exit_codes::ProgramExit;
use crate::settings::Settings;
use crate::shadow::comparison::ComparisonVerdict;
use crate::shadow::log::{self, ShadowLog, ShadowLogLine};
use crate::shadow::report::{self, log_record::ShadowLogRecord};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "An acknowledged answer no longer holds the gate. It stays a disagreement, each report shows it, and of a hundred decisions one may be acknowledged.\n\nExample:\n  aq fleet-shadow-ack decision-1a2b3c-4 --reason \"rehearsed on purpose\" --until 2026-12-31"
)]
pub(super) struct AckArguments {
    /// The decision, as `aq fleet-shadow-report --json` and `aq fleet-shadow-explain` name it; or the id of a lease that a
    /// dry run was answered with
    #[arg(value_name = "DECISION")]
    decision: String,
    /// Why it is no reason to hold
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// The last day on which that counts
    #[arg(long, value_name = "DAY")]
    until: Option<Date>,
    #[command(flatten)]
    pub(super) inside: InsideJob,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "What was seen before stays in the log and is listed, but the gate judges what comes after.\n\nExample:\n  aq fleet-shadow-restart --reason \"the rehearsal is over\""
)]
pub(super) struct RestartArguments {
    /// Why what was seen before says nothing any more
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    #[command(flatten)]
    pub(super) inside: InsideJob,
}

pub(super) fn acknowledge(settings: &Settings, arguments: &AckArguments) -> Result<ProgramExit, CliError> {
    let id = &arguments.decision;
    let found = find(settings, id)?;
    let is_agreement = found.verdict == Some(ComparisonVerdict::Agree);
    let is_outcome = found.verdict.is_some() || found.lease.is_some();
    if is_agreement || !is_outcome {
        let what = if is_agreement {
            "agrees"
        } else {
            "was not compared"
        };
        return Err(CliError::Refused(format!(
            "{id} {what}: there is nothing to acknowledge"
        )));
    }
    let line = ShadowLogLine::acknowledged(id, &arguments.reason, arguments.until);
    ShadowLog::new(settings)
        .try_append(&line)
        .map_err(CliError::ShadowLog)?;
    let until = arguments
        .until
        .map_or_else(String::new, |until| format!(" until {until}"));
    writeln!(stdout(), "{id} is acknowledged{until}; it stays a disagreement")?;
    Ok(ProgramExit::Done)
}

pub(super) fn restart(settings: &Settings, arguments: &RestartArguments) -> Result<ProgramExit, CliError> {
    let path = log::path_in(&settings.queue.value);
    if shadow_report::open(&path)?.is_none() {
        return Err(no_log());
    }
    ShadowLog::new(settings)
        .try_append(&ShadowLogLine::restarted(&arguments.reason))
        .map_err(CliError::ShadowLog)?;
    writeln!(
        stdout(),
        "the observation begins anew; what was seen before is listed, not counted"
    )?;
    Ok(ProgramExit::Done)
}

/// The line of the queue's own log about a decision or a lease.
pub(super) fn find(settings: &Settings, id: &str) -> Result<ShadowLogRecord, CliError> {
    let path = log::path_in(&settings.queue.value);
    let whole = shadow_report::open(&path)?.ok_or_else(no_log)?;
    let found = report::find(&mut [whole.files], id, Timestamp::now())
        .map_err(|error| shadow_report::input(&path, error))?;
    found.ok_or_else(|| {
        CliError::Refused(format!(
            "the shadow log has no decision {id}: `aq fleet-shadow-report --json` names the last that did not agree"
        ))
    })
}

fn no_log() -> CliError {
    CliError::Refused(String::from(
        "no shadow log yet: runs with AQ_FLEET=1 AQ_FLEET_SHADOW=1 write it",
    ))
}
