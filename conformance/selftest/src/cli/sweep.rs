//! The crash sweep, with the exit code that each result has.

use clap::Args;

use conformance::exit_codes::HarnessExit;
use conformance::stdio;
use conformance::suite_selection::fail;
use conformance_selftest::crash_sweep;

use super::RunnerArguments;
use super::proofs::holds;

#[derive(Debug, Args)]
pub(super) struct SweepArguments {
    /// How many kills
    #[arg(long, default_value_t = 1000)]
    kills: u64,
    /// The seed of the first case; case N of seed S is case 0 of seed S+N
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cases of one kind alone: the runner's own work, what an operator does to a queue, or jobs under leases
    #[arg(long)]
    about: Option<conformance_selftest::crash_sweep::SweepCaseKind>,
    /// Seek the mutants of the sweep instead; 1 if one is not found
    #[arg(long, conflicts_with_all = ["kills", "about"])]
    wrong: bool,
    #[command(flatten)]
    runner: RunnerArguments,
}

/// Kills the runner at one step after the other; inconclusive if nothing was killed.
pub(super) fn sweep(arguments: &SweepArguments) -> Result<HarnessExit, HarnessExit> {
    let suite = arguments.runner.selection(None, false).suite()?;
    let plan = crash_sweep::SweepPlan {
        profile: suite.profile,
        harness: suite.harness,
        kills: arguments.kills,
        seed: arguments.seed,
        about: arguments.about,
        jobs: arguments.runner.jobs(),
    };
    if arguments.wrong {
        return Ok(seek_mutants(&plan));
    }
    let report = crash_sweep::run(&plan).map_err(|message| fail(HarnessExit::Inconclusive, &message))?;
    stdio::write_stdout(&crash_sweep::render(&report));
    Ok(match (&report.failure, report.kills) {
        (Some(_), _) => HarnessExit::DoesNotHold,
        (None, 0) => HarnessExit::Inconclusive,
        (None, _) => HarnessExit::Holds,
    })
}

fn seek_mutants(plan: &crash_sweep::SweepPlan) -> HarnessExit {
    let mut all_found = true;
    for wrong in crash_sweep::mutants::ALL {
        let found = crash_sweep::mutants::seek(wrong, plan);
        all_found &= found.is_ok();
        let how = found.map_or_else(|why| format!("NOT FOUND: {why}"), |()| "found".to_owned());
        stdio::write_stdout(&format!("{:<28} {how}  {}\n", wrong.name, wrong.what));
    }
    holds(all_found)
}
