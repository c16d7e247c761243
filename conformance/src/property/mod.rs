//! Clause S-4 as a property: whatever the jobs, whatever the coordinator does, however many workers, everything that
//! counts is as it is without a fleet. What fails is made small and left as a scenario.

pub(crate) mod dice;
mod generate;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::scenario::parse;
use crate::suite::Suite;
use crate::verdict::{Finding, Outcome, Verdict};
use generate::Case;

/// Runs that making a case small may cost.
const SHRINK_LIMIT: usize = 120;

/// A case that failed, made small.
#[derive(Debug, Clone)]
pub struct Failure {
    pub seed: u64,
    pub scenario: String,
    pub story: String,
}

/// Runs this many cases, one a seed from `seed` on; the first failure ends it.
pub fn run(suite: &Suite, seed: u64, cases: u64, jobs: usize) -> Option<Failure> {
    let next = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let failed: Mutex<Option<(u64, String)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= cases {
                        return;
                    }
                    let seed = seed.wrapping_add(number);
                    if let Some(story) = trouble(suite, &generate::case(seed)) {
                        over.store(true, Ordering::Relaxed);
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.get_or_insert((seed, story));
                    }
                }
            });
        }
    });
    let (seed, story) = failed.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    Some(shrunk(suite, seed, story))
}

fn shrunk(suite: &Suite, seed: u64, mut story: String) -> Failure {
    let mut case = generate::case(seed);
    let mut runs = 0;
    'smaller: loop {
        for less in case.smaller() {
            runs += 1;
            if runs > SHRINK_LIMIT {
                break 'smaller;
            }
            if let Some(told) = trouble(suite, &less) {
                (case, story) = (less, told);
                continue 'smaller;
            }
        }
        break;
    }
    Failure {
        seed,
        scenario: case.scenario(),
        story,
    }
}

/// The story of a case that does not hold. A generated rule that never fires is no trouble: others are there too.
fn trouble(suite: &Suite, case: &Case) -> Option<String> {
    let text = case.scenario();
    let scenario = match parse::parse(&text, Path::new("generated.toml")) {
        Ok(scenario) => scenario,
        Err(error) => return Some(format!("{error}\n{text}")),
    };
    let verdict: Verdict = suite.judge_scenario("generated", &scenario);
    let bad = |finding: &Finding| match finding.outcome {
        Outcome::Fail => true,
        Outcome::Broken => finding.check != "rules-fired",
        Outcome::Pass | Outcome::KnownFailure | Outcome::NotApplicable => false,
    };
    verdict.findings.iter().any(bad).then_some(verdict.story)
}
