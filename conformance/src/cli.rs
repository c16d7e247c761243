//! The command line: what can be asked of the harness, and with which exit code it answers.

mod arguments;
mod invocation;
mod replay;
mod run;
mod selftest;
mod smoke_and_coordinator;
mod steady;
mod suite_selection;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use conformance::clause::{self, text_pins};
use conformance::profile;
use conformance::report::event_stream;
use conformance::scenario::json_schema;
use conformance::stdio;

use arguments::CommonArguments;

/// Wrong usage.
const USAGE: u8 = 2;
/// The harness could not do its work.
const BROKEN: u8 = conformance::outcome::BROKEN;

/// Runs a job runner through scenarios against a fake coordinator and judges what it did.
///
/// Without a command, every scenario is run. The runner is `aq`, built when it is needed, or the binary that
/// AQ_BIN names.
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
  130 interrupted; the reports are written all the same";

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Run the scenarios that a glob names: an id, an area, or a pattern with * and ?
    Run { globs: Vec<String> },
    /// Run again what failed in a stream that --events wrote: the same scenarios in the same order, by the runner that
    /// is named now
    Replay(replay::ReplayArguments),
    /// List the scenarios with the clauses that they prove
    List { globs: Vec<String> },
    /// Which checks, scenarios and mutants stand for each clause of the contracts
    Coverage,
    /// Run every runner that is wrong on purpose and see which check it dies of; 1 if one survives
    Mutants {
        /// Only these mutants
        names: Vec<String>,
    },
    /// Generated jobs beside generated coordinators: nothing may differ from the same run without a fleet
    Property {
        /// How many cases
        #[arg(long, default_value_t = 300)]
        cases: u64,
        /// The seed of the first; case N of seed S is case 0 of seed S+N
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Where a case that fails is left as a scenario file, made as small as it gets
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
    /// Kill the runner at every step of every transition, start it again, and see that nothing is lost, run twice or half done
    Sweep(selftest::SweepArguments),
    /// Run everything many times, serial, parallel, shuffled and beside a load on every core; 1 if any outcome differs
    Steady {
        globs: Vec<String>,
        /// How many runs; the ways take turns
        #[arg(long, default_value_t = 50)]
        runs: u64,
    },
    /// Print the pins of the clauses' texts, once their checks were looked at
    Pin,
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
        /// Change nothing: reads, shadow calls, and requests that have to be refused
        #[arg(long)]
        observe: bool,
    },
    /// Run four tiny scenarios, one a verdict, that tell a wrong profile from a wrong runner
    Smoke {
        /// Only these, by their ids: `smoke/agree`
        ids: Vec<String>,
    },
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
pub(crate) fn main() -> ExitCode {
    let cli = match CliArguments::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let _ = error.print();
            return ExitCode::from(USAGE);
        }
        Err(help) => {
            stdio::keep(help.print());
            return ExitCode::SUCCESS;
        }
    };
    let (name, taken) = cli.command.as_ref().map_or(("run", arguments::JUDGES), taken_by);
    if let Some(refusal) = cli.options.refusal(name, taken) {
        return fail(USAGE, &refusal);
    }
    let done = match cli.command {
        None => run::run(&[], &cli.options),
        Some(CliCommand::Run { globs }) => run::run(&globs, &cli.options),
        Some(CliCommand::Replay(sought)) => replay::replay(&sought, &cli.options),
        Some(CliCommand::List { globs }) => suite_selection::list(&globs, &cli.options),
        Some(CliCommand::Coverage) => selftest::coverage(&cli.options),
        Some(CliCommand::Mutants { names }) => selftest::mutants(&names, &cli.options),
        Some(CliCommand::Property { cases, seed, out }) => {
            selftest::property(seed, cases, &out, &cli.options)
        }
        Some(CliCommand::Sweep(sought)) => selftest::sweep(&sought, &cli.options),
        Some(CliCommand::Steady { globs, runs }) => steady::steady(&globs, runs, &cli.options),
        Some(CliCommand::Pin) => Ok(print(&text_pins::render(clause::all()))),
        Some(CliCommand::Coordinator {
            checks,
            url,
            token_file,
            observe,
        }) => smoke_and_coordinator::coordinator(
            &smoke_and_coordinator::CoordinatorTarget {
                url,
                token_file,
                observe,
            },
            checks,
            &cli.options,
        ),
        Some(CliCommand::Smoke { ids }) => smoke_and_coordinator::smoke(&ids, &cli.options),
        Some(CliCommand::Schema { of }) => Ok(print(&match of {
            SchemaOf::Scenario => json_schema::text(),
            SchemaOf::Profile => profile::schema(),
            SchemaOf::Events => event_stream::schema(),
        })),
        Some(CliCommand::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut CliArguments::command(), "conformance", &mut script);
            Ok(print(&String::from_utf8_lossy(&script)))
        }
    };
    done.unwrap_or_else(|code| code)
}

/// A command's name, and the options that mean something to it.
fn taken_by(command: &CliCommand) -> (&'static str, &'static [&'static str]) {
    match command {
        CliCommand::Run { .. } => ("run", arguments::JUDGES),
        CliCommand::Replay(_) => ("replay", arguments::JUDGES),
        CliCommand::List { .. } => ("list", &["--scenarios", "--shuffle"]),
        CliCommand::Coverage => ("coverage", &["--scenarios"]),
        CliCommand::Mutants { .. } => ("mutants", &["--jobs", "--scenarios", "--profile"]),
        CliCommand::Property { .. } => ("property", &["--jobs", "--profile", "--keep"]),
        CliCommand::Sweep(_) => ("sweep", &["--jobs", "--profile"]),
        CliCommand::Steady { .. } => (
            "steady",
            &["--jobs", "--shuffle", "--keep", "--scenarios", "--profile"],
        ),
        CliCommand::Pin => ("pin", &[]),
        CliCommand::Coordinator { .. } => ("coordinator", arguments::REPORTS),
        CliCommand::Smoke { .. } => ("smoke", arguments::SMOKE),
        CliCommand::Schema { .. } => ("schema", &[]),
        CliCommand::Completions { .. } => ("completions", &[]),
    }
}

/// Says why nothing comes of it.
fn fail(code: u8, message: &str) -> ExitCode {
    stdio::say(message);
    ExitCode::from(code)
}

fn print(text: &str) -> ExitCode {
    stdio::write_stdout(text);
    ExitCode::SUCCESS
}
