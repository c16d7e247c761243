//! `aq`: a durable queue of coding-agent jobs for one host, and its careful way into a fleet.

mod cli;
mod clock;
mod decide;
mod doctor;
mod engine;
mod exit;
mod fleet;
mod ids;
mod job;
mod mode;
mod ownership;
mod queue;
mod queue_root;
mod run;
mod settings;
mod shadow;
mod signals;
mod stage;
mod supervise;
mod terminal;
mod work_folder;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else is set up: this is on the way to the start of every job.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == "supervise")
    {
        return match supervise::main() {
            Ok(()) => exit::Exit::Done.into(),
            Err(_) => exit::Exit::Failed.into(),
        };
    }
    signals::undo_inherited();
    cli::main().into()
}
