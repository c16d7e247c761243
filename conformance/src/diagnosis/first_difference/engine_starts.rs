//! The starts of engines, `verify` and `ship` beside how often the scenario has each job's.

use std::collections::BTreeMap;

use super::{DifferenceKind, TimedDifference, earliest};
use crate::evidence::RunEvidence;
use crate::fake_engine::engine_run::EngineRun;
use crate::fake_engine::{SHIP, VERIFY};
use crate::scenario::Scenario;

/// The first start that is one more than the scenario's, or else one that is missing.
pub(super) fn of(scenario: &Scenario, seen: &RunEvidence) -> Option<TimedDifference> {
    let expect = &scenario.expect;
    let of_tool = |tool: &str| seen.runs.iter().filter(|run| run.tool == tool).collect();
    let all: [(&str, _, Vec<&EngineRun>); 3] = [
        ("engine", &expect.runs, seen.engine_runs().collect()),
        (VERIFY, &expect.verifies, of_tool(VERIFY)),
        (SHIP, &expect.ships, of_tool(SHIP)),
    ];
    let all = all.into_iter();
    earliest(all.filter_map(|(what, wanted, runs)| first(what, wanted.as_ref()?, runs)))
}

fn first(what: &str, wanted: &BTreeMap<String, usize>, mut runs: Vec<&EngineRun>) -> Option<TimedDifference> {
    let part = |job: &str, times: usize, at, seen| TimedDifference {
        kind: DifferenceKind::Start,
        at,
        place: format!("{what} of {job}"),
        expected: match times {
            0 => "no start".into(),
            times => format!("started {times} times"),
        },
        seen,
    };
    runs.sort_by_key(|run| run.started);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for run in runs {
        let job = run.job.as_deref().unwrap_or("(no job)");
        let times = wanted.get(job).copied().unwrap_or_default();
        let count = counts.entry(job).or_default();
        *count += 1;
        if *count > times {
            return Some(part(
                job,
                times,
                Some(run.started),
                format!("start number {count}"),
            ));
        }
    }
    wanted.iter().find_map(|(job, times)| {
        let count = counts.get(job.as_str()).copied().unwrap_or_default();
        (count < *times).then(|| part(job, *times, None, format!("{count} times")))
    })
}
