//! Steadiness: the same scenarios many times over, one after the other, side by side, in other orders, and beside
//! a load on every core. What comes out may not depend on any of it; nothing is tried again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::scenario::select::{self, Found};
use crate::suite::{Next, Suite, Told};
use crate::verdict::{Outcome, Verdict};

/// How one run of the many is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// From 1.
    pub number: u64,
    pub mode: Mode,
    /// How many scenarios run at a time.
    pub jobs: usize,
    /// Decides the order, where it is not that of the ids.
    pub seed: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Serial,
    Parallel,
    Shuffled,
    /// Shuffled, beside threads that keep every core busy.
    Loaded,
}

/// What came out of a scenario: its outcome, and the checks that it failed.
type Outcomes = BTreeMap<String, String>;

/// A scenario that came out otherwise than in the first run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub plan: Plan,
    pub id: String,
    pub first: String,
    pub now: String,
    pub story: String,
}

/// One run that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub plan: Plan,
    pub outcomes: Vec<Outcome>,
    pub differences: Vec<Difference>,
}

impl Mode {
    pub fn word(self) -> &'static str {
        match self {
            Mode::Serial => "serial",
            Mode::Parallel => "parallel",
            Mode::Shuffled => "shuffled",
            Mode::Loaded => "loaded",
        }
    }
}

/// So many runs, the modes in turn; the seed of run N is `seed` + N.
pub fn plans(runs: u64, seed: u64, jobs: usize) -> impl Iterator<Item = Plan> {
    (1..=runs).map(move |number| {
        let mode = [Mode::Serial, Mode::Parallel, Mode::Shuffled, Mode::Loaded][(number as usize - 1) % 4];
        let ordered = matches!(mode, Mode::Serial | Mode::Parallel);
        Plan {
            number,
            mode,
            jobs: if mode == Mode::Serial { 1 } else { jobs },
            seed: (!ordered).then(|| seed.wrapping_add(number)),
        }
    })
}

/// Makes the runs one after the other and tells of each; ends early when the suite is stopped.
pub fn run(suite: &Suite, found: &[Found], plans: impl Iterator<Item = Plan>, mut told: impl FnMut(Made)) {
    let mut first: Option<Outcomes> = None;
    for plan in plans {
        let mut found = found.to_vec();
        if let Some(seed) = plan.seed {
            select::shuffle(&mut found, seed);
        }
        let verdicts = match plan.mode {
            Mode::Loaded => beside_load(|| judge(suite, &found, plan.jobs)),
            Mode::Serial | Mode::Parallel | Mode::Shuffled => judge(suite, &found, plan.jobs),
        };
        if suite.stop.asked() {
            return;
        }
        let first = first.get_or_insert_with(|| {
            let outcomes = verdicts.iter();
            outcomes
                .map(|verdict| (verdict.id.clone(), outcome(verdict)))
                .collect()
        });
        told(Made {
            plan,
            outcomes: verdicts.iter().map(|verdict| verdict.outcome).collect(),
            differences: differences(plan, first, &verdicts),
        });
    }
}

fn judge(suite: &Suite, found: &[Found], jobs: usize) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    suite.stream(found, jobs, |told| {
        if let Told::Judged(_, verdict) = told {
            verdicts.push(verdict);
        }
        Next::GoOn
    });
    verdicts
}

fn differences(plan: Plan, first: &Outcomes, verdicts: &[Verdict]) -> Vec<Difference> {
    let differing = verdicts.iter().filter_map(|verdict| {
        let (first, now) = (first.get(&verdict.id)?, outcome(verdict));
        (*first != now).then(|| Difference {
            plan,
            id: verdict.id.clone(),
            first: first.clone(),
            now,
            story: verdict.story.clone(),
        })
    });
    differing.collect()
}

fn outcome(verdict: &Verdict) -> String {
    let bad = |outcome| matches!(outcome, Outcome::Fail | Outcome::Broken);
    let mut text = verdict.outcome.word().to_owned();
    for finding in verdict.findings.iter().filter(|finding| bad(finding.outcome)) {
        text.push(' ');
        text.push_str(finding.check);
    }
    text
}

/// Does it while two threads a core do nothing but want to run.
fn beside_load<T>(work: impl FnOnce() -> T) -> T {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 * cores {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let result = work();
        over.store(true, Ordering::Relaxed);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_come_in_turn_and_each_order_has_a_seed_of_its_own() {
        let plans: Vec<Plan> = plans(9, 100, 4).collect();
        let words: Vec<&str> = plans.iter().map(|plan| plan.mode.word()).collect();
        assert_eq!(words[..5], ["serial", "parallel", "shuffled", "loaded", "serial"]);
        let seeds: Vec<u64> = plans.iter().filter_map(|plan| plan.seed).collect();
        assert_eq!(seeds, [103, 104, 107, 108]);
        assert!(
            plans
                .iter()
                .all(|plan| (plan.jobs == 1) == (plan.mode == Mode::Serial))
        );
    }
}
