//! Where the jobs ended, and how often what worked on them was started.

use std::collections::BTreeMap;

use super::{CheckFindings, assertion};
use crate::evidence::RunEvidence;
use crate::fake_engine::{SHIP, VERIFY};
use crate::scenario::Scenario;
use crate::supervise::ProcessExit;

pub(super) fn check(scenario: &Scenario, seen: &RunEvidence, findings: &mut CheckFindings) {
    let expect = &scenario.expect;
    if let Some(add) = &seen.add {
        assertion("add", findings).equal(&ProcessExit::Code(0), &add.exit);
    }
    outcome_of_jobs(["stages", "runs"], scenario, seen, findings);
    assertion("one-stage", findings).none("each job file in exactly one stage folder", &in_two_stages(seen));
    for (name, tool, expected) in [
        ("ships", SHIP, &expect.ships),
        ("verifies", VERIFY, &expect.verifies),
    ] {
        if let Some(expected) = expected {
            let starts = seen.runs.iter().filter(|run| run.tool == tool);
            let starts = counted(starts.map(|run| run.job.as_deref()));
            assertion(name, findings).equal(&without_zeros(expected), &starts);
        }
    }
    if let Some(expected) = &expect.quarantined {
        let held: Vec<String> = in_stage(seen, "quarantine");
        assertion("quarantined", findings).equal(expected, &held);
    }
    if !expect.reasons.is_empty() {
        let recorded = expect
            .reasons
            .keys()
            .map(|id| (id.clone(), reason(seen, id)))
            .collect();
        assertion("reasons", findings).equal(&expect.reasons, &recorded);
    }
    if !expect.reported.is_empty() {
        let reported = expect
            .reported
            .keys()
            .map(|id| (id.clone(), reported_code(seen, id)));
        assertion("reported", findings).equal(&expect.reported, &reported.collect());
    }
    let expected_stages = &expect.coordinator_stages;
    if !expected_stages.is_empty() {
        let held = expected_stages.keys().map(|id| {
            let stage = seen
                .coordinator
                .stages
                .get(id)
                .cloned()
                .unwrap_or_else(|| "unknown".into());
            (id.clone(), stage)
        });
        let held: BTreeMap<String, String> = held.collect();
        assertion("coordinator-stages", findings).equal(expected_stages, &held);
    }
}

/// Where every job ended and how often each was worked on, as checks of these two names.
pub(super) fn outcome_of_jobs(
    [stages, runs]: [&'static str; 2],
    scenario: &Scenario,
    seen: &RunEvidence,
    findings: &mut CheckFindings,
) {
    if let Some(expected) = &scenario.expect.stages {
        assertion(stages, findings).equal(expected, &self::stages(seen));
    }
    if let Some(expected) = &scenario.expect.runs {
        let engines = counted(seen.engine_runs().map(|run| run.job.as_deref()));
        assertion(runs, findings).equal(&without_zeros(expected), &engines);
    }
}

/// The stage of every job file, by id; of one that lies in several, all of them.
fn stages(seen: &RunEvidence) -> BTreeMap<String, String> {
    let mut stages: BTreeMap<String, String> = BTreeMap::new();
    for file in &seen.stage_files {
        let id = file.name.trim_end_matches(".md").to_owned();
        let stage = stages.entry(id).or_default();
        if !stage.is_empty() {
            stage.push_str(" and ");
        }
        stage.push_str(&file.stage);
    }
    stages
}

fn in_two_stages(seen: &RunEvidence) -> Vec<String> {
    let twice = stages(seen)
        .into_iter()
        .filter(|(_, stage)| stage.contains(" and "));
    twice.map(|(id, stage)| format!("{id}: {stage}")).collect()
}

fn in_stage(seen: &RunEvidence, stage: &str) -> Vec<String> {
    let held = seen.stage_files.iter().filter(|file| file.stage == stage);
    held.map(|file| file.name.trim_end_matches(".md").to_owned())
        .collect()
}

fn counted<'a>(jobs: impl Iterator<Item = Option<&'a str>>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for job in jobs {
        *counts.entry(job.unwrap_or("(no job)").to_owned()).or_default() += 1;
    }
    counts
}

fn without_zeros(counts: &BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(id, count)| (id.clone(), *count))
        .collect()
}

/// The reason in the last report of this job's stage.
fn reported_code(seen: &RunEvidence, id: &str) -> String {
    let mut reports = seen.exchanges("job.report");
    let last = reports.rfind(|report| report.job.as_deref() == Some(id));
    let code = last.and_then(|report| report.request_body.as_ref()?.get("reason")?.as_str());
    code.unwrap_or("nothing reported").to_owned()
}

/// The reason that the runner shows for a job.
fn reason(seen: &RunEvidence, id: &str) -> String {
    let shown = seen
        .shown
        .get(id)
        .map(|shown| serde_json::from_str(&shown.stdout).unwrap_or_default());
    shown
        .as_ref()
        .and_then(shown_reason)
        .unwrap_or_else(|| "none shown".into())
}

/// The code in what `show --json` prints.
pub fn shown_reason(shown: &serde_json::Value) -> Option<String> {
    Some(shown.get("reason")?.as_str()?.to_owned())
}
