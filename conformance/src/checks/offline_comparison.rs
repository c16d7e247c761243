//! Clause S-4: a run beside a coordinator and the same run without one differ in nothing that matters.

use std::collections::BTreeMap;

use super::{CheckFindings, assertion};
use crate::evidence::RunEvidence;
use crate::fake_engine::engine_run::EngineRun;
use crate::sandbox::queue_snapshot::StageFile;
use crate::scenario::{FlagState, Scenario};

/// What is made equal before two runs are compared; everything else has to be equal as it is.
pub const NORMALISED: [(&str, &str); 4] = [
    (
        "the run's own folder",
        "its path is replaced by {run} in folders, arguments, environment and prompts",
    ),
    (
        "variables that shells set for themselves",
        "_, PWD, OLDPWD and SHLVL are left out",
    ),
    (
        "the mark of a run",
        "AQ_RUN, by which a runner knows its processes again, differs with each start and is left out",
    ),
    ("times and process ids", "they are not compared at all"),
];
const LEFT_OUT: [&str; 5] = ["_", "PWD", "OLDPWD", "SHLVL", "AQ_RUN"];

pub(super) fn check(
    scenario: &Scenario,
    seen: &RunEvidence,
    offline: Option<&RunEvidence>,
    findings: &mut CheckFindings,
) {
    let Some(offline) = offline else {
        return;
    };
    let connections = offline.coordinator.after.connections;
    assertion("offline-connections", findings).equal(&0, &connections);
    super::job_outcomes::outcome_of_jobs(
        ["offline-stages-as-expected", "offline-runs-as-expected"],
        scenario,
        offline,
        findings,
    );
    assertion("offline-exit", findings).equal(&offline.main().exit, &seen.main().exit);
    assertion("offline-stages", findings).same_lines(&files(offline), &files(seen));
    let (mut expected, mut observed) = (starts(offline), starts(seen));
    if super::shadow_log::is_any_order(scenario) == FlagState::On {
        expected.sort();
        observed.sort();
    }
    assertion("offline-runs", findings).same_lines(&expected, &observed);
    let empty = scenario.jobs.is_empty() || offline.stage_files.is_empty();
    assertion("offline-did-something", findings).holds(
        !empty,
        "the run that is compared with had jobs to work on",
        format!(
            "{} jobs, {} files",
            scenario.jobs.len(),
            offline.stage_files.len()
        ),
    );
}

/// Names and bytes of the stage folders.
fn files(seen: &RunEvidence) -> Vec<String> {
    let shown = seen.stage_files.iter().map(|StageFile { stage, name, bytes }| {
        let text = String::from_utf8_lossy(bytes);
        format!("{stage}/{name}: {}", normal(&text, seen))
    });
    shown.collect()
}

/// Every start of a fake engine with all that the runner decided about it.
fn starts(seen: &RunEvidence) -> Vec<String> {
    seen.runs.iter().map(|run| start(run, seen)).collect()
}

fn start(run: &EngineRun, seen: &RunEvidence) -> String {
    let hello = &run.hello;
    let environment: BTreeMap<&String, String> = hello
        .environment
        .iter()
        .filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()))
        .map(|(name, value)| (name, normal(value, seen)))
        .collect();
    let arguments: Vec<String> = hello
        .arguments
        .iter()
        .map(|argument| normal(argument, seen))
        .collect();
    format!(
        "{} {arguments:?} for {:?} in {} told {:?} with {environment:?}",
        run.tool,
        run.job,
        normal(&hello.folder, seen),
        normal(&hello.prompt, seen),
    )
}

fn normal(text: &str, seen: &RunEvidence) -> String {
    text.replace(seen.root.to_string_lossy().as_ref(), "{run}")
}
