//! Steadiness: the same scenarios many times over, one after the other, side by side, in other orders, and beside
//! a load on every core. What comes out may not depend on any of it; nothing is tried again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use conformance::case_result::CaseResult;
use conformance::outcome::Outcome;
use conformance::scenario::scenario_files::{self, ScenarioFile};
use conformance::suite::{Suite, SuiteControl, SuiteEvent};

/// How one run of the many is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepeatPlan {
    /// From 1.
    pub number: u64,
    pub mode: RepeatMode,
    /// How many scenarios run at a time.
    pub jobs: usize,
    /// Decides the order, where it is not that of the ids.
    pub seed: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepeatMode {
    Serial,
    Parallel,
    Shuffled,
    /// Shuffled, beside threads that keep every core busy.
    Loaded,
}

/// What came out of a scenario: its outcome, and the checks that it failed.
type OutcomesById = BTreeMap<String, String>;

/// A scenario that came out otherwise than in the first run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeDifference {
    pub plan: RepeatPlan,
    pub id: String,
    pub first: String,
    pub now: String,
    pub failure_report: String,
}

/// One run that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatResult {
    pub plan: RepeatPlan,
    pub outcomes: Vec<Outcome>,
    pub differences: Vec<OutcomeDifference>,
}

impl RepeatMode {
    pub fn word(self) -> &'static str {
        match self {
            RepeatMode::Serial => "serial",
            RepeatMode::Parallel => "parallel",
            RepeatMode::Shuffled => "shuffled",
            RepeatMode::Loaded => "loaded",
        }
    }
}

/// So many runs, the modes in turn; the seed of run N is `seed` + N.
pub fn plans(runs: u64, seed: u64, jobs: usize) -> impl Iterator<Item = RepeatPlan> {
    (1..=runs).map(move |number| {
        let mode = [
            RepeatMode::Serial,
            RepeatMode::Parallel,
            RepeatMode::Shuffled,
            RepeatMode::Loaded,
        ][(number as usize - 1) % 4];
        let ordered = matches!(mode, RepeatMode::Serial | RepeatMode::Parallel);
        RepeatPlan {
            number,
            mode,
            jobs: if mode == RepeatMode::Serial { 1 } else { jobs },
            seed: (!ordered).then(|| seed.wrapping_add(number)),
        }
    })
}

/// Makes the runs one after the other and passes each on; ends early when the suite is stopped.
pub fn run(
    suite: &Suite,
    found: &[ScenarioFile],
    plans: impl Iterator<Item = RepeatPlan>,
    mut on_event: impl FnMut(RepeatResult),
) {
    let mut first: Option<OutcomesById> = None;
    for plan in plans {
        let mut found = found.to_vec();
        if let Some(seed) = plan.seed {
            scenario_files::shuffle(&mut found, seed);
        }
        let verdicts = match plan.mode {
            RepeatMode::Loaded => under_load(|| judge(suite, &found, plan.jobs)),
            RepeatMode::Serial | RepeatMode::Parallel | RepeatMode::Shuffled => {
                judge(suite, &found, plan.jobs)
            }
        };
        if suite.stop.is_asked() {
            return;
        }
        let first = first.get_or_insert_with(|| {
            let outcomes = verdicts.iter();
            outcomes
                .map(|verdict| (verdict.id.clone(), outcome(verdict)))
                .collect()
        });
        on_event(RepeatResult {
            plan,
            outcomes: verdicts.iter().map(|verdict| verdict.outcome).collect(),
            differences: differences(plan, first, &verdicts),
        });
    }
}

fn judge(suite: &Suite, found: &[ScenarioFile], jobs: usize) -> Vec<CaseResult> {
    let mut verdicts = Vec::new();
    suite.stream(found, jobs, |on_event| {
        if let SuiteEvent::Finished(_, verdict) = on_event {
            verdicts.push(*verdict);
        }
        SuiteControl::Continue
    });
    verdicts
}

fn differences(plan: RepeatPlan, first: &OutcomesById, verdicts: &[CaseResult]) -> Vec<OutcomeDifference> {
    let differing = verdicts.iter().filter_map(|verdict| {
        let (first, now) = (first.get(&verdict.id)?, outcome(verdict));
        (*first != now).then(|| OutcomeDifference {
            plan,
            id: verdict.id.clone(),
            first: first.clone(),
            now,
            failure_report: verdict.failure_report.clone(),
        })
    });
    differing.collect()
}

fn outcome(verdict: &CaseResult) -> String {
    let mut text = verdict.outcome.word().to_owned();
    for finding in verdict.bad() {
        text.push(' ');
        text.push_str(&finding.check);
    }
    text
}

/// Does it while two threads a core do nothing but want to run.
fn under_load<T>(work: impl FnOnce() -> T) -> T {
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
        let plans: Vec<RepeatPlan> = plans(9, 100, 4).collect();
        let words: Vec<&str> = plans.iter().map(|plan| plan.mode.word()).collect();
        assert_eq!(words[..5], ["serial", "parallel", "shuffled", "loaded", "serial"]);
        let seeds: Vec<u64> = plans.iter().filter_map(|plan| plan.seed).collect();
        assert_eq!(seeds, [103, 104, 107, 108]);
        assert!(
            plans
                .iter()
                .all(|plan| (plan.jobs == 1) == (plan.mode == RepeatMode::Serial))
        );
    }
}
