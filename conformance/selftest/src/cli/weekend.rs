//! The weekend in fast motion, with the exit code that each result has.

use std::path::PathBuf;

use clap::Args;
use nix::sys::signal::Signal;

use conformance::exit_codes::HarnessExit;
use conformance::signal_dispositions;
use conformance::stdio;
use conformance::suite_selection::fail;
use conformance_selftest::weekend;

use super::RunnerArguments;
use super::proofs::holds;

#[derive(Debug, Args)]
pub(super) struct WeekendArguments {
    /// How many jobs
    #[arg(long, value_name = "N", default_value_t = 2000)]
    jobs: usize,
    /// What the jobs and the outages follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many jobs the runner works on at a time
    #[arg(long, value_name = "N", default_value_t = 4)]
    workers: u64,
    /// Seek the mutants of the weekend instead; 1 if one is not found
    #[arg(long, conflicts_with = "jobs")]
    wrong: bool,
    /// The runner, described by a profile; by default the `aq` of this repository
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

/// One weekend; inconclusive where no disk can be filled.
pub(super) fn weekend(arguments: &WeekendArguments) -> Result<HarnessExit, HarnessExit> {
    let runner = RunnerArguments {
        jobs: None,
        profile: arguments.profile.clone(),
    };
    let suite = runner.selection(None, false).suite()?;
    let inconclusive = |message: String| fail(HarnessExit::Inconclusive, &message);
    // The runner has to end by them, also under `nohup`.
    signal_dispositions::restore_for_children(&[Signal::SIGHUP, Signal::SIGTERM]);
    weekend::enter_namespace().map_err(inconclusive)?;
    let plan = weekend::WeekendPlan {
        profile: suite.profile,
        jobs: arguments.jobs,
        seed: arguments.seed,
        workers: arguments.workers,
    };
    if arguments.wrong {
        return Ok(seek_mutants(&plan));
    }
    let report = weekend::run(&plan).map_err(inconclusive)?;
    stdio::write_stdout(&weekend::render(&report));
    Ok(match report.wrong.is_empty() {
        true => HarnessExit::Holds,
        false => HarnessExit::DoesNotHold,
    })
}

fn seek_mutants(plan: &weekend::WeekendPlan) -> HarnessExit {
    let mut all_found = true;
    for wrong in weekend::mutants::ALL {
        let found = weekend::mutants::seek(wrong, plan);
        all_found &= found.is_ok();
        let how = found.map_or_else(|why| format!("NOT FOUND: {why}"), |()| "found".to_owned());
        stdio::write_stdout(&format!("{:<28} {how}  {}\n", wrong.name, wrong.what));
    }
    holds(all_found)
}
