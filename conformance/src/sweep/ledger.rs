//! What a sweep has come to so far: the steps there are, the kills that were made, the first case that went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Failure;
use super::case::{Aim, Played};
use super::report::{Report, Row};
use super::tracer::{Target, Victim};
use crate::property::dice::Dice;

/// Kills of one case during `run`.
const AIMS_OF_RUN: u64 = 5;

type Step = (&'static str, String);

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The steps that the scouts met: what is aimed at.
    catalogue: BTreeSet<Step>,
    met_later: BTreeSet<Step>,
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
        match number % 3 {
            0 => Vec::new(),
            _ => vec![aim(number % 5), aim(number % 4), aim(number % 2)],
        }
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
        for step in played.steps {
            match self.is_scouting {
                true => drop(self.catalogue.insert(step)),
                false if !self.catalogue.contains(&step) => drop(self.met_later.insert(step)),
                false => {}
            }
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

    pub(super) fn note_broken(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    pub(super) fn report(self, seed: u64, cases: u64, took: Duration) -> Report {
        let steps: BTreeSet<Step> = self.catalogue.union(&self.met_later).cloned().collect();
        let rows = steps.into_iter().map(|step| {
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
