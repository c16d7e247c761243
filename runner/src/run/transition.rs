//! What is done with an attempt next, by what happened to it and what its lease allows at that moment: pure (clauses T-1,
//! T-4, T-8, T-10, T-13 and T-14).
//!
//! engine → verify (in `testing`) → review, or ship → shipped. Anything else than success ends the attempt.
//! Whether a lease holds is read from the clock just before, and handed in: after a stop of the process the order of
//! events proves nothing.

use std::path::Path;
use std::time::Duration;

pub(crate) use super::attempt::LeaseStatus;
use super::attempt::{AttemptState, AttemptStep, StopReason};
use crate::fleet::admission_policy::cwd_not_allowed;
use crate::fleet::lease_time::NO_RENEWAL;
use crate::job::Job;
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::RequeueCause;
use crate::stage::Stage;
use crate::supervise::CommandOutcome;

mod failed_end;

pub(crate) use failed_end::{EngineEnd, engine_end, has_failed_by_itself, may_tell_more};

/// What happened to an attempt.
#[derive(Debug, Clone)]
pub(crate) enum AttemptEvent {
    /// All is written down that has to be before this command starts. `change`: what of the job's file is not as it was
    /// when it was taken into work.
    StepDue {
        step: AttemptStep,
        change: Option<JobReason>,
    },
    /// Something in the queue is in the way of the command: that is for a person to look at.
    StartRejected(JobReason),
    /// Its command is over. `change`: of its file, or of its record.
    CommandEnded {
        end: CommandEnd,
        change: Option<JobReason>,
    },
    /// Its end was wished for while no command ran.
    StoppedWaiting,
    /// A renewal that was sent after the last step has been answered, and nothing runs.
    LeaseConfirmed,
    /// While it waited in review, under its lease.
    InReview(ReviewEvent),
}

/// What an attempt is taken on with. After an error it is taken on with the same again, so each does one thing that may
/// fail.
#[derive(Debug, Clone)]
pub(crate) enum AttemptInput {
    /// All is written down that has to be before the command of this step starts.
    Due(AttemptStep),
    /// Its command is over, and its supervisor has been collected or given up.
    CommandEnd(CommandEnd),
    Event(AttemptEvent),
}

/// How a command ended.
#[derive(Debug, Clone)]
pub(crate) enum CommandEnd {
    Outcome(CommandOutcome),
    /// The engine tells why it failed, whatever its exit code.
    EngineError(JobReason),
    /// The engine is not logged in.
    LoginFailed(JobReason),
    /// The engine is used up for so long.
    UsageLimit {
        reason: JobReason,
        pause: Duration,
    },
    /// The engine can't work now, which is no failure of the job (clauses O-12 and O-22).
    EnginePaused(JobReason),
    /// The host had run out of something, which is no failure of the job (clause O-21).
    HostTrouble(JobReason),
    /// Nobody can say how, or whether.
    SupervisorLost,
}

/// What happened to a job that waits for a person.
#[derive(Debug, Clone)]
pub(crate) enum ReviewEvent {
    /// `problem`: what was approved is not what was worked on (clause O-17).
    Approved {
        problem: Option<JobReason>,
    },
    Cancelled,
    LeaseLost(String),
    /// Nobody has decided, and the run is over.
    RunEnded,
}

/// What is done with an attempt next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NextAction {
    /// Nothing: something else has come in between, and decides.
    Wait,
    /// This step is written down, and looked at once more before its command starts.
    Prepare(AttemptStep),
    /// Its command starts.
    Start(AttemptStep),
    /// Nothing is published but after a renewal that is asked for now.
    ConfirmLease,
    /// Wait for a person; a lease goes on.
    AwaitReview,
    /// A final stage of this queue's own job.
    Finish(Stage, Option<JobReason>),
    /// The same under a lease: the coordinator is told, by a report that is on the disk before the file moves.
    FinishAndReport(Stage, Option<JobReason>),
    PutBack(RequeueCause, JobReason),
    /// The lease is given back, and the job with it.
    GiveBack(JobReason),
    /// The lease is given back; what was done here is kept in `quarantine`.
    SetAside(JobReason),
    /// Another attempt under the same lease: it never waits in the inbox.
    Retry(JobReason),
    /// Nobody can say what of it is alive: it is treated like one that a dead runner left behind (clause O-7).
    Abandon,
}

