//! The harness's proof that its checks can fail: runners that are wrong in one way each, the check that has
//! to notice, and the same runner without the fault, which has to pass.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use common::{aq, scenario, suite};
use conformance::checks::registry::{self, CheckBasis};
use conformance::scenario::scenario_files;
use conformance_selftest::mutants::ALL;
use conformance_selftest::mutants::matrix_cases::{self, MutantCase};
use conformance_selftest::mutants::matrix_runner::{self, MatrixOutcome};

/// Where the system tells less of its files, this one's fault does not come about in a scenario's time: it looks too late
/// to see a file that is half written.
const TAKES_HALF_FILES: &str = "takes-half-files";

/// A part of the kill matrix, as much as the tests' time allows; `conformance-selftest mutants` carries out all of it.
#[test]
fn wrong_runners_die_of_the_check_that_is_about_them() {
    let found = scenario_files::all(&common::scenarios()).expect("scenarios");
    let jobs = conformance::suite::default_jobs();
    // Who never ends takes all of a scenario's time, and who outlives a lease all of the lease's: both are for the
    // command.
    let soon =
        |case: &MutantCase| case.check != "ends-in-time" && !case.scenario.starts_with("route/stopped");
    let some: Vec<MutantCase> = matrix_cases::ALL
        .iter()
        .copied()
        .filter(soon)
        .step_by(4)
        .collect();
    let rows = matrix_runner::run(&suite(aq()), &found, &some, jobs);
    let alive: Vec<_> = rows
        .iter()
        .filter(|row| match row.outcome {
            MatrixOutcome::Killed => false,
            MatrixOutcome::Survived(_) => true,
            MatrixOutcome::Inconclusive(_) => {
                let is_fast = cfg!(all(target_os = "linux", not(portable)));
                is_fast || row.case.mutant != TAKES_HALF_FILES
            }
        })
        .collect();
    assert!(
        alive.is_empty(),
        "{}\n{}",
        matrix_runner::render(&rows),
        alive[0].failure_report
    );
}

#[test]
fn a_runner_without_a_fault_kills_no_case_and_a_case_without_its_fault_is_no_proof() {
    let found = scenario_files::all(&common::scenarios()).expect("scenarios");
    let case = MutantCase {
        mutant: "control",
        ..matrix_cases::ALL[0]
    };
    let rows = matrix_runner::run(&suite(aq()), &found, &[case], 1);
    assert_eq!(
        rows[0].outcome,
        MatrixOutcome::Survived(vec![]),
        "{}",
        rows[0].failure_report
    );
    let idle = MutantCase {
        mutant: "ignores-locks",
        scenario: "no/such",
        ..case
    };
    let rows = matrix_runner::run(&suite(aq()), &found, &[idle], 1);
    assert!(
        matches!(rows[0].outcome, MatrixOutcome::Inconclusive(_)),
        "{:?}",
        rows[0].outcome
    );
}

/// Counters that stand still prove nothing where nobody asked.
#[test]
fn zero_mutations_counts_only_where_the_fake_saw_this_runners_own_shadow_calls() {
    let found = scenario_files::all(&common::scenarios()).expect("scenarios");
    let unseen: Vec<MutantCase> = ["does-nothing", "stays-offline"]
        .map(|mutant| MutantCase {
            mutant,
            scenario: "shadow/agree",
            check: "shadow-seen",
            clauses: &["S-3"],
        })
        .into();
    let rows = matrix_runner::run(&suite(aq()), &found, &unseen, 2);
    for row in rows {
        assert_eq!(
            row.outcome,
            MatrixOutcome::Killed,
            "{}\n{}",
            row.case.mutant,
            row.failure_report
        );
        assert!(
            row.failure_report.contains("`shadow-seen`"),
            "{}",
            row.failure_report
        );
        // All that could be counted was in order.
        for check in ["`mutations`", "`digest`", "`only-shadow-operations`"] {
            assert!(!row.failure_report.contains(check), "{}", row.failure_report);
        }
    }
}

#[test]
fn every_mutant_but_the_control_has_a_case_and_every_case_a_clause_of_its_check() {
    for mutant in ALL.iter().filter(|mutant| !mutant.is_control()) {
        let has = matrix_cases::ALL.iter().any(|case| case.mutant == mutant.name);
        assert!(has, "{} has no case", mutant.name);
    }
    for case in matrix_cases::ALL {
        let entry = registry::named(case.check).expect("the check is in the register");
        let of_scenario = match entry.basis {
            CheckBasis::Scenario => scenario(case.scenario).clauses,
            CheckBasis::Always | CheckBasis::Instrument => Vec::new(),
        };
        for clause in case.clauses {
            assert!(
                entry.clauses.contains(clause) || of_scenario.iter().any(|given| given == clause),
                "{} in {}: `{}` does not rest on {clause}",
                case.mutant,
                case.scenario,
                case.check
            );
        }
    }
}
