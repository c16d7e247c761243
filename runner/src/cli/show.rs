//! `aq show`: one job, what it asks for, and all that happened to it.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::time::Duration;

use super::error::CliError;
use super::handed_job;
use super::job_fields::print_job;
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::job::Job;
use crate::output_log::{OutputLog, OutputSize};
use crate::queue::{FileDigest, FileWriter, JobHistory, Queue, QueueError};
use crate::run::{ShipPlan, has_output, outputs};
use crate::settings::Settings;
use crate::stage::Stage;
use crate::terminal::{ColorChoice, TextTable, bytes, duration, escape_control, instant};
use crate::token_usage::TokenUsage;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  aq show fix-login")]
pub(super) struct ShowArguments {
    /// The job
    id: String,
    #[command(flatten)]
    format: super::OutputFormat,
}

pub(super) fn run(settings: &Settings, arguments: &ShowArguments) -> Result<ProgramExit, CliError> {
    let id = JobId::new(&arguments.id)?;
    let queue = Queue::open(&settings.queue.value)?;
    let handover = queue.handover(&id)?;
    let Some(stage) = queue.find(&id)? else {
        return match handover {
            Some(handover) => handed_job::show(&queue, &id, &handover, arguments.format),
            None => Err(gone(&queue, id)?),
        };
    };
    let (history, damage) = match queue.record(&id)? {
        Ok(history) => (history, None),
        Err(damage) => (JobHistory::default(), Some(damage)),
    };
    let read = queue.job_and_digest(stage, &id);
    // What can't be read of a damaged job is not shown.
    let (kept, changed) = match damage {
        Some(_) => (None, false),
        None => (queue.surroundings(&id)?, queue.is_rewritten(stage, &id)?),
    };
    let plan = |(job, digest): &(Job, FileDigest)| ShipPlan::of(job, digest.clone(), kept.as_ref());
    let plan = read.as_ref().ok().map(plan);
    let job = read.map(|(job, _)| job);
    let writer = match stage {
        Stage::Inbox => queue.writers()?.remove(&id),
        _ => None,
    };
    let mut out = stdout().lock();
    if arguments.format.json {
        let mut value = json(&queue, &id, stage, &history, job.as_ref().ok());
        value["writer"] = serde_json::json!(writer);
        value["approval"] = serde_json::json!(plan);
        value["changed"] = changed.into();
        value["handover"] = handed_job::json(handover.as_ref());
        if let Some(damage) = &damage {
            value["reason"] = serde_json::json!(damage.code);
            value["detail"] = serde_json::json!(damage.detail);
        }
        writeln!(out, "{value}")?;
        return Ok(ProgramExit::Done);
    }
    let palette = ColorChoice::of(&stdout());
    let (bold, shown_stage) = (palette.bold(id.as_str()), palette.stage(stage, stage.folder()));
    writeln!(out, "{bold}  {shown_stage}")?;
    print_file(&mut out, &job, writer.as_ref())?;
    let file = queue.job_path(stage, &id).display().to_string();
    writeln!(out, "  file      {}", escape_control(&file))?;
    if let Some(handover) = &handover {
        writeln!(out, "  handed    {}", handover.phase.who_has_it(&id))?;
    }
    if changed {
        writeln!(out, "  changed   {}", change_label(stage))?;
    }
    if let (Stage::Review, Some(plan)) = (stage, &plan) {
        print_approval(&mut out, &id, plan)?;
    }
    writeln!(out)?;
    if let Some(damage) = damage {
        writeln!(out, "  {}", escape_control(&damage.to_string()))?;
        return Ok(ProgramExit::Done);
    }
    print_history(&mut out, palette, &history)?;
    print_logs(&mut out, palette, &queue, &id, &history)?;
    // Nothing here starts what waits for a word of the coordinator.
    let is_theirs = stage == Stage::Inbox && handover.is_some();
    if let Some(next) = advice(&queue, &id, stage, &history).filter(|_| !is_theirs) {
        writeln!(out, "\n{} {next}", palette.dim("next"))?;
    }
    Ok(ProgramExit::Done)
}

/// What the job's file says, as far as it can be read.
fn print_file(
    out: &mut impl Write,
    job: &Result<Job, QueueError>,
    writer: Option<&FileWriter>,
) -> std::io::Result<()> {
    match (job, writer) {
        (_, Some(writer)) => {
            let writer = escape_control(&writer.to_string());
            writeln!(out, "  {writer} is still writing it")
        }
        (Ok(job), None) => print_job(out, job),
        (Err(error), None) => writeln!(out, "  {}", escape_control(&error.to_string())),
    }
}

