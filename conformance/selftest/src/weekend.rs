//! A weekend in fast motion: a runner works through generated jobs on a host whose disk fills up, whose engines lose their
//! login and are used up, which hangs up, kills the runner and loses files, and which comes back each time. At the end no
//! job may be lost, run twice, or failed for the host's fault (O-7, O-8, O-12, O-16, O-20 to O-22).
//!
//! How each job has to end follows from the seed. What was run is what the stand-ins of the engines wrote down themselves.

mod evidence_log;
mod explanations;
mod final_checks;
mod generated_jobs;
mod job_records;
pub mod mutants;
mod outage;
mod outage_actions;
mod people;
mod small_disk;
mod stand_ins;
mod watched_runner;
mod weekend_course;
mod weekend_host;
mod weekend_report;

use std::time::Instant;

use conformance::profile::Profile;
use evidence_log::EvidenceLog;
use final_checks::FinalCounts;
use weekend_course::{WeekendCourse, WeekendStop};
use weekend_host::WeekendHost;

pub use outage::{OUTAGES, OutageKind};
pub use small_disk::enter_namespace;
pub use weekend_report::{WeekendReport, render};

/// What a weekend is to be.
#[derive(Debug, Clone)]
pub struct WeekendPlan {
    pub profile: Profile,
    pub jobs: usize,
    pub seed: u64,
    /// Of the runner.
    pub workers: u64,
}

/// One weekend. `enter_namespace` was called before. An error: it could not be judged.
pub fn run(plan: &WeekendPlan) -> Result<WeekendReport, String> {
    let jobs = generated_jobs::of(plan.seed, plan.jobs);
    let host = WeekendHost::create(&plan.profile, &jobs).map_err(|error| error.to_string())?;
    let report = course(plan, &host, &jobs);
    // Whatever became of it.
    host.kill_leftovers();
    report.map_err(|error| error.to_string())
}

fn course(
    plan: &WeekendPlan,
    host: &WeekendHost,
    jobs: &[generated_jobs::WeekendJob],
) -> std::io::Result<WeekendReport> {
    let started = Instant::now();
    let mut course = WeekendCourse::begin(host, jobs, plan.seed, plan.workers)?;
    let stopped = course.run(&outage::planned(plan.seed, plan.jobs));
    let (final_counts, wrong) = match stopped {
        Ok(()) => {
            let log = EvidenceLog::read(&host.root)?;
            let checks = final_checks::check(host, jobs, &log)?;
            (checks.counts, checks.wrong)
        }
        Err(WeekendStop::Wrong(what)) => (FinalCounts::default(), vec![what]),
        Err(WeekendStop::Broken(error)) => return Err(error),
    };
    let last_lines = match wrong.is_empty() {
        true => Vec::new(),
        false => course.runner.recent().cloned().collect(),
    };
    Ok(WeekendReport {
        seed: plan.seed,
        jobs: plan.jobs,
        took: started.elapsed(),
        course: course.counts,
        final_counts,
        wrong,
        last_lines,
    })
}
