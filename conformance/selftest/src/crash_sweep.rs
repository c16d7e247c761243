//! The crash sweep: a runner works through generated jobs and is killed at one step after the other, started again,
//! killed again, and at the end nothing may be lost, run twice at once, or published twice (clauses O-1, O-5, O-7).
//!
//! A step is a system call by which a runner changes something that outlives it: it is stopped before and after each by
//! the tracer, so every kill falls on a known place. Nothing of this is in the runner.

mod crash_case;
mod fixture;
mod generated_jobs;
mod handover_case;
mod kill_plan;
mod kill_point;
mod log_check;
mod long_output;
pub mod mutants;
mod operator_case;
mod progress;
mod queue_state_checks;
mod report;
mod routed_case;
mod syscall_steps;
mod traced_process;
mod tracer;
mod work_case;
pub mod worker;
mod worker_log;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Instant;

use conformance::profile::Profile;
use fixture::CrashFixture;
use kill_plan::PlannedKill;
use progress::SweepProgress;

pub use kill_plan::SweepCaseKind;
pub use report::{SweepReport, render};
pub use traced_process::{COMMAND as TRACED_COMMAND, main as traced_main};

/// What a sweep is to do.
#[derive(Debug, Clone)]
pub struct SweepPlan {
    pub profile: Profile,
    /// The binary that has the hidden subcommands.
    pub harness: PathBuf,
    /// How many kills; the sweep ends with the case that reaches it.
    pub kills: u64,
    /// Of the first case.
    pub seed: u64,
    /// Cases of this kind alone; those of the others are left out, so that a seed means the same case in either way.
    pub about: Option<SweepCaseKind>,
    /// How many cases at a time.
    pub jobs: usize,
}

impl SweepPlan {
    fn has(&self, seed: u64) -> bool {
        self.about.is_none_or(|kind| SweepCaseKind::of(seed) == kind)
    }
}

/// Cases that are run first, to learn which steps there are. Always the same, so that a seed always means the same kills.
const DISCOVERY_CASES: u64 = 32;

/// A case that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepFailure {
    pub seed: u64,
    pub what: Vec<String>,
    /// What was done, in order.
    pub actions: Vec<String>,
}

/// Sweeps until there were enough kills, or a case went wrong.
pub fn run(plan: &SweepPlan) -> Result<SweepReport, String> {
    let started = Instant::now();
    let progress = Mutex::new(SweepProgress::new());
    let discovery_cases = AtomicU64::new(0);
    in_threads(plan.jobs, || {
        while let number @ 0..DISCOVERY_CASES = discovery_cases.fetch_add(1, SeqCst)
            && !locked(&progress).is_over(u64::MAX)
        {
            if plan.has(number) {
                one(plan, number, SweepCaseKind::discovery_kills(number), &progress);
            }
        }
    });
    locked(&progress).end_discovery();
    let (next, cases) = (AtomicU64::new(0), AtomicU64::new(0));
    in_threads(plan.jobs, || {
        while !locked(&progress).is_over(plan.kills) {
            let back = locked(&progress).return_to_unkilled_step(plan.kills);
            let (seed, planned_kills) = back.unwrap_or_else(|| {
                let mut seeds = std::iter::repeat_with(|| plan.seed.wrapping_add(next.fetch_add(1, SeqCst)));
                let seed = seeds.find(|seed| plan.has(*seed)).unwrap_or(plan.seed);
                (seed, locked(&progress).targets(seed))
            });
            cases.fetch_add(1, SeqCst);
            one(plan, seed, planned_kills, &progress);
        }
    });
    let progress = progress
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    match progress.broken() {
        Some(broken) => Err(broken.to_owned()),
        None => Ok(progress.report(plan.seed, cases.into_inner(), started.elapsed())),
    }
}

fn in_threads(count: usize, work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..count.max(1) {
            scope.spawn(&work);
        }
    });
}

fn one(plan: &SweepPlan, seed: u64, planned_kills: Vec<PlannedKill>, progress: &Mutex<SweepProgress>) {
    let case_result =
        CrashFixture::create(plan, seed).and_then(|fixture| crash_case::run_case(&fixture, planned_kills));
    match case_result {
        Ok(case_result) => locked(progress).note(seed, case_result),
        Err(error) => locked(progress).note_broken(format!("seed {seed}: {error}")),
    }
}

fn locked(progress: &Mutex<SweepProgress>) -> std::sync::MutexGuard<'_, SweepProgress> {
    progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
