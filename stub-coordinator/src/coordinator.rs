//! The honest coordinator: the whole state machine of the wire contract, synchronous and free of HTTP.
//!
//! It is handed the time with every command, applies what is due first, and takes the digests before and after inside
//! the same critical section (whoever owns it holds one lock around [`Coordinator::apply`]). Each operation is one
//! short file; how faults come about, and how any of this looks on the wire, is left to others.

pub(crate) mod access;
mod claim_renew_release;
pub(crate) mod commands;
pub(crate) mod digest;
mod eligibility_index;
mod enrol_and_heartbeat;
pub(crate) mod idempotency_cache;
pub(crate) mod job;
mod job_queue;
pub(crate) mod lease;
mod real_state;
mod report_and_quarantine;
pub(crate) mod saved_state;
mod semantic_faults;
mod shadow_views;
mod submit_and_list_jobs;
#[cfg(test)]
mod tests;
mod withdraw;

use std::collections::HashMap;

use access::AccessControl;
use commands::{CommandOutcome, CommandRefusal, CommandReply, CommandResult, CoordinatorCommand};
use digest::Digest;
use eligibility_index::EligibilityCache;
use idempotency_cache::{CacheLookup, IdempotentRequest};
pub(crate) use real_state::{ExpiredLease, RealState};

use crate::contract::execution_mode::ExecutionMode;
use crate::contract::scope::Scope;
use crate::contract::timestamp::UtcTimestamp;

/// For how many sets of capabilities it is kept at hand which job a claim is given.
const ELIGIBILITY_INDEX_LIMIT: usize = 64;

/// What a coordinator is set up with.
#[derive(Debug, Clone)]
pub(crate) struct CoordinatorSetup {
    /// How long a lease lives without a renewal, in milliseconds.
    pub(crate) lease_ms: u64,
    /// The most bytes that jobs may take.
    pub(crate) job_bytes: usize,
    /// How often factories are asked for a heartbeat, in milliseconds.
    pub(crate) heartbeat_ms: u64,
    /// How many answers are remembered for idempotency keys.
    pub(crate) memory_limit: usize,
    /// Key of token hashes, and what made-up tokens are made from.
    pub(crate) secret: (u64, u64),
    /// The known tokens with their scopes; without any the coordinator is open.
    pub(crate) tokens: Vec<(String, Vec<Scope>)>,
    /// One-time tokens for enrolment. Where there is any, an open coordinator wants one too.
    pub(crate) enrol_tokens: Vec<(String, Vec<Scope>)>,
}

/// The state machine with all that it holds. Whoever owns it changes it by [`Coordinator::apply`] alone.
#[derive(Debug, Clone)]
pub(crate) struct Coordinator {
    /// Jobs, leases, factories: what the digest is taken of.
    state: RealState,
    /// What each factory has reported in shadow mode; no part of real state.
    views: shadow_views::ShadowViews,
    /// What claims are given, by the capabilities of who asks.
    eligibility_cache: EligibilityCache,
    /// The known tokens, those that enrolment hands out among them.
    access: AccessControl,
    /// The enrolment tokens that are left, by their keyed hashes; each is taken out when it is used.
    enrol_tokens: HashMap<u128, Vec<Scope>>,
    /// Whether enrolment needs such a token, though none may be left; never changes.
    enrol_token_wanted: bool,
    /// The keyed hashes of those that were used, for the saved state.
    used_enrol_tokens: Vec<u128>,
    /// How long a lease lives without a renewal, in milliseconds.
    lease_ms: u64,
    /// The most bytes that jobs may take.
    job_bytes: usize,
    /// How often factories are asked for a heartbeat, in milliseconds.
    heartbeat_ms: u64,
    /// State of an earlier time, for the fault `stale_read`; kept when such a rule is armed.
    past: Option<Box<RealState>>,
}

impl Coordinator {
    pub(crate) fn new(setup: CoordinatorSetup) -> Coordinator {
        let mut access = AccessControl::new(setup.secret);
        for (token, scopes) in &setup.tokens {
            access.grant(token, scopes);
        }
        let enrol_tokens: HashMap<_, _> = setup
            .enrol_tokens
            .iter()
            .map(|(token, scopes)| (access.hash(token), scopes.clone()))
            .collect();
        Coordinator {
            state: RealState::new(setup.memory_limit),
            views: shadow_views::ShadowViews::default(),
            eligibility_cache: EligibilityCache::new(ELIGIBILITY_INDEX_LIMIT),
            access,
            enrol_token_wanted: !enrol_tokens.is_empty(),
            enrol_tokens,
            used_enrol_tokens: Vec::new(),
            lease_ms: setup.lease_ms,
            job_bytes: setup.job_bytes,
            heartbeat_ms: setup.heartbeat_ms,
            past: None,
        }
    }

    /// Who may do what.
    pub(crate) fn access(&self) -> &AccessControl {
        &self.access
    }

    /// The scopes of a token; none where it is unknown.
    pub(crate) fn scopes(&self, token: &str) -> Vec<Scope> {
        self.access
            .scopes(token)
            .map(<[Scope]>::to_vec)
            .unwrap_or_default()
    }

