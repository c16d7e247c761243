//! What holders say about a job: stages (C-8, C-9, and the late final report of C-5) and quarantine (C-10).

use super::Coordinator;
use super::commands::{CommandRefusal, CommandReply, CommandResult, QuarantineRequest};
use super::job::{JobRecord, QuarantineRecord};
use super::lease::{LeaseEnd, LeaseHolder, LeaseNumber, PastLease};
use crate::contract::ids::JobId;
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;

/// The most quarantine records kept on one job; later ones are answered and not kept, as are those without room.
const RECORD_LIMIT: usize = 1_000;

impl Coordinator {
    pub(super) fn report(&mut self, id: &JobId, holder: &LeaseHolder, stage: Stage) -> CommandResult {
        let job = self.job_or_refuse(id)?.clone();
        let lost = || CommandRefusal::LeaseLost(holder.lease.clone());
        let number = LeaseNumber::of(&holder.lease).filter(|number| self.state.was_granted(*number));
        let Some(number) = number else {
            return Err(CommandRefusal::UnknownLease(holder.lease.clone()));
        };
        let last = job
            .last_lease
            .as_ref()
            .filter(|last| holder.was_of(last))
            .ok_or_else(lost)?;
        let lives = self.state.lease(number).is_some();
        if job.stage.is_final() {
            return repeated_final_report(&job, last, stage)
                .ok_or_else(|| final_report_refusal(&job, last, stage, lost()));
        }
        if !lives {
            // C-5: the work is done and nobody else was given the job, so a second run would be a second ship.
            let counts = last.end == Some(LeaseEnd::Expired)
                && last.fencing_token == job.fencing_token
                && job.stage.leads_to(stage)
                && stage.is_final();
            if !counts {
                return Err(lost());
            }
            self.state.put_job(JobRecord { stage, ..job });
            return Ok(CommandReply::Reported(stage));
        }
        self.move_on(job, number, stage)
    }

    pub(super) fn quarantine(
        &mut self,
        now: UtcTimestamp,
        id: &JobId,
        quarantine: QuarantineRequest,
    ) -> CommandResult {
        let mut job = self.job_or_refuse(id)?.clone();
        let holder = quarantine
            .lease
            .clone()
            .zip(quarantine.fencing_token)
            .map(|(lease, fencing_token)| LeaseHolder {
                factory: quarantine.factory.clone(),
                lease,
                fencing_token,
            });
        let held = holder.and_then(|holder| self.held_lease(&holder).ok().cloned());
        let lease = held.filter(|lease| lease.job == *id && !job.stage.is_final());
        let record = QuarantineRecord {
            factory: quarantine.factory,
            lease: quarantine.lease,
            fencing_token: quarantine.fencing_token,
            reason: quarantine.reason,
            detail: quarantine.detail,
            at: now,
            current: lease.is_some(),
        };
        // The same words twice are a request sent again, not a second event.
        let is_known = job.quarantines.iter().any(|known| {
            QuarantineRecord {
                at: record.at,
                ..known.clone()
            } == record
        });
        let has_room = job.quarantines.len() < RECORD_LIMIT && self.room_for(record.bytes()).is_ok();
        if !is_known && has_room {
            job.quarantines.push(record);
        }
        match lease {
            Some(lease) => {
                job.stage = Stage::Quarantined;
                self.state.put_job(job);
                self.state.end_lease(lease.number, LeaseEnd::Finished);
                Ok(CommandReply::Recorded(Stage::Quarantined))
            }
            None => {
                let stage = job.stage;
                if !is_known {
                    self.state.put_job(job);
                }
                Ok(CommandReply::Recorded(stage))
            }
        }
    }

    fn move_on(&mut self, job: JobRecord, number: LeaseNumber, stage: Stage) -> CommandResult {
        if stage == job.stage {
            return Ok(CommandReply::Reported(stage));
        }
        if !job.stage.leads_to(stage) {
            return Err(CommandRefusal::IllegalTransition {
                from: job.stage,
                to: stage,
            });
        }
        self.state.put_job(JobRecord { stage, ..job });
        if stage.is_final() {
            self.state.end_lease(number, LeaseEnd::Finished);
        }
        Ok(CommandReply::Reported(stage))
    }
}

/// A final report that is sent again under the lease that it ended.
fn repeated_final_report(job: &JobRecord, last: &PastLease, stage: Stage) -> Option<CommandReply> {
    (stage == job.stage && stage.is_reported() && last.end != Some(LeaseEnd::Released))
        .then_some(CommandReply::Reported(stage))
}

fn final_report_refusal(
    job: &JobRecord,
    last: &PastLease,
    stage: Stage,
    lost: CommandRefusal,
) -> CommandRefusal {
    match last.end {
        Some(LeaseEnd::Finished) => CommandRefusal::IllegalTransition {
            from: job.stage,
            to: stage,
        },
        _ => lost,
    }
}
