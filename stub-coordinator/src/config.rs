//! What a stub is started with: as a value, or as the `[coordinator]` table of a scenario file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::clock::ClockKind;
use crate::coordinator::access::Scope;
use crate::coordinator::job::JobSpec;
use crate::ids::{Capability, InvalidId, JobId, LockName};
use crate::script::{Rule, preset};

/// How long a lease lives where nobody says otherwise.
pub const DEFAULT_LEASE_MS: u64 = 60_000;
/// How many exchanges are kept, and how many answers are remembered, where nobody says otherwise.
pub const DEFAULT_LIMIT: usize = 10_000;

/// All that a stub is started with.
#[derive(Debug, Clone)]
pub struct Config {
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
    /// The token that `/_stub/` asks for; none: open.
    pub control_token: Option<String>,
    /// How long a lease lives, in milliseconds.
    pub lease_ms: u64,
    /// How often factories are asked for a heartbeat, in milliseconds.
    pub heartbeat_ms: u64,
    /// The clock for all of it.
    pub clock: ClockKind,
    /// What chance is decided by; rules with a chance need one.
    pub seed: Option<u64>,
    /// What happens to fields that the contract does not name.
    pub strict: Strictness,
    /// How many exchanges the journal keeps.
    pub journal_limit: usize,
    /// How many answers are remembered for idempotency keys.
    pub memory_limit: usize,
}

/// What happens to request fields that the contract does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
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

/// A job to be put in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// Its name.
    pub id: String,
    /// The engine that works on it.
    #[serde(default = "default_engine")]
    pub engine: String,
    /// The folder that it works in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Whether the engine gets its skip-permissions switch.
    #[serde(default)]
    pub yolo: bool,
    /// The lock that it holds while it is leased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// Limit of the engine run, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Limit without output, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
    /// Higher goes first.
    #[serde(default)]
    pub priority: i32,
    /// What a factory must be able to do.
    #[serde(default)]
    pub caps: Vec<String>,
    /// Shell command that must succeed after the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// Whether a person approves before `ship`.
    #[serde(default)]
    pub review: bool,
    /// Shell command that publishes the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship: Option<String>,
    /// How often the runner may try again.
    #[serde(default)]
    pub retries: u32,
    /// The prompt; left out: a line that a stand-in engine knows the job by.
    #[serde(default)]
    pub body: String,
}

/// A job of a scenario's coordinator: its name alone, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEntry {
    /// A name; the rest is taken from the scenario's own jobs, where one has it.
    Named(String),
    /// All of it.
    Whole(Box<NewJob>),
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
    /// How long a lease lives, in milliseconds.
    pub lease_ms: Option<u64>,
    /// What chance is decided by.
    pub seed: Option<u64>,
    /// Its clock.
    pub clock: ClockKind,
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
    /// A duration of no length.
    #[error("`lease_ms` is 0; a lease has to live for some time")]
    NoLease,
    /// A token that says nothing.
    #[error("a token is empty or has no scopes; give it both")]
    EmptyToken,
    /// Somebody else could connect, and nobody asks who it is.
    #[error("{0} is not a loopback address; listening there needs a token")]
    OpenToOthers(SocketAddr),
}

impl Default for Config {
    fn default() -> Config {
        Config {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            jobs: Vec::new(),
            rules: Vec::new(),
            tokens: Vec::new(),
            enrol_tokens: Vec::new(),
            control_token: None,
            lease_ms: DEFAULT_LEASE_MS,
            heartbeat_ms: 15_000,
            clock: ClockKind::Real,
            seed: None,
            strict: Strictness::Lenient,
            journal_limit: DEFAULT_LIMIT,
            memory_limit: DEFAULT_LIMIT,
        }
    }
}

impl CoordinatorTable {
    /// What the table means, its named jobs being what their name says and nothing more.
    pub fn into_config(self) -> Result<Config, ConfigError> {
        self.into_config_knowing(&BTreeMap::new())
    }

    /// What the table means, with the jobs that its names may stand for. A name that is not among them gets the engine
    /// of the first that is, so that the same factory can be given it.
    pub fn into_config_knowing(self, known: &BTreeMap<String, NewJob>) -> Result<Config, ConfigError> {
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
        Ok(Config {
            jobs: self.jobs.into_iter().map(job).collect(),
            rules,
            tokens: self.tokens,
            enrol_tokens: self.enrol_tokens,
            lease_ms: self.lease_ms.unwrap_or(DEFAULT_LEASE_MS),
            clock: self.clock,
            seed: self.seed,
            strict: if self.strict {
                Strictness::Strict
            } else {
                Strictness::Lenient
            },
            ..Config::default()
        })
    }
}

impl NewJob {
    /// A job of that name and engine; its body tells a stand-in engine which job it is.
    pub fn named(id: &str, engine: &str) -> NewJob {
        NewJob {
            id: id.to_owned(),
            engine: engine.to_owned(),
            cwd: None,
            yolo: false,
            lock: None,
            timeout_ms: None,
            idle_timeout_ms: None,
            priority: 0,
            caps: Vec::new(),
            verify: None,
            review: false,
            ship: None,
            retries: 0,
            body: String::new(),
        }
    }

    pub(crate) fn into_spec(self) -> Result<JobSpec, ConfigError> {
        let job = self.id.clone();
        let wrong = |field| {
            let job = job.clone();
            move |source| ConfigError::Job { job, field, source }
        };
        let caps = self
            .caps
            .iter()
            .map(|cap| Capability::parse(cap))
            .collect::<Result<_, _>>();
        Capability::parse(&format!("engine:{}", self.engine)).map_err(wrong("engine"))?;
        let body = if self.body.trim().is_empty() {
            format!("stand-in: {}\n", self.id)
        } else {
            self.body
        };
        Ok(JobSpec {
            id: JobId::parse(&self.id).map_err(wrong("id"))?,
            engine: self.engine,
            cwd: self.cwd,
            yolo: self.yolo,
            lock: self
                .lock
                .as_deref()
                .map(LockName::parse)
                .transpose()
                .map_err(wrong("lock"))?,
            timeout_ms: self.timeout_ms,
            idle_timeout_ms: self.idle_timeout_ms,
            priority: self.priority,
            caps: caps.map_err(wrong("caps"))?,
            verify: self.verify,
            review: self.review,
            ship: self.ship,
            retries: self.retries,
            body,
        })
    }
}

fn default_engine() -> String {
    "sh".to_owned()
}

impl<'de> Deserialize<'de> for JobEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = JobEntry;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a job: its name, or a table such as { id = \"beta\", priority = 2 }")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<JobEntry, E> {
                Ok(JobEntry::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<JobEntry, A::Error> {
                let job = NewJob::deserialize(MapAccessDeserializer::new(access))?;
                Ok(JobEntry::Whole(Box::new(job)))
            }
        }
        deserializer.deserialize_any(EntryVisitor)
    }
}

impl JsonSchema for JobEntry {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "JobEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let whole = generator.subschema_for::<NewJob>();
        json_schema!({"description": "A job: its name, or all of it.", "oneOf": [{"type": "string"}, whole]})
    }
}
