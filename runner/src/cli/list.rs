//! `aq list`: the jobs, by stage and in their order.

use std::collections::BTreeMap;
use std::io::{self, Write, stdout};

use super::error::CliError;
use super::handed_job;
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::{FileWriter, HistoryEntry, JobHistory, Queue, QueueError};
use crate::settings::Settings;
use crate::stage::Stage;
use crate::terminal::{self, ColorChoice, TextTable};

/// How many jobs of each final stage are shown unless `--all` is given.
const FINAL_SHOWN: usize = 10;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aq list\n  aq list --all --json")]
pub(super) struct ListArguments {
    /// Also the older jobs that are shipped, failed or quarantined
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    format: super::OutputFormat,
}

/// One job as it is shown.
pub(super) struct JobRow {
    pub(super) id: JobId,
    pub(super) stage: Stage,
    engine: Option<String>,
    lock: Option<String>,
    priority: i64,
    /// Nothing of a record that can't be read.
    history: JobHistory,
    /// What is wrong with its record.
    damage: Option<JobReason>,
    /// The process that is still writing its file.
    writer: Option<FileWriter>,
}

impl JobRow {
    /// The detail of its last change, unless its file is still being written.
    fn detail(&self) -> Option<String> {
        match (&self.writer, &self.damage) {
            (Some(writer), _) => Some(format!("{writer} is still writing it")),
            (None, Some(damage)) => damage.detail.clone(),
            (None, None) => self.history.lines.last()?.detail.clone(),
        }
    }

    /// When the job that failed is started again.
    fn retry_at(&self) -> Option<String> {
        let at = self.history.retry_at().filter(|_| self.stage == Stage::Inbox)?;
        Some(at.to_string())
    }

    /// The code of its last change, or of what is wrong with its record.
    fn reason(&self) -> Option<&ReasonCode> {
        let last = || self.history.lines.last()?.reason.as_ref();
        self.damage.as_ref().map(|damage| &damage.code).or_else(last)
    }

    /// Why it is where it is, for people.
    fn remark(&self) -> String {
        let last = || self.history.lines.last();
        let told = || last().map(HistoryEntry::remark).unwrap_or_default();
        match (&self.writer, &self.damage, self.retry_at()) {
            (Some(_), _, _) => self.detail().unwrap_or_default(),
            (None, Some(damage), _) => damage.to_string(),
            (None, None, Some(at)) => format!("{}; next attempt in {}", told(), terminal::until(&at)),
            (None, None, None) => told(),
        }
    }
}

pub(super) fn run(settings: &Settings, arguments: &ListArguments) -> Result<ProgramExit, CliError> {
    let queue = Queue::open(&settings.queue.value)?;
    let mut rows = Vec::new();
    let mut left_out = Vec::new();
    for stage in Stage::ALL {
        let mut ids = queue.ids(stage)?;
        if stage.is_final() && !arguments.all && ids.len() > FINAL_SHOWN {
            left_out.push((stage, ids.len() - FINAL_SHOWN));
            ids.sort_by_key(|id| std::cmp::Reverse(queue.arrival(stage, id)));
            ids.truncate(FINAL_SHOWN);
        }
        rows.extend(rows_of(&queue, stage, ids)?);
    }
    let handed = queue.handovers()?;
    let mut value: Vec<serde_json::Value> = rows.iter().map(json).collect();
    for (id, handover) in &handed {
        if queue.find(id)?.is_none() {
            value.push(handed_job::row_json(&queue, id, handover));
        }
    }
    arguments.format.print(&value, |out| {
        if !rows.is_empty() || handed.is_empty() {
            print(out, &rows, &left_out)?;
        }
        handed_job::print_rows(out, &handed)
    })
}

/// The jobs of a stage in the order in which they would start or did start.
pub(super) fn rows_of(queue: &Queue, stage: Stage, ids: Vec<JobId>) -> Result<Vec<JobRow>, QueueError> {
    let mut rows = Vec::new();
    let mut writers = match stage {
        Stage::Inbox => queue.writers()?,
        _ => BTreeMap::new(),
    };
    for id in ids {
        // Of a file that is no job, or has just moved on, what is known is shown.
        let job = queue.job(stage, &id).ok();
        let lock = job.as_ref().and_then(|job| job.lock.as_ref());
        let (history, damage) = match queue.record(&id)? {
            Ok(history) => (history, None),
            Err(damage) => (JobHistory::default(), Some(damage)),
        };
        rows.push(JobRow {
            history,
            damage,
            engine: job.as_ref().map(|job| job.engine.to_string()),
            lock: lock.map(ToString::to_string),
            priority: job.as_ref().map_or(0, |job| job.priority),
            writer: writers.remove(&id),
            id,
            stage,
        });
    }
    rows.sort_by_key(|row| {
        let sequence = row.history.sequence().unwrap_or(u64::MAX);
        (std::cmp::Reverse(row.priority), sequence, row.id.clone())
    });
    Ok(rows)
}

pub(super) fn print(out: &mut impl Write, rows: &[JobRow], left_out: &[(Stage, usize)]) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "no jobs: add one with `aq add FILE`");
    }
    let palette = ColorChoice::of(&stdout());
    let mut table = TextTable::new(&["STAGE", "JOB", "ENGINE", "PRIORITY", "LOCK", "SINCE", "REASON"]);
    for row in rows {
        let last = row.history.lines.last();
        table.row([
            row.stage.to_string(),
            row.id.to_string(),
            row.engine.clone().unwrap_or_else(|| "?".to_owned()),
            row.priority.to_string(),
            row.lock.clone().unwrap_or_else(|| "-".to_owned()),
            last.map_or("-".to_owned(), |line| terminal::ago(&line.at)),
            row.remark(),
        ]);
    }
    table.write(out, |number, column, cell| match (number, column) {
        (0, _) => palette.dim(&cell),
        (number, 0) => palette.stage(rows[number - 1].stage, &cell),
        (_, 1) => palette.bold(&cell),
        _ => cell,
    })?;
    for (stage, count) in left_out {
        let more = format!("and {count} more {stage}: `aq list --all`");
        writeln!(out, "{}", palette.dim(&more))?;
    }
    Ok(())
}

pub(super) fn json(row: &JobRow) -> serde_json::Value {
    let last = row.history.lines.last();
    serde_json::json!({
        "id": row.id.as_str(),
        "stage": row.stage.folder(),
        "engine": row.engine,
        "priority": row.priority,
        "lock": row.lock,
        "attempts": row.history.attempt(),
        "since": last.map(|line| &line.at),
        "reason": row.reason(),
        "detail": row.detail(),
        "retryAt": row.retry_at(),
    })
}
