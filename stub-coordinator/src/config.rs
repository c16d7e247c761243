//! What a stub is started with: as a value, or as the `[coordinator]` table of a scenario file.

mod job;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::clock::ClockKind;
use crate::contract::ids::InvalidId;
use crate::contract::policy_statement::{InvalidPolicy, PolicyStatement};
use crate::contract::scope::Scope;
use crate::rules::{Rule, preset};
use crate::wire_mapping::WireMapping;
use job::default_engine;
pub use job::{JobEntry, NewJob};

/// How long a lease lives where nobody says otherwise.
pub const DEFAULT_LEASE_MS: u64 = 60_000;
/// How many exchanges are kept, and how many answers are remembered, where nobody says otherwise.
pub const DEFAULT_LIMIT: usize = 10_000;

/// How many bytes its jobs may take where nobody says otherwise.
pub const DEFAULT_JOB_BYTES: usize = 256 * 1_048_576;
/// The shortest lease that an honest stub grants. Its holder renews it three times in that time.
pub const SHORTEST_LEASE_MS: u64 = 1_000;

/// All that a stub is started with.
#[derive(Debug, Clone)]
pub struct StubConfig {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// The jobs in its queue, in order of submission.
    pub jobs: Vec<NewJob>,
    /// The rules that are armed from the start.
    pub rules: Vec<Rule>,
    /// The tokens that it knows; without any it is open, and then listens on loopback alone.
    pub tokens: Vec<TokenGrant>,
    /// One-time tokens for enrolment, with the scopes that their factories get.
    pub enrol_tokens: Vec<TokenGrant>,
    /// A token that `/_stub/` takes, beside those of the scope `admin`. Without any token at all it is open.
    pub control_token: Option<String>,
    /// Where `/_stub/` is served besides: on a port that no fault closes.
    pub control: ControlPlace,
    /// How long a lease lives, in milliseconds; at least [`SHORTEST_LEASE_MS`].
    pub lease_ms: u64,
    /// The most bytes that its jobs may take; a submit beyond them is refused.
    pub job_bytes: usize,
    /// How often factories are asked for a heartbeat, in milliseconds.
    pub heartbeat_ms: u64,
    /// The clock for all of it.
    pub clock: ClockKind,
    /// What chance is decided by; rules with a chance need one.
    pub seed: Option<u64>,
    /// The policy and version that each answer tells; none where it tells none.
    pub policy: Option<PolicyStatement>,
    /// Paths, names and units of a service of one's own, instead of the API's.
    pub wire: Option<Arc<WireMapping>>,
    /// What happens to fields that the contract does not name.
    pub strict: UnknownFieldPolicy,
    /// How many exchanges the journal keeps.
    pub journal_limit: usize,
    /// How many answers are remembered for idempotency keys.
    pub memory_limit: usize,
    /// The file in which state outlives the process; what is in it goes before `jobs`.
    pub state: Option<PathBuf>,
    /// How long the head of a request may take to arrive, in milliseconds; slower senders are cut off.
    pub head_limit_ms: u64,
    /// How long its body may take, in milliseconds.
    pub body_limit_ms: u64,
    /// How many connections may be open at a time; more are closed at once.
    pub connection_limit: usize,
}

/// On which port the control API listens by itself, always at the API's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ControlPlace {
    /// Nowhere: while nobody listens for the API, nobody listens for control either.
    #[default]
    Shared,
    /// On the port after the API's; on a free one where the API takes a free one.
    Beside,
    /// On this port; 0 takes a free one.
    Port(u16),
}

/// What happens to request fields that the contract does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownFieldPolicy {
    /// They are ignored.
    #[default]
    Lenient,
    /// They are refused with `unknown_field`.
    Strict,
}

/// A token and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenGrant {
    /// The token as it is sent.
    pub token: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