    /// Carries out one command: what is due first, then the command, with the digests around it.
    pub(crate) fn apply(
        &mut self,
        now: UtcTimestamp,
        command: CoordinatorCommand,
        once: Option<IdempotentRequest>,
        execution_mode: ExecutionMode,
    ) -> CommandOutcome {
        self.state.settle(now);
        let digest_before = self.state.digest();
        let writes_before = self.state.writes();
        let result = match execution_mode {
            ExecutionMode::WithoutCommit => {
                self.clone()
                    .execute_idempotent(now, command, once, ExecutionMode::Honest)
            }
            honest_or_not => self.execute_idempotent(now, command, once, honest_or_not),
        };
        CommandOutcome {
            result,
            digest_before,
            digest_after: self.state.digest(),
            mutated: self.state.writes() != writes_before,
        }
    }

    /// Applies what is due by `now` and says what it was.
    pub(crate) fn settle(&mut self, now: UtcTimestamp) -> Vec<ExpiredLease> {
        self.state.settle(now)
    }

    /// When the next lease runs out.
    pub(crate) fn next_deadline(&self) -> Option<UtcTimestamp> {
        self.state.next_deadline()
    }

    pub(crate) fn digest(&self) -> Digest {
        self.state.digest()
    }

    /// Real state, to be looked at.
    pub(crate) fn state(&self) -> &RealState {
        &self.state
    }

    /// Remembers that a claim under this key was answered 204.
    pub(crate) fn cache_empty_reply(&mut self, once: IdempotentRequest) {
        if matches!(self.state.memory().recall(&once), CacheLookup::Fresh) {
            self.state.cache_reply_without_effect(once, CommandReply::Nothing);
        }
    }

    /// Keeps the present state as what stale reads will show.
    pub(crate) fn keep_past(&mut self) {
        self.past = Some(Box::new(self.state.clone()));
    }

    fn execute_idempotent(
        &mut self,
        now: UtcTimestamp,
        command: CoordinatorCommand,
        once: Option<IdempotentRequest>,
        execution_mode: ExecutionMode,
    ) -> CommandResult {
        let once = once.filter(|_| may_mutate(&command));
        match once.as_ref().map(|once| self.state.memory().recall(once)) {
            Some(CacheLookup::Mismatch) => return Err(CommandRefusal::IdempotencyMismatch),
            Some(CacheLookup::Repeated(reply)) => return self.repeat(*reply),
            Some(CacheLookup::Fresh) | None => {}
        }
        let writes_before = self.state.writes();
        let reply = match execution_mode {
            ExecutionMode::Dishonest(fault) => self.execute_with_fault(now, command, fault)?,
            ExecutionMode::Honest | ExecutionMode::WithoutCommit => self.execute(now, command)?,
        };
        // That a claim found nothing is remembered by the caller, once it has waited as long as it was asked to.
        if let Some(once) = once.filter(|_| !matches!(reply, CommandReply::Nothing)) {
            match self.state.writes() == writes_before {
                true => self.state.cache_reply_without_effect(once, reply.clone()),
                false => self.state.cache_reply(once, reply.clone()),
            }
        }
        Ok(reply)
    }

    /// The first answer again, unless it is no longer true: a lease which has ended is not handed out a second time
    /// (C-11), nor is a job called queued that was withdrawn, or withdrawn that was submitted again (C-13).
    fn repeat(&self, reply: CommandReply) -> CommandResult {
        match &reply {
            CommandReply::Granted { lease, .. } if !self.lives(lease.number) => {
                Err(CommandRefusal::LeaseLost(lease.number.id()))
            }
            CommandReply::Submitted(job) if !self.is_still_submitted(job) => {
                Err(CommandRefusal::Superseded(job.id().clone()))
            }
            CommandReply::Withdrawn { job, sequence } if !self.is_still_withdrawn(job, *sequence) => {
                Err(CommandRefusal::Superseded(job.clone()))
            }
            _ => Ok(reply),
        }
    }

    fn execute(&mut self, now: UtcTimestamp, command: CoordinatorCommand) -> CommandResult {
        match command {
            CoordinatorCommand::Submit(submission) => self.submit(now, submission),
            CoordinatorCommand::Enrol(enrolment) => self.enrol(enrolment),
            CoordinatorCommand::Heartbeat { factory, running } => self.heartbeat(now, &factory, running),
            CoordinatorCommand::Claim { factory, caps } => self.claim(now, &factory, &caps),
            CoordinatorCommand::Renew(holder) => self.renew(now, &holder),
            CoordinatorCommand::Release(holder) => self.release(&holder),
            CoordinatorCommand::Report { job, holder, stage } => self.report(&job, &holder, stage),
            CoordinatorCommand::Quarantine { job, quarantine } => self.quarantine(now, &job, quarantine),
            CoordinatorCommand::Withdraw(job) => self.withdraw(&job),
            CoordinatorCommand::ShadowClaim { factory, caps } => Ok(self.shadow_claim(&factory, &caps)),
            CoordinatorCommand::ShadowReport { factory, job, stage } => {
                self.shadow_report(&factory, &job, stage)
            }
            read @ (CoordinatorCommand::List { .. } | CoordinatorCommand::Get(_)) => self.read(&read),
        }
    }
}

/// Shadow calls and reads take no idempotency key: remembering one would change real state (C-20).
fn may_mutate(command: &CoordinatorCommand) -> bool {
    !matches!(
        command,
        CoordinatorCommand::ShadowClaim { .. }
            | CoordinatorCommand::ShadowReport { .. }
            | CoordinatorCommand::List { .. }
            | CoordinatorCommand::Get(_)
    )
}
