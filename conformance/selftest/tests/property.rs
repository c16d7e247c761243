//! Non-interference over generated cases; many more by `conformance-selftest property`.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use common::{aq, harness, suite};
use conformance::suite::default_jobs;
use conformance_selftest::mutants::Mutant;
use conformance_selftest::property;

/// A few hundred, many at a time, because most of their time is spent waiting; more by the command.
const CASES: u64 = 200;

#[test]
fn beside_any_coordinator_all_is_as_without_one() {
    if let Some(failure) = property::run(&suite(aq()), 1, CASES, 2 * default_jobs()) {
        panic!(
            "seed {}\n{}\n{}",
            failure.seed, failure.scenario, failure.failure_report
        );
    }
}

#[test]
fn runners_that_interfere_are_found() {
    for name in ["acts-on-diverge", "touches-its-files", "fails-on-shadow-errors"] {
        let mutant = Mutant::named(name).expect("the mutant exists");
        let suite = suite(mutant.around(&aq(), &harness()));
        let found = property::find(&suite, 1, 60, default_jobs());
        let (seed, failure_report) = found.unwrap_or_else(|| panic!("nothing was found against {name}"));
        assert!(
            failure_report.contains(": fired"),
            "{name}, seed {seed}\n{failure_report}"
        );
    }
}

#[test]
fn a_runner_that_a_coordinator_changes_is_found_and_the_case_made_small() {
    let mutant = Mutant::named("marks-its-engines").expect("the mutant exists");
    let suite = suite(mutant.around(&aq(), &harness()));
    let failure = property::run(&suite, 1, 1, 1).expect("it starts its engines otherwise");
    assert_eq!(
        failure.scenario.matches("[[job]]").count(),
        1,
        "{}",
        failure.scenario
    );
    assert!(!failure.scenario.contains("rule"), "{}", failure.scenario);
    assert!(
        failure.scenario.contains("\"--workers\", \"1\""),
        "{}",
        failure.scenario
    );
}
