//! Judges a run: pure functions from what a scenario expects and what was observed to findings. Every check
//! has a name, which reports and mutants go by, and the clauses of the contract that it rests on.

pub(crate) mod coordinator_calls;
mod invariants;
mod offline_comparison;
pub mod openapi;
pub(crate) mod shadow_log;
pub use job_outcomes::shown_reason;
pub use offline_comparison::NORMALISED;
mod command_output;
mod harness_health;
mod job_outcomes;
pub mod registry;
mod routed_jobs;

use crate::evidence::Evidence;
use crate::outcome::{Finding, Outcome};
use crate::scenario::Scenario;

/// Every finding on a scenario; independent checks are all made, also after a failure.
pub fn all(scenario: &Scenario, evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    job_outcomes::check(scenario, &evidence.run, &mut findings);
    command_output::check(scenario, &evidence.run, &mut findings);
    shadow_log::check(scenario, &evidence.run, &mut findings);
    coordinator_calls::check(scenario, &evidence.run, evidence.paired.as_ref(), &mut findings);
    offline_comparison::check(scenario, &evidence.run, evidence.offline.as_ref(), &mut findings);
    invariants::check(scenario, &evidence.run, &mut findings);
    routed_jobs::check(&evidence.run, &mut findings);
    harness_health::check(scenario, &evidence.run, &mut findings);
    openapi::check(&evidence.run, &mut findings);
    findings
}

/// A check of the runner on its way to a finding.
pub(crate) struct CheckAssertion<'a> {
    name: &'static str,
    clauses: Vec<String>,
    against: Outcome,
    findings: &'a mut Vec<Finding>,
}

/// Opens a check that the runner answers for, resting on the clauses that the register has for it.
pub(crate) fn of_runner<'a>(name: &'static str, findings: &'a mut Vec<Finding>) -> CheckAssertion<'a> {
    let clauses = registry::named(name).map_or(&[][..], |entry| entry.clauses);
    CheckAssertion {
        name,
        clauses: clauses.iter().map(|clause| (*clause).to_owned()).collect(),
        against: Outcome::Fail,
        findings,
    }
}

/// Opens a check that the harness, the fake or the scenario answers for.
pub(crate) fn of_harness<'a>(name: &'static str, findings: &'a mut Vec<Finding>) -> CheckAssertion<'a> {
    CheckAssertion {
        name,
        clauses: Vec::new(),
        against: Outcome::Broken,
        findings,
    }
}

impl CheckAssertion<'_> {
    /// Adds the scenario's own clauses: what it expects is what they say.
    pub(crate) fn and_of(mut self, scenario: &Scenario) -> Self {
        for clause in &scenario.clauses {
            if !self.clauses.contains(clause) {
                self.clauses.push(clause.clone());
            }
        }
        self
    }

    /// Both must be equal.
    pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(self, expected: &T, observed: &T) {
        let outcome = if expected == observed {
            Outcome::Pass
        } else {
            self.against
        };
        self.close(outcome, shown(expected), shown(observed));
    }

    /// Both lists must be equal; where they are not, only the lines that differ are reported.
    pub(crate) fn same_lines(self, expected: &[String], observed: &[String]) {
        if expected == observed {
            return self.close(
                Outcome::Pass,
                format!("{} lines", expected.len()),
                "the same".into(),
            );
        }
        let pairs = (0..expected.len().max(observed.len()))
            .filter(|index| expected.get(*index) != observed.get(*index));
        let line =
            |lines: &[String], index: usize| lines.get(index).map_or("nothing".to_owned(), Clone::clone);
        let described = |lines: &[String]| {
            let lines: Vec<String> = pairs
                .clone()
                .map(|index| format!("{}. {}", index + 1, line(lines, index)))
                .collect();
            lines.join("\n")
        };
        let (expected, observed) = (described(expected), described(observed));
        let against = self.against;
        self.close(against, expected, observed);
    }

    /// Nothing may have been found.
    pub(crate) fn none<T: std::fmt::Display>(self, expected: &str, found: &[T]) {
        let outcome = if found.is_empty() {
            Outcome::Pass
        } else {
            self.against
        };
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        let observed = if found.is_empty() {
            "none".to_owned()
        } else {
            lines.join("\n")
        };
        self.close(outcome, expected.to_owned(), observed);
    }

    /// A condition must hold.
    pub(crate) fn holds(self, condition: bool, expected: &str, observed: String) {
        let outcome = if condition { Outcome::Pass } else { self.against };
        self.close(outcome, expected.to_owned(), observed);
    }

    fn close(self, outcome: Outcome, expected: String, observed: String) {
        self.findings.push(Finding {
            check: self.name,
            clauses: self.clauses,
            outcome,
            expected,
            observed,
        });
    }
}

/// A value in as few lines as it fits.
fn shown<T: std::fmt::Debug>(value: &T) -> String {
    let short = format!("{value:?}");
    if short.len() <= 96 {
        short
    } else {
        format!("{value:#?}")
    }
}
