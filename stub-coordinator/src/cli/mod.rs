//! The command line: what can be typed, and what it comes to.

mod exchanges;
mod serve;
mod typed;

use std::error::Error;
use std::io;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

/// What can be typed.
///
/// Later commands stand beside `completions`; the plain flags stand the stub up, with or without them.
#[derive(Debug, Parser)]
#[command(
    name = "stub-coordinator",
    version,
    about = "A fake fleet coordinator: honest until told otherwise, and a witness of what changed",
    long_about = None,
    args_conflicts_with_subcommands = true,
    after_help = AFTER_HELP
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

const AFTER_HELP: &str = "\
It binds first, then prints one JSON line (url, pid, seed) on standard output; what it is asked and answers goes to \
standard error. Ctrl-C ends it.

Try it:
  stub-coordinator --preset agree --jobs inbox/tidy.md      the coordinator that would assign your own job
  stub-coordinator --preset diverge --jobs inbox/*.md       ... that would assign another one
  curl -X POST URL/_stub/preset -d '{\"name\": \"5xx\"}'        change its mood while it runs
  curl URL/_stub/counters                                   mutationsTotal is what a dry run must keep at 0

Presets: agree, diverge, empty, 5xx, timeout, flaky, slow-day, lost-replies, split-brain, outage, no-dry-run. \
GET URL/_stub/presets prints the rules of each.";

/// Does what was typed.
pub(crate) fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    match arguments.command {
        Some(Command::Completions { shell }) => {
            clap_complete::generate(
                shell,
                &mut Arguments::command(),
                "stub-coordinator",
                &mut io::stdout(),
            );
            Ok(())
        }
        None => serve::run(arguments.serve),
    }
}
