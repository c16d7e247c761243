//! Carries out what is decided about an attempt, in the order that a crash may cut anywhere: announce, post, move. There is
//! one executor for the real world and for the model.
//!
//! What happens to an attempt comes in here, and nothing comes back: what the world has to do with it, it is told.

use std::time::Duration;

use super::attempt::{AttemptStep, JobOrigin, StopReason};
use super::transition::{
    AttemptEvent, AttemptInput, CommandEnd, EngineEnd, NextAction, engine_end, has_failed_by_itself,
    stop_reason_under,
};
use super::world::{AttemptIn, LeaseClosing, RunWorld};
use crate::ids::JobId;
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::{JobStore, RequeueCause, UsageRecorder, is_reported, stage_move};
use crate::stage::Stage;
use crate::token_usage::TokenUsage;

/// What comes of one input.
enum AttemptTurn<P> {
    Next(AttemptInput),
    /// A command runs, or something else is waited for.
    Wait,
    ConfirmLease,
    Abandon,
    /// It has left work for this stage.
    Left(Stage, Option<JobReason>, LeaseClosing<P>),
}

type TurnResult<W> = Result<AttemptTurn<<W as RunWorld>::Posted>, <W as RunWorld>::Error>;

/// The file lies in `building`, and the attempt is counted.
pub(crate) fn start_attempt<W: RunWorld>(world: &mut W, attempt: AttemptIn<W>) -> Result<(), W::Error> {
    world.attempt_started(&attempt);
    take_on(world, attempt, AttemptInput::Due(AttemptStep::Engine))
}

pub(crate) fn handle_event<W: RunWorld>(
    world: &mut W,
    attempt: AttemptIn<W>,
    event: AttemptEvent,
) -> Result<(), W::Error> {
    take_on(world, attempt, AttemptInput::Event(event))
}

/// Goes on with an attempt until the world has it: it waits there, it has left work, or something could not be done.
pub(crate) fn take_on<W: RunWorld>(
    world: &mut W,
    mut attempt: AttemptIn<W>,
    mut input: AttemptInput,
) -> Result<(), W::Error> {
    loop {
        match take_turn(world, &mut attempt, &input) {
            Ok(AttemptTurn::Next(next)) => {
                input = next;
                continue;
            }
            Ok(AttemptTurn::Wait) => world.wait(attempt),
            Ok(AttemptTurn::ConfirmLease) => world.confirm_lease(attempt),
            Ok(AttemptTurn::Abandon) => world.abandon(attempt),
            Ok(AttemptTurn::Left(to, reason, closing)) => {
                world.job_left(attempt, to, reason.as_ref(), closing);
            }
            Err(error) => return world.suspend(attempt, input, error),
        }
        return Ok(());
    }
}

fn take_turn<W: RunWorld>(world: &mut W, attempt: &mut AttemptIn<W>, input: &AttemptInput) -> TurnResult<W> {
    let event = match input {
        AttemptInput::Due(step) => step_due(world, attempt, *step)?,
        AttemptInput::CommandEnd(end) => command_ended(world, attempt, end.clone())?,
        AttemptInput::Event(event) => {
            let allowed = world.lease_status(attempt);
            let next = world.transition(&attempt.state, event.clone(), allowed);
            return carry_out(world, attempt, next);
        }
    };
    Ok(AttemptTurn::Next(AttemptInput::Event(event)))
}

