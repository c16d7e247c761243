//! Jobs that the coordinator has, or may have, for those who look for them here (clause F-16).

use std::io::{self, Write, stdout};
use std::path::Path;

use serde::{Serialize, Serializer};

use super::OutputFormat;
use super::error::CliError;
use super::job_fields::print_job;
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::queue::{HandoverRecord, Queue, QueueError};
use crate::stage::Stage;
use crate::terminal::{ColorChoice, escape_control, instant};

/// More than a person reads.
const ROWS_MAX: usize = 100;

pub(super) fn json(handover: Option<&HandoverRecord>) -> serde_json::Value {
    handover.map_or(
        serde_json::Value::Null,
        |handover| serde_json::json!({ "phase": handover.phase, "since": handover.at, "url": handover.url }),
    )
}

pub(super) fn jsons(handed: &[(JobId, HandoverRecord)]) -> Vec<serde_json::Value> {
    let each = handed.iter().map(|(id, handover)| {
        let mut value = json(Some(handover));
        value["id"] = id.as_str().into();
        value
    });
    each.collect()
}

/// As `list --json` has a job: its stage is none of this queue's.
pub(super) fn row_json(queue: &Queue, id: &JobId, handover: &HandoverRecord) -> serde_json::Value {
    let job = queue.handed_job(id).ok();
    serde_json::json!({
        "id": id.as_str(),
        "stage": "handed",
        "engine": job.as_ref().map(|job| job.engine.as_str()),
        "priority": job.as_ref().map(|job| job.priority),
        "lock": job.as_ref().and_then(|job| job.lock.as_ref()).map(|lock| lock.as_str()),
        "since": handover.at,
        "handover": json(Some(handover)),
    })
}

pub(super) fn print_rows(out: &mut impl Write, handed: &[(JobId, HandoverRecord)]) -> io::Result<()> {
    for (id, handover) in handed.iter().take(ROWS_MAX) {
        writeln!(out, "handed  {}", handover.phase.who_has_it(id))?;
    }
    match handed.len().saturating_sub(ROWS_MAX) {
        0 => Ok(()),
        more => writeln!(out, "and {more} more with the coordinator: `aq list --json`"),
    }
}

/// All that a queue handed over, as `fleet-status` shows it.
#[derive(Debug)]
pub(super) struct HandedJobs(Vec<(JobId, HandoverRecord)>);

impl HandedJobs {
    /// Nothing of a queue that is not there.
    pub(super) fn of(root: &Path) -> Result<HandedJobs, QueueError> {
        match Queue::open(root) {
            Ok(queue) => Ok(HandedJobs(queue.handovers()?)),
            Err(QueueError::Missing { .. }) => Ok(HandedJobs(Vec::new())),
            Err(error) => Err(error),
        }
    }

    pub(super) fn summary(&self) -> Option<String> {
        summary(&self.0)
    }
}

impl Serialize for HandedJobs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        jsons(&self.0).serialize(serializer)
    }
}

/// How many the coordinator has, and how to get them back.
pub(super) fn summary(handed: &[(JobId, HandoverRecord)]) -> Option<String> {
    match handed.len() {
        0 => None,
        1 => Some(String::from("1 job: `aq fleet-recall --all` takes it back")),
        count => Some(format!("{count} jobs: `aq fleet-recall --all` takes them back")),
    }
}

/// A job that is in no stage here.
pub(super) fn show(
    queue: &Queue,
    id: &JobId,
    handover: &HandoverRecord,
    format: OutputFormat,
) -> Result<ProgramExit, CliError> {
    let file = queue.handed_copy(id).display().to_string();
    let mut value = row_json(queue, id, handover);
    value["file"] = file.as_str().into();
    format.print(&value, |out| {
        let palette = ColorChoice::of(&stdout());
        let stage = palette.stage(Stage::Inbox, "handed");
        writeln!(out, "{}  {stage}", palette.bold(id.as_str()))?;
        match queue.handed_job(id) {
            Ok(job) => print_job(out, &job)?,
            Err(error) => writeln!(out, "  {}", escape_control(&error.to_string()))?,
        }
        writeln!(out, "  file      {}", escape_control(&file))?;
        writeln!(out, "  to        {}", escape_control(&handover.url))?;
        writeln!(out, "  since     {}", instant(&handover.at))?;
        writeln!(out, "\n{} {}", palette.dim("next"), handover.phase.who_has_it(id))
    })
}
