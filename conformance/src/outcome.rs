//! Outcomes: of a check, of a scenario, of a whole run; and the exit code that follows from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit_codes::HarnessExit;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub check: String,
    pub clauses: Vec<String>,
    pub outcome: Outcome,
    pub expected: String,
    pub observed: String,
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

    /// Whether the case fails by it, or does not count.
    pub fn is_bad(self) -> bool {
        matches!(self, Outcome::Fail | Outcome::Broken)
    }
}

/// A failing check outweighs a broken one: that the runner is wrong was seen, whatever else is unknown.
pub fn of_findings(findings: &[Finding]) -> Outcome {
    // Nothing was checked; that must not look like success.
    let gravest = findings.iter().map(|finding| severity(finding.outcome)).max();
    gravest.map_or(Outcome::Broken, |(_, outcome)| outcome)
}

/// What these outcomes come to; where nothing was executed and found good, that is inconclusive.
pub fn exit_of(outcomes: impl Iterator<Item = Outcome>) -> HarnessExit {
    let outcomes: Vec<Outcome> = outcomes.collect();
    let has = |outcome| outcomes.contains(&outcome);
    match (has(Outcome::Fail), has(Outcome::Broken), has(Outcome::Pass)) {
        (true, _, _) => HarnessExit::DoesNotHold,
        (false, true, _) | (false, false, false) => HarnessExit::Inconclusive,
        (false, false, true) => HarnessExit::Holds,
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
            check: "x".into(),
            clauses: vec![],
            outcome,
            expected: String::new(),
            observed: String::new(),
        }
    }

    fn exit_of(outcomes: &[Outcome]) -> HarnessExit {
        super::exit_of(outcomes.iter().copied())
    }

    #[test]
    fn nothing_checked_is_never_green() {
        assert_eq!(of_findings(&[]), Outcome::Broken);
        assert_eq!(exit_of(&[]), HarnessExit::Inconclusive);
        assert_eq!(exit_of(&[Outcome::NotApplicable]), HarnessExit::Inconclusive);
        assert_eq!(
            exit_of(&[Outcome::KnownFailure]),
            HarnessExit::Inconclusive,
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
            exit_of(&[Outcome::Pass, Outcome::Fail, Outcome::Broken]),
            HarnessExit::DoesNotHold
        );
    }

    #[test]
    fn a_known_failure_is_no_pass_and_does_not_redden_a_run() {
        let findings = [finding(Outcome::Pass), finding(Outcome::KnownFailure)];
        assert_eq!(of_findings(&findings), Outcome::KnownFailure);
        assert_eq!(
            exit_of(&[Outcome::Pass, Outcome::KnownFailure]),
            HarnessExit::Holds
        );
    }

    #[test]
    fn a_broken_check_is_neither_green_nor_the_runners_fault() {
        assert_eq!(
            of_findings(&[finding(Outcome::Pass), finding(Outcome::Broken)]),
            Outcome::Broken
        );
        assert_eq!(
            exit_of(&[Outcome::Pass, Outcome::Broken]),
            HarnessExit::Inconclusive
        );
        assert_eq!(exit_of(&[Outcome::Pass]), HarnessExit::Holds);
    }
}
