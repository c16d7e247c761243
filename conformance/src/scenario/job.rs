//! `[[job]]`: a job file to be put in the queue, and what its fake engine does when it is started.

use schemars::JsonSchema;
use serde::Deserialize;

use super::duration::DurationText;

/// A job and the behaviour of what works on it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The job's id, and the name of its file.
    pub id: String,
    /// The engine; by default `devin`.
    pub engine: Option<String>,
    /// The prompt; for a fake engine, the line that names the job is put before it.
    pub body: Option<String>,
    /// The whole file as it stands, for files that are wrong on purpose.
    pub raw: Option<String>,
    /// How the file gets into the queue.
    #[serde(default)]
    pub place: JobPlacement,
    /// What the processes of the job do that the harness fakes.
    #[serde(default)]
    pub behaviour: JobBehaviour,
    /// The folder that it works in; `{work}` becomes the one in which the runner is started.
    pub cwd: Option<String>,
    pub yolo: Option<bool>,
    pub lock: Option<String>,
    pub timeout: Option<String>,
    pub idle_timeout: Option<String>,
    pub priority: Option<i64>,
    pub caps: Option<Vec<String>>,
    pub verify: Option<String>,
    pub review: Option<bool>,
    pub ship: Option<String>,
    pub retries: Option<u32>,
    pub retry_delay: Option<String>,
}

/// How a job file gets into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobPlacement {
    /// By the runner's own `add`, all such jobs in one command.
    #[default]
    Add,
    /// By hand, into `inbox/`, before the runner starts.
    Inbox,
    /// By hand, into `inbox/`, while the runner runs: steps `write` it.
    Steps,
    /// Not at all: it lies in `{jobs}/ID.md`, for the scenario's own commands.
    Aside,
    /// Nowhere: only the coordinator knows it; its engine's behaviour is what is described.
    Coordinator,
}

/// What each fake of a job does once it is started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobBehaviour {
    /// The engine that the job names.
    #[serde(default)]
    pub engine: EngineBehaviour,
    /// `verify-it ID`.
    #[serde(default)]
    pub verify: EngineBehaviour,
    /// `ship-it ID`.
    #[serde(default)]
    pub ship: EngineBehaviour,
}

/// What a fake engine, `verify-it` or `ship-it` does once it is started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EngineBehaviour {
    /// How long it works.
    pub duration: Option<DurationText>,
    /// Its exit code; by default 0.
    pub exit: Option<i32>,
    /// Names of files that it leaves in its folder.
    #[serde(default)]
    pub writes: Vec<String>,
    /// Text that it prints.
    pub prints: Option<String>,
    /// SIGTERM does not end it.
    #[serde(default)]
    pub ignores_term: bool,
    /// A process that it leaves running.
    pub spawns: Option<SpawnKind>,
    /// It waits until a step releases this name.
    pub until: Option<String>,
    /// Its first attempts exit 1, this many of them.
    #[serde(default)]
    pub fails_attempts: u32,
}

/// A process that outlives its parent if nobody ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpawnKind {
    /// In the same session.
    Child,
    /// In a session of its own.
    Setsid,
    /// In a session of its own, its parent gone.
    DoubleFork,
}

impl JobBehaviour {
    /// That of each process that the harness fakes.
    pub fn all(&self) -> [&EngineBehaviour; 3] {
        [&self.engine, &self.verify, &self.ship]
    }
}

impl Job {
    /// The engine that the job file names.
    pub fn engine(&self) -> &str {
        self.engine.as_deref().unwrap_or("devin")
    }
}
