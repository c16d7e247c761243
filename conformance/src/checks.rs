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
use registry::CheckBasis;

/// Every finding on a scenario; independent checks are all made, also after a failure.
pub fn all(scenario: &Scenario, evidence: &Evidence) -> Vec<Finding> {
    let findings = &mut CheckFindings {
        clauses: &scenario.clauses,
        found: Vec::new(),
    };
    job_outcomes::check(scenario, &evidence.run, findings);
    command_output::check(scenario, &evidence.run, findings);
    shadow_log::check(scenario, &evidence.run, findings);
    coordinator_calls::check(scenario, &evidence.run, evidence.paired.as_ref(), findings);
    offline_comparison::check(scenario, &evidence.run, evidence.offline.as_ref(), findings);
    invariants::check(scenario, &evidence.run, findings);
    routed_jobs::check(&evidence.run, findings);
    harness_health::check(scenario, &evidence.run, findings);
    openapi::check(&evidence.run, findings);
    std::mem::take(&mut findings.found)
}

/// The findings on a scenario so far.
pub(crate) struct CheckFindings<'a> {
    /// What a scenario expects is what its clauses say, so a check of that rests on them too.
    clauses: &'a [String],
    found: Vec<Finding>,
}

/// A check on its way to a finding.
pub(crate) struct CheckAssertion<'a> {
    name: &'static str,
    clauses: Vec<String>,
    against: Outcome,
    found: &'a mut Vec<Finding>,
}

/// Opens the check of this name, resting on what the register has for it. The runner answers for it, or, where it is
/// about an instrument, the harness, the fake or the scenario.
pub(crate) fn assertion<'a>(name: &'static str, findings: &'a mut CheckFindings) -> CheckAssertion<'a> {
    let (own, basis) = registry::named(name).map_or((&[][..], CheckBasis::Always), |entry| {
        (entry.clauses, entry.basis)
    });
    let mut clauses: Vec<String> = own.iter().map(|clause| (*clause).to_owned()).collect();
    if basis == CheckBasis::Scenario {
        let more = findings
            .clauses
            .iter()
            .filter(|clause| !own.contains(&clause.as_str()));
        clauses.extend(more.cloned());
    }
    let against = match basis {
        CheckBasis::Always | CheckBasis::Scenario => Outcome::Fail,
        CheckBasis::Instrument => Outcome::Broken,
    };
    CheckAssertion {
        name,
        clauses,
        against,
        found: &mut findings.found,
    }
}

impl CheckAssertion<'_> {
    /// Both must be equal.
    pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(self, expected: &T, observed: &T) {
        self.holds(expected == observed, &shown(expected), shown(observed));
    }

    /// Both lists must be equal; where they are not, only the lines that differ are reported.
    pub(crate) fn same_lines(self, expected: &[String], observed: &[String]) {
        if expected == observed {
            return self.holds(true, &format!("{} lines", expected.len()), "the same".into());
        }
        let longest = expected.len().max(observed.len());
        let differing = (0..longest).filter(|index| expected.get(*index) != observed.get(*index));
        let described = |lines: &[String]| {
            let line = |index| lines.get(index).map_or("nothing", String::as_str);
            let lines = differing
                .clone()
                .map(|index| format!("{}. {}", index + 1, line(index)));
            lines.collect::<Vec<_>>().join("\n")
        };
        self.holds(false, &described(expected), described(observed));
    }

    /// Nothing may have been found.
    pub(crate) fn none<T: std::fmt::Display>(self, expected: &str, found: &[T]) {
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        let observed = match found.is_empty() {
            true => "none".to_owned(),
            false => lines.join("\n"),
        };
        self.holds(found.is_empty(), expected, observed);
    }

    /// A condition must hold.
    pub(crate) fn holds(self, condition: bool, expected: &str, observed: String) {
        let outcome = if condition { Outcome::Pass } else { self.against };
        self.found.push(Finding {
            check: self.name.to_owned(),
            clauses: self.clauses,
            outcome,
            expected: expected.to_owned(),
            observed,
        });
    }
}

/// A value in as few lines as it fits.
fn shown<T: std::fmt::Debug>(value: &T) -> String {
    let short = without_options(&format!("{value:?}"));
    if short.len() <= 96 {
        short
    } else {
        format!("{value:#?}")
    }
}

/// What `Some` and `None` of Rust say to others: the value, or that there is none. Text in quotes stays as it is.
fn without_options(debug: &str) -> String {
    let mut text = String::with_capacity(debug.len());
    // Whether each open parenthesis is one of `Some`.
    let mut open: Vec<bool> = Vec::new();
    let mut rest = debug;
    while let Some(next) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("Some(") {
            open.push(true);
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("None") {
            text.push_str("none");
            rest = after;
            continue;
        }
        let length = match next {
            '"' => quoted_length(rest),
            _ => next.len_utf8(),
        };
        match next {
            '(' => open.push(false),
            ')' if open.pop() == Some(true) => {
                rest = &rest[length..];
                continue;
            }
            _ => {}
        }
        text.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    text
}

/// How long the text in quotes is that begins here, with its quotes.
fn quoted_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn values_are_shown_without_words_of_rust() {
        assert_eq!(shown(&Some("a \"Some(x)\" None")), r#""a \"Some(x)\" None""#);
        assert_eq!(shown(&None::<u8>), "none");
        assert_eq!(shown(&[Some(1), None]), "[1, none]");
        assert_eq!(shown(&("a", Some(("b", Some(2))))), r#"("a", ("b", 2))"#);
        assert_eq!(shown(&crate::supervise::ProcessExit::Code(1)), "exit 1");
    }
}
