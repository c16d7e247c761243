//! Carries out what is decided about an attempt, in the order that a crash may cut anywhere: announce, post, move. There is
//! one executor for the real world and for the model.
//!
//! What happens to an attempt comes in here, and nothing comes back: what the world has to do with it, it is told.

use std::time::Duration;

use super::attempt::{AttemptStep, JobOrigin, StopReason};
use super::transition::{AttemptEvent, CommandEnd, EngineEnd, NextAction, engine_end, stop_reason_under};
use super::world::{AttemptIn, LeaseClosing, RunWorld, StartRejection};
use crate::ids::JobId;
use crate::job_reason::JobReason;
use crate::queue::{JobStore, RequeueCause, UsageRecorder, is_reported, stage_move};
use crate::stage::Stage;
use crate::token_usage::TokenUsage;

/// What happens to the attempt next, if it is not the world's by now.
type FollowingEvent<W> = Option<(AttemptIn<W>, AttemptEvent)>;

/// The file lies in `building`, and the attempt is counted.
pub(crate) fn start_attempt<W: RunWorld>(world: &mut W, mut attempt: AttemptIn<W>) -> Result<(), W::Error> {
    world.attempt_started(&attempt);
    let due = step_due(world, &mut attempt, AttemptStep::Engine)?;
    handle_event(world, attempt, due)
}

/// Its command is over, and its supervisor has been collected or given up.
pub(crate) fn handle_command_end<W: RunWorld>(
    world: &mut W,
    mut attempt: AttemptIn<W>,
    end: CommandEnd,
) -> Result<(), W::Error> {
    look_for_stop(world, &mut attempt);
    let pause = match engine_end(&attempt.state, &end, world.lease_status(&attempt)) {
        EngineEnd::Succeeded => {
            world.engine_succeeded(&mut attempt)?;
            None
        }
        EngineEnd::Failed => world.engine_pause(&mut attempt, &end)?,
        EngineEnd::Unknown => None,
    };
    let end = pause.map_or(end, CommandEnd::EnginePaused);
    let change = match (&end, &attempt.state.lease) {
        (CommandEnd::SupervisorLost, None) => None,
        (CommandEnd::SupervisorLost, Some(_)) => {
            world.kill_orphans(&attempt)?;
            world.change_after_end(&attempt)?
        }
        _ => world.change_after_end(&attempt)?,
    };
    handle_event(world, attempt, AttemptEvent::CommandEnded { end, change })
}

pub(crate) fn handle_event<W: RunWorld>(
    world: &mut W,
    attempt: AttemptIn<W>,
    event: AttemptEvent,
) -> Result<(), W::Error> {
    let mut follow = Some((attempt, event));
    while let Some((attempt, event)) = follow {
        let allowed = world.lease_status(&attempt);
        let next = world.transition(&attempt.state, event, allowed);
        follow = carry_out(world, attempt, next)?;
    }
    Ok(())
}

/// A job that an earlier run left behind has come to this stage: if it was under a lease, another factory may have it at
/// once, unless nobody knows whether it was published (clause T-13).
pub(crate) fn close_abandoned_lease<W: RunWorld>(
    world: &mut W,
    job: &JobId,
    stage: Stage,
) -> Result<(), W::Error> {
    let known = world.store().history(job)?;
    let is_released = stage == Stage::Quarantine && !known.reason().as_ref().is_some_and(is_reported);
    if let Some(proof) = known.lease() {
        world.close_abandoned(job, proof, is_released);
    }
    Ok(())
}

fn carry_out<W: RunWorld>(
    world: &mut W,
    mut attempt: AttemptIn<W>,
    next: NextAction,
) -> Result<FollowingEvent<W>, W::Error> {
    match next {
        NextAction::Wait => world.wait(attempt),
        NextAction::ConfirmLease => world.confirm_lease(attempt),
        NextAction::Abandon => world.abandon(attempt),
        NextAction::Prepare(step) => return prepare(world, attempt, step).map(Some),
        NextAction::Start(step) => {
            return Ok(match world.start(attempt, step)? {
                Ok(()) => None,
                Err(StartRejection { attempt, reason }) => {
                    Some((attempt, AttemptEvent::StartRejected(reason)))
                }
            });
        }
        NextAction::AwaitReview => {
            world.prepare_review(&attempt)?;
            let closing = match attempt.state.lease {
                Some(_) => LeaseClosing::Keep,
                None => LeaseClosing::NoLease,
            };
            leave(world, attempt, Stage::Review, None, closing)?;
        }
        NextAction::Finish(to, reason) => {
            leave(world, attempt, to, reason.as_ref(), LeaseClosing::NoLease)?;
        }
        NextAction::FinishAndReport(to, reason) => report(world, attempt, to, reason.as_ref())?,
        NextAction::SetAside(reason) => {
            leave(
                world,
                attempt,
                Stage::Quarantine,
                Some(&reason),
                LeaseClosing::Release,
            )?;
        }
        NextAction::PutBack(cause, reason) => {
            let usage = attempt.state.usage.take();
            let (id, from) = (&attempt.state.job.id, attempt.state.stage);
            let wait = world.retry_wait(&attempt.state);
            stage_move::requeue(&mut recorder(world, usage), id, from, cause, wait, &reason)?;
            world.job_left(attempt, Stage::Inbox, Some(&reason), LeaseClosing::NoLease)?;
        }
        NextAction::GiveBack(reason) => give_back(world, attempt, &reason)?,
        NextAction::Retry(reason) => return retry(world, attempt, &reason),
    }
    Ok(None)
}

