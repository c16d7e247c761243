//! A rehearsal of the rollout: the fake, a queue of its own and `aq` climb the ladder and come down again, and after each
//! step every job is counted. It knows `aq` as a process; the jobs themselves leave the marks that are counted.

mod job_ledger;
mod observed_week;
pub mod page;
mod rehearsal_desk;
mod rehearsal_steps;

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use crate::driver::stop_signal::StopSignal;
pub use job_ledger::{JobLife, LifeMoment};
use rehearsal_desk::RehearsalDesk;
use rehearsal_steps::STEPS;

/// Jobs of a rehearsal: each step needs one of its own.
pub const FEWEST_JOBS: usize = 7;
/// More would only take longer.
pub const MOST_JOBS: usize = 200;

/// What is to be rehearsed.
#[derive(Debug, Clone)]
pub struct RehearsalPlan {
    pub aq: PathBuf,
    pub jobs: usize,
    pub seed: u64,
}

/// Why nothing can be said: the harness's trouble, never the runner's.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    #[error("{what} failed")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the fake coordinator can't be set up: {0}")]
    Fake(String),
    #[error("`aq {command}` said nothing for {seconds} s and was ended")]
    Silent { command: String, seconds: u64 },
}

/// What became of a rehearsal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RehearsalRecord {
    pub seed: u64,
    /// Whether every step held.
    pub holds: bool,
    pub took_ms: u64,
    pub steps: Vec<StepRecord>,
    pub jobs: Vec<JobLife>,
}

/// One step, judged.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    pub name: &'static str,
    /// Who chooses the next job in it.
    pub rung: &'static str,
    pub began_ms: u64,
    pub ended_ms: u64,
    /// What was done and seen.
    pub sentence: String,
    /// What should have been otherwise; empty where the step holds.
    pub faults: Vec<String>,
}

/// Goes through all steps, or up to the first that does not hold or that a signal asks to leave out.
pub fn rehearse(
    plan: &RehearsalPlan,
    stop: &StopSignal,
    mut tell: impl FnMut(&StepRecord),
) -> Result<RehearsalRecord, RehearsalError> {
    let began = Instant::now();
    let with_jobs = STEPS.iter().filter(|step| step.has_jobs).map(|step| step.name);
    let mut desk = RehearsalDesk::set_up(plan, &with_jobs.collect::<Vec<_>>(), began)?;
    let mut steps: Vec<StepRecord> = Vec::new();
    for step in STEPS {
        if stop.is_asked() || steps.last().is_some_and(|step| !step.faults.is_empty()) {
            break;
        }
        let began_ms = desk.ledger.now_ms();
        let told = (step.act)(&mut desk)?;
        let mut faults = told.faults;
        faults.extend(desk.ledger.count(step.leaves_waiting)?);
        let record = StepRecord {
            name: step.name,
            rung: step.rung,
            began_ms,
            ended_ms: desk.ledger.now_ms(),
            sentence: told.sentence,
            faults,
        };
        tell(&record);
        steps.push(record);
    }
    let holds = steps.len() == STEPS.len() && steps.iter().all(|step| step.faults.is_empty());
    Ok(RehearsalRecord {
        seed: plan.seed,
        holds,
        took_ms: desk.ledger.now_ms(),
        steps,
        jobs: desk.ledger.lives()?,
    })
}
