//! `aq ship`: what a person approved is published, by the same means as in a run.

use super::attempt::{AttemptStep, StopReason};
use super::event_stream::{EventStream, RunEvent, runtime};
use super::job_command::{CommandStartError, ExecutionContext, QueueAttempt, has_output};
use super::progress;
use super::run_options::RunError;
use super::ship_plan::ShipPlan;
use super::transition::{AttemptEvent, CommandEnd, LeaseStatus, NextAction, transition};
use crate::engine::EngineRegistry;
use crate::exit_codes::{ProgramExit, StopSignal};
use crate::ids::JobId;
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::{FileDigest, Queue, ReviewClaim, stage_move};
use crate::settings::Settings;
use crate::shadow;
use crate::stage::Stage;
use crate::supervise::StopUrgency;

/// Ships a job that waits in review; what it was that was approved goes with it, if it was.
pub(crate) fn ship(
    settings: &Settings,
    queue: &Queue,
    id: &JobId,
) -> Result<(ProgramExit, Option<ShipPlan>), RunError> {
    let stage = queue.require(id)?;
    if stage != Stage::Review {
        let text = format!("`{id}` is in {stage}: only a job in review is shipped");
        return Err(RunError::Refused(text));
    }
    queue.complete()?;
    if queue.history(id)?.is_routed() {
        return approve(queue, id).map(|plan| (ProgramExit::Done, Some(plan)));
    }
    let claimed = match queue.claim_review(id)? {
        ReviewClaim::Claimed(claimed) => *claimed,
        ReviewClaim::HeldElsewhere => return not_claimed(queue, id).map(|exit| (exit, None)),
        ReviewClaim::Changed(reason) => {
            shadow::mirror(settings, id, Stage::Quarantine);
            return Err(RunError::Refused(format!(
                "`{id}` is not shipped, and is in quarantine: {reason}; `aq show {id}` shows what it is now"
            )));
        }
    };
    let mut attempt = QueueAttempt::new(claimed, None);
    attempt.state.stage = Stage::Review;
    // A person ships it, so a person decides about another go: no retries here.
    attempt.state.spent = u32::MAX;
    let kept = queue.surroundings(id)?;
    let digest = attempt.held.in_work.digest().clone();
    let plan = ShipPlan::of(&attempt.state.job, digest, kept.as_ref());
    let (stage, reason, exit) = match (&attempt.state.job.ship, kept) {
        (None, _) => {
            progress::plan(id, &plan);
            (Stage::Shipped, None, ProgramExit::Done)
        }
        (Some(_), None) => return Err(without_surroundings(id)),
        (Some(_), Some(kept)) => {
            progress::plan(id, &plan);
            let execution_context = ExecutionContext::kept(kept, settings);
            stage_move::announce_ship(&mut &*queue, id, Stage::Review)?;
            let runtime = runtime()?;
            let _inside = runtime.enter();
            let (next, signal) =
                runtime.block_on(publish(settings, &execution_context, queue, &mut attempt))?;
            conclusion(next, signal)
        }
    };
    queue.advance(&attempt.held.locks, Stage::Review, stage, reason.as_ref())?;
    let told = reason.as_ref().map(JobReason::to_string);
    let has_log = has_output(queue, id, attempt.state.number);
    progress::moved(
        id,
        stage,
        told.as_deref(),
        Some(attempt.held.started.elapsed()),
        has_log,
    );
    drop(attempt);
    shadow::mirror(settings, id, stage);
    Ok((exit, Some(plan)))
}

/// The folder and the environment of whoever approves are none to publish in.
fn without_surroundings(id: &JobId) -> RunError {
    RunError::Refused(format!(
        "`{id}` stays in review: the folder and the environment that it was worked on in are not on record, because an \
         earlier aq brought it there or because somebody removed them; `aq cancel {id}`, then `aq retry {id}` does the \
         work again"
    ))
}

