//! `aq pause` and `aq resume`: no new job, for every runner of this queue; what runs goes on to its end.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::error::CliError;
use crate::exit_codes::ProgramExit;
use crate::queue::Queue;
use crate::settings::Settings;
use crate::stage::Stage;

/// How often the queue is looked at without a sign of a change, in case that a sign was missed.
const POLL_INTERVAL: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

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
    if arguments.wait {
        wait_for_quiet(&queue)?;
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

/// Waits until no job is in work, however long that takes.
fn wait_for_quiet(queue: &Queue) -> Result<(), CliError> {
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(io::Error::from)?;
    for stage in [Stage::Building, Stage::Testing] {
        let leaves = WatchFlags::MOVED_FROM | WatchFlags::DELETE;
        inotify::add_watch(&watch, queue.folder(stage), leaves).map_err(io::Error::from)?;
    }
    while running(queue)? > 0 {
        let mut descriptors = [PollFd::new(&watch, PollFlags::IN)];
        poll(&mut descriptors, Some(&POLL_INTERVAL)).map_err(io::Error::from)?;
        let mut events = [0; 4096];
        while rustix::io::read(&watch, &mut events).is_ok_and(|count| count > 0) {}
    }
    Ok(())
}
