//! The stub checks itself: every fault of the vocabulary, armed against disarmed, through a client on a real socket.
//!
//! A fault that changes nothing that can be observed is no fault, so the two observations must differ; and a fault of
//! the phase `after` must leave real state as changed as the honest operation does. What is asked and observed is
//! `probe`'s matter.

mod probe;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::faults::{Fault, FaultPhase, ProbeStep, SelfCheckCase};
use crate::rules::Rule;
use probe::{ProbeResult, observe};

/// One fault that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultCheck {
    /// The rule, as it is written.
    pub rule: String,
    /// What is wrong with it; none where it does what it says.
    pub wrong: Option<String>,
}

/// A fault with a request on which it shows.
#[derive(Debug, Clone)]
struct FaultCase {
    rule: Rule,
    /// A rule behind it, for a fault that shows only in front of another.
    behind: Option<Rule>,
    /// What happens before the rule is armed, and after.
    first: &'static [ProbeStep],
    then: &'static [ProbeStep],
}

/// What was seen of a case, with its fault and without: to be judged as values, so that the judgement can itself be
/// checked with what a stub without the fault would have shown.
#[derive(Debug, Clone)]
struct FaultObservation {
    case: FaultCase,
    with: Result<ProbeResult, String>,
    without: Result<ProbeResult, String>,
}

/// Checks every fault in every phase that it has.
pub fn self_check() -> Vec<FaultCheck> {
    let observed: Vec<_> = all_cases().into_iter().map(FaultObservation::of).collect();
    judge(&observed)
}

fn judge(observed: &[FaultObservation]) -> Vec<FaultCheck> {
    observed.iter().map(FaultObservation::judged).collect()
}

impl FaultObservation {
    fn of(case: FaultCase) -> FaultObservation {
        FaultObservation {
            with: observe(&case, case.armed()),
            without: observe(&case, case.disarmed()),
            case,
        }
    }

    fn judged(&self) -> FaultCheck {
        let wrong = match (&self.with, &self.without) {
            (Ok(with), Ok(without)) => compare(&self.case, with, without),
            (Err(failed), _) | (_, Err(failed)) => Some(failed.clone()),
        };
        FaultCheck {
            rule: serde_json::to_string(&self.case.rule).unwrap_or_default(),
            wrong,
        }
    }
}

impl FaultCase {
    fn of(case: &SelfCheckCase, phase: FaultPhase) -> FaultCase {
        let rule = |on: &str, fault: &Value| -> Rule {
            serde_json::from_value(json!({"on": on, "fault": fault})).expect("the cases are written here")
        };
        let on = match phase {
            FaultPhase::Before => case.on,
            FaultPhase::After => "claim",
        };
        let mut checked = rule(on, &case.fault);
        checked.phase = phase;
        checked.when.times = case.times;
        FaultCase {
            rule: checked,
            behind: case.behind.as_ref().map(|fault| rule(on, fault)),
            first: case.first,
            then: case.then,
        }
    }

    fn armed(&self) -> Vec<Rule> {
        [Some(self.rule.clone()), self.behind.clone()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn disarmed(&self) -> Vec<Rule> {
        self.behind.clone().into_iter().collect()
    }
}

fn compare(case: &FaultCase, with: &ProbeResult, without: &ProbeResult) -> Option<String> {
    if with == without {
        return Some("armed or not, a client sees the same and state ends the same".to_owned());
    }
    let committed = with.digest == without.digest && with.digest != with.digest_before;
    (case.rule.phase == FaultPhase::After && !committed)
        .then(|| "it is of the phase `after`, and the operation was not carried out".to_owned())
}

fn all_cases() -> Vec<FaultCase> {
    let mut cases = cases();
    cases.extend(after_cases());
    cases
}

/// Every fault before the operation, each on a request on which it shows.
fn cases() -> Vec<FaultCase> {
    let before = |case: SelfCheckCase| FaultCase::of(&case, FaultPhase::Before);
    Fault::self_check_cases().map(before).collect()
}

/// The faults that can follow a committed operation, on one that changes state.
fn after_cases() -> Vec<FaultCase> {
    let after = |case: SelfCheckCase| FaultCase::of(&case, FaultPhase::After);
    Fault::self_check_cases()
        .filter(|case| case.after)
        .map(after)
        .collect()
}

/// The names of all faults, as rules spell them.
#[cfg(test)]
fn vocabulary() -> Vec<&'static str> {
    Fault::words().chain(Fault::keys()).collect()
}
