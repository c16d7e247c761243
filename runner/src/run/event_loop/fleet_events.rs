//! What the tasks that speak with the coordinator told the loop, and what is done where that was harm.

use std::time::Instant;

use super::EventLoop;
use crate::fleet::FleetEvent;
use crate::fleet::routing_harm::{HarmEvent, HostCondition};
use crate::ids::JobId;
use crate::run::run_options::RunError;
use crate::run::transition::AttemptEvent;
use crate::run::work_source::WorkSource;
use crate::run::{admission, executor, harm_response, reviews};
use crate::stage::Stage;

impl EventLoop {
    pub(super) fn fleet_event(&mut self, event: FleetEvent) -> Result<(), RunError> {
        let is_routed = self.world.source.is_routed();
        self.note_harm(&event);
        let Some(link) = self.world.source.link_mut() else {
            return Ok(());
        };
        match event {
            FleetEvent::Claimed(granted) => {
                link.answered();
                if is_routed {
                    self.control.decided_once = true;
                }
                let id = granted.id.clone();
                let admitted = admission::admit(&mut self.world, *granted, self.control.may_take_granted());
                if admitted.is_err() && self.world.jobs.get_mut(&id).is_none() {
                    // Nothing of it was begun, so another factory may have it.
                    self.world.source.release(&id);
                }
                admitted
            }
            FleetEvent::Nothing => {
                link.answered();
                link.pacing.nothing();
                if is_routed {
                    self.control.decided_once = true;
                }
                Ok(())
            }
            FleetEvent::ClaimFailed => Ok(()),
            FleetEvent::Unreachable { .. } | FleetEvent::CredentialRefused { .. } => {
                if is_routed {
                    link.give_up(event, self.control.options.until);
                }
                Ok(())
            }
            FleetEvent::LeaseLost { job, reason, .. } => reviews::lease_lost(&mut self.world, &job, reason),
            FleetEvent::Confirmed { job } => match self.world.jobs.take_waiting(&job) {
                Some(attempt) => {
                    executor::handle_event(&mut self.world, attempt, AttemptEvent::LeaseConfirmed)
                }
                None => Ok(()),
            },
            FleetEvent::LeaseClosed { job, lease, outcome } => link.lease_closed(&job, &lease, &outcome),
        }
    }

    /// Does what harm by the coordinator asks for. Only a routed run that is to go on has anything to go back from.
    pub(super) fn respond_to_harm(&mut self) {
        while self.control.stop.is_none() {
            let (now, queue) = (Instant::now(), &self.world.queue);
            let WorkSource::Routed(routed) = &mut self.world.source else {
                return;
            };
            let has_waiting = || queue.ids(Stage::Inbox).is_ok_and(|ids| !ids.is_empty());
            match routed.harm.next_step(now, has_waiting) {
                Some(step) => harm_response::respond(step, &mut self.mode, &mut self.world),
                None => return,
            }
        }
    }

    fn note_harm(&mut self, event: &FleetEvent) {
        let noted = match event {
            FleetEvent::Claimed(_) | FleetEvent::Nothing => HarmEvent::ClaimAnswered,
            FleetEvent::ClaimFailed => HarmEvent::ClaimFailed,
            FleetEvent::LeaseLost { job, in_time, .. } => HarmEvent::LeaseLost {
                job: job.clone(),
                host: match *in_time && !self.was_host_troubled(job) {
                    true => HostCondition::Healthy,
                    false => HostCondition::Impaired,
                },
            },
            _ => return,
        };
        if let WorkSource::Routed(routed) = &mut self.world.source {
            routed.harm.note(Instant::now(), noted);
        }
    }

    /// Whether the host lacked something while this job was worked on.
    fn was_host_troubled(&self, job: &JobId) -> bool {
        let since = self.world.jobs.started_at(job).unwrap_or_else(Instant::now);
        self.world.trouble.has_been_since(since)
    }
}
