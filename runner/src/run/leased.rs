//! A job under its lease: ended when the lease is lost, published after a fresh renewal alone, kept while a person decides
//! (clauses T-4, T-13 and T-14).

use super::attempt::Attempt;
use super::event_loop::EventLoop;
use super::routed_source::RoutedSource;
use super::step_outcome::{AttemptStep, StopReason};
use super::transition::{self, LeaseStatus, ShipDecision};
use super::{RunError, progress};
use crate::boot_clock::KillDeadlines;
use crate::ids::JobId;
use crate::job_reason::ReasonCode;
use crate::queue::is_reported;
use crate::stage::Stage;
use crate::supervise::StopUrgency;

impl EventLoop {
    pub(super) fn lease_lost(&mut self, id: &JobId, reason: String) -> Result<(), RunError> {
        progress::warn(&format!("{id}: its lease is lost: {reason}"));
        if let Some(attempt) = self
            .routed
            .as_mut()
            .and_then(|routed| routed.reviewing.remove(id))
        {
            return self.settle(
                attempt,
                Stage::Quarantine,
                Some(&ReasonCode::LeaseLost.with(reason)),
            );
        }
        if let Some(attempt) = self.running.get_mut(id) {
            // Outweighs every other wish: the job is not ours any more. That KILL falls in time is its supervisor's affair.
            attempt.stop_reason = Some(StopReason::LeaseLost(reason));
            attempt.end(StopReason::Interrupt, StopUrgency::Graceful);
        }
        Ok(())
    }

    /// A renewal that was sent after the last step has been answered: now it may be published (clause T-14).
    pub(super) fn confirmed(&mut self, id: &JobId) -> Result<(), RunError> {
        let Some(attempt) = self.running.remove(id) else {
            return Ok(());
        };
        let waits = attempt.awaits_confirmation() && attempt.stop_reason.is_none();
        match transition::ship_decision(self.lease_status_of(&attempt), waits, attempt.job.ship.is_some()) {
            ShipDecision::Superseded => {
                self.running.insert(id.clone(), attempt);
                Ok(())
            }
            ShipDecision::FinishWithoutShip => self.settle(attempt, Stage::Shipped, None),
            ShipDecision::Ship => self.go_on(attempt, AttemptStep::Ship),
        }
    }

    /// Whether a job that was routed here still may be worked on; asked before every effect.
    pub(super) fn lease_status_of(&self, attempt: &Attempt) -> LeaseStatus {
        let holds = |routed: &RoutedSource| routed.fleet_session.is_lease_valid(&attempt.job.id);
        LeaseStatus::of(attempt.lease.is_some(), self.routed.as_ref().is_some_and(holds))
    }

    /// When the lease of a job ends what is started now, if it has one.
    pub(super) fn fence(&self, attempt: &Attempt) -> Option<KillDeadlines> {
        let routed = self.routed.as_ref().filter(|_| attempt.lease.is_some())?;
        routed.fleet_session.kill_deadlines(&attempt.job.id)
    }

    /// What people decided about jobs in review: given up, or to be published once a worker and the lock are free.
    pub(super) fn check_reviews(&mut self) -> Result<(), RunError> {
        let ids: Vec<JobId> = match &self.routed {
            Some(routed) => routed.reviewing.keys().cloned().collect(),
            None => return Ok(()),
        };
        for id in ids {
            let approved = self.queue.approval_marker(&id).symlink_metadata().is_ok();
            let cancelled = self.queue.cancel_marker(&id).exists();
            let has_worker = self.stop.is_none() && self.running.len() < self.options.workers;
            if !(cancelled || approved && has_worker) {
                continue;
            }
            let taken = self
                .routed
                .as_mut()
                .and_then(|routed| routed.reviewing.remove(&id));
            let Some(mut attempt) = taken else { continue };
            if cancelled {
                self.queue.take_cancel_wish(&attempt.hold)?;
                self.settle(attempt, Stage::Failed, Some(&ReasonCode::Cancelled.into()))?;
            } else if attempt
                .hold
                .acquire_name_lock(&self.queue, attempt.job.lock.as_ref())?
            {
                self.publish_approved(attempt)?;
            } else if let Some(routed) = &mut self.routed {
                routed.reviewing.insert(id, attempt);
            }
        }
        Ok(())
    }

    /// What is published is what was shown to the person who approved it, and what was worked on (clause O-17).
    fn publish_approved(&mut self, attempt: Attempt) -> Result<(), RunError> {
        let is_same = self
            .queue
            .take_approval(&attempt.hold, attempt.in_work.digest())?;
        let change = self
            .queue
            .changed_file(Stage::Review, &attempt.job.id, &attempt.in_work)?;
        let other = || {
            ReasonCode::ChangedInWork.with("the approval is of another file than the one that was worked on")
        };
        match change.or_else(|| (!is_same).then(other)) {
            Some(reason) => self.settle(attempt, Stage::Quarantine, Some(&reason)),
            None => {
                self.await_confirmation(attempt);
                Ok(())
            }
        }
    }

    /// A job that an earlier run left behind under its lease: another factory may have it at once, unless nobody knows
    /// whether it was published (clause T-13).
    pub(super) fn close_abandoned(&mut self, id: &JobId, stage: Stage) -> Result<(), RunError> {
        let known = self.queue.history(id)?;
        let (Some(routed), Some(proof)) = (&mut self.routed, known.lease()) else {
            return Ok(());
        };
        if stage == Stage::Quarantine && !known.reason().as_ref().is_some_and(is_reported) {
            routed.fleet_session.release_orphan(id, proof);
        }
        // What is reported was posted.
        routed.owes = true;
        Ok(())
    }

    /// The next step needs a fresh renewal: asked for, and waited for without a command.
    pub(super) fn await_confirmation(&mut self, attempt: Attempt) {
        let id = attempt.job.id.clone();
        self.running.insert(id.clone(), attempt);
        if let Some(routed) = &self.routed {
            routed.fleet_session.confirm(&id);
        }
    }

    /// The run ends while a person has not decided: another factory may have the job, what was done here is kept.
    pub(super) fn release_reviews(&mut self) -> Result<(), RunError> {
        let Some(routed) = &mut self.routed else {
            return Ok(());
        };
        for (id, attempt) in std::mem::take(&mut routed.reviewing) {
            let reason = ReasonCode::LeaseReleased.with("its run ended while it waited for review");
            self.queue
                .advance(&attempt.hold, Stage::Review, Stage::Quarantine, Some(&reason))?;
            self.tally.count(Stage::Quarantine);
            progress::moved(&id, Stage::Quarantine, Some(&reason.to_string()), None);
            routed.fleet_session.release(&id);
        }
        Ok(())
    }
}
