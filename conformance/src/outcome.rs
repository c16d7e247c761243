//! Outcomes: of a check, of a scenario, of a whole run; and the exit code that follows from them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::first_difference::FirstDifference;
use crate::report::run_trace::RunTrace;

/// The harness was interrupted before it had a verdict on everything.
pub const INTERRUPTED: u8 = 130;
/// Something is broken, or nothing was executed and found good.
pub const BROKEN: u8 = 3;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The profile says that the runner lacks what is checked.
    NotApplicable,
    Pass,
    /// It fails, as the runner's profile says that it does, and until when.
    KnownFailure,
    /// The runner is wrong.
    Fail,
    /// The harness or the scenario is wrong: nothing is known of the runner.
    Broken,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub check: &'static str,
    pub clauses: Vec<String>,
    pub outcome: Outcome,
    pub expected: String,
    pub observed: String,
}

/// The result of one scenario.
#[derive(Debug, Clone)]
pub struct CaseResult {
    pub id: String,
    pub title: String,
    pub clauses: Vec<String>,
    pub outcome: Outcome,
    pub findings: Vec<Finding>,
    pub took: Duration,
    /// What a person needs to understand a failure; empty where nothing failed.
    pub story: String,
    /// What was seen of its runs; empty where there was none.
    pub accounts: Vec<RunTrace>,
    /// Where the run parts from what it should have been, the earliest first.
    pub partings: Vec<FirstDifference>,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Outcome::NotApplicable => "n/a",
            Outcome::Pass => "pass",
            Outcome::KnownFailure => "known",
            Outcome::Fail => "FAIL",
            Outcome::Broken => "BROKEN",
        }
    }
}

/// A failing check outweighs a broken one: that the runner is wrong was seen, whatever else is unknown.
pub fn of_findings(findings: &[Finding]) -> Outcome {
    // Nothing was checked; that must not look like success.
    let gravest = findings.iter().map(|finding| severity(finding.outcome)).max();
    gravest.map_or(Outcome::Broken, |(_, outcome)| outcome)
}

/// 0: all that was asked holds; 1: not conformant; 3: broken, or nothing was executed and found good.
pub fn exit_of(outcomes: impl Iterator<Item = Outcome>) -> u8 {
    let outcomes: Vec<Outcome> = outcomes.collect();
    let has = |outcome| outcomes.contains(&outcome);
    match (has(Outcome::Fail), has(Outcome::Broken), has(Outcome::Pass)) {
        (true, _, _) => 1,
        (_, true, _) => BROKEN,
        (_, _, true) => 0,
        (_, _, false) => BROKEN,
    }
}

/// What decides where findings differ.
pub fn severity(outcome: Outcome) -> (u8, Outcome) {
    let rank = match outcome {
        Outcome::NotApplicable => 0,
        Outcome::Pass => 1,
        Outcome::KnownFailure => 2,
        Outcome::Broken => 3,
        Outcome::Fail => 4,
    };
    (rank, outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(outcome: Outcome) -> Finding {
        Finding {
            check: "x",
            clauses: vec![],
            outcome,
            expected: String::new(),
            observed: String::new(),
        }
    }

    fn verdict(outcome: Outcome) -> CaseResult {
        CaseResult {
            id: "a/b".into(),
            title: String::new(),
            clauses: vec![],
            outcome,
            findings: vec![],
            took: Duration::ZERO,
            story: String::new(),
            accounts: vec![],
            partings: vec![],
        }
    }

    fn exit_code(verdicts: &[CaseResult]) -> u8 {
        exit_of(verdicts.iter().map(|verdict| verdict.outcome))
    }

    #[test]
    fn nothing_checked_is_never_green() {
        assert_eq!(of_findings(&[]), Outcome::Broken);
        assert_eq!(exit_code(&[]), 3);
        assert_eq!(exit_code(&[verdict(Outcome::NotApplicable)]), 3);
        assert_eq!(
            exit_code(&[verdict(Outcome::KnownFailure)]),
            3,
            "what is known to fail is nothing that holds"
        );
    }

    #[test]
    fn one_failing_check_fails_the_scenario_and_the_run() {
        let findings = [
            finding(Outcome::Pass),
            finding(Outcome::Broken),
            finding(Outcome::Fail),
        ];
        assert_eq!(of_findings(&findings), Outcome::Fail);
        assert_eq!(
            exit_code(&[
                verdict(Outcome::Pass),
                verdict(Outcome::Fail),
                verdict(Outcome::Broken)
            ]),
            1
        );
    }

    #[test]
    fn a_known_failure_is_no_pass_and_does_not_redden_a_run() {
        let findings = [finding(Outcome::Pass), finding(Outcome::KnownFailure)];
        assert_eq!(of_findings(&findings), Outcome::KnownFailure);
        assert_eq!(
            exit_code(&[verdict(Outcome::Pass), verdict(Outcome::KnownFailure)]),
            0
        );
    }

    #[test]
    fn a_broken_check_is_neither_green_nor_the_runners_fault() {
        assert_eq!(
            of_findings(&[finding(Outcome::Pass), finding(Outcome::Broken)]),
            Outcome::Broken
        );
        assert_eq!(exit_code(&[verdict(Outcome::Pass), verdict(Outcome::Broken)]), 3);
        assert_eq!(exit_code(&[verdict(Outcome::Pass)]), 0);
    }
}
