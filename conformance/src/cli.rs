//! The command line: what can be asked of the harness, and with which exit code it answers.

mod arguments;
mod export;
mod list;
mod rehearse;
mod replay;
mod run;
mod smoke_and_coordinator;
mod wire;

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use conformance::exit_codes::HarnessExit;
use conformance::profile::Profile;
use conformance::report::event_stream::RunEvent;
use conformance::scenario::{Scenario, json_schema};
use conformance::stdio;
use conformance::suite_selection::fail;

use arguments::{CommonArguments, OptionGroup};

/// Commands of the self-test, which is a binary of its own.
const OF_SELFTEST: [&str; 6] = ["coverage", "mutants", "property", "sweep", "steady", "pin"];

/// Runs a job runner through scenarios against a fake coordinator and judges what it did.
///
/// Without a command, every scenario is run. The runner is the `aq` that AQ_BIN names, or lies beside this program, or
/// is on PATH; in a checkout it is built when it is needed.
#[derive(Debug, Parser)]
#[command(name = "conformance", version, after_help = HELP)]
struct CliArguments {
    #[command(subcommand)]
    command: Option<CliCommand>,
    #[command(flatten)]
    options: CommonArguments,
}

const HELP: &str = "\
Examples:
  conformance                      every scenario
  conformance run shadow           the scenarios of one area
  conformance run '*/agree*' --keep   some, their folders kept to be looked at
  conformance list                 what there is, and the clauses it proves
  conformance run --events run.ndjson   everything that happened, a line an event

Exit codes:
  0   everything holds
  1   the runner is not conformant
  2   wrong usage or configuration; nothing was run
  3   something is broken, or nothing could be judged
  130 ended by SIGINT, 143 by SIGTERM or SIGHUP; the reports are written all the same

`conformance-selftest` proves the harness itself: cargo run -p conformance-selftest -- --help";

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Run the scenarios that a glob names: an id, an area, or a pattern with * and ?
    Run { globs: Vec<String> },
    /// Run again what failed in a stream that --events wrote: the same scenarios in the same order, by the runner that
    /// is named now
    Replay(replay::ReplayArguments),
    /// List the scenarios with the clauses that they prove
    List { globs: Vec<String> },
    /// Write the scenarios that are built in to a new folder, to begin your own with
    Export {
        /// A folder that does not exist or is empty
        folder: PathBuf,
    },
    /// Judge a coordinator over HTTP alone, on jobs of its own that it takes away again
    Coordinator {
        /// Only these checks, by their ids: `coordinator/renewal`
        checks: Vec<String>,
        /// Its base address
        #[arg(long)]
        url: String,
        /// A file with the token; scopes shadow, work and submit, or shadow alone with --observe
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// Certificates in PEM that are trusted besides the system's, for an https address
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Change nothing: reads, shadow calls, and requests that have to be refused
        #[arg(long)]
        observe: bool,
        /// A shell command that ends the coordinator, starts it anew, and returns once it answers again; without it, what
        /// has to outlive a restart is not looked at
        #[arg(long, value_name = "COMMAND", conflicts_with = "observe")]
        restart: Option<String>,
    },
    /// Rehearse a rollout with `aq` and the fake: up the ladder, through trouble, and back, every job counted
    Rehearse(rehearse::RehearseArguments),
    /// Run four small scenarios, one for each verdict, that tell a wrong profile from a wrong runner
    Smoke {
        /// Only these, by their ids: `smoke/agree`
        ids: Vec<String>,
    },
    /// Mappings of the API to a wire of your own: prove one, or print one to begin with
    #[command(subcommand)]
    Wire(wire::WireCommand),
    /// Print the JSON Schema of scenario files, of profiles, or of the stream of events
    Schema {
        #[arg(value_enum, default_value = "scenario")]
        of: SchemaOf,
    },
    /// Print completions for a shell
    Completions { shell: Shell },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum SchemaOf {
    Scenario,
    Profile,
    Events,
}

/// Parses what was typed and does it.
pub(crate) fn main() -> HarnessExit {
    let cli = match CliArguments::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            match command_of_selftest(&error) {
                Some(command) => stdio::say(format_args!(
                    "`{command}` tests the harness itself: type `cargo run -p conformance-selftest -- {command}`"
                )),
                None => drop(error.print()),
            }
            return HarnessExit::WrongUsage;
        }
        Err(help) => {
            stdio::keep(help.print());
            return HarnessExit::Holds;
        }
    };
    let (name, taken) = cli.command.as_ref().map_or(("run", arguments::JUDGES), taken_by);
    if let Some(refusal) = cli.options.refusal(name, taken) {
        return fail(HarnessExit::WrongUsage, &refusal);
    }
    let done = match cli.command {
        None => run::run(&[], &cli.options),
        Some(CliCommand::Run { globs }) => run::run(&globs, &cli.options),
        Some(CliCommand::Replay(arguments)) => replay::replay(&arguments, &cli.options),
        Some(CliCommand::List { globs }) => list::list(&globs, &cli.options.selection()),
        Some(CliCommand::Export { folder }) => export::export(&folder),
        Some(CliCommand::Coordinator {
            checks,
            url,
            token_file,
            ca,
            observe,
            restart,
        }) => smoke_and_coordinator::coordinator(
            &smoke_and_coordinator::CoordinatorTarget {
                url,
                token_file,
                ca,
                observe,
                restart,
            },
            checks,
            &cli.options,
        ),
        Some(CliCommand::Rehearse(arguments)) => rehearse::run(&arguments, &cli.options),
        Some(CliCommand::Smoke { ids }) => smoke_and_coordinator::smoke(&ids, &cli.options),
        Some(CliCommand::Wire(command)) => wire::wire(&command),
        Some(CliCommand::Schema { of }) => Ok(print(&match of {
            SchemaOf::Scenario => json_schema::of::<Scenario>(),
            SchemaOf::Profile => json_schema::of::<Profile>(),
            SchemaOf::Events => json_schema::of::<RunEvent>(),
        })),
        Some(CliCommand::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut CliArguments::command(), "conformance", &mut script);
            Ok(print(&String::from_utf8_lossy(&script)))
        }
    };
    done.unwrap_or_else(|exit| exit)
}

/// The command of the self-test that was typed here.
fn command_of_selftest(error: &clap::Error) -> Option<&'static str> {
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(typed)) => OF_SELFTEST.into_iter().find(|command| command == typed),
        _ => None,
    }
}

/// A command's name, and the options that mean something to it.
fn taken_by(command: &CliCommand) -> (&'static str, &'static [OptionGroup]) {
    match command {
        CliCommand::Run { .. } => ("run", arguments::JUDGES),
        CliCommand::Replay(_) => ("replay", arguments::JUDGES),
        CliCommand::List { .. } => ("list", &[OptionGroup::Scenarios]),
        CliCommand::Export { .. } => ("export", &[]),
        CliCommand::Coordinator { .. } => ("coordinator", &[OptionGroup::Reports]),
        CliCommand::Rehearse(_) => ("rehearse", &[OptionGroup::Reports, OptionGroup::Pace]),
        CliCommand::Smoke { .. } => ("smoke", &[OptionGroup::Reports, OptionGroup::Runner]),
        CliCommand::Wire(_) => ("wire", &[]),
        CliCommand::Schema { .. } => ("schema", &[]),
        CliCommand::Completions { .. } => ("completions", &[]),
    }
}

fn print(text: &str) -> HarnessExit {
    stdio::write_stdout(text);
    HarnessExit::Holds
}
