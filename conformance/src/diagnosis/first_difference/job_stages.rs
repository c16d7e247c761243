//! The way of each job's file through the stage folders, beside the way that it takes without a fleet, or the place
//! where the scenario wants it in the end.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{DifferenceKind, TimedDifference, earliest};
use crate::evidence::RunEvidence;
use crate::scenario::Scenario;

const ON_THE_WAY: [&str; 3] = ["inbox", "building", "testing"];

/// The stages that a job's file entered, and when.
type StageHistories<'a> = BTreeMap<&'a str, Vec<(Instant, &'a str)>>;

/// The first move that leads elsewhere.
pub(super) fn of(
    scenario: &Scenario,
    seen: &RunEvidence,
    offline: Option<&RunEvidence>,
) -> Option<TimedDifference> {
    if seen.watched.trouble.is_some() {
        return None;
    }
    let ways = ways(seen);
    let other = offline.filter(|offline| offline.watched.trouble.is_none());
    let beside = other.and_then(|offline| earliest(beside(&ways, &self::ways(offline)).into_iter()));
    beside.or_else(|| earliest(last_moves(scenario, &ways).into_iter()))
}

fn ways(seen: &RunEvidence) -> StageHistories<'_> {
    let mut ways = StageHistories::new();
    for moved in &seen.watched.moves {
        let way = ways.entry(&moved.job).or_default();
        // What is gone from one folder and appears in another was noticed in both.
        if let Some(stage) = moved.to.as_deref()
            && way.last().is_none_or(|(_, last)| *last != stage)
        {
            way.push((moved.at, stage));
        }
    }
    ways
}

/// Each job's first move that is not the one of the run without a fleet.
fn beside(ways: &StageHistories, other: &StageHistories) -> Vec<TimedDifference> {
    let nothing = Vec::new();
    let jobs = ways
        .keys()
        .chain(other.keys().filter(|job| !ways.contains_key(*job)));
    let parts = jobs.filter_map(|job| {
        let way = ways.get(job).unwrap_or(&nothing);
        let (before, way_on) = after_inbox(way);
        let (_, expected) = after_inbox(other.get(job).unwrap_or(&nothing));
        let differs = |index: &usize| {
            way_on.get(*index).map(|(_, stage)| stage) != expected.get(*index).map(|(_, stage)| stage)
        };
        let index = (0..way_on.len().max(expected.len())).find(differs)?;
        let expected = match expected.get(index) {
            Some((_, stage)) => format!("{stage}, as without a fleet"),
            None => "nothing more, as without a fleet".into(),
        };
        Some(part(job, way, before + index, expected))
    });
    parts.collect()
}

/// How many moves into the inbox begin this way, none or one, and the moves after it. On a busy machine the job can have
/// left the inbox before the watch of that folder begins, so whether its first move was seen says nothing of the runner.
fn after_inbox<'a, 'b>(way: &'b [(Instant, &'a str)]) -> (usize, &'b [(Instant, &'a str)]) {
    match way.split_first() {
        Some(((_, "inbox"), rest)) => (1, rest),
        _ => (0, way),
    }
}

/// Each job's last move where that leads elsewhere than the scenario says. In a stage that a job only passes
/// through, it is the next one that is missing.
fn last_moves(scenario: &Scenario, ways: &StageHistories) -> Vec<TimedDifference> {
    let stages = scenario.expect.stages.iter().flatten();
    let parts = stages.filter_map(|(job, expected)| {
        let way = ways.get(job.as_str())?;
        let (_, last) = way.last()?;
        let index = if ON_THE_WAY.contains(last) {
            way.len()
        } else {
            way.len() - 1
        };
        (last != expected).then(|| part(job, way, index, expected.clone()))
    });
    parts.collect()
}

fn part(job: &str, way: &[(Instant, &str)], index: usize, expected: String) -> TimedDifference {
    let (at, seen) = match way.get(index) {
        Some((at, stage)) => (Some(*at), (*stage).to_owned()),
        None => (None, "nothing more".to_owned()),
    };
    let stages: Vec<&str> = way.iter().take(index).map(|(_, stage)| *stage).collect();
    TimedDifference {
        kind: DifferenceKind::Stage,
        at,
        place: match stages.is_empty() {
            true => format!("the file of {job}"),
            false => format!("the file of {job}, after {}", stages.join(", ")),
        },
        expected,
        seen,
    }
}
