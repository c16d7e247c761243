//! What a sweep has come to so far: the steps there are, the kills that were made, the first case that went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Failure;
use super::case::{Aim, Passed, Played};
use super::report::{Report, Row};
use super::tracer::{Target, Victim};
use crate::property::dice::Dice;

/// Kills of one case during `run`.
const AIMS_OF_RUN: u64 = 5;
/// The first so many of three parts of the kills go through the catalogue; after them come the steps without a kill.
const PARTS_OF_SEEDS: u64 = 2;
/// Ways to a step that are kept.
const WAYS_MAX: usize = 4;
/// A step that was not met on so many returns along those ways is left.
const RETURNS_MAX: u64 = 24;

const START: &str = "after: start a process";

type Step = (&'static str, String);

/// How a step was come to: the case, and the kills on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    seed: u64,
    kills: Vec<Aim>,
}

/// The ways to a step, and how often one of them was gone again.
#[derive(Debug, Default)]
struct Ways {
    known: Vec<Way>,
    returns: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The steps that the scouts met: what is aimed at.
    catalogue: BTreeSet<Step>,
    /// Of every step that was passed.
    ways: BTreeMap<Step, Ways>,
    kills: BTreeMap<Step, BTreeMap<Victim, u64>>,
    made: u64,
    missed: u64,
    failure: Option<Failure>,
    broken: Option<String>,
    is_scouting: bool,
}

impl Ledger {
    pub(super) fn new() -> Ledger {
        Ledger {
            is_scouting: true,
            ..Ledger::default()
        }
    }

    pub(super) fn end_scouting(&mut self) {
        self.is_scouting = false;
    }

    pub(super) fn is_over(&self, kills: u64) -> bool {
        self.failure.is_some() || self.broken.is_some() || self.made >= kills
    }

    /// What a scout is to be interrupted at, so that the steps of taking up again are met as well.
    pub(super) fn of_scout(number: u64) -> Vec<Aim> {
        let aim = |skip: u64| {
            let victim = match (number + skip) % 3 {
                0 => Victim::Both,
                1 => Victim::Supervisors,
                _ => Victim::Runner,
            };
            let step = "after: wait".to_owned();
            ("run", Target { step, skip, victim })
        };
        let both = |command, step: &str, skip| {
            let (step, victim) = (step.to_owned(), Victim::Both);
            (command, Target { step, skip, victim })
        };
        match number % 6 {
            0 => Vec::new(),
            // While `verify` is about to be started.
            3 => vec![both("run", "after: rename building/ID.md to testing/ID.md", 0); 2],
            // While `ship` runs: of `run` it is the last command of a job, of `aq ship` the only one.
            4 => (1..4).map(|skip| both("run", START, skip)).collect(),
            5 => vec![both("ship", START, 0); 2],
            _ => vec![aim(number % 5), aim(number % 4), aim(number % 2)],
        }
    }

    /// Back to the step without a kill that was returned to least, along a way on which it was passed; none while the
    /// seeds' own kills are not made, and if there is no such step any more.
    pub(super) fn back_to_unmet(&mut self, kills: u64) -> Option<(u64, Vec<Aim>)> {
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
        let victim = Victim::Runner;
        let mut aims = way.kills.clone();
        aims.push((
            command,
            Target {
                step,
                skip: 0,
                victim,
            },
        ));
        Some((way.seed, aims))
    }

