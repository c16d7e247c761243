//! Runs the suite many times in different ways and prints whether any outcome differed, and how to see it again.

use std::time::Instant;

use conformance::exit_codes::HarnessExit;
use conformance::invocation::HarnessInvocation;
use conformance::outcome::{self, Outcome};
use conformance::stdio::write_stdout;
use conformance_selftest::steadiness::{self, OutcomeDifference, RepeatResult};

use super::SteadyArguments;

/// Makes the runs; where nothing differed, the exit code is that of the first run, which is that of all.
pub(super) fn steady(arguments: &SteadyArguments) -> Result<HarnessExit, HarnessExit> {
    let runs = arguments.runs;
    let selection = arguments
        .runner
        .selection(arguments.scenarios.as_ref(), arguments.keep);
    let (found, suite) = selection.chosen(&arguments.globs)?;
    suite.stop.stop_at_signals();
    let plans = steadiness::plans(runs, arguments.shuffle, arguments.runner.jobs());
    let mut all: Vec<RepeatResult> = Vec::new();
    let mut began = Instant::now();
    steadiness::run(&suite, &found, plans, |made| {
        print_run(&made, runs, began.elapsed().as_secs_f64());
        for difference in &made.differences {
            write_stdout(&format!(
                "{}\n{}\n",
                headline(difference),
                difference.failure_report
            ));
        }
        began = Instant::now();
        all.push(made);
    });
    let invocation = HarnessInvocation::of_this_process(&selection, None);
    let differences: Vec<&OutcomeDifference> = all.iter().flat_map(|made| &made.differences).collect();
    write_stdout("\n");
    for difference in &differences {
        write_stdout(&format!(
            "{}\n  {}\n",
            headline(difference),
            again(&invocation, difference)
        ));
    }
    let ran = all.len();
    write_stdout(&match differences.len() {
        0 => format!("{ran} runs of {} scenarios: no outcome differed\n", found.len()),
        count => format!(
            "{ran} runs of {} scenarios: {count} outcomes differed\n",
            found.len()
        ),
    });
    let first = all.first().map_or(Vec::new(), |made| made.outcomes.clone());
    Ok(match (suite.stop.signal(), differences.is_empty()) {
        (Some(signal), _) => HarnessExit::Ended(signal),
        (None, false) => HarnessExit::DoesNotHold,
        (None, true) => outcome::exit_of(first.into_iter()),
    })
}

fn print_run(made: &RepeatResult, runs: u64, seconds: f64) {
    let plan = made.plan;
    let passed = made
        .outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Pass)
        .count();
    let failed = made.outcomes.iter().filter(|outcome| outcome.is_bad()).count();
    let order = plan
        .seed
        .map_or("by id".to_owned(), |seed| format!("seed {seed}"));
    let differ = match (plan.number, made.differences.len()) {
        (1, _) => String::new(),
        (_, 0) => "  as the first".into(),
        (_, count) => format!("  {count} DIFFER"),
    };
    write_stdout(&format!(
        "run {:>3} of {runs}  {:8}  {order:9}  {} at a time  {passed} passed, {failed} failed  {seconds:.1} s{differ}\n",
        plan.number,
        plan.mode.word(),
        plan.jobs
    ));
}

fn headline(difference: &OutcomeDifference) -> String {
    format!(
        "── {}: {} in run {}, {} in the first",
        difference.id.escape_debug(),
        difference.now,
        difference.plan.number,
        difference.first
    )
}

/// The command that makes such a run again.
fn again(invocation: &HarnessInvocation, difference: &OutcomeDifference) -> String {
    let plan = difference.plan;
    let jobs = plan.jobs.to_string();
    let mut words = vec!["run", "--jobs", &jobs];
    let seed = plan.seed.map(|seed| seed.to_string());
    words.extend(
        seed.as_deref()
            .map(|seed| ["--shuffle", seed])
            .into_iter()
            .flatten(),
    );
    invocation.with(&words)
}
