//! The honest coordinator: the whole state machine of the wire contract, synchronous and free of HTTP.
//!
//! It is handed the time with every command, applies what is due first, and takes the digests before and after inside
//! the same critical section (whoever owns it holds one lock around [`Coordinator::apply`]). Each operation is one
//! short file; how faults come about, and how any of this looks on the wire, is left to others.

pub(crate) mod access;
mod claims;
pub(crate) mod digest;
mod dishonest;
mod factories;
pub(crate) mod job;
pub(crate) mod lease;
pub(crate) mod memory;
pub(crate) mod outcome;
mod outlook;
mod queue;
mod reading;
mod reports;
pub(crate) mod saved;
mod shadow;
mod state;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use access::{Access, Permission, Scope};
use digest::Digest;
use memory::{Once, Recall};
use outcome::{Command, Manner, Outcome, Refusal, Reply};
use outlook::Outlooks;
pub(crate) use state::{Expired, State};

use crate::moment::Moment;

/// For how many sets of capabilities it is kept at hand which job a claim is given.
const OUTLOOK_LIMIT: usize = 64;

/// What a coordinator is set up with.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) lease_ms: u64,
    /// The most bytes that jobs may take.
    pub(crate) job_bytes: usize,
    pub(crate) heartbeat_ms: u64,
    /// How many answers are remembered for idempotency keys.
    pub(crate) memory_limit: usize,
    /// Key of token hashes, and what made-up tokens are made from.
    pub(crate) secret: (u64, u64),
    pub(crate) tokens: Vec<(String, Vec<Scope>)>,
    /// One-time tokens for enrolment. Where there is any, an open coordinator wants one too.
    pub(crate) enrol_tokens: Vec<(String, Vec<Scope>)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Coordinator {
    state: State,
    views: shadow::Views,
    /// What claims are given, by the capabilities of who asks.
    outlooks: Outlooks,
    access: Access,
    enrol_tokens: HashMap<u128, Vec<Scope>>,
    enrol_token_wanted: bool,
    used_enrol_tokens: Vec<u128>,
    lease_ms: u64,
    job_bytes: usize,
    heartbeat_ms: u64,
    /// State of an earlier time, for the lie of stale reads.
    past: Option<Box<State>>,
}

impl Coordinator {
    pub(crate) fn new(setup: Setup) -> Coordinator {
        let mut access = Access::new(setup.secret);
        for (token, scopes) in &setup.tokens {
            access.grant(token, scopes);
        }
        let enrol_tokens: HashMap<_, _> = setup
            .enrol_tokens
            .iter()
            .map(|(token, scopes)| (access.hash(token), scopes.clone()))
            .collect();
        Coordinator {
            state: State::new(setup.memory_limit),
            views: shadow::Views::default(),
            outlooks: Outlooks::new(OUTLOOK_LIMIT),
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

    /// Whether a token may do what an operation asks (C-31).
    pub(crate) fn check(&self, token: Option<&str>, permission: Permission) -> Result<(), Refusal> {
        self.access.check(token, permission)
    }

    /// Whether nobody needs a token.
    pub(crate) fn is_open(&self) -> bool {
        self.access.is_open()
    }

    /// Names the caller behind a token without keeping the token.
    pub(crate) fn caller(&self, token: Option<&str>) -> u128 {
        self.access.hash(token.unwrap_or_default())
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
        now: Moment,
        command: Command,
        once: Option<Once>,
        manner: Manner,
    ) -> Outcome {
        self.state.settle(now);
        let digest_before = self.state.digest();
        let writes_before = self.state.writes();
        let result = match manner {
            Manner::Rehearsed => self.clone().carry_out_once(now, command, once, Manner::Honest),
            honest_or_not => self.carry_out_once(now, command, once, honest_or_not),
        };
        Outcome {
            result,
            digest_before,
            digest_after: self.state.digest(),
            mutated: self.state.writes() != writes_before,
        }
    }

    /// Applies what is due by `now` and says what it was.
    pub(crate) fn settle(&mut self, now: Moment) -> Vec<Expired> {
        self.state.settle(now)
    }

    /// When the next lease runs out.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.state.next_deadline()
    }

    pub(crate) fn digest(&self) -> Digest {
        self.state.digest()
    }

    /// Real state, to be looked at.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Remembers that a claim under this key was answered 204.
    pub(crate) fn remember_nothing(&mut self, once: Once) {
        if matches!(self.state.memory().recall(&once), Recall::Fresh) {
            self.state.remember_without_effect(once, Reply::Nothing);
        }
    }

    /// Keeps the present state as what stale reads will show.
    pub(crate) fn keep_past(&mut self) {
        self.past = Some(Box::new(self.state.clone()));
    }

    fn carry_out_once(
        &mut self,
        now: Moment,
        command: Command,
        once: Option<Once>,
        manner: Manner,
    ) -> Result<Reply, Refusal> {
        let once = once.filter(|_| may_mutate(&command));
        match once.as_ref().map(|once| self.state.memory().recall(once)) {
            Some(Recall::Mismatch) => return Err(Refusal::IdempotencyMismatch),
            Some(Recall::Repeated(reply)) => return self.repeat(*reply),
            Some(Recall::Fresh) | None => {}
        }
        let writes_before = self.state.writes();
        let reply = match manner {
            Manner::Lying(lie) => self.lie(now, command, lie)?,
            Manner::Honest | Manner::Rehearsed => self.carry_out(now, command)?,
        };
        // That a claim found nothing is remembered by the caller, once it has waited as long as it was asked to.
        if let Some(once) = once.filter(|_| !matches!(reply, Reply::Nothing)) {
            match self.state.writes() == writes_before {
                true => self.state.remember_without_effect(once, reply.clone()),
                false => self.state.remember(once, reply.clone()),
            }
        }
        Ok(reply)
    }

    /// The first answer again, except that a lease which has ended is not handed out a second time (C-11).
    fn repeat(&self, reply: Reply) -> Result<Reply, Refusal> {
        match &reply {
            Reply::Granted { lease, .. } if !self.lives(lease.number) => {
                Err(Refusal::LeaseLost(lease.number.id()))
            }
            _ => Ok(reply),
        }
    }

    fn carry_out(&mut self, now: Moment, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::Submit(submission) => self.submit(now, submission),
            Command::Enrol(enrolment) => self.enrol(enrolment),
            Command::Heartbeat { factory, running } => self.heartbeat(now, &factory, running),
            Command::Claim { factory, caps } => self.claim(now, &factory, &caps),
            Command::Renew(holder) => self.renew(now, &holder),
            Command::Release(holder) => self.release(&holder),
            Command::Report { job, holder, stage } => self.report(&job, &holder, stage),
            Command::Quarantine { job, quarantine } => self.quarantine(now, &job, quarantine),
            Command::ShadowClaim { factory, caps } => Ok(self.shadow_claim(&factory, &caps)),
            Command::ShadowReport { factory, job, stage } => self.shadow_report(&factory, &job, stage),
            read @ (Command::List { .. } | Command::Get(_)) => self.read(&read),
        }
    }
}

/// Shadow calls and reads take no idempotency key: remembering one would change real state (C-20).
fn may_mutate(command: &Command) -> bool {
    !matches!(
        command,
        Command::ShadowClaim { .. } | Command::ShadowReport { .. } | Command::List { .. } | Command::Get(_)
    )
}
