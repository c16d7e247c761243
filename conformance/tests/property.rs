//! Non-interference over generated cases; many more by `conformance property`.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use common::{aq, harness, suite};
use conformance::mutant::Mutant;
use conformance::property;
use conformance::suite::default_jobs;

/// As many as the tests' time allows; CI runs some hundred more.
const CASES: u64 = 20;

#[test]
fn beside_any_coordinator_all_is_as_without_one() {
    if let Some(failure) = property::run(&suite(aq()), 1, CASES, default_jobs()) {
        panic!("seed {}\n{}\n{}", failure.seed, failure.scenario, failure.story);
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