pub(crate) fn transition(state: &AttemptState, event: AttemptEvent, allowed: LeaseStatus) -> NextAction {
    let stop_reason = stop_reason_under(allowed, state.stop_reason.as_ref());
    match event {
        AttemptEvent::StepDue { step, change } => match (&stop_reason, change) {
            (Some(_), _) => after_command(state, &CommandOutcome::Ordered, stop_reason),
            (None, Some(change)) => quarantine(state, change),
            (None, None) => NextAction::Start(step),
        },
        AttemptEvent::StartRejected(reason) => quarantine(state, reason),
        AttemptEvent::StoppedWaiting => after_command(state, &CommandOutcome::Ordered, stop_reason),
        AttemptEvent::CommandEnded { end, change } => {
            unless_changed(state, change, after(state, end, stop_reason))
        }
        AttemptEvent::LeaseConfirmed => match (stop_reason, &state.job.ship) {
            (Some(_), _) => NextAction::Wait,
            (None, Some(_)) => NextAction::Prepare(AttemptStep::Ship),
            (None, None) => finish(state, Stage::Shipped, None),
        },
        AttemptEvent::InReview(event) => match event {
            ReviewEvent::Approved { problem: None } => NextAction::ConfirmLease,
            ReviewEvent::Approved {
                problem: Some(problem),
            } => quarantine(state, problem),
            ReviewEvent::Cancelled => finish(state, Stage::Failed, Some(ReasonCode::Cancelled.into())),
            ReviewEvent::LeaseLost(reason) => quarantine(state, ReasonCode::LeaseLost.with(reason)),
            ReviewEvent::RunEnded => NextAction::SetAside(
                ReasonCode::LeaseReleased.with("its run ended while it waited for review"),
            ),
        },
    }
}

/// Without the lease all that is left to wish for is the end.
pub(crate) fn stop_reason_under(
    allowed: LeaseStatus,
    stop_reason: Option<&StopReason>,
) -> Option<StopReason> {
    match (allowed, stop_reason) {
        (LeaseStatus::Lost, Some(stop_reason @ StopReason::LeaseLost(_))) => Some(stop_reason.clone()),
        (LeaseStatus::Lost, _) => Some(StopReason::LeaseLost(NO_RENEWAL.to_owned())),
        (LeaseStatus::Local | LeaseStatus::Held, stop_reason) => stop_reason.cloned(),
    }
}

/// Whether a command follows if the one that runs succeeds.
pub(crate) fn has_next_command(state: &AttemptState) -> bool {
    matches!(
        following(state),
        NextAction::Prepare(_) | NextAction::ConfirmLease
    )
}

/// A job that made something else of itself, or of its record, goes no further (clause O-16), unless it is published
/// already.
fn unless_changed(state: &AttemptState, change: Option<JobReason>, next: NextAction) -> NextAction {
    match (change, &next) {
        (None, _) | (Some(_), NextAction::Abandon) => next,
        (Some(_), NextAction::Finish(to, _) | NextAction::FinishAndReport(to, _))
            if *to == Stage::Quarantine || *to == Stage::Shipped && state.step == AttemptStep::Ship =>
        {
            next
        }
        (Some(change), _) => quarantine(state, change),
    }
}

fn after(state: &AttemptState, end: CommandEnd, stop_reason: Option<StopReason>) -> NextAction {
    match end {
        CommandEnd::Outcome(outcome) => after_command(state, &outcome, stop_reason),
        CommandEnd::EnginePaused(reason) | CommandEnd::HostTrouble(reason) if stop_reason.is_none() => {
            put_back(state, RequeueCause::Interruption, reason)
        }
        CommandEnd::EngineError(reason)
        | CommandEnd::LoginFailed(reason)
        | CommandEnd::EnginePaused(reason)
        | CommandEnd::HostTrouble(reason)
        | CommandEnd::UsageLimit { reason, .. } => conclude(state, state.spent, Err(reason), stop_reason),
        CommandEnd::SupervisorLost if state.lease.is_none() => NextAction::Abandon,
        // Its lease may be lost at any moment, so there is no grace.
        CommandEnd::SupervisorLost => match state.step {
            AttemptStep::Ship => quarantine(state, ReasonCode::ShipUnknown.into()),
            AttemptStep::Engine | AttemptStep::Verify => quarantine(state, ReasonCode::SupervisorLost.into()),
        },
    }
}

fn after_command(
    state: &AttemptState,
    outcome: &CommandOutcome,
    stop_reason: Option<StopReason>,
) -> NextAction {
    let stop_reason = match (outcome, stop_reason) {
        // Whatever its runner knows of the lease by now.
        (
            CommandOutcome::Fenced | CommandOutcome::TooLate,
            None | Some(StopReason::Cancel | StopReason::Interrupt),
        ) => Some(StopReason::LeaseLost(NO_RENEWAL.to_owned())),
        (_, stop_reason) => stop_reason,
    };
    // What was not started has published nothing.
    if let (CommandOutcome::TooLate, Some(StopReason::LeaseLost(reason))) = (outcome, &stop_reason) {
        return quarantine(state, ReasonCode::LeaseLost.with(reason));
    }
    // Nothing of it may be started again while that is alive, here or elsewhere.
    if let CommandOutcome::Unkillable { what } = outcome {
        return quarantine(state, unkillable(state, what));
    }
    let follow = match outcome {
        CommandOutcome::Exited { code: Some(0), .. } => Ok(following(state)),
        other => Err(failure(state.step, other)),
    };
    // Another attempt would find the same folder.
    let spent = match outcome {
        CommandOutcome::Elsewhere { .. } => u32::MAX,
        _ => state.spent,
    };
    conclude(state, spent, follow, stop_reason)
}

