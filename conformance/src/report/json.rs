//! The verdicts for programs: one JSON object. What a run looked like from inside is left to the stream.

use serde_json::{Value, json};

use super::run_record::RunRecord;
use crate::case_result::CaseResult;

/// The verdicts, their counts and the exit code that follows from them.
pub fn render(record: &RunRecord) -> String {
    let counts = record.counts();
    let document = json!({
        "passed": counts.passed,
        "failed": counts.failed,
        "broken": counts.broken,
        "knownFailures": counts.known_failures,
        "notApplicable": counts.not_applicable,
        "notRun": counts.not_run,
        "interrupted": record.end().signal().is_some(),
        "exit": record.exit().code(),
        "objection": record.objection(),
        "tookMs": record.ended.as_ref().map(|ended| ended.took_ms),
        "shuffle": record.started.shuffle,
        "scenarioSource": record.started.scenarios_found.map(|found| json!({
            "builtIn": record.started.scenarios.is_none(),
            "folder": record.started.scenarios,
            "count": found,
        })),
        "scenarios": record.by_id().into_iter().map(case).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn case(case: &CaseResult) -> Value {
    json!({
        "id": case.id,
        "title": case.title,
        "clauses": case.clauses,
        "outcome": case.outcome,
        "tookMs": case.took_ms,
        "findings": case.findings,
        "failureReport": case.failure_report,
        "replay": case.replay,
    })
}