/// The `[coordinator]` table of a scenario file.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CoordinatorTable {
    /// A preset, whose rules come after those given here.
    pub preset: Option<String>,
    /// The jobs in its queue.
    pub jobs: Vec<JobEntry>,
    /// Its rules.
    pub rule: Vec<Rule>,
    /// How long a lease lives, in milliseconds; 1000 or more.
    pub lease_ms: Option<u64>,
    /// What chance is decided by.
    pub seed: Option<u64>,
    /// Its clock.
    pub clock: ClockKind,
    /// The policy that each of its answers tells, as `NAME` or `NAME@VERSION`.
    pub policy: Option<String>,
    /// Refuse request fields that the contract does not name.
    pub strict: bool,
    /// The tokens that it knows; without any it is open.
    pub tokens: Vec<TokenGrant>,
    /// One-time tokens for enrolment.
    pub enrol_tokens: Vec<TokenGrant>,
}

/// Why a stub can't be set up as written.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// No preset of that name.
    #[error("{0}")]
    Preset(String),
    /// A job that is none.
    #[error("job {job:?}, `{field}`: it is no name of the contract")]
    Job {
        /// The job's name as written.
        job: String,
        /// The field at fault.
        field: &'static str,
        /// Why.
        #[source]
        source: InvalidId,
    },
    /// A policy that is none.
    #[error(transparent)]
    Policy(#[from] InvalidPolicy),
    /// A lease that its holder would do nothing but renew.
    #[error("a lease of {0} ms is too short; let it live for {SHORTEST_LEASE_MS} ms or longer")]
    ShortLease(u64),
    /// A token that says nothing.
    #[error("a token is empty or has no scopes; give it both")]
    EmptyToken,
    /// Somebody else could connect, and nobody asks who it is.
    #[error("{0} is not a loopback address; listening there needs a token")]
    OpenToOthers(SocketAddr),
}

impl Default for StubConfig {
    fn default() -> StubConfig {
        StubConfig {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            jobs: Vec::new(),
            rules: Vec::new(),
            tokens: Vec::new(),
            enrol_tokens: Vec::new(),
            control_token: None,
            control: ControlPlace::Shared,
            lease_ms: DEFAULT_LEASE_MS,
            job_bytes: DEFAULT_JOB_BYTES,
            heartbeat_ms: 15_000,
            clock: ClockKind::Real,
            seed: None,
            policy: None,
            wire: None,
            strict: UnknownFieldPolicy::Lenient,
            journal_limit: DEFAULT_LIMIT,
            memory_limit: DEFAULT_LIMIT,
            state: None,
            head_limit_ms: 30_000,
            body_limit_ms: 10_000,
            connection_limit: 4_096,
        }
    }
}

impl CoordinatorTable {
    /// What the table means, its named jobs being what their name says and nothing more.
    pub fn into_config(self) -> Result<StubConfig, ConfigError> {
        self.into_config_knowing(&BTreeMap::new())
    }

    /// What the table means, with the jobs that its names may stand for. A name that is not among them gets the engine
    /// of the first that is, so that the same factory can be given it.
    pub fn into_config_knowing(self, known: &BTreeMap<String, NewJob>) -> Result<StubConfig, ConfigError> {
        let engine = known
            .values()
            .next()
            .map_or_else(default_engine, |job| job.engine.clone());
        let job = |entry: JobEntry| match entry {
            JobEntry::Whole(job) => *job,
            JobEntry::Named(name) => known
                .get(&name)
                .cloned()
                .unwrap_or_else(|| NewJob::named(&name, &engine)),
        };
        let mut rules = self.rule;
        if let Some(name) = &self.preset {
            rules.extend(preset(name).map_err(ConfigError::Preset)?);
        }
        Ok(StubConfig {
            jobs: self.jobs.into_iter().map(job).collect(),
            rules,
            tokens: self.tokens,
            enrol_tokens: self.enrol_tokens,
            lease_ms: self.lease_ms.unwrap_or(DEFAULT_LEASE_MS),
            clock: self.clock,
            seed: self.seed,
            policy: self.policy.as_deref().map(PolicyStatement::parse).transpose()?,
            strict: if self.strict {
                UnknownFieldPolicy::Strict
            } else {
                UnknownFieldPolicy::Lenient
            },
            ..StubConfig::default()
        })
    }
}
