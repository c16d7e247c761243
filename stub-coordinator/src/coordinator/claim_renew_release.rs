//! Claims and the life of a lease: grant, renew, release (C-1 to C-7, C-11).

use std::collections::BTreeSet;

use super::Coordinator;
use super::commands::{CommandRefusal, CommandReply, CommandResult};
use super::eligibility_index::JobAvailability;
use super::job::JobRecord;
use super::lease::{Lease, LeaseEnd, LeaseHolder, LeaseNumber, PastLease};
use crate::contract::ids::{Capability, FactoryId, JobId};
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;

impl Coordinator {
    /// The job that a claim with these capabilities is given now (C-3).
    pub(super) fn claim(
        &mut self,
        now: UtcTimestamp,
        factory: &FactoryId,
        caps: &BTreeSet<Capability>,
    ) -> CommandResult {
        let Some(job) = self.first_for(caps) else {
            return Ok(CommandReply::Nothing);
        };
        let token = job.fencing_token + 1;
        Ok(self.grant(now, factory, job, token))
    }

    /// The first job that may be given to who has these capabilities.
    pub(super) fn first_for(&mut self, caps: &BTreeSet<Capability>) -> Option<JobRecord> {
        let state = &self.state;
        let judge = JobAvailability {
            lock_is_free: &|lock| state.lock_is_free(lock),
            is_taken: &|_| false,
        };
        let first = self.eligibility_cache.first(state.queue(), caps, &judge)?;
        state.job(first).cloned()
    }

    /// Puts a lease on a job. Honest callers pass a token one above the highest (C-2).
    pub(super) fn grant(
        &mut self,
        now: UtcTimestamp,
        factory: &FactoryId,
        mut job: JobRecord,
        fencing_token: u64,
    ) -> CommandReply {
        let number = self.state.next_lease_number();
        let lease = Lease {
            number,
            job: job.id().clone(),
            factory: factory.clone(),
            fencing_token,
            ttl_ms: self.lease_ms,
            expires_at: now.after_ms(self.lease_ms),
        };
        job.stage = Stage::Building;
        job.fencing_token = job.fencing_token.max(fencing_token);
        job.last_lease = Some(PastLease {
            number,
            factory: factory.clone(),
            fencing_token,
            end: None,
        });
        self.state.put_job(job.clone());
        self.state.put_lease(lease.clone());
        CommandReply::Granted { job, lease }
    }

    /// Moves the end of a live lease to a whole `ttlMs` from now (C-6).
    pub(super) fn renew(&mut self, now: UtcTimestamp, holder: &LeaseHolder) -> CommandResult {
        let lease = self.held_lease(holder)?;
        let renewed = Lease {
            expires_at: now.after_ms(lease.ttl_ms),
            ..lease.clone()
        };
        self.state.put_lease(renewed.clone());
        Ok(CommandReply::Renewed(renewed))
    }

    /// Ends a lease; a job that is not at a final stage is queued again where it stood (C-7).
    pub(super) fn release(&mut self, holder: &LeaseHolder) -> CommandResult {
        let lease = match self.held_lease(holder) {
            Ok(lease) => lease.clone(),
            // The final report ended this lease already; giving it back as well is no loss and no change.
            Err(CommandRefusal::LeaseLost(_)) if let Some(job) = self.finished_under(holder) => {
                return Ok(CommandReply::Released(job.stage));
            }
            Err(refusal) => return Err(refusal),
        };
        self.state.end_lease(lease.number, LeaseEnd::Released);
        let stage = match self.state.job(&lease.job) {
            Some(job) if !job.stage.is_final() => {
                let again = JobRecord {
                    stage: Stage::Queued,
                    ..job.clone()
                };
                self.state.put_job(again);
                Stage::Queued
            }
            Some(job) => job.stage,
            None => Stage::Queued,
        };
        Ok(CommandReply::Released(stage))
    }

    /// The live lease that the holder names, if it is theirs.
    pub(super) fn held_lease(&self, holder: &LeaseHolder) -> Result<&Lease, CommandRefusal> {
        let unknown = || CommandRefusal::UnknownLease(holder.lease.clone());
        let number = LeaseNumber::of(&holder.lease).ok_or_else(unknown)?;
        match self.state.lease(number) {
            Some(lease) if holder.is_of(lease) => Ok(lease),
            None if !self.state.was_granted(number) => Err(unknown()),
            _ => Err(CommandRefusal::LeaseLost(holder.lease.clone())),
        }
    }

    fn finished_under(&self, holder: &LeaseHolder) -> Option<&JobRecord> {
        let number = LeaseNumber::of(&holder.lease)?;
        let job = self.state.finished_under(number)?;
        let past = job.last_lease.as_ref()?;
        (past.end == Some(LeaseEnd::Finished) && holder.was_of(past)).then_some(job)
    }

    /// Whether the lease of a remembered claim still lives (C-11).
    pub(super) fn lives(&self, number: LeaseNumber) -> bool {
        self.state.lease(number).is_some()
    }

    pub(super) fn job_or_refuse(&self, id: &JobId) -> Result<&JobRecord, CommandRefusal> {
        self.state
            .job(id)
            .ok_or_else(|| CommandRefusal::UnknownJob(id.clone()))
    }
}
