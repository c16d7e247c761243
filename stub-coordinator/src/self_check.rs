//! The stub checks itself: every fault of the vocabulary, armed against disarmed, through a client on a real socket.
//!
//! A fault that changes nothing that can be observed is no fault, so the two observations must differ; and a fault of
//! the phase `after` must leave real state as changed as the honest operation does. What is asked and observed is
//! `probe`'s matter.

mod probe;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

#[cfg(test)]
use crate::rules::Fault;
use crate::rules::{FaultPhase, MalformedFault, Rule};
use probe::{ProbeResult, ProbeStep, observe};

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
    fn of(on: &str, fault: &Value, phase: FaultPhase) -> FaultCase {
        let rule = json!({"on": on, "fault": fault, "phase": phase});
        FaultCase {
            rule: serde_json::from_value(rule).expect("the cases are written here"),
            behind: None,
            first: &[],
            then: &[],
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
    let before = |on: &str, fault: Value| FaultCase::of(on, &fault, FaultPhase::Before);
    let on_dry_runs = transport_and_answers()
        .into_iter()
        .map(|fault| before("shadow.claim", fault));
    let mut cases: Vec<FaultCase> = on_dry_runs.collect();
    cases.push(before("shadow.claim", json!("down")));
    cases.push(before("shadow.claim", json!("dry_run_grants")));
    cases.push(before("shadow.report", json!("leaky_shadow")));
    cases.push(before("claim", json!("ack_without_commit")));
    let mut agree = before("shadow.claim", json!("agree"));
    // A rule behind one that always fires could never fire itself.
    agree.rule.when.times = Some(1);
    cases.push(FaultCase {
        behind: Some(FaultCase::of("shadow.claim", &json!({"status": 503}), FaultPhase::Before).rule),
        ..agree
    });
    for fault in ["double_grant", "token_regress"] {
        // The second job is free; the first was granted, and for the token given back.
        let first: &[ProbeStep] = match fault {
            "double_grant" => &[ProbeStep::Claim],
            _ => &[ProbeStep::Claim, ProbeStep::Release],
        };
        cases.push(FaultCase {
            first,
            ..before("claim", json!(fault))
        });
    }
    cases.push(FaultCase {
        then: &[ProbeStep::Claim],
        ..before("job.get", json!("stale_read"))
    });
    // Looked at where only a sequence that goes on, and ends as it says, differs from one that does nothing.
    for (steps, end, then) in [
        (
            ["agree", "close"],
            "hold",
            &[ProbeStep::SendEarlier, ProbeStep::SendEarlier] as &[ProbeStep],
        ),
        (
            ["close", "agree"],
            "wrap",
            &[ProbeStep::SendEarlier, ProbeStep::SendEarlier],
        ),
        (["agree", "close"], "pass", &[ProbeStep::SendEarlier]),
    ] {
        cases.push(FaultCase {
            then,
            ..before("shadow.claim", json!({"sequence": steps, "end": end}))
        });
    }
    cases
}

/// The faults that can follow a committed operation, on one that changes state.
fn after_cases() -> Vec<FaultCase> {
    let faults = transport_and_answers().into_iter();
    let down = std::iter::once(json!("down"));
    faults
        .chain(down)
        .map(|fault| FaultCase::of("claim", &fault, FaultPhase::After))
        .collect()
}

/// The faults that any operation can meet.
fn transport_and_answers() -> Vec<Value> {
    let mut faults = vec![
        json!("diverge"),
        json!({"diverge": {"job": "elsewhere"}}),
        json!({"diverge": {"patch": {"job": {"engine": "other"}}}}),
        json!({"diverge": {"without": "job.engine"}}),
        json!("empty"),
        json!({"status": 503, "retry_after": "1s"}),
        json!({"refuse": "lease_lost"}),
        json!({"redirect": "http://127.0.0.1:9/"}),
        json!({"delay": "50ms"}),
        json!({"delay": {"uniform": ["10ms", "50ms"]}}),
        json!({"delay": {"lognormal": {"median": "20ms", "p99": "90ms"}}}),
        json!({"gate": "self-check"}),
        json!({"dribble": {"chunks": 4, "over": "1s"}}),
        json!("hang"),
        json!("reset"),
        json!("close"),
        json!("garbage"),
        json!({"cut": 20}),
        json!({"clock_skew": "10s"}),
        json!({"sequence": [{"status": 500}, "close"], "end": "hold"}),
    ];
    faults.extend(MalformedFault::ALL.map(|(_, name)| json!({"malformed": name})));
    faults
}

/// The names of all faults, as rules spell them.
#[cfg(test)]
fn vocabulary() -> Vec<&'static str> {
    let words = Fault::WORDS.iter().map(|(word, _)| *word);
    words.chain(Fault::KEYS).collect()
}