/// What a person who ships the job says yes to.
fn print_approval(out: &mut impl Write, id: &JobId, plan: &ShipPlan) -> std::io::Result<()> {
    writeln!(out, "\nwhat `aq ship {id}` approves")?;
    for (name, value) in plan.lines() {
        writeln!(out, "  {name:<11}  {}", escape_control(&value))?;
    }
    Ok(())
}

/// The text about a file that is another one than the job was enqueued, or worked on, with.
fn change_label(stage: Stage) -> &'static str {
    match stage {
        Stage::Inbox => "it was written anew since it was enqueued, and runs as it stands now",
        Stage::Review => "it is not what was worked on: `aq ship` refuses it",
        _ => "it is not what was worked on",
    }
}

/// The error about a job that is not here: it was pruned, or never seen.
fn gone(queue: &Queue, id: JobId) -> Result<CliError, CliError> {
    Ok(match queue.pruned(&id)? {
        Some(stage) => CliError::Refused(format!(
            "`{id}` was in {stage} and has been pruned: nothing else is known of it"
        )),
        None => QueueError::Unknown { id }.into(),
    })
}

/// Prints a line for each change: how long the job then stayed, and under which lease.
fn print_history(out: &mut impl Write, palette: ColorChoice, history: &JobHistory) -> std::io::Result<()> {
    let is_routed = history.lines.iter().any(|line| line.lease.is_some());
    let mut heading = vec!["WHEN", "STAGE", "FOR", "ATTEMPT"];
    if is_routed {
        heading.push("LEASE");
    }
    heading.push("REASON");
    let mut table = TextTable::new(&heading);
    let lasted = lasted(history);
    for (line, lasted) in history.lines.iter().zip(&lasted) {
        let mut cells = vec![
            instant(&line.at),
            line.stage.to_string(),
            lasted.map_or_else(|| "-".to_owned(), duration),
            match line.attempt {
                0 => "-".to_owned(),
                attempt => attempt.to_string(),
            },
        ];
        if is_routed {
            cells.push(match (&line.lease, line.fencing_token) {
                (Some(lease), Some(token)) => format!("{lease}, fencing token {token}"),
                _ => "-".to_owned(),
            });
        }
        cells.push(line.remark());
        table.row(cells);
    }
    table.write(out, |number, column, cell| match (number, column) {
        (0, _) => palette.dim(&cell),
        (number, 1) => palette.stage(history.lines[number - 1].stage, &cell),
        _ => cell,
    })
}

/// How long each change was the last one. For the latest change of a job that goes on, that is until now.
fn lasted(history: &JobHistory) -> Vec<Option<Duration>> {
    let instants: Vec<Option<jiff::Timestamp>> =
        history.lines.iter().map(|line| line.at.parse().ok()).collect();
    let later = instants.iter().skip(1).copied();
    let ends = later.chain([Some(jiff::Timestamp::now())]);
    let lines = history.lines.iter().zip(&instants).zip(ends).enumerate();
    lines
        .map(|(place, ((line, start), end))| {
            let over = place + 1 == history.lines.len() && line.stage.is_final();
            let length = end?.duration_since((*start)?);
            Duration::try_from(length).ok().filter(|_| !over)
        })
        .collect()
}

/// Prints where the output of each attempt lies, and how much it is.
fn print_logs(
    out: &mut impl Write,
    palette: ColorChoice,
    queue: &Queue,
    id: &JobId,
    history: &JobHistory,
) -> std::io::Result<()> {
    for attempt in 1..=history.attempt() {
        for (path, size) in printed(queue, id, attempt) {
            let path = escape_control(&path.display().to_string());
            let label = palette.dim(&format!("attempt {attempt}"));
            let missing = match size.missing {
                0 => String::new(),
                missing => format!(" kept, {} in the middle are not", bytes(missing)),
            };
            writeln!(out, "\n{label}  {path}  {}{missing}", bytes(size.kept))?;
        }
        for (_, used) in history.usages().filter(|(number, _)| *number == attempt) {
            let label = palette.dim(&format!("attempt {attempt}"));
            writeln!(out, "{label}  used {}", used.text())?;
        }
    }
    Ok(())
}

