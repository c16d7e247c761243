//! Clause S-4 as a property: whatever the jobs, whatever the coordinator does, however many workers, everything that
//! counts is as it is without a fleet. What fails is made small and left as a scenario.

mod case_generator;

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use case_generator::{COORDINATORS, PropertyCase};
use conformance::case_result::CaseResult;
use conformance::evidence::RunEvidence;
use conformance::outcome::{Finding, Outcome};
use conformance::printable_text::error_chain;
use conformance::scenario::parse;
use conformance::suite::Suite;

/// Runs that making a case small may cost.
const SHRINK_LIMIT: usize = 120;

/// A case that failed, made small.
#[derive(Debug, Clone)]
pub struct PropertyFailure {
    pub seed: u64,
    pub scenario: String,
    pub failure_report: String,
}

/// Runs this many cases, one a seed from `seed` on; the first failure ends it and is made small.
pub fn run(suite: &Suite, seed: u64, cases: u64, jobs: usize) -> Option<PropertyFailure> {
    let (seed, failure_report) = find(suite, seed, cases, jobs)?;
    Some(shrink(suite, seed, failure_report))
}

/// The seed and the failure report of the first of these cases that is found to fail.
pub fn find(suite: &Suite, seed: u64, cases: u64, jobs: usize) -> Option<(u64, String)> {
    let end = seed.saturating_add(cases);
    let next = AtomicU64::new(seed / COORDINATORS);
    let over = AtomicBool::new(false);
    let failed: Mutex<Option<(u64, String)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let group = next.fetch_add(1, Ordering::Relaxed).saturating_mul(COORDINATORS);
                    if group >= end {
                        return;
                    }
                    let seeds = group.max(seed)..group.saturating_add(COORDINATORS).min(end);
                    if let Some(found) = of_one_set_of_jobs(suite, seeds, &over) {
                        over.store(true, Ordering::Relaxed);
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.get_or_insert(found);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The first failure of these cases, whose run without a fleet is the same one.
fn of_one_set_of_jobs(suite: &Suite, seeds: Range<u64>, over: &AtomicBool) -> Option<(u64, String)> {
    let mut offline = None;
    for seed in seeds {
        if over.load(Ordering::Relaxed) {
            return None;
        }
        if let Some(failure_report) = trouble(suite, &case_generator::case(seed), &mut offline) {
            return Some((seed, failure_report));
        }
    }
    None
}

fn shrink(suite: &Suite, seed: u64, mut failure_report: String) -> PropertyFailure {
    let mut case = case_generator::case(seed);
    let mut runs = 0;
    'smaller: loop {
        for less in case.smaller() {
            runs += 1;
            if runs > SHRINK_LIMIT {
                break 'smaller;
            }
            if let Some(smaller_report) = trouble(suite, &less, &mut None) {
                (case, failure_report) = (less, smaller_report);
                continue 'smaller;
            }
        }
        break;
    }
    PropertyFailure {
        seed,
        scenario: case.scenario(),
        failure_report,
    }
}

/// The failure report of a case that does not hold. A generated rule that never fires is no trouble: others are there too.
/// The run without a fleet is made where there is none yet, and left for the next case.
fn trouble(suite: &Suite, case: &PropertyCase, offline: &mut Option<RunEvidence>) -> Option<String> {
    let text = case.scenario();
    let scenario = match parse::parse(&text, Path::new("generated.toml")) {
        Ok(scenario) => scenario,
        Err(error) => return Some(format!("{error}\n{text}")),
    };
    let verdict: CaseResult = match suite.gather_with_offline(&scenario, offline.take()) {
        Ok(mut evidence) => {
            let verdict = suite.verdict_on("generated", &scenario, &evidence);
            *offline = evidence.offline.take();
            verdict
        }
        Err(error) => suite.broken("generated", &scenario, &error_chain(&error)),
    };
    let bad = |finding: &Finding| match finding.outcome {
        Outcome::Fail => true,
        Outcome::Broken => finding.check != "rules-fired",
        Outcome::Pass | Outcome::KnownFailure | Outcome::NotApplicable => false,
    };
    verdict.findings.iter().any(bad).then_some(verdict.failure_report)
}