fn command_ended<W: RunWorld>(
    world: &mut W,
    attempt: &mut AttemptIn<W>,
    end: CommandEnd,
) -> Result<AttemptEvent, W::Error> {
    look_for_stop(world, attempt);
    let allowed = world.lease_status(attempt);
    // Of a host in trouble, nothing follows for the engine.
    let trouble = match has_failed_by_itself(&attempt.state, &end, allowed) {
        true => world.host_trouble(attempt, &end),
        false => None,
    };
    let end = trouble.map_or(end, CommandEnd::HostTrouble);
    let pause = match engine_end(&attempt.state, &end, allowed) {
        EngineEnd::Succeeded => {
            world.engine_succeeded(attempt)?;
            None
        }
        EngineEnd::Failed => world.engine_pause(attempt, &end)?,
        EngineEnd::Unknown => None,
    };
    let end = pause.map_or(end, CommandEnd::EnginePaused);
    let change = match (&end, &attempt.state.lease) {
        (CommandEnd::SupervisorLost, None) => None,
        (CommandEnd::SupervisorLost, Some(_)) => {
            world.kill_orphans(attempt)?;
            world.change_after_end(attempt)?
        }
        _ => world.change_after_end(attempt)?,
    };
    Ok(AttemptEvent::CommandEnded { end, change })
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

fn carry_out<W: RunWorld>(world: &mut W, attempt: &mut AttemptIn<W>, next: NextAction) -> TurnResult<W> {
    let (id, from) = (attempt.state.job.id.clone(), attempt.state.stage);
    if let NextAction::Finish(_, Some(reason)) | NextAction::FinishAndReport(_, Some(reason)) = &next
        && reason.code == ReasonCode::OrphanUnproven
    {
        world.keep_lock(attempt)?;
    }
    Ok(match next {
        NextAction::Wait => AttemptTurn::Wait,
        NextAction::ConfirmLease => AttemptTurn::ConfirmLease,
        NextAction::Abandon => AttemptTurn::Abandon,
        NextAction::Prepare(step) => {
            prepare(world, attempt, step)?;
            AttemptTurn::Next(AttemptInput::Due(step))
        }
        NextAction::Start(step) => match world.start(attempt, step)? {
            Ok(()) => AttemptTurn::Wait,
            Err(reason) => AttemptTurn::Next(AttemptInput::Event(AttemptEvent::StartRejected(reason))),
        },
        NextAction::AwaitReview => {
            world.prepare_review(attempt)?;
            let closing = match attempt.state.lease {
                Some(_) => LeaseClosing::Keep,
                None => LeaseClosing::NoLease,
            };
            leave(world, attempt, Stage::Review, None, closing)?
        }
        NextAction::Finish(to, reason) => leave(world, attempt, to, reason, LeaseClosing::NoLease)?,
        NextAction::FinishAndReport(to, reason) => report(world, attempt, to, reason)?,
        NextAction::SetAside(reason) => {
            let to = Stage::Quarantine;
            leave(world, attempt, to, Some(reason), LeaseClosing::Release)?
        }
        NextAction::PutBack(cause, reason) => {
            let wait = world.retry_wait(&attempt.state);
            let usage = attempt.state.usage;
            stage_move::requeue(&mut recorder(world, usage), &id, from, cause, wait, &reason)?;
            AttemptTurn::Left(Stage::Inbox, Some(reason), LeaseClosing::NoLease)
        }
        NextAction::GiveBack(reason) => {
            give_back(world, attempt, &reason)?;
            AttemptTurn::Left(Stage::Inbox, Some(reason), LeaseClosing::Release)
        }
        NextAction::Retry(reason) => {
            retry(world, attempt, &reason)?;
            AttemptTurn::Next(AttemptInput::Due(AttemptStep::Engine))
        }
    })
}

/// What has to be on the disk before the command of a step is started.
fn prepare<W: RunWorld>(
    world: &mut W,
    attempt: &mut AttemptIn<W>,
    step: AttemptStep,
) -> Result<(), W::Error> {
    let usage = attempt.state.usage;
    let (id, from) = (&attempt.state.job.id, attempt.state.stage);
    match step {
        AttemptStep::Engine => {}
        AttemptStep::Verify => {
            stage_move::advance(&mut recorder(world, usage), id, from, Stage::Testing, None)?;
            attempt.state.stage = Stage::Testing;
            world.stage_entered(attempt, Stage::Testing);
        }
        AttemptStep::Ship => stage_move::announce_ship(&mut recorder(world, usage), id, from)?,
    }
    attempt.state.usage = None;
    Ok(())
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
    attempt: &AttemptIn<W>,
    to: Stage,
    reason: Option<JobReason>,
    closing: LeaseClosing<W::Posted>,
) -> TurnResult<W> {
    let (id, from) = (&attempt.state.job.id, attempt.state.stage);
    let mut store = recorder(world, attempt.state.usage);
    stage_move::advance(&mut store, id, from, to, reason.as_ref())?;
    Ok(AttemptTurn::Left(to, reason, closing))
}

fn report<W: RunWorld>(
    world: &mut W,
    attempt: &AttemptIn<W>,
    to: Stage,
    reason: Option<JobReason>,
) -> TurnResult<W> {
    let (id, from) = (&attempt.state.job.id, attempt.state.stage);
    let Some(lease) = &attempt.state.lease else {
        return leave(world, attempt, to, reason, LeaseClosing::NoLease);
    };
    let mut store = recorder(world, attempt.state.usage);
    let posted = stage_move::advance_with_report(&mut store, id, from, to, reason.as_ref(), &lease.proof)?;
    drop(store);
    Ok(AttemptTurn::Left(to, reason, LeaseClosing::Report(posted)))
}

fn give_back<W: RunWorld>(world: &mut W, attempt: &AttemptIn<W>, reason: &JobReason) -> Result<(), W::Error> {
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
    Ok(())
}

/// Under the same lease.
fn retry<W: RunWorld>(world: &mut W, attempt: &mut AttemptIn<W>, reason: &JobReason) -> Result<(), W::Error> {
    let usage = attempt.state.usage;
    let state = &attempt.state;
    let Some(lease) = &state.lease else {
        return Ok(());
    };
    let (number, spent) = stage_move::start_again(
        &mut recorder(world, usage),
        &state.job.id,
        state.stage,
        &lease.proof,
        state.digest.as_ref(),
    )?;
    (attempt.state.number, attempt.state.spent) = (number, spent);
    attempt.state.usage = None;
    (attempt.state.stage, attempt.state.step) = (Stage::Building, AttemptStep::Engine);
    world.attempt_failed(attempt, reason);
    world.attempt_started(attempt);
    Ok(())
}
