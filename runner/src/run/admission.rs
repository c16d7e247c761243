//! A job that the coordinator granted: admitted or refused, and then a job like any other (clauses T-1, T-6, T-7, T-12,
//! T-15 and T-16).

use std::sync::Arc;
use std::time::Instant;

use super::executor;
use super::fleet_link::FleetLink;
use super::job_command::{LeasedWork, QueueAttempt};
use super::progress::{self, RunProgress};
use super::queue_world::QueueWorld;
use super::run_options::RunError;
use super::work_source::WorkSource;
use crate::boot_clock::BootInstant;
use crate::engine::EngineRegistry;
use crate::fleet::GrantedJob;
use crate::fleet::admission_policy::AdmissionPolicy;
use crate::fleet::cut_over::{CutOver, cut_over, job_file};
use crate::fleet::routing_harm::{AssignmentConflict, HarmEvent};
use crate::fleet::wire::WireJob;
use crate::ids::{JobId, LeaseProof};
use crate::job::{self, Job, JobIdSource};
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::{QueueError, RoutedJobClaim};
use crate::stage::Stage;

/// `may_take`: nothing but the job itself can be in the way of it.
pub(super) fn admit(world: &mut QueueWorld, granted: GrantedJob, may_take: bool) -> Result<(), RunError> {
    let id = granted.id.clone();
    if !begin_lease(world, &granted) {
        return Ok(());
    }
    let WorkSource::Routed(routed) = &mut world.source else {
        return Ok(());
    };
    if !may_take || routed.link.has_given_up() {
        routed.link.session.release(&id);
        return Ok(());
    }
    // A file of this queue is its person's, and as free as any.
    let mut folders = None;
    let queue = &world.queue;
    if let Some(conflict) = queue.case_conflict(&id)? {
        let reason = ReasonCode::IdTaken.with(conflict.to_string());
        refuse(&mut world.progress, &mut routed.link, &granted, reason);
        return Ok(());
    }
    let claim = match cut_over(queue.find(&id)?.or(queue.pruned(&id)?)) {
        CutOver::Report(stage) => {
            let told = "finished here before; reported, not run again";
            progress::moved(&id, stage, Some(told), None, false);
            let reason = ReasonCode::FinishedBefore.with("finished on this factory before it was routed");
            let lease = &granted.proof.lease;
            routed.link.finish(&id, lease, stage, reason);
            return Ok(());
        }
        CutOver::Release => RoutedJobClaim::HeldElsewhere,
        CutOver::RunLocal => match queue.admit_local(&id, &granted.proof) {
            Err(QueueError::Job(_)) => RoutedJobClaim::HeldElsewhere,
            claim => claim?,
        },
        CutOver::Run => match judge(&granted.job, &routed.policy, &world.engines) {
            Err(reason) => {
                refuse(&mut world.progress, &mut routed.link, &granted, reason);
                return Ok(());
            }
            Ok((job, text)) => {
                folders = Some(Arc::clone(&routed.policy.folders));
                queue.admit(job, &text, &granted.proof)?
            }
        },
    };
    let claimed = match claim {
        RoutedJobClaim::Claimed(claimed) => claimed,
        other => {
            release_busy_job(&mut routed.link, &id, other);
            return Ok(());
        }
    };
    routed.link.pacing.taken(&id);
    let leased = LeasedWork {
        grace: granted.time.notice(world.execution_context.grace()),
        proof: granted.proof,
        folders,
    };
    executor::start_attempt(world, QueueAttempt::new(*claimed, Some(leased)))
}

/// Notes the grant, and renews the lease from now on; false: the lease is given back, and that is all.
fn begin_lease(world: &mut QueueWorld, granted: &GrantedJob) -> bool {
    let (id, conflict) = (&granted.id, conflict(world, granted));
    let is_routed = world.source.is_routed();
    if let (WorkSource::Routed(routed), Some(conflict)) = (&mut world.source, conflict) {
        let job = id.clone();
        routed
            .harm
            .note(Instant::now(), HarmEvent::Assigned { job, conflict });
    }
    let Some(link) = world.source.link_mut() else {
        return false;
    };
    link.pacing.given(id, BootInstant::now());
    if link.session.renewer(id).is_some() {
        // The lease that the job runs under stays as it is.
        release_second_lease(link, id, granted.proof.clone());
        return false;
    }
    link.session.start_renewing(granted);
    if !is_routed {
        // Asked for before another mode came.
        link.session.release(id);
    }
    is_routed
}

/// Reports that this factory doesn't take the job.
fn refuse(progress: &mut RunProgress, link: &mut FleetLink, granted: &GrantedJob, reason: JobReason) {
    let id = &granted.id;
    progress.tally.count(Stage::Failed);
    progress::moved(id, Stage::Failed, Some(&reason.to_string()), None, false);
    link.finish(id, &granted.proof.lease, Stage::Failed, reason);
}

/// Why the coordinator has to know that this job is not free here (clause F-20). Of what runs here without a lease, and of
/// what ended before it was routed, it knows nothing.
fn conflict(world: &QueueWorld, granted: &GrantedJob) -> Option<AssignmentConflict> {
    let (link, id) = (world.source.link()?, &granted.id);
    if let Some(stage) = link.end_taken(id) {
        return Some(AssignmentConflict::Finished(stage));
    }
    if link.holds_lease(id) {
        return Some(AssignmentConflict::Running);
    }
    let lock = granted.job.lock.as_deref()?;
    let has_lock = |attempt: &&QueueAttempt| {
        let job = &attempt.state.job;
        job.lock.as_ref().is_some_and(|name| name.as_str() == lock) && link.holds_lease(&job.id)
    };
    let holder = world.jobs.working().find(has_lock)?;
    Some(AssignmentConflict::LockHeld(holder.state.job.id.clone()))
}

/// Gives back a lease on a job that this run works on under another one.
fn release_second_lease(link: &mut FleetLink, id: &JobId, second: LeaseProof) {
    progress::warn(&format!(
        "{id}: it is at work here, and the coordinator gave a second lease on it; that one is given back"
    ));
    link.session.release_orphan(id, second);
    link.pacing.held_elsewhere(BootInstant::now(), None);
}

/// Gives back the lease of a job that this factory can't have now.
fn release_busy_job(link: &mut FleetLink, id: &JobId, claim: RoutedJobClaim) {
    let (obstacle, free_in) = match claim {
        RoutedJobClaim::BeingWritten(writer) => (format!("{writer} is still writing its file"), None),
        RoutedJobClaim::Unproven(wait) => ("its file may still be written".to_owned(), Some(wait)),
        RoutedJobClaim::EnginePaused => ("its engine is paused here".to_owned(), None),
        RoutedJobClaim::HeldElsewhere | RoutedJobClaim::Claimed(_) => {
            ("it is in other hands here".to_owned(), None)
        }
    };
    progress::warn(&format!("{id}: {obstacle}; its lease is given back"));
    link.release_busy_job(id, free_in);
}

/// The job and its text, or why this factory doesn't take it (clauses T-7 and T-16).
fn judge(
    wire: &WireJob,
    policy: &AdmissionPolicy,
    engines: &EngineRegistry,
) -> Result<(Job, String), JobReason> {
    let text = job_file(wire);
    let name = format!("{}.md", wire.id);
    let job = job::parse(JobIdSource::FileName(&wire.id), &name, text.as_bytes())
        .map_err(|remark| ReasonCode::JobInvalid.with(remark.to_string()))?
        .job;
    match policy.refusal(&job, &engines.available()) {
        Some(reason) => Err(reason),
        None => Ok((job, text)),
    }
}
