//! `aq pause` and `aq resume`: no new job, for every runner of this queue; what runs goes on to its end.

use std::io::Write;
use std::thread;
use std::time::Duration;

use super::error::CliError;
use crate::exit_codes::ProgramExit;
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
    /// Return when nothing of this queue runs any more
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
#[command(after_help = "Example:\n  aq resume")]
pub(super) struct ResumeArguments {
    #[command(flatten)]
    pub(super) inside: super::InsideJob,
    #[command(flatten)]
    format: super::OutputFormat,
}

pub(super) fn pause(settings: &Settings, arguments: &PauseArguments) -> Result<ProgramExit, CliError> {
    let queue = Queue::open(&settings.queue.value)?;
    queue.complete()?;
    let pause = queue.pause(arguments.message.as_deref())?;
    while arguments.wait && running(&queue)? > 0 {
        thread::sleep(POLL_INTERVAL);
    }
    let running = running(&queue)?;
    let value = serde_json::json!({ "pause": pause, "running": running });
    let rest = match running {
        0 => String::from("nothing runs"),
        1 => String::from("1 job that runs goes on to its end"),
        more => format!("{more} jobs that run go on to their end"),
    };
    let text = format!("paused: no job is started until `aq resume`; {rest} (`aq status`)");
    arguments.format.print(&value, |out| writeln!(out, "{text}"))
}

pub(super) fn resume(settings: &Settings, arguments: &ResumeArguments) -> Result<ProgramExit, CliError> {
    let queue = Queue::open(&settings.queue.value)?;
    queue.complete()?;
    let was = queue.resume()?;
    let value = serde_json::json!({ "pause": null, "was": was });
    arguments.format.print(&value, |out| match was {
        Some(_) => writeln!(out, "resumed: runners take up jobs again"),
        None => writeln!(out, "it was not paused"),
    })
}

fn running(queue: &Queue) -> Result<usize, CliError> {
    Ok(queue.ids(Stage::Building)?.len() + queue.ids(Stage::Testing)?.len())
}