/// `spent`: attempts that count against `retries`, this one included.
fn conclude(
    state: &AttemptState,
    spent: u32,
    follow: Result<NextAction, JobReason>,
    stop_reason: Option<StopReason>,
) -> NextAction {
    let is_ship = state.step == AttemptStep::Ship;
    match (follow, stop_reason) {
        // Whatever it did: without the lease nothing of it may be published, or said to be.
        (_, Some(StopReason::LeaseLost(_))) if is_ship => quarantine(state, ReasonCode::ShipUnknown.into()),
        (_, Some(StopReason::LeaseLost(reason))) => quarantine(state, ReasonCode::LeaseLost.with(reason)),
        (Ok(next), None) => next,
        // What is finished is finished, whatever was wished meanwhile.
        (
            Ok(next @ (NextAction::AwaitReview | NextAction::Finish(..) | NextAction::FinishAndReport(..))),
            Some(_),
        ) => next,
        (_, Some(_)) if is_ship => quarantine(state, ReasonCode::ShipUnknown.into()),
        (_, Some(StopReason::Cancel)) => finish(state, Stage::Failed, Some(ReasonCode::Cancelled.into())),
        (_, Some(StopReason::Interrupt)) => {
            put_back(state, RequeueCause::Interruption, ReasonCode::Interrupted.into())
        }
        (Err(reason), None) if spent <= state.job.retries => put_back(state, RequeueCause::Failure, reason),
        (Err(reason), None) => finish(state, Stage::Failed, Some(reason)),
    }
}

/// After a success.
fn following(state: &AttemptState) -> NextAction {
    let Job {
        verify, review, ship, ..
    } = &state.job;
    match state.step {
        AttemptStep::Engine if verify.is_some() => NextAction::Prepare(AttemptStep::Verify),
        AttemptStep::Engine | AttemptStep::Verify if *review => NextAction::AwaitReview,
        AttemptStep::Engine | AttemptStep::Verify if ship.is_some() => match &state.lease {
            Some(_) => NextAction::ConfirmLease,
            None => NextAction::Prepare(AttemptStep::Ship),
        },
        AttemptStep::Engine | AttemptStep::Verify | AttemptStep::Ship => finish(state, Stage::Shipped, None),
    }
}

fn finish(state: &AttemptState, to: Stage, reason: Option<JobReason>) -> NextAction {
    match &state.lease {
        Some(_) => NextAction::FinishAndReport(to, reason),
        None => NextAction::Finish(to, reason),
    }
}

fn quarantine(state: &AttemptState, reason: JobReason) -> NextAction {
    finish(state, Stage::Quarantine, Some(reason))
}

fn put_back(state: &AttemptState, cause: RequeueCause, reason: JobReason) -> NextAction {
    match (&state.lease, cause) {
        (None, cause) => NextAction::PutBack(cause, reason),
        (Some(_), RequeueCause::Interruption) => NextAction::GiveBack(reason),
        (Some(_), RequeueCause::Failure) => NextAction::Retry(reason),
    }
}

fn unkillable(state: &AttemptState, what: &str) -> JobReason {
    let (id, code) = match state.step {
        AttemptStep::Ship => (&state.job.id, ReasonCode::ShipUnknown),
        AttemptStep::Engine | AttemptStep::Verify => (&state.job.id, ReasonCode::OrphanUnproven),
    };
    code.with(format!(
        "{what}, can't be ended from here; make sure that it is gone, then `aq retry {id}` or `aq cancel {id}`"
    ))
}

/// The code tells which step it was; how `verify` or `ship` ended is told in the detail.
fn failure(step: AttemptStep, outcome: &CommandOutcome) -> JobReason {
    let how = match outcome {
        CommandOutcome::Exited { code: Some(code), .. } => ReasonCode::ExitCode.with(format!("exit {code}")),
        CommandOutcome::Exited {
            signal: Some(signal), ..
        } => ReasonCode::Signal.with(format!("signal {signal}")),
        CommandOutcome::Exited { .. } => ReasonCode::ExitCode.with("unknown end"),
        CommandOutcome::TimedOut => ReasonCode::Timeout.into(),
        CommandOutcome::Idle => ReasonCode::Idle.into(),
        CommandOutcome::Ordered
        | CommandOutcome::Abandoned
        | CommandOutcome::Fenced
        | CommandOutcome::TooLate => ReasonCode::Interrupted.into(),
        CommandOutcome::Unkillable { what } => ReasonCode::OrphanUnproven.with(what),
        CommandOutcome::NotStarted { error, .. } | CommandOutcome::ProgramUnusable { error } => {
            ReasonCode::NotStarted.with(format!("not started: {error}"))
        }
        // Of any step: it is the job's folder that is at fault.
        CommandOutcome::Elsewhere { place } => return cwd_not_allowed(Path::new(place)),
    };
    let code = match step {
        AttemptStep::Engine => return how,
        AttemptStep::Verify => ReasonCode::VerifyFailed,
        AttemptStep::Ship => ReasonCode::ShipFailed,
    };
    code.with(how.detail.unwrap_or_else(|| how.code.to_string()))
}

#[cfg(test)]
mod tests;
