//! Work from the coordinator: asked for where a job could be started, admitted or refused, and then a job like any other
//! (clauses T-1, T-5 to T-7, T-9, T-12 and T-15).

use std::time::Instant;

use super::attempt::{Attempt, Lease};
use super::event_loop::EventLoop;
use super::local_source::usable;
use super::routed_source::{CLAIM_WAIT, RoutedSource};
use super::{RunError, RunUntil, progress};
use crate::boot_clock::BootInstant;
use crate::engine::{self, EngineRegistry};
use crate::fleet::admission_policy::AdmissionPolicy;
use crate::fleet::cut_over::{CutOver, cut_over, job_file};
use crate::fleet::wire::WireJob;
use crate::fleet::{DeliveryOutcome, FleetEvent, GrantedJob};
use crate::ids::JobId;
use crate::job::{self, Job, JobIdSource};
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::{QueueError, RoutedJobClaim};
use crate::stage::Stage;

impl EventLoop {
    /// Asks for a job where one could be started.
    pub(super) fn ask_for_work(&mut self) -> Result<(), RunError> {
        let may_start = self.may_start();
        let Some(routed) = &mut self.routed else {
            return Ok(());
        };
        if !may_start || !routed.is_due(self.options.until, Instant::now()) {
            routed.wake_at = routed.wake_at.filter(|_| may_start);
            return Ok(());
        }
        let wait = match self.options.until {
            RunUntil::Stopped => Some(CLAIM_WAIT),
            RunUntil::Drained | RunUntil::Once => None,
        };
        let found = usable(&self.queue, &self.engines)?;
        let caps = routed.caps.iter().cloned().chain(engine::capabilities(&found));
        routed.fleet_session.request_job(caps, wait);
        routed.pacing.asked(BootInstant::now());
        Ok(())
    }

    /// Delivers what the outbox holds before anything new is asked for, one round at a time, so that all of it keeps its
    /// order (clause T-9).
    pub(super) fn deliver_outbox(&mut self) -> Result<(), RunError> {
        let free = |routed: &&mut RoutedSource| routed.owes && routed.fleet_session.is_settled();
        let Some(routed) = self.routed.as_mut().filter(free) else {
            return Ok(());
        };
        routed.owes = false;
        let waiting = self.queue.undelivered()?;
        routed
            .fleet_session
            .deliver(&waiting.iter().map(|posted| &posted.letter).collect::<Vec<_>>());
        for posted in waiting {
            if let Some((_, proof, _)) = posted.letter.subject() {
                routed.letters.insert(proof.lease, posted);
            }
        }
        Ok(())
    }

    pub(super) fn fleet_event(&mut self, event: FleetEvent) -> Result<(), RunError> {
        let Some(routed) = &mut self.routed else {
            return Ok(());
        };
        if matches!(event, FleetEvent::Claimed(_) | FleetEvent::Nothing) {
            routed.owes |= std::mem::take(&mut routed.later);
        }
        match event {
            FleetEvent::Claimed(granted) => {
                routed.pacing.given(&granted.id, BootInstant::now());
                self.decided_once |= !routed.claims_suspended;
                return self.admit(*granted);
            }
            FleetEvent::Nothing => {
                routed.pacing.nothing();
                self.decided_once |= !routed.claims_suspended;
            }
            FleetEvent::Unreachable { .. } | FleetEvent::CredentialRefused { .. } => {
                routed.give_up(event, self.options.until);
            }
            FleetEvent::LeaseLost { job, reason } => return self.lease_lost(&job, reason),
            FleetEvent::Confirmed { job } => return self.confirmed(&job),
            FleetEvent::LeaseClosed { job, lease, outcome } => {
                routed.pacing.lease_ended();
                routed.settled(&lease, &outcome)?;
                match outcome {
                    DeliveryOutcome::Delivered => {}
                    DeliveryOutcome::Refused(why) => {
                        progress::warn(&format!("{job}: the coordinator refused its end: {why}"));
                    }
                    DeliveryOutcome::Undelivered(why) => {
                        progress::warn(&format!(
                            "{job}: its end did not reach the coordinator: {why}; what is owed waits in the outbox"
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn admit(&mut self, granted: GrantedJob) -> Result<(), RunError> {
        let id = granted.id.clone();
        // Asked for before the pause came.
        let stopping = self.stop.is_some() || self.pause.is_some();
        let Some(routed) = &mut self.routed else {
            return Ok(());
        };
        routed.fleet_session.start_renewing(&granted);
        if stopping || routed.given_up || routed.claims_suspended {
            routed.fleet_session.release(&id);
            return Ok(());
        }
        // A file of this queue is its person's, and as free as any.
        let mut folders = None;
        let admission = match cut_over(self.queue.find(&id)?.or(self.queue.pruned(&id)?)) {
            CutOver::Report(stage) => {
                progress::moved(
                    &id,
                    stage,
                    Some("finished here before; reported, not run again"),
                    None,
                );
                let reason = ReasonCode::FinishedBefore.with("finished on this factory before it was routed");
                routed.fleet_session.finish(&id, stage, reason);
                return Ok(());
            }
            CutOver::Release => RoutedJobClaim::HeldElsewhere,
            CutOver::RunLocal => match self.queue.admit_local(&id, &granted.proof) {
                Err(QueueError::Job(_)) => RoutedJobClaim::HeldElsewhere,
                admission => admission?,
            },
            CutOver::Run => match judge(&granted.job, &routed.policy, &self.engines) {
                Err(reason) => return self.refuse(&id, reason),
                Ok((job, text)) => {
                    folders = Some(routed.policy.folders());
                    self.queue.admit(job, &text, &granted.proof)?
                }
            },
        };
        let why = match admission {
            RoutedJobClaim::Claimed(claimed) => {
                let mut attempt = Attempt::new(*claimed);
                attempt.folders = folders;
                attempt.lease = Some(Lease {
                    grace: granted.time.notice(self.execution_context.grace()),
                    proof: granted.proof,
                });
                if let Some(routed) = &mut self.routed {
                    routed.pacing.taken();
                }
                return self.begin(attempt);
            }
            RoutedJobClaim::HeldElsewhere => String::from("it is in other hands here"),
            RoutedJobClaim::BeingWritten(Some(writer)) => format!("{writer} is still writing its file"),
            RoutedJobClaim::BeingWritten(None) => String::from("its file may still be written"),
        };
        progress::warn(&format!("{id}: {why}; its lease is given back"));
        if let Some(routed) = &mut self.routed {
            routed.release_busy_job(&id);
        }
        Ok(())
    }

    fn refuse(&mut self, id: &JobId, reason: JobReason) -> Result<(), RunError> {
        self.tally.count(Stage::Failed);
        progress::moved(id, Stage::Failed, Some(&reason.to_string()), None);
        if let Some(routed) = &mut self.routed {
            routed.fleet_session.finish(id, Stage::Failed, reason);
        }
        Ok(())
    }
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
