//! Jobs as a configuration names them: whole, or by a name that stands for one.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::ConfigError;
use crate::contract::ids::{Capability, JobId, LockName};
use crate::coordinator::job::JobSpec;

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
    /// The prompt; left out: a line that a fake engine knows the job by.
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

impl NewJob {
    /// A job of that name and engine; its body tells a fake engine which job it is.
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
            format!("fake-engine: {}\n", self.id)
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

pub(super) fn default_engine() -> String {
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