    /// The next stretches of the catalogue, which belong to the seed alone: one kill of `add`, one of `ship`, and some of
    /// `run`, which never run out of work before the others do.
    pub(super) fn targets(&self, seed: u64) -> Vec<Aim> {
        let mut dice = Dice::new(seed);
        let mut aims = Vec::new();
        for (command, count) in [("add", 1), ("run", AIMS_OF_RUN), ("ship", 1)] {
            let steps: Vec<&String> = self
                .catalogue
                .iter()
                .filter(|step| step.0 == command)
                .map(|step| &step.1)
                .collect();
            let of = steps.len() as u64;
            for number in 0..count {
                let position = seed.wrapping_mul(count).wrapping_add(number).checked_rem(of);
                let step = position.and_then(|position| steps.get(usize::try_from(position).ok()?));
                let Some(step) = step else { continue };
                let victim = match dice.below(4) {
                    0 => Victim::Both,
                    1 if command == "run" => Victim::Supervisors,
                    _ => Victim::Runner,
                };
                let skip = if dice.one_in(4) { dice.below(4) } else { 0 };
                let step = (*step).clone();
                aims.push((command, Target { step, skip, victim }));
            }
        }
        aims
    }

    pub(super) fn note(&mut self, seed: u64, played: Played) {
        for passed in &played.passed {
            if self.is_scouting {
                self.catalogue.insert((passed.command, passed.step.clone()));
            }
            self.note_way(seed, passed, &played.kills);
        }
        for (command, target) in played.kills {
            self.made += 1;
            let by_victim = self.kills.entry((command, target.step)).or_default();
            *by_victim.entry(target.victim).or_default() += 1;
        }
        self.missed += played.missed;
        if !played.wrong.is_empty() && self.failure.is_none() {
            self.failure = Some(Failure {
                seed,
                what: played.wrong,
                story: played.story,
            });
        }
    }

    fn note_way(&mut self, seed: u64, passed: &Passed, kills: &[Aim]) {
        let step = (passed.command, passed.step.clone());
        let known = &mut self.ways.entry(step).or_default().known;
        let kills = kills.get(..passed.kills_before).unwrap_or_default();
        // The shorter the way, the likelier it is that it leads there again.
        let position = known.partition_point(|way| way.kills.len() <= kills.len());
        if position < WAYS_MAX {
            let kills = kills.to_vec();
            known.insert(position, Way { seed, kills });
            known.truncate(WAYS_MAX);
        }
    }

    pub(super) fn note_broken(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    pub(super) fn report(self, seed: u64, cases: u64, took: Duration) -> Report {
        let rows = self.ways.into_keys().map(|step| {
            let kills = self.kills.get(&step).cloned().unwrap_or_default();
            let of = |victim| kills.get(&victim).copied().unwrap_or(0);
            Row {
                runner: of(Victim::Runner),
                supervisors: of(Victim::Supervisors),
                both: of(Victim::Both),
                command: step.0,
                step: step.1,
            }
        });
        Report {
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

    fn played(kills: Vec<Aim>, step: &str) -> Played {
        let passed = Passed {
            command: "run",
            step: step.to_owned(),
            kills_before: 1,
        };
        Played {
            kills,
            passed: vec![passed],
            ..Played::default()
        }
    }

    fn kill(step: &str) -> Aim {
        let (step, victim) = (step.to_owned(), Victim::Runner);
        (
            "run",
            Target {
                step,
                skip: 0,
                victim,
            },
        )
    }

    #[test]
    fn a_step_without_a_kill_is_returned_to_by_the_kills_that_led_there_until_it_has_one() {
        let mut ledger = Ledger::new();
        ledger.end_scouting();
        let way = [kill("first"), kill("later")];
        ledger.note(7, played(way.to_vec(), "rare"));
        assert_eq!(ledger.back_to_unmet(9), None, "the seeds' own kills are not made");
        let back = ledger.back_to_unmet(3);
        assert_eq!(back, Some((7, vec![kill("first"), kill("rare")])));
        for _ in 1..RETURNS_MAX {
            assert!(ledger.back_to_unmet(3).is_some());
        }
        assert_eq!(ledger.back_to_unmet(3), None, "it can't be come to again");
        ledger.note(8, played(vec![kill("first")], "rarer"));
        assert!(ledger.back_to_unmet(3).is_some());
        ledger.note(9, played(vec![kill("rarer")], "rare"));
        assert_eq!(ledger.back_to_unmet(3), None);
    }
}
