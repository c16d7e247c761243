//! Failures that are known: each names a scenario, a reason and a last day. They excuse what fails until that
//! day, and turn red as soon as there is nothing left to excuse, so that the list stays up to date.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::outcome::{Finding, Outcome};

/// One entry of a profile's list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownFailure {
    /// The scenario that fails, by its id.
    pub scenario: String,
    /// The check that fails; by default any.
    pub check: Option<String>,
    /// Why it may, and who is at it.
    pub reason: String,
    /// The last day on which it may, as `2026-05-01`, in UTC.
    pub until: String,
}

impl KnownFailure {
    fn is_about(&self, finding: &Finding) -> bool {
        let named = self.check.as_deref().is_none_or(|check| check == finding.check);
        finding.outcome == Outcome::Fail && named
    }
}

/// Turns failing findings of this scenario that are known into known failures, and objects to entries
/// that are overdue or that the runner has outgrown.
pub fn excuse(id: &str, known: &[KnownFailure], today: &str, findings: &mut Vec<Finding>) {
    for entry in known.iter().filter(|entry| entry.scenario == id) {
        let failing: Vec<usize> = (0..findings.len())
            .filter(|index| entry.is_about(&findings[*index]))
            .collect();
        let objection = match (failing.is_empty(), entry.until.as_str() < today) {
            (true, _) => Some(format!(
                "it no longer fails; take it off the list ({})",
                entry.reason
            )),
            (false, true) => Some(format!(
                "it was to be put right by {} ({})",
                entry.until, entry.reason
            )),
            (false, false) => None,
        };
        match objection {
            Some(observed) => findings.push(Finding {
                check: "known-failures".into(),
                clauses: Vec::new(),
                outcome: Outcome::Broken,
                expected: "a known failure that still fails, and may".into(),
                observed,
            }),
            None => {
                for index in failing {
                    let finding = &mut findings[index];
                    finding.outcome = Outcome::KnownFailure;
                    let excuse = format!("\nknown until {}: {}", entry.until, entry.reason);
                    finding.observed.push_str(&excuse);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::of_findings;

    fn findings(exit: Outcome) -> Vec<Finding> {
        [("stages", Outcome::Pass), ("exit", exit)]
            .map(|(check, outcome)| Finding {
                check: check.into(),
                clauses: vec!["O-4".into()],
                outcome,
                expected: String::new(),
                observed: String::new(),
            })
            .to_vec()
    }

    fn outcome(exit: Outcome, check: Option<&str>, today: &str) -> Outcome {
        let known = KnownFailure {
            scenario: "offline/order".into(),
            check: check.map(ToOwned::to_owned),
            reason: "being worked on".into(),
            until: "2026-05-01".into(),
        };
        let mut findings = findings(exit);
        excuse("offline/order", &[known], today, &mut findings);
        of_findings(&findings)
    }

    #[test]
    fn what_is_known_to_fail_is_excused_up_to_its_last_day() {
        assert_eq!(outcome(Outcome::Fail, None, "2026-04-30"), Outcome::KnownFailure);
        assert_eq!(
            outcome(Outcome::Fail, Some("exit"), "2026-05-01"),
            Outcome::KnownFailure
        );
        assert_eq!(outcome(Outcome::Fail, None, "2026-05-02"), Outcome::Fail);
    }

    #[test]
    fn an_entry_turns_red_the_day_it_passes() {
        assert_eq!(outcome(Outcome::Pass, None, "2026-04-30"), Outcome::Broken);
    }

    #[test]
    fn another_check_than_the_known_one_is_not_excused() {
        assert_eq!(
            outcome(Outcome::Fail, Some("stages"), "2026-04-30"),
            Outcome::Fail
        );
    }
}
