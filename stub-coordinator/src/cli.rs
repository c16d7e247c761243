//! The command line: what can be typed, and what it comes to.

mod argument_parsers;
mod control_client;
mod control_commands;
mod control_target;
mod exchange_lines;
mod explain;
mod self_check;
mod serve;
mod stderr_log;
mod stdout;
mod stub_finder;
mod tail;
mod token_file;
mod validate;
mod verify;

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::exit_codes::{CommandFailure, ProgramExit};
pub(crate) use stderr_log::LogWriter;
pub(crate) use stdout::ignore_broken_pipe;

/// How many rules make the stub misbehave, for people.
fn armed_rules(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} rule{plural} armed")
}

/// What can be typed.
///
/// The plain flags stand the stub up, with or without `serve` in front of them.
#[derive(Debug, Parser)]
#[command(
    name = "stub-coordinator",
    version,
    about = "A fake fleet coordinator: honest until told otherwise, and a witness of what changed",
    long_about = None,
    args_conflicts_with_subcommands = true,
    after_help = AFTER_HELP
)]
pub(crate) struct CliArguments {
    #[command(subcommand)]
    command: Option<CliCommand>,
    #[command(flatten)]
    serve: serve::ServeArguments,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Stand the stub up; the same as without a command.
    Serve(Box<serve::ServeArguments>),
    /// Presets: misbehaviour that has a name.
    #[command(subcommand)]
    Preset(control_commands::PresetVerb),
    /// The rules of a running stub.
    #[command(subcommand)]
    Rule(control_commands::RuleVerb),
    /// The gates of a running stub: where requests wait until somebody lets them go.
    #[command(subcommand)]
    Gate(control_commands::GateVerb),
    /// The clock of a running stub.
    #[command(subcommand)]
    Clock(control_commands::ClockVerb),
    /// The policy and version that a running stub tells.
    #[command(subcommand)]
    Policy(control_commands::PolicyVerb),
    /// Follow a running stub: a line for each exchange that ends.
    Tail(control_target::TargetArguments),
    /// Which rule would fire on a request, and why not the others; nothing is sent or changed.
    Explain(explain::ExplainArguments),
    /// Whether requests have arrived so often; exit code 0 yes, 1 no, 3 nobody can say.
    Verify(verify::VerifyArguments),
    /// What was counted: mutations, requests, dry runs, refusals, faults.
    Counters(control_target::TargetArguments),
    /// Begin again: put back state, rules (and gates), journal (and counters), or all; what is under way ends.
    Reset {
        /// What: state, rules, journal or all.
        scope: String,
        #[command(flatten)]
        target: control_target::TargetArguments,
    },
    /// Check the rules of a scenario, or of a file of rules, without a stub.
    Validate {
        /// A scenario, a TOML file of `[[rule]]`s, or a JSON list of rules.
        file: PathBuf,
    },
    /// Take all state of a running stub away, or put it back.
    #[command(subcommand)]
    State(control_commands::StateVerb),
    /// Check that every fault does what it says, on stubs of its own.
    SelfCheck,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

const AFTER_HELP: &str = "\
It binds first, then prints one JSON line (url, controlUrl, pid, seed) on standard output; what it is asked and answers \
goes to standard error, and nothing waits for a reader. Control and the console are under URL too, and by themselves on \
the next port, where no fault reaches them. Ctrl-C ends it.

Try it:
  stub-coordinator --preset agree --jobs inbox/tidy.md      the coordinator that would assign your own job
  stub-coordinator --preset diverge --jobs inbox/*.md       ... that would assign another one
  stub-coordinator preset use 5xx --url URL                 arm a preset while it runs     (in an outage the controlUrl)
  stub-coordinator explain shadow.claim --url URL           which rule would fire, and why not the others
  stub-coordinator verify claim --count 0 --url URL         exit code 0 where no claim came: for a script
  stub-coordinator tail --url URL                           watch it from another terminal
  stub-coordinator --state day.json --mirror ~/queue        a rehearsal that lasts, on a queue of your own
  curl URL/_stub/counters                                   mutationsTotal is what a dry run must keep at 0

Presets: agree, diverge, empty, 5xx, timeout, flaky, slow-day, lost-replies, split-brain, outage, no-dry-run. \
GET URL/_stub/presets prints the rules of each.";

/// Does what was typed.
pub(crate) fn run(arguments: CliArguments, log: &LogWriter) -> Result<ProgramExit, CommandFailure> {
    let done: Result<(), CommandFailure> = match arguments.command {
        Some(CliCommand::Completions { shell }) => completions(shell),
        Some(CliCommand::SelfCheck) => self_check::run(),
        Some(CliCommand::Serve(flags)) => return serve::run(*flags, log),
        Some(CliCommand::Preset(verb)) => control_commands::presets(&verb),
        Some(CliCommand::Rule(verb)) => control_commands::rules(&verb, log),
        Some(CliCommand::Gate(verb)) => control_commands::gates(&verb),
        Some(CliCommand::Clock(verb)) => control_commands::clock(&verb),
        Some(CliCommand::Policy(verb)) => control_commands::policy(&verb),
        Some(CliCommand::Tail(target)) => tail::tail(&target),
        Some(CliCommand::Explain(explain_query)) => explain::explain(&explain_query),
        Some(CliCommand::Verify(count_query)) => return verify::verify(&count_query),
        Some(CliCommand::Counters(target)) => control_commands::counters(&target),
        Some(CliCommand::Reset { scope, target }) => control_commands::reset(&scope, &target),
        Some(CliCommand::Validate { file }) => validate::run(&file, log),
        Some(CliCommand::State(verb)) => control_commands::state(&verb),
        None => return serve::run(arguments.serve, log),
    };
    done.map(|()| ProgramExit::Holds)
}

fn completions(shell: Shell) -> Result<(), CommandFailure> {
    let mut script = Vec::new();
    // Put together first: its maker panics where it can't write.
    clap_complete::generate(
        shell,
        &mut CliArguments::command(),
        "stub-coordinator",
        &mut script,
    );
    Ok(stdout::print(&script)?)
}
