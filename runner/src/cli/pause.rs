//! `aq pause` and `aq resume`: no new job, for every runner of this queue; what runs goes on to its end.

use std::io::Write;
use std::thread;
use std::time::Duration;

use super::engine_pauses;
use super::error::CliError;
use super::inside_job_guard;
use crate::engine::EngineRegistry;
use crate::exit_codes::ProgramExit;
use crate::ids::{EngineName, JobId};
use crate::queue::Queue;
use crate::settings::Settings;
use crate::stage::Stage;

/// How often `--wait` looks whether something still runs. It reads two folders, and a person waits for it.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: an upgrade that ends no job
  aq pause --wait --message \"upgrade\"
  install -m 755 aq-new /usr/local/bin/aq && systemctl restart aq
  aq resume

The pause outlives every process. `aq status` shows it. `aq run --drain` and `--once` end with exit code 1
while it lasts and jobs wait.")]
pub(super) struct PauseArguments {
    /// Return when nothing of this queue runs any more; inside a job of it: nothing but that job
    #[arg(long)]
    wait: bool,
    /// Why, for whoever looks at `aq status`
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    pub(super) inside: super::InsideJob,
    #[command(flatten)]
    format: super::OutputFormat,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aq resume          jobs of this queue start again
  aq resume claude   an engine is used again before its pause is over

`aq status` shows which engines are paused, and why.")]
pub(super) struct ResumeArguments {
    /// The engine whose pause is to end, in place of the queue's
    engine: Option<String>,
    #[command(flatten)]
    pub(super) inside: super::InsideJob,
    #[command(flatten)]
    format: super::OutputFormat,
}

pub(super) fn pause(settings: &Settings, arguments: &PauseArguments) -> Result<ProgramExit, CliError> {
    let queue = Queue::open(&settings.queue.value)?;
    queue.complete()?;
    let pause = queue.pause(arguments.message.as_deref())?;
    // Inside a job, that job would wait for its own end.
    let own = inside_job_guard::own_job(settings);
    while arguments.wait && running(&queue, own.as_ref())? > 0 {
        thread::sleep(POLL_INTERVAL);
    }
    let running = running(&queue, own.as_ref())?;
    let value = serde_json::json!({ "pause": pause, "running": running });
    let rest = match running {
        0 if own.is_some() => String::from("nothing but this job runs"),
        0 => String::from("nothing runs"),
        1 => String::from("1 job that runs goes on to its end"),
        more => format!("{more} jobs that run go on to their end"),
    };
    let text = format!("paused: no job is started until `aq resume`; {rest} (`aq status`)");
    arguments.format.print_done(&value, |out| writeln!(out, "{text}"))
}

pub(super) fn resume(settings: &Settings, arguments: &ResumeArguments) -> Result<ProgramExit, CliError> {
    let queue = Queue::open(&settings.queue.value)?;
    if let Some(name) = &arguments.engine {
        return resume_engine(settings, &queue, name, arguments);
    }
    queue.complete()?;
    let was = queue.resume()?;
    let paused = queue.paused_engines()?;
    let value = serde_json::json!({ "pause": null, "was": was, "paused": engine_pauses::json(&paused) });
    arguments.format.print_done(&value, |out| {
        match was {
            Some(_) => writeln!(out, "resumed: runners take up jobs again"),
            None => writeln!(out, "it was not paused"),
        }?;
        engine_pauses::lines(&paused).try_for_each(|line| writeln!(out, "still paused: {line}"))
    })
}

/// The engine may be used at once, by every runner of this queue.
fn resume_engine(
    settings: &Settings,
    queue: &Queue,
    name: &str,
    arguments: &ResumeArguments,
) -> Result<ProgramExit, CliError> {
    let engine = EngineName::new(name)?;
    let engines = EngineRegistry::new(&settings.engines)?;
    let was = queue.resume_engine(&engine)?;
    if was.is_none() && !engines.knows(&engine) {
        let known: Vec<&str> = engines.names().map(EngineName::as_str).collect();
        return Err(CliError::Refused(format!(
            "no engine is called `{engine}`: there are {}",
            known.join(", ")
        )));
    }
    let value = serde_json::json!({ "engine": engine.as_str(), "was": was });
    arguments.format.print_done(&value, |out| match was {
        Some(_) => writeln!(out, "{engine} is resumed: its jobs start again"),
        None => writeln!(out, "{engine} was not paused"),
    })
}

/// How many jobs run beside `own`.
fn running(queue: &Queue, own: Option<&JobId>) -> Result<usize, CliError> {
    let at_work = [queue.ids(Stage::Building)?, queue.ids(Stage::Testing)?].concat();
    Ok(at_work.iter().filter(|id| Some(*id) != own).count())
}