/// In other hands, or left by an earlier `aq ship` that was killed when it had begun, or done.
fn not_claimed(queue: &Queue, id: &JobId) -> Result<ProgramExit, RunError> {
    let what = match queue.find(id)? {
        Some(Stage::Shipped) => {
            progress::moved(id, Stage::Shipped, Some("by an earlier `aq ship`"), None, false);
            return Ok(ProgramExit::Done);
        }
        Some(Stage::Quarantine) => format!(
            "an earlier `aq ship` of `{id}` was cut off, and nobody knows whether it is published: it is in quarantine; see \
             `aq show {id}`"
        ),
        _ => format!("`{id}` or its lock is in other hands: try again when they are done"),
    };
    Err(RunError::Refused(what))
}

/// A routed job is published by the runner that holds its lease, or by nobody (clause T-14).
fn approve(queue: &Queue, id: &JobId) -> Result<ShipPlan, RunError> {
    if queue.hold(id)?.is_some() {
        return Err(RunError::Refused(format!(
            "`{id}` was assigned by the coordinator, and no runner holds its lease any more: publishing is up to whoever \
             is assigned it next; the next `aq run`, or `aq cancel {id}`, clears it away here"
        )));
    }
    if let Some(reason) = queue.changed_in_review(id)? {
        // Whatever the approval says: the runner looks at the file itself.
        queue.approve(id, &FileDigest::of(&[]))?;
        return Err(RunError::Refused(format!(
            "`{id}` is not approved, and the runner that holds its lease puts it into quarantine: {reason}"
        )));
    }
    let (job, digest) = queue.job_and_digest(Stage::Review, id)?;
    let plan = ShipPlan::of(&job, digest, queue.surroundings(id)?.as_ref());
    progress::plan(id, &plan);
    queue.approve(id, &plan.digest)?;
    progress::approved(id);
    Ok(plan)
}

async fn publish(
    settings: &Settings,
    execution_context: &ExecutionContext,
    queue: &Queue,
    attempt: &mut QueueAttempt,
) -> Result<(NextAction, Option<StopSignal>), RunError> {
    let engines = EngineRegistry::new(&settings.engines)?;
    let mut events = EventStream::new(queue)?;
    let id = attempt.state.job.id.clone();
    let running = attempt
        .start(queue, &engines, execution_context, AttemptStep::Ship, None, None)
        .map_err(|error| match error {
            CommandStartError::Files(source) | CommandStartError::Supervisor(source) => {
                RunError::system(format!("start the `ship` command of {id}"))(source)
            }
        })?;
    events.expect_end(&id, running);
    let mut stopped_by = None;
    loop {
        match events.next(None, None).await {
            RunEvent::CommandEnded { end, .. } => {
                let end = end.map_or(CommandEnd::SupervisorLost, CommandEnd::Outcome);
                let event = AttemptEvent::CommandEnded { end, change: None };
                let next = transition(&attempt.state, event, LeaseStatus::Local);
                return Ok((next, stopped_by));
            }
            RunEvent::StopSignal(signal) => {
                let urgency = if stopped_by.is_none() {
                    StopUrgency::Graceful
                } else {
                    StopUrgency::Immediate
                };
                attempt.end(StopReason::Interrupt, urgency);
                stopped_by.get_or_insert(signal);
            }
            RunEvent::ChildExited | RunEvent::QueueChanged | RunEvent::TimerDue | RunEvent::Fleet(_) => {}
        }
    }
}

fn conclusion(next: NextAction, signal: Option<StopSignal>) -> (Stage, Option<JobReason>, ProgramExit) {
    let otherwise = signal.map_or(ProgramExit::Failed, ProgramExit::Stopped);
    match next {
        NextAction::Finish(Stage::Shipped, _) => (Stage::Shipped, None, ProgramExit::Done),
        NextAction::Finish(stage, reason) => (stage, reason, otherwise),
        NextAction::PutBack(_, reason) => (Stage::Failed, Some(reason), otherwise),
        // Its supervisor is lost, or what does not follow the step of shipping.
        _ => (Stage::Quarantine, Some(ReasonCode::ShipUnknown.into()), otherwise),
    }
}
