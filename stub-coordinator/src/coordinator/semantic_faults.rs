//! Commands carried out by a coordinator that breaks its word, each time against one clause.
//!
//! They live beside the honest operations and write through the same state, so that digest and counters tell the
//! truth about what was done.

use std::collections::BTreeSet;

use super::Coordinator;
use super::commands::{CommandRefusal, CommandReply, CommandResult, CoordinatorCommand};
use super::job::JobRecord;
use super::lease::LeaseEnd;
use crate::contract::execution_mode::SemanticFault;
use crate::contract::ids::{Capability, FactoryId, JobId};
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;

impl Coordinator {
    /// Carries the command out with the fault where that applies to it, honestly where it does not.
    pub(super) fn execute_with_fault(
        &mut self,
        now: UtcTimestamp,
        command: CoordinatorCommand,
        fault: SemanticFault,
    ) -> CommandResult {
        match (fault, command) {
            (SemanticFault::DoubleGrant, CoordinatorCommand::Claim { factory, caps }) => {
                self.double_grant(now, &factory, &caps)
            }
            (SemanticFault::TokenRegress, CoordinatorCommand::Claim { factory, caps }) => {
                self.token_regress(now, &factory, &caps)
            }
            (SemanticFault::DryRunGrants, CoordinatorCommand::ShadowClaim { factory, caps }) => {
                match self.claim(now, &factory, &caps)? {
                    CommandReply::Granted { job, lease } => Ok(CommandReply::WouldGrant {
                        job,
                        lease: Some(lease),
                    }),
                    other => Ok(other),
                }
            }
            (SemanticFault::LeakyShadow, CoordinatorCommand::ShadowReport { factory, job, stage }) => {
                let reply = self.shadow_report(&factory, &job, stage)?;
                let real = self.job_or_refuse(&job)?.clone();
                self.state.put_job(JobRecord { stage, ..real });
                Ok(reply)
            }
            (
                SemanticFault::StaleRead,
                command @ (CoordinatorCommand::List { .. } | CoordinatorCommand::Get(_)),
            ) => self.stale_read(&command),
            (SemanticFault::WithdrawLeased, CoordinatorCommand::Withdraw(job)) => {
                self.end_lease_on(&job);
                self.withdraw(&job)
            }
            (SemanticFault::WithdrawUnsaid, CoordinatorCommand::Withdraw(job)) => {
                self.end_lease_on(&job);
                self.withdraw(&job)?;
                Err(CommandRefusal::Leased(job))
            }
            (SemanticFault::ClaimWithdrawn, CoordinatorCommand::Claim { factory, caps }) => {
                self.claim_withdrawn(now, &factory, &caps)
            }
            (SemanticFault::TokenReset, CoordinatorCommand::Submit(submission)) => {
                let reply = self.submit(now, submission)?;
                if let CommandReply::Submitted(job) = &reply {
                    let anew = JobRecord {
                        fencing_token: 0,
                        ..job.clone()
                    };
                    self.state.put_job(anew);
                }
                Ok(reply)
            }
            (_, command) => self.execute(now, command),
        }
    }

    /// Breaks C-1: the job with the youngest live lease is leased once more.
    fn double_grant(
        &mut self,
        now: UtcTimestamp,
        factory: &FactoryId,
        caps: &BTreeSet<Capability>,
    ) -> CommandResult {
        let youngest = self
            .state
            .leases()
            .max_by_key(|lease| lease.number)
            .map(|lease| lease.job.clone());
        let Some(job) = youngest.and_then(|id| self.state.job(&id)).cloned() else {
            return self.claim(now, factory, caps);
        };
        let token = job.fencing_token + 1;
        Ok(self.grant(now, factory, job, token))
    }

    /// Breaks C-2: the token goes one back instead of one on.
    fn token_regress(
        &mut self,
        now: UtcTimestamp,
        factory: &FactoryId,
        caps: &BTreeSet<Capability>,
    ) -> CommandResult {
        let Some(job) = self.first_for(caps) else {
            return Ok(CommandReply::Nothing);
        };
        let token = job.fencing_token.saturating_sub(1).max(1);
        Ok(self.grant(now, factory, job, token))
    }

    /// Breaks C-12: the first withdrawn job that the factory could have been given is leased.
    fn claim_withdrawn(
        &mut self,
        now: UtcTimestamp,
        factory: &FactoryId,
        caps: &BTreeSet<Capability>,
    ) -> CommandResult {
        let fits = |job: &&JobRecord| job.stage == Stage::Withdrawn && job.spec.needs().is_subset(caps);
        let Some(job) = self.state.jobs_after(0).find(fits).cloned() else {
            return self.claim(now, factory, caps);
        };
        let token = job.fencing_token + 1;
        Ok(self.grant(now, factory, job, token))
    }

    fn end_lease_on(&mut self, id: &JobId) {
        let job = self.state.job(id);
        let held = job.and_then(|job| self.state.live_lease_of(job));
        if let Some(number) = held.map(|lease| lease.number) {
            self.state.end_lease(number, LeaseEnd::Released);
        }
    }

    fn stale_read(&mut self, command: &CoordinatorCommand) -> CommandResult {
        let Some(past) = self.past.take() else {
            return self.read(command);
        };
        let present = std::mem::replace(&mut self.state, *past);
        let result = self.read(command);
        self.past = Some(Box::new(std::mem::replace(&mut self.state, present)));
        result
    }
}
