//! `aq ship`: what a person approved is published, by the same means as in a run.

use super::attempt::{Attempt, Surroundings};
use super::events::{Event, Events};
use super::pipeline::{self, Next, Step, Wish};
use super::{RunError, ShipPlan, announce, runtime};
use crate::engine::Engines;
use crate::exit::{Exit, StopSignal};
use crate::ids::JobId;
use crate::queue::{FileDigest, Queue, QueueError, ReviewClaim, SHIP_UNKNOWN};
use crate::settings::Settings;
use crate::shadow::{self, Transition};
use crate::stage::Stage;
use crate::supervise::Urgency;

/// Ships a job that waits in review; what it was that was approved goes with it, if it was.
pub(crate) fn ship(
    settings: &Settings,
    queue: &Queue,
    id: &JobId,
) -> Result<(Exit, Option<ShipPlan>), RunError> {
    match queue.find(id)? {
        Some(Stage::Review) => {}
        Some(stage) => {
            return Err(RunError::Refused(format!(
                "`{id}` is in {stage}: only a job in review is shipped"
            )));
        }
        None => return Err(QueueError::Unknown { id: id.clone() }.into()),
    }
    queue.complete()?;
    if queue.history(id)?.is_routed() {
        return approve(queue, id).map(|plan| (Exit::Done, Some(plan)));
    }
    let claimed = match queue.claim_review(id)? {
        ReviewClaim::Claimed(claimed) => *claimed,
        ReviewClaim::InOtherHands => return not_claimed(queue, id).map(|exit| (exit, None)),
        ReviewClaim::Changed(reason) => {
            mirror(settings, id, Stage::Quarantine);
            return Err(RunError::Refused(format!(
                "`{id}` is not shipped, and is in quarantine: {reason}; `aq show {id}` shows what it is now"
            )));
        }
    };
    let mut attempt = Attempt::new(claimed);
    attempt.stage = Stage::Review;
    let kept = queue.surroundings(id)?;
    let plan = ShipPlan::of(&attempt.job, attempt.in_work.digest().clone(), kept.as_ref());
    let (stage, reason, exit) = match (&attempt.job.ship, kept) {
        (None, _) => {
            announce::plan(id, &plan);
            (Stage::Shipped, None, Exit::Done)
        }
        (Some(_), None) => return Err(without_surroundings(id)),
        (Some(_), Some(kept)) => {
            announce::plan(id, &plan);
            let around = Surroundings::kept(kept, settings);
            queue.note_shipping(&attempt.hold, Stage::Review)?;
            let runtime = runtime()?;
            let _inside = runtime.enter();
            let (next, signal) = runtime.block_on(publish(settings, &around, queue, &mut attempt))?;
            conclusion(next, signal)
        }
    };
    queue.advance(&attempt.hold, Stage::Review, stage, reason.as_deref())?;
    announce::moved(id, stage, reason.as_deref(), Some(attempt.started.elapsed()));
    drop(attempt);
    mirror(settings, id, stage);
    Ok((exit, Some(plan)))
}

fn mirror(settings: &Settings, id: &JobId, stage: Stage) {
    let job = id.clone();
    shadow::mirror(settings, &[Transition { job, stage }]);
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
fn not_claimed(queue: &Queue, id: &JobId) -> Result<Exit, RunError> {
    let what = match queue.find(id)? {
        Some(Stage::Shipped) => {
            announce::moved(id, Stage::Shipped, Some("by an earlier `aq ship`"), None);
            return Ok(Exit::Done);
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
    announce::plan(id, &plan);
    queue.approve(id, &plan.digest)?;
    announce::approved(id);
    Ok(plan)
}

async fn publish(
    settings: &Settings,
    around: &Surroundings,
    queue: &Queue,
    attempt: &mut Attempt,
) -> Result<(Next, Option<StopSignal>), RunError> {
    let engines = Engines::new(&settings.engines)?;
    let mut events = Events::new(queue)?;
    let id = attempt.job.id.clone();
    let running = attempt
        .start(queue, &engines, around, Step::Ship, None, None)
        .map_err(RunError::system(format!("start the `ship` command of {id}")))?;
    events.expect_end(&id, running);
    let mut stopped_by = None;
    loop {
        match events.next(None, None).await {
            Event::Ended { end: Ok(end), .. } => {
                // A person shipped it, so a person decides about another go: no retries here.
                let next = pipeline::after(&attempt.job, u32::MAX, Step::Ship, &end, attempt.wish.as_ref());
                return Ok((next, stopped_by));
            }
            Event::Ended { end: Err(_), .. } => {
                return Ok((Next::Quarantine(SHIP_UNKNOWN.to_owned()), stopped_by));
            }
            Event::Stop(signal) => {
                let urgency = if stopped_by.is_none() {
                    Urgency::Grace
                } else {
                    Urgency::Now
                };
                attempt.end(Wish::Interrupt, urgency);
                stopped_by.get_or_insert(signal);
            }
            Event::Child | Event::Changed | Event::Time | Event::Fleet(_) => {}
        }
    }
}

fn conclusion(next: Next, signal: Option<StopSignal>) -> (Stage, Option<String>, Exit) {
    let otherwise = signal.map_or(Exit::Failed, Exit::Stopped);
    match next {
        Next::Shipped => (Stage::Shipped, None, Exit::Done),
        Next::Quarantine(reason) => (Stage::Quarantine, Some(reason), otherwise),
        Next::Failed(reason) | Next::PutBack(_, reason) => (Stage::Failed, Some(reason), otherwise),
        // Neither follows the step of shipping.
        Next::Run(_) | Next::Review => (Stage::Quarantine, Some(SHIP_UNKNOWN.to_owned()), otherwise),
    }
}
