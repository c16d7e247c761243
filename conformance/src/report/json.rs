//! Verdicts for programs: one JSON object.

use std::time::Duration;

use serde_json::json;

use crate::verdict::{Outcome, Verdict, exit_code};

/// The verdicts, their counts and the exit code that follows from them.
pub fn render(verdicts: &[Verdict], total: Duration) -> String {
    let count = |outcome| {
        verdicts
            .iter()
            .filter(|verdict| verdict.outcome == outcome)
            .count()
    };
    let document = json!({
        "passed": count(Outcome::Pass),
        "failed": count(Outcome::Fail),
        "broken": count(Outcome::Broken),
        "knownFailures": count(Outcome::KnownFailure),
        "notApplicable": count(Outcome::NotApplicable),
        "exit": exit_code(verdicts),
        "tookMs": u64::try_from(total.as_millis()).unwrap_or(u64::MAX),
        "scenarios": verdicts,
    });
    format!("{document:#}\n")
}
