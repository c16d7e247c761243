//! `aq`: a durable queue of coding-agent jobs for one host, and its careful way into a fleet.

mod boot_clock;
mod character_cut;
mod cli;
mod doctor;
mod duration_text;
mod engine;
mod error_scope;
mod exit_codes;
mod file_ownership;
mod fleet;
mod ids;
mod job;
mod job_reason;
mod metrics;
mod mode;
#[cfg(test)]
mod model;
mod notifications;
mod output_log;
mod platform_limits;
mod queue;
mod queue_root;
mod run;
mod scheduler;
mod settings;
mod shadow;
mod signals;
mod stage;
mod supervise;
mod terminal;
mod token_usage;
mod work_folder;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else is set up: this is on the way to the start of every job.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == "supervise")
    {
        return match supervise::main() {
            Ok(()) => exit_codes::ProgramExit::Done.into(),
            Err(_) => exit_codes::ProgramExit::Failed.into(),
        };
    }
    signals::reset_inherited_signals();
    cli::main().into()
}
