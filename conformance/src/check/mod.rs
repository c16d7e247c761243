//! Judges a run: pure functions from what a scenario expects and what was observed to findings. Every check
//! has a name, which reports and mutants go by, and the clauses of the contract that it rests on.

mod always;
pub(crate) mod calls;
pub mod document;
pub(crate) mod log;
mod offline;
pub use offline::NORMALISED;
pub(crate) use queue::find_reason;
mod output;
mod queue;
pub mod register;
mod routed;
mod witness;

use crate::observed::Evidence;
use crate::scenario::Scenario;
use crate::verdict::{Finding, Outcome};

/// Every finding on a scenario; independent checks are all made, also after a failure.
pub fn all(scenario: &Scenario, evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    queue::check(scenario, &evidence.run, &mut findings);
    output::check(scenario, &evidence.run, &mut findings);
    log::check(scenario, &evidence.run, &mut findings);
    calls::check(scenario, &evidence.run, evidence.paired.as_ref(), &mut findings);
    offline::check(scenario, &evidence.run, evidence.offline.as_ref(), &mut findings);
    always::check(scenario, &evidence.run, &mut findings);
    routed::check(&evidence.run, &mut findings);
    witness::check(scenario, &evidence.run, &mut findings);
    document::check(&evidence.run, &mut findings);
    findings
}

/// A check of the runner on its way to a finding.
pub(crate) struct Check<'a> {
    name: &'static str,
    clauses: Vec<String>,
    against: Outcome,
    findings: &'a mut Vec<Finding>,
}

/// Opens a check that the runner answers for, resting on the clauses that the register has for it.
pub(crate) fn of_runner<'a>(name: &'static str, findings: &'a mut Vec<Finding>) -> Check<'a> {
    let clauses = register::named(name).map_or(&[][..], |entry| entry.clauses);
    Check {
        name,
        clauses: clauses.iter().map(|clause| (*clause).to_owned()).collect(),
        against: Outcome::Fail,
        findings,
    }
}

/// Opens a check that the harness, the fake or the scenario answers for.
pub(crate) fn of_harness<'a>(name: &'static str, findings: &'a mut Vec<Finding>) -> Check<'a> {
    Check {
        name,
        clauses: Vec::new(),
        against: Outcome::Broken,
        findings,
    }
}

impl Check<'_> {
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

    /// Both lists must be equal; where they part, only the lines that differ are told.
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
        let told = |lines: &[String]| {
            let lines: Vec<String> = pairs
                .clone()
                .map(|index| format!("{}. {}", index + 1, line(lines, index)))
                .collect();
            lines.join("\n")
        };
        let (expected, observed) = (told(expected), told(observed));
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
