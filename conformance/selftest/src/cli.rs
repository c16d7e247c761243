//! The command line of the self-test: one command for each way in which the harness is proven.

mod proofs;
mod steady;
#[cfg(all(target_os = "linux", not(portable)))]
mod sweep;
#[cfg(any(portable, not(target_os = "linux")))]
mod sweep_refusal;
#[cfg(all(target_os = "linux", not(portable)))]
mod weekend;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use conformance::clause;
use conformance::exit_codes::HarnessExit;
use conformance::stdio;
use conformance::suite;
use conformance::suite_selection::SuiteSelection;
use conformance_selftest::clause_pins;
#[cfg(all(target_os = "linux", not(portable)))]
use sweep::{SweepArguments, sweep};
#[cfg(any(portable, not(target_os = "linux")))]
use sweep_refusal::{
    RefusedArguments as SweepArguments, RefusedArguments as WeekendArguments, refuse_sweep as sweep,
    refuse_weekend as weekend,
};
#[cfg(all(target_os = "linux", not(portable)))]
use weekend::{WeekendArguments, weekend};

/// Proves the conformance harness: that its checks can fail, and that its outcomes can be relied on.
///
/// The runner is `aq`, built when it is needed, or the binary that AQ_BIN names.
#[derive(Debug, Parser)]
#[command(name = "conformance-selftest", version, after_help = HELP)]
struct SelftestArguments {
    #[command(subcommand)]
    command: SelftestCommand,
}

const HELP: &str = "\
Examples:
  conformance-selftest coverage                 what stands behind each clause of the contracts
  conformance-selftest mutants                  every mutant has to fail the check that is about its fault
  conformance-selftest mutants runs-twice       this mutant alone
  conformance-selftest sweep --kills 100 --seed 7
  conformance-selftest property --cases 60
  conformance-selftest steady --runs 50
  conformance-selftest weekend --jobs 300 --seed 7

`conformance` runs the suite itself: cargo run -p conformance -- --help

Exit codes:
  0   everything holds
  1   it does not: a mutant survived, a clause has a gap, an outcome differed, a case failed
  2   wrong usage or configuration; nothing was run
  3   something is broken, or nothing could be judged
  130 ended by SIGINT, 143 by SIGTERM or SIGHUP";

#[derive(Debug, Subcommand)]
enum SelftestCommand {
    /// Print which checks, scenarios and mutants stand for each clause of the contracts; 1 if one has a gap
    Coverage(CoverageArguments),
    /// Run every mutant, a runner with one deliberate fault, and print which check it fails; 1 if one survives
    Mutants(MutantsArguments),
    /// Run generated jobs beside generated coordinators; 1 if anything differs from the same run without a fleet
    Property(PropertyArguments),
    /// Kill the runner at every step of every transition, start it again, and see that nothing is lost, run twice or half done
    Sweep(SweepArguments),
    /// Run everything many times, serial, parallel, shuffled and beside a load on every core; 1 if any outcome differs
    Steady(SteadyArguments),
    /// Run generated jobs on a host that goes through full disks, logins that end, kills and lost files, and see that no job is lost, run twice or failed for it
    Weekend(WeekendArguments),
    /// Print the pins of the clauses' texts, once their checks were looked at
    Pin,
}

/// Which runner is tested, and how much at a time.
#[derive(Debug, Args)]
struct RunnerArguments {
    /// How many runs at a time [default: twice the cores, at least 4]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// The runner, described by a profile; by default the `aq` of this repository
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CoverageArguments {
    /// The folder of the scenarios
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
    /// Print the contents of conformance/clause-proofs.tsv instead, from which reports take what is proven
    #[arg(long)]
    proofs: bool,
}

#[derive(Debug, Args)]
struct MutantsArguments {
    /// Only these mutants
    names: Vec<String>,
    /// The folder of the scenarios
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
    #[command(flatten)]
    runner: RunnerArguments,
}

#[derive(Debug, Args)]
struct PropertyArguments {
    /// How many cases
    #[arg(long, default_value_t = 300)]
    cases: u64,
    /// The seed of the first; case N of seed S is case 0 of seed S+N
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where a case that fails is left as a scenario file, made as small as it gets
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Keep the folders of the runs and say where they are on a failure
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    runner: RunnerArguments,
}

#[derive(Debug, Args)]
struct SteadyArguments {
    /// Only the scenarios that these name: an id, an area, or a pattern with * and ?
    globs: Vec<String>,
    /// How many runs; the ways take turns
    #[arg(long, default_value_t = 50)]
    runs: u64,
    /// The seed of the orders: run N is shuffled by SEED + N
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    shuffle: u64,
    /// Keep the folders of the runs and say where they are on a failure
    #[arg(long)]
    keep: bool,
    /// The folder of the scenarios
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
    #[command(flatten)]
    runner: RunnerArguments,
}

impl RunnerArguments {
    /// This runner and the scenarios of this folder, or of the repository.
    fn selection(&self, scenarios: Option<&PathBuf>, keep: bool) -> SuiteSelection {
        SuiteSelection {
            scenarios: scenarios.cloned(),
            profile: self.profile.clone(),
            shuffle: None,
            keep,
        }
    }

    fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(suite::default_jobs)
    }
}

/// Parses what was typed and does it.
pub(crate) fn main() -> HarnessExit {
    let arguments = match SelftestArguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            let _ = error.print();
            return HarnessExit::WrongUsage;
        }
        Err(help) => {
            stdio::keep(help.print());
            return HarnessExit::Holds;
        }
    };
    let done = match arguments.command {
        SelftestCommand::Coverage(arguments) => proofs::coverage(&arguments),
        SelftestCommand::Mutants(arguments) => proofs::mutants(&arguments),
        SelftestCommand::Property(arguments) => proofs::property(&arguments),
        SelftestCommand::Sweep(arguments) => sweep(&arguments),
        SelftestCommand::Steady(arguments) => steady::steady(&arguments),
        SelftestCommand::Weekend(arguments) => weekend(&arguments),
        SelftestCommand::Pin => {
            stdio::write_stdout(&clause_pins::render(clause::all()));
            Ok(HarnessExit::Holds)
        }
    };
    done.unwrap_or_else(|exit| exit)
}
