//! `aq show`: one job, what it asks for, and all that happened to it.

use std::io::{Write, stdout};

use super::error::CliError;
use crate::exit::Exit;
use crate::ids::JobId;
use crate::job::Job;
use crate::queue::{History, Queue, QueueError};
use crate::run::outputs;
use crate::settings::Settings;
use crate::stage::Stage;
use crate::terminal::{Palette, Table, duration, harmless, instant};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  aq show fix-login")]
pub(super) struct Arguments {
    /// The job
    id: String,
    #[command(flatten)]
    format: super::Format,
}

pub(super) fn run(settings: &Settings, arguments: &Arguments) -> Result<Exit, CliError> {
    let id = JobId::new(&arguments.id)?;
    let queue = Queue::open(&settings.queue.value)?;
    let stage = queue
        .find(&id)?
        .ok_or_else(|| QueueError::Unknown { id: id.clone() })?;
    let history = queue.history(&id)?;
    let job = queue.job(stage, &id);
    let mut out = stdout().lock();
    if arguments.format.json {
        let value = json(&queue, &id, stage, &history, job.as_ref().ok());
        writeln!(out, "{value}")?;
        return Ok(Exit::Done);
    }
    let palette = Palette::of(&stdout());
    writeln!(
        out,
        "{}  {}",
        palette.bold(id.as_str()),
        palette.stage(stage, stage.folder())
    )?;
    match &job {
        Ok(job) => print_job(&mut out, job)?,
        Err(error) => writeln!(out, "  {}", harmless(&error.to_string()))?,
    }
    writeln!(
        out,
        "  file      {}",
        harmless(&queue.job_path(stage, &id).display().to_string())
    )?;
    let mut table = Table::new(&["WHEN", "STAGE", "ATTEMPT", "REASON"]);
    for line in &history.lines {
        table.row([
            instant(&line.at),
            line.stage.to_string(),
            if line.attempt > 0 {
                line.attempt.to_string()
            } else {
                "-".to_owned()
            },
            line.reason.clone().unwrap_or_default(),
        ]);
    }
    writeln!(out)?;
    table.write(&mut out, |number, column, cell| match (number, column) {
        (0, _) => palette.dim(&cell),
        (number, 1) => palette.stage(history.lines[number - 1].stage, &cell),
        _ => cell,
    })?;
    Ok(Exit::Done)
}

fn print_job(out: &mut impl Write, job: &Job) -> std::io::Result<()> {
    let caps: Vec<&str> = job.caps.iter().map(|cap| cap.as_str()).collect();
    let fields = [
        ("engine", Some(job.engine.to_string())),
        ("cwd", job.cwd.as_ref().map(|cwd| cwd.display().to_string())),
        ("yolo", job.yolo.then(|| "true".to_owned())),
        ("lock", job.lock.as_ref().map(ToString::to_string)),
        ("priority", Some(job.priority.to_string())),
        ("timeout", Some(duration(job.timeout))),
        ("idle", job.idle_timeout.map(duration)),
        ("caps", (!caps.is_empty()).then(|| caps.join(", "))),
        ("verify", job.verify.clone()),
        ("review", job.review.then(|| "true".to_owned())),
        ("ship", job.ship.clone()),
        ("retries", (job.retries > 0).then(|| job.retries.to_string())),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            writeln!(out, "  {name:<8}  {}", harmless(&value))?;
        }
    }
    Ok(())
}

fn json(queue: &Queue, id: &JobId, stage: Stage, history: &History, job: Option<&Job>) -> serde_json::Value {
    let logs: Vec<String> = outputs(queue, id, history.attempt())
        .iter()
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
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
        "history": history.lines,
    })
}
