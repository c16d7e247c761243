//! What a sweep has come to so far: the steps there are, the kills that were made, the first case that went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Failure;
use super::game::{Passed, Played};
use super::kind::{self, Aim, Kind};
use super::report::{Report, Row};
use super::target::{Target, Victim, Who};

/// The first so many of three parts of the kills go through the catalogue; after them come the steps without a kill.
const PARTS_OF_SEEDS: u64 = 2;
/// Ways to a step that are kept.
const WAYS_MAX: usize = 4;
/// A step that was not met on so many returns along those ways is left.
const RETURNS_MAX: u64 = 24;

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
        let victim = match kind::who(command) {
            Who::Runner => Victim::Runner,
            Who::Supervisor => Victim::Supervisors,
        };
        let mut aims = way.kills.clone();
        aims.push((
            command,
            Target {
                who: kind::who(command),
                step,
                skip: 0,
                victim,
            },
        ));
        Some((way.seed, aims))
    }

    /// The next stretches of the catalogue, which belong to the seed alone.
    pub(super) fn targets(&self, seed: u64) -> Vec<Aim> {
        Kind::aims(seed, |command| {
            let of_command = self.catalogue.iter().filter(|step| step.0 == command);
            of_command.map(|step| &step.1).collect()
        })
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
                who: Who::Runner,
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