/// What has to be on the disk before the command of a step is started.
fn prepare<W: RunWorld>(
    world: &mut W,
    mut attempt: AttemptIn<W>,
    step: AttemptStep,
) -> Result<(AttemptIn<W>, AttemptEvent), W::Error> {
    let usage = attempt.state.usage.take();
    let (id, from) = (&attempt.state.job.id, attempt.state.stage);
    match step {
        AttemptStep::Engine => {}
        AttemptStep::Verify => {
            stage_move::advance(&mut recorder(world, usage), id, from, Stage::Testing, None)?;
            attempt.state.stage = Stage::Testing;
            world.stage_entered(&attempt, Stage::Testing);
        }
        AttemptStep::Ship => stage_move::announce_ship(&mut recorder(world, usage), id, from)?,
    }
    let due = step_due(world, &mut attempt, step)?;
    Ok((attempt, due))
}

/// The last look before something is started: writing down that it will be may have taken its time.
fn step_due<W: RunWorld>(
    world: &mut W,
    attempt: &mut AttemptIn<W>,
    step: AttemptStep,
) -> Result<AttemptEvent, W::Error> {
    look_for_stop(world, attempt);
    let change = match attempt.state.stop_reason {
        Some(_) => None,
        None => world.change_before_start(attempt)?,
    };
    Ok(AttemptEvent::StepDue { step, change })
}

/// What is wished for at this moment, whether or not an event has told of it yet.
fn look_for_stop<W: RunWorld>(world: &W, attempt: &mut AttemptIn<W>) {
    let state = &mut attempt.state;
    if state.stop_reason.is_none() && world.is_cancelled(&state.job.id) {
        state.stop_reason = Some(StopReason::Cancel);
    }
    let allowed = world.lease_status(attempt);
    attempt.state.stop_reason = stop_reason_under(allowed, attempt.state.stop_reason.as_ref());
}

/// The store, which puts on record what the engine has used.
fn recorder<W: RunWorld>(
    world: &mut W,
    usage: Option<TokenUsage>,
) -> impl JobStore<Error = W::StoreError, Posted = W::Posted> {
    UsageRecorder::new(world.store(), usage)
}

fn leave<W: RunWorld>(
    world: &mut W,
    mut attempt: AttemptIn<W>,
    to: Stage,
    reason: Option<&JobReason>,
    closing: LeaseClosing<W::Posted>,
) -> Result<(), W::Error> {
    let usage = attempt.state.usage.take();
    let (id, from) = (&attempt.state.job.id, attempt.state.stage);
    stage_move::advance(&mut recorder(world, usage), id, from, to, reason)?;
    world.job_left(attempt, to, reason, closing)
}

fn report<W: RunWorld>(
    world: &mut W,
    attempt: AttemptIn<W>,
    to: Stage,
    reason: Option<&JobReason>,
) -> Result<(), W::Error> {
    let usage = attempt.state.usage;
    let (id, from) = (&attempt.state.job.id, attempt.state.stage);
    let Some(lease) = &attempt.state.lease else {
        return leave(world, attempt, to, reason, LeaseClosing::NoLease);
    };
    let mut store = recorder(world, usage);
    let posted = stage_move::advance_with_report(&mut store, id, from, to, reason, &lease.proof)?;
    drop(store);
    world.job_left(attempt, to, reason, LeaseClosing::Report(posted))
}

fn give_back<W: RunWorld>(world: &mut W, attempt: AttemptIn<W>, reason: &JobReason) -> Result<(), W::Error> {
    let usage = attempt.state.usage;
    let (id, from) = (&attempt.state.job.id, attempt.state.stage);
    match attempt.state.lease.as_ref().map(|lease| lease.origin) {
        Some(JobOrigin::Coordinator) => stage_move::give_back(&mut recorder(world, usage), id, from)?,
        // It lies there again.
        Some(JobOrigin::Inbox) | None => {
            let cause = RequeueCause::Interruption;
            stage_move::requeue(
                &mut recorder(world, usage),
                id,
                from,
                cause,
                Duration::ZERO,
                reason,
            )?;
        }
    }
    world.job_left(attempt, Stage::Inbox, Some(reason), LeaseClosing::Release)
}

/// Under the same lease.
fn retry<W: RunWorld>(
    world: &mut W,
    mut attempt: AttemptIn<W>,
    reason: &JobReason,
) -> Result<FollowingEvent<W>, W::Error> {
    let usage = attempt.state.usage.take();
    let state = &attempt.state;
    let Some(lease) = &state.lease else {
        return Ok(None);
    };
    let (number, spent) = stage_move::start_again(
        &mut recorder(world, usage),
        &state.job.id,
        state.stage,
        &lease.proof,
        state.digest.as_ref(),
    )?;
    (attempt.state.number, attempt.state.spent) = (number, spent);
    (attempt.state.stage, attempt.state.step) = (Stage::Building, AttemptStep::Engine);
    world.attempt_failed(&attempt, reason);
    world.attempt_started(&attempt);
    let due = step_due(world, &mut attempt, AttemptStep::Engine)?;
    Ok(Some((attempt, due)))
}
