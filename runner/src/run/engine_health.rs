//! What the runs of engines tell of the engines: which are paused, and which work again (clauses O-12 and O-22).

use super::attempt::AttemptStep;
use super::job_command::QueueAttempt;
use super::progress::{RunProgress, waiting};
use super::run_options::RunError;
use super::transition::CommandEnd;
use crate::engine::{self, EngineRegistry};
use crate::ids::EngineName;
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::{EngineObservation, EnginePause, PauseCause, QUICK_FAILURE, Queue};
use crate::supervise::CommandOutcome;
use crate::terminal::duration;

/// As much of the end of an output is searched for its last line.
const TAIL_BYTES: u64 = 8 * 1024;

/// The engine has done its work.
pub(super) fn succeeded(
    queue: &Queue,
    progress: &RunProgress,
    attempt: &mut QueueAttempt,
) -> Result<(), RunError> {
    record(queue, progress, attempt, EngineObservation::Works).map(|_| ())
}

/// Why the job waits, if the engine failed because it can't work now.
pub(super) fn pause(
    queue: &Queue,
    engines: &EngineRegistry,
    progress: &RunProgress,
    attempt: &mut QueueAttempt,
    end: &CommandEnd,
) -> Result<Option<JobReason>, RunError> {
    match observe(queue, engines, attempt, end) {
        Some(seen) => record(queue, progress, attempt, seen),
        None => Ok(None),
    }
}

/// What its end says of the engine; none: nothing.
fn observe(
    queue: &Queue,
    engines: &EngineRegistry,
    attempt: &QueueAttempt,
    end: &CommandEnd,
) -> Option<EngineObservation> {
    let engine = &attempt.state.job.engine;
    let unusable = |cause, detail: Option<&str>, length| {
        Some(EngineObservation::Unusable {
            cause,
            detail: detail.unwrap_or_default().to_owned(),
            length,
        })
    };
    let words = match end {
        CommandEnd::Outcome(CommandOutcome::ProgramUnusable { error }) => {
            return unusable(PauseCause::NotStarted, Some(error), None);
        }
        // Its folder, or the host, is at fault.
        CommandEnd::Outcome(CommandOutcome::NotStarted { .. } | CommandOutcome::Elsewhere { .. }) => {
            return None;
        }
        CommandEnd::UsageLimit { reason, pause } => {
            return unusable(PauseCause::UsageLimit, reason.detail.as_deref(), Some(*pause));
        }
        CommandEnd::LoginFailed(reason) => {
            return unusable(PauseCause::Login, reason.detail.as_deref(), None);
        }
        CommandEnd::EngineError(reason) => reason.detail.clone(),
        _ => None,
    };
    let is_quick = attempt.held.engine_run.ran_for < QUICK_FAILURE;
    match end {
        _ if !is_quick => Some(EngineObservation::Works),
        // A time that the job set itself.
        CommandEnd::Outcome(CommandOutcome::TimedOut | CommandOutcome::Idle) => None,
        _ if engines.fails_fast(engine) => None,
        _ => {
            let tail = || attempt.tail(queue, AttemptStep::Engine, TAIL_BYTES);
            Some(EngineObservation::FailsAtOnce(
                words.unwrap_or_else(|| engine::last_words(&tail())),
            ))
        }
    }
}

/// Puts it on record and says what is new; returned is why the job waits, if it does.
fn record(
    queue: &Queue,
    progress: &RunProgress,
    attempt: &mut QueueAttempt,
    seen: EngineObservation,
) -> Result<Option<JobReason>, RunError> {
    let (state, locks) = (&attempt.state, &mut attempt.held.locks);
    let engine = &state.job.engine;
    let is_trial = locks.is_trial();
    let works = seen == EngineObservation::Works;
    let change = queue.record_engine_run(engine, &state.job.id, is_trial, seen)?;
    // Who waits for this looks at the record next.
    locks.release_trial_lock();
    if is_trial && works {
        waiting(&format!("{engine} works again"));
    }
    let pause = change.health.pause.as_ref();
    if let Some(pause) = pause.filter(|_| change.is_opened) {
        progress.engine_paused(engine, pause, &opened(engine, pause));
    }
    Ok(pause
        .filter(|_| change.is_job_spared)
        .map(|pause| match pause.cause {
            PauseCause::UsageLimit => ReasonCode::UsageLimit.with(pause.detail.clone()),
            cause => ReasonCode::EnginePaused.with(format!("{engine} {}", cause.what())),
        }))
}

/// What people are told once, when a pause begins.
fn opened(engine: &EngineName, pause: &EnginePause) -> String {
    let words = match pause.detail.as_str() {
        "" => String::new(),
        words => format!(" ({words})"),
    };
    format!(
        "{engine} {}{words}: it pauses for {}, its jobs wait and others go on; {}",
        pause.cause.what(),
        duration(pause.left(pause.since).unwrap_or_default()),
        pause.cause.advice(engine)
    )
}
