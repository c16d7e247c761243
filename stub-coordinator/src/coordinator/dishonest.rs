//! Commands carried out by a coordinator that breaks its word, each lie against one clause.
//!
//! They live beside the honest operations and write through the same state, so that digest and counters tell the
//! truth about what the lie did.

use std::collections::BTreeSet;

use super::Coordinator;
use super::job::JobRecord;
use super::outcome::{Command, Lie, Refusal, Reply};
use crate::ids::{Capability, FactoryId};
use crate::moment::Moment;

impl Coordinator {
    /// Carries the command out with the lie where the lie applies to it, honestly where it does not.
    pub(super) fn lie(&mut self, now: Moment, command: Command, lie: Lie) -> Result<Reply, Refusal> {
        match (lie, command) {
            (Lie::DoubleGrant, Command::Claim { factory, caps }) => self.double_grant(now, &factory, &caps),
            (Lie::TokenRegress, Command::Claim { factory, caps }) => self.token_regress(now, &factory, &caps),
            (Lie::DryRunGrants, Command::ShadowClaim { factory, caps }) => {
                match self.claim(now, &factory, &caps)? {
                    Reply::Granted { job, lease } => Ok(Reply::WouldGrant {
                        job,
                        lease: Some(lease),
                    }),
                    other => Ok(other),
                }
            }
            (Lie::LeakyShadow, Command::ShadowReport { factory, job, stage }) => {
                let reply = self.shadow_report(&factory, &job, stage)?;
                let real = self.job_or_refuse(&job)?.clone();
                self.state.put_job(JobRecord { stage, ..real });
                Ok(reply)
            }
            (Lie::StaleRead, command @ (Command::List { .. } | Command::Get(_))) => self.stale_read(&command),
            (_, command) => self.carry_out(now, command),
        }
    }

    /// Breaks C-1: the job with the youngest live lease is leased once more.
    fn double_grant(
        &mut self,
        now: Moment,
        factory: &FactoryId,
        caps: &BTreeSet<Capability>,
    ) -> Result<Reply, Refusal> {
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
        now: Moment,
        factory: &FactoryId,
        caps: &BTreeSet<Capability>,
    ) -> Result<Reply, Refusal> {
        let Some(job) = self.first_for(caps) else {
            return Ok(Reply::Nothing);
        };
        let token = job.fencing_token.saturating_sub(1).max(1);
        Ok(self.grant(now, factory, job, token))
    }

    fn stale_read(&mut self, command: &Command) -> Result<Reply, Refusal> {
        let Some(past) = self.past.take() else {
            return self.read(command);
        };
        let present = std::mem::replace(&mut self.state, *past);
        let result = self.read(command);
        self.past = Some(Box::new(std::mem::replace(&mut self.state, present)));
        result
    }
}
