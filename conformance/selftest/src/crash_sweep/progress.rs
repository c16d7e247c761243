//! What a sweep has come to so far: the steps there are, the kills that were made, the first case that went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::SweepFailure;
use super::crash_case::{ReachedStep, SweepCaseResult};
use super::kill_plan::{self, PlannedKill, SweepCaseKind};
use super::kill_point::{KillVictim, StepActor};
use super::report::{StepKillCounts, SweepReport};

/// The first so many of three parts of the kills go through the catalogue; after them come the steps without a kill.
const PARTS_OF_SEEDS: u64 = 2;
/// Ways to a step that are kept.
const WAYS_MAX: usize = 4;
/// A step that was not met on so many returns along those ways is left.
const RETURNS_MAX: u64 = 24;

type StepKey = (&'static str, String);

/// How a step was come to: the case, and the kills on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StepPath {
    seed: u64,
    kills: Vec<PlannedKill>,
}

/// The ways to a step, and how often one of them was gone again.
#[derive(Debug, Default)]
struct StepPaths {
    known: Vec<StepPath>,
    returns: u64,
}

#[derive(Debug, Default)]
pub(super) struct SweepProgress {
    /// The steps that the scouts met: what is aimed at.
    catalogue: BTreeSet<StepKey>,
    /// Of every step that was passed.
    ways: BTreeMap<StepKey, StepPaths>,
    kills: BTreeMap<StepKey, BTreeMap<KillVictim, u64>>,
    made: u64,
    missed: u64,
    failure: Option<SweepFailure>,
    broken: Option<String>,
    is_discovering: bool,
}

impl SweepProgress {
    pub(super) fn new() -> SweepProgress {
        SweepProgress {
            is_discovering: true,
            ..SweepProgress::default()
        }
    }

    pub(super) fn end_discovery(&mut self) {
        self.is_discovering = false;
    }

    pub(super) fn is_over(&self, kills: u64) -> bool {
        self.failure.is_some() || self.broken.is_some() || self.made >= kills
    }

    /// Back to the step without a kill that was returned to least, along a way on which it was passed; none while the
    /// seeds' own kills are not made, and if there is no such step any more.
    pub(super) fn return_to_unkilled_step(&mut self, kills: u64) -> Option<(u64, Vec<PlannedKill>)> {
        if self.made.saturating_mul(3) < kills.saturating_mul(PARTS_OF_SEEDS) {
            return None;
        }
        let unmet = self
            .ways
            .iter_mut()
            .filter(|(step, ways)| !self.kills.contains_key(*step) && ways.returns < RETURNS_MAX);
        let (step, ways) = unmet.min_by_key(|(_, ways)| ways.returns)?;
        let position = usize::try_from(ways.returns).unwrap_or(0) % ways.known.len();
        let way = ways.known.get(position)?;
        ways.returns += 1;
        let (command, step) = step.clone();
        let victim = match kill_plan::who(command) {
            StepActor::Runner => KillVictim::Runner,
            StepActor::Supervisor => KillVictim::Supervisors,
        };
        let mut planned_kills = way.kills.clone();
        planned_kills.push(kill_plan::planned_kill(command, &step, 0, victim));
        Some((way.seed, planned_kills))
    }

    /// The next stretches of the catalogue, which belong to the seed alone.
    pub(super) fn targets(&self, seed: u64) -> Vec<PlannedKill> {
        SweepCaseKind::planned_kills(seed, |command| {
            let of_command = self.catalogue.iter().filter(|step| step.0 == command);
            of_command.map(|step| &step.1).collect()
        })
    }

    pub(super) fn note(&mut self, seed: u64, case_result: SweepCaseResult) {
        for passed in &case_result.passed {
            if self.is_discovering {
                self.catalogue.insert((passed.command, passed.step.clone()));
            }
            self.note_path(seed, passed, &case_result.kills);
        }
        for (command, target) in case_result.kills {
            self.made += 1;
            let by_victim = self.kills.entry((command, target.step)).or_default();
            *by_victim.entry(target.victim).or_default() += 1;
        }
        self.missed += case_result.missed;
        if !case_result.wrong.is_empty() && self.failure.is_none() {
            self.failure = Some(SweepFailure {
                seed,
                what: case_result.wrong,
                actions: case_result.actions,
            });
        }
    }

    fn note_path(&mut self, seed: u64, passed: &ReachedStep, kills: &[PlannedKill]) {
        let step = (passed.command, passed.step.clone());
        let known = &mut self.ways.entry(step).or_default().known;
        let kills = kills.get(..passed.kills_before).unwrap_or_default();
        // The shorter the way, the likelier it is that it leads there again.
        let position = known.partition_point(|way| way.kills.len() <= kills.len());
        if position < WAYS_MAX {
            let kills = kills.to_vec();
            known.insert(position, StepPath { seed, kills });
            known.truncate(WAYS_MAX);
        }
    }

    pub(super) fn note_broken(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    pub(super) fn report(self, seed: u64, cases: u64, took: Duration) -> SweepReport {
        let rows = self.ways.into_keys().map(|step| {
            let kills = self.kills.get(&step).cloned().unwrap_or_default();
            StepKillCounts {
                command: step.0,
                step: step.1,
                kills,
            }
        });
        SweepReport {
            rows: rows.collect(),
            kills: self.made,
            missed: self.missed,
            seed,
            cases,
            took,
            failure: self.failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case_result(kills: Vec<PlannedKill>, step: &str) -> SweepCaseResult {
        let passed = ReachedStep {
            command: "run",
            step: step.to_owned(),
            kills_before: 1,
        };
        SweepCaseResult {
            kills,
            passed: vec![passed],
            ..SweepCaseResult::default()
        }
    }

    fn kill(step: &str) -> PlannedKill {
        kill_plan::planned_kill("run", step, 0, KillVictim::Runner)
    }

    #[test]
    fn a_step_without_a_kill_is_returned_to_by_the_kills_that_led_there_until_it_has_one() {
        let mut progress = SweepProgress::new();
        progress.end_discovery();
        let way = [kill("first"), kill("later")];
        progress.note(7, case_result(way.to_vec(), "rare"));
        assert_eq!(
            progress.return_to_unkilled_step(9),
            None,
            "the seeds' own kills are not made"
        );
        let back = progress.return_to_unkilled_step(3);
        assert_eq!(back, Some((7, vec![kill("first"), kill("rare")])));
        for _ in 1..RETURNS_MAX {
            assert!(progress.return_to_unkilled_step(3).is_some());
        }
        assert_eq!(
            progress.return_to_unkilled_step(3),
            None,
            "it can't be come to again"
        );
        progress.note(8, case_result(vec![kill("first")], "rarer"));
        assert!(progress.return_to_unkilled_step(3).is_some());
        progress.note(9, case_result(vec![kill("rarer")], "rare"));
        assert_eq!(progress.return_to_unkilled_step(3), None);
    }
}
