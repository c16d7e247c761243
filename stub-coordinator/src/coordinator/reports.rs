//! What holders say about a job: stages (C-8, C-9, and the late final report of C-5) and quarantine (C-10).

use super::Coordinator;
use super::job::{JobRecord, QuarantineRecord, Stage};
use super::lease::{Holder, LeaseEnd, LeaseNumber, PastLease};
use super::outcome::{Quarantine, Refusal, Reply};
use crate::ids::JobId;
use crate::moment::Moment;

/// The most quarantine records kept on one job; later ones are answered and not kept, as are those without room.
const RECORD_LIMIT: usize = 1_000;

impl Coordinator {
    pub(super) fn report(&mut self, id: &JobId, holder: &Holder, stage: Stage) -> Result<Reply, Refusal> {
        let job = self.job_or_refuse(id)?.clone();
        let lost = || Refusal::LeaseLost(holder.lease.clone());
        let number = LeaseNumber::of(&holder.lease).filter(|number| self.state.was_granted(*number));
        let Some(number) = number else {
            return Err(Refusal::UnknownLease(holder.lease.clone()));
        };
        let last = job
            .last_lease
            .as_ref()
            .filter(|last| holder.was_of(last))
            .ok_or_else(lost)?;
        let lives = self.state.lease(number).is_some();
        if job.stage.is_final() {
            return repeat_of_the_end(&job, last, stage)
                .ok_or_else(|| refused_at_the_end(&job, last, stage, lost()));
        }
        if !lives {
            // C-5: the work is done and nobody else was given the job, so a second run would be a second ship.
            let counts = last.end == Some(LeaseEnd::Expired)
                && last.fencing_token == job.fencing_token
                && stage.is_final();
            if !counts {
                return Err(lost());
            }
            self.state.put_job(JobRecord { stage, ..job });
            return Ok(Reply::Reported(stage));
        }
        self.move_on(job, number, stage)
    }

    pub(super) fn quarantine(
        &mut self,
        now: Moment,
        id: &JobId,
        quarantine: Quarantine,
    ) -> Result<Reply, Refusal> {
        let mut job = self.job_or_refuse(id)?.clone();
        let holder = quarantine
            .lease
            .clone()
            .zip(quarantine.fencing_token)
            .map(|(lease, fencing_token)| Holder {
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
                Ok(Reply::Recorded(Stage::Quarantined))
            }
            None => {
                let stage = job.stage;
                if !is_known {
                    self.state.put_job(job);
                }
                Ok(Reply::Recorded(stage))
            }
        }
    }

    fn move_on(&mut self, job: JobRecord, number: LeaseNumber, stage: Stage) -> Result<Reply, Refusal> {
        if stage == job.stage {
            return Ok(Reply::Reported(stage));
        }
        if !job.stage.leads_to(stage) {
            return Err(Refusal::IllegalTransition {
                from: job.stage,
                to: stage,
            });
        }
        self.state.put_job(JobRecord { stage, ..job });
        if stage.is_final() {
            self.state.end_lease(number, LeaseEnd::Finished);
        }
        Ok(Reply::Reported(stage))
    }
}

/// A final report that is sent again under the lease that it ended.
fn repeat_of_the_end(job: &JobRecord, last: &PastLease, stage: Stage) -> Option<Reply> {
    (stage == job.stage && last.end != Some(LeaseEnd::Released)).then_some(Reply::Reported(stage))
}

fn refused_at_the_end(job: &JobRecord, last: &PastLease, stage: Stage, lost: Refusal) -> Refusal {
    match last.end {
        Some(LeaseEnd::Finished) => Refusal::IllegalTransition {
            from: job.stage,
            to: stage,
        },
        _ => lost,
    }
}
