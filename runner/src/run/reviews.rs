//! Jobs that wait for a person under their lease: what people decide about them, and what becomes of them if nobody does
//! (clauses T-13 and T-14).

use super::attempt::StopReason;
use super::executor;
use super::job_command::QueueAttempt;
use super::queue_world::QueueWorld;
use super::run_options::RunError;
use super::transition::{AttemptEvent, ReviewEvent};
use crate::ids::JobId;
use crate::job_reason::{JobReason, ReasonCode};
use crate::stage::Stage;
use crate::supervise::StopUrgency;

/// What people decided: given up, or to be published once a worker and the lock are free.
pub(super) fn check(
    world: &mut QueueWorld,
    has_worker: impl Fn(&QueueWorld) -> bool,
) -> Result<(), RunError> {
    for id in world.jobs.reviewing() {
        let is_approved = world.queue.approval_marker(&id).symlink_metadata().is_ok();
        let is_cancelled = world.queue.cancel_marker(&id).exists();
        if !(is_cancelled || is_approved && has_worker(world)) {
            continue;
        }
        let Some(mut attempt) = world.jobs.take_review(&id) else {
            continue;
        };
        let decided = match is_cancelled {
            true => cancelled(world, &attempt).map(Some),
            false => approved(world, &mut attempt),
        };
        let event = match decided {
            Ok(Some(event)) => event,
            waits => {
                world.jobs.await_review(attempt);
                waits?;
                continue;
            }
        };
        executor::handle_event(world, attempt, AttemptEvent::InReview(event))?;
    }
    Ok(())
}

fn cancelled(world: &QueueWorld, attempt: &QueueAttempt) -> Result<ReviewEvent, RunError> {
    world.queue.take_cancel_wish(&attempt.held.locks)?;
    Ok(ReviewEvent::Cancelled)
}

/// None: the lock that it names is held elsewhere.
fn approved(world: &QueueWorld, attempt: &mut QueueAttempt) -> Result<Option<ReviewEvent>, RunError> {
    let (locks, name) = (&mut attempt.held.locks, attempt.state.job.lock.as_ref());
    if !locks.acquire_name_lock(&world.queue, name)? {
        return Ok(None);
    }
    let problem = problem(world, attempt)?;
    Ok(Some(ReviewEvent::Approved { problem }))
}

/// What is published is what was shown to the person who approved it, and what was worked on (clause O-17).
fn problem(world: &QueueWorld, attempt: &QueueAttempt) -> Result<Option<JobReason>, RunError> {
    let (queue, in_work) = (&world.queue, &attempt.held.in_work);
    let is_same = queue.take_approval(&attempt.held.locks, in_work.digest())?;
    let change = queue.changed_file(Stage::Review, &attempt.state.job.id, in_work)?;
    let other =
        || ReasonCode::ChangedInWork.with("the approval is of another file than the one that was worked on");
    Ok(change.or_else(|| (!is_same).then(other)))
}

/// Of a job that runs, or waits for a person.
pub(super) fn lease_lost(world: &mut QueueWorld, id: &JobId, reason: String) -> Result<(), RunError> {
    world.progress.lease_lost(id, &reason);
    if let Some(attempt) = world.jobs.take_review(id) {
        let event = AttemptEvent::InReview(ReviewEvent::LeaseLost(reason));
        return executor::handle_event(world, attempt, event);
    }
    if let Some(attempt) = world.jobs.get_mut(id) {
        // Outweighs every other wish: the job is not ours any more. That KILL falls in time is its supervisor's affair.
        attempt.state.stop_reason = Some(StopReason::LeaseLost(reason));
        attempt.end(StopReason::Interrupt, StopUrgency::Graceful);
    }
    Ok(())
}

/// The run ends while a person has not decided: another factory may have the job, what was done here is kept.
pub(super) fn release_all(world: &mut QueueWorld) -> Result<(), RunError> {
    for id in world.jobs.reviewing() {
        if let Some(attempt) = world.jobs.take_review(&id) {
            let event = AttemptEvent::InReview(ReviewEvent::RunEnded);
            executor::handle_event(world, attempt, event)?;
        }
    }
    Ok(())
}