/// The outputs of an attempt that are not empty, by their first files.
fn printed(queue: &Queue, id: &JobId, attempt: u32) -> Vec<(PathBuf, OutputSize)> {
    let sized = |log: OutputLog| Some((log.path().to_owned(), log.size().ok()?));
    let logs = outputs(queue, id, attempt).into_iter().filter_map(sized);
    logs.filter(|(_, size)| size.kept > 0).collect()
}

fn advice(queue: &Queue, id: &JobId, stage: Stage, history: &JobHistory) -> Option<String> {
    let has_log = has_output(queue, id, history.attempt());
    let look = format!("`aq logs {id}` shows what it printed");
    Some(match stage {
        Stage::Inbox => match history.retry_at() {
            Some(at) => format!(
                "its next attempt is due at {}; `aq cancel {id}` gives it up",
                instant(&at.to_string())
            ),
            None => format!("`aq run` starts it, `aq cancel {id}` gives it up"),
        },
        Stage::Building | Stage::Testing => format!("`aq logs -f {id}` follows it, `aq cancel {id}` ends it"),
        Stage::Review => format!("`aq logs {id}`, then `aq ship {id}` or `aq cancel {id}`"),
        // The coordinator decides whether it runs again.
        Stage::Failed if history.is_routed() => match has_log {
            true => format!("{look}; to run it from this queue, add it under another name"),
            false => String::from("to run it from this queue, add it under another name"),
        },
        Stage::Failed if history.attempt() == 0 => format!("correct the file and `aq retry {id}`"),
        Stage::Failed if !has_log => format!("`aq retry {id}` starts it again"),
        Stage::Failed => format!("{look}, `aq retry {id}` starts it again"),
        Stage::Quarantine if history.is_routed() => format!(
            "see what it did (`aq logs {id}`), then `aq cancel {id}` or `aq prune {id}`; the coordinator decides \
             whether it runs again, and to run it from this queue, add it under another name"
        ),
        Stage::Quarantine => {
            format!(
                "see what it did (`aq logs {id}`), then `aq retry {id}`, `aq cancel {id}` or `aq prune {id}`"
            )
        }
        Stage::Shipped => return None,
    })
}

fn json(
    queue: &Queue,
    id: &JobId,
    stage: Stage,
    history: &JobHistory,
    job: Option<&Job>,
) -> serde_json::Value {
    let logs = outputs(queue, id, history.attempt()).into_iter();
    let logs = logs
        .filter(|log| log.path().exists())
        .map(|log| log.path().display().to_string());
    let logs: Vec<String> = logs.collect();
    let attempts: Vec<serde_json::Value> = (1..=history.attempt())
        .map(|attempt| {
            let files = printed(queue, id, attempt);
            let files = files.iter().map(|(path, size)| {
                serde_json::json!({
                    "path": path.display().to_string(),
                    "bytes": size.kept,
                    "missingBytes": size.missing,
                })
            });
            let used = history.usages().find(|(number, _)| *number == attempt);
            serde_json::json!({
                "attempt": attempt,
                "logs": files.collect::<Vec<_>>(),
                "used": used.map(|(_, used)| used),
            })
        })
        .collect();
    let millis = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let lasted = lasted(history).into_iter().map(|length| length.map(millis));
    let lasted: Vec<_> = lasted.collect();
    // A change that a crash cut off before its move is announced, and has not led here.
    let last = history.lines.iter().rev().find(|line| line.stage == stage);
    serde_json::json!({
        "id": id.as_str(),
        "stage": stage.folder(),
        "file": queue.job_path(stage, id).display().to_string(),
        "engine": job.map(|job| job.engine.as_str()),
        "cwd": job.and_then(|job| job.cwd.as_ref()).map(|cwd| cwd.display().to_string()),
        "lock": job.and_then(|job| job.lock.as_ref()).map(|lock| lock.as_str()),
        "priority": job.map(|job| job.priority),
        "attempts": history.attempt(),
        "logs": logs,
        "logsOfAttempts": attempts,
        "used": history.usages().map(|(_, used)| used).reduce(TokenUsage::plus),
        "lastedMs": lasted,
        "reason": last.and_then(|line| line.reason.as_ref()),
        "detail": last.and_then(|line| line.detail.as_ref()),
        "retryAt": history.retry_at().filter(|_| stage == Stage::Inbox).map(|at| at.to_string()),
        "history": history.lines,
    })
}
