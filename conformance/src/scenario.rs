//! A scenario as it is written in its TOML file, key by key. Reading it strictly is `parse`; what is
//! expected of a run has a module of its own; nothing here knows how a scenario is carried out.

pub mod duration;
pub mod expect;
pub mod job;
pub mod json_schema;
pub mod parse;
pub(crate) mod path_guard;
pub mod scenario_files;
pub mod step;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use stub_coordinator::CoordinatorTable;

pub use duration::DurationText;
pub use expect::ExpectTable;
pub use job::{EngineBehaviour, Job, JobBehaviour, JobPlacement, SpawnKind};
pub use step::{PartialWrite, Step, StepAction, StepTrigger};

/// One behaviour of a runner, with all that is needed to bring it about and to judge it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Scenario")]
pub struct Scenario {
    /// The behaviour, as a sentence.
    pub title: String,
    /// The clauses of the contracts that it proves.
    pub clauses: Vec<String>,
    /// Paths of the system without which it means nothing, such as `/proc/self/cwd`. Where one is missing, the scenario
    /// is not applicable.
    #[serde(default)]
    pub needs: Vec<PathBuf>,
    /// How the runner is started.
    pub runner: RunnerTable,
    /// Jobs, put in the queue in this order.
    #[serde(default, rename = "job")]
    pub jobs: Vec<Job>,
    /// The fake coordinator's jobs and rules.
    #[serde(default)]
    pub coordinator: CoordinatorTable,
    /// What happens while the runner runs.
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
    /// What must be seen.
    pub expect: ExpectTable,
}

/// The command under test and the surroundings that it gets.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunnerTable {
    /// Arguments of the main command. `{queue}`, `{work}`, `{jobs}`, `{url}` and `{token_file}` are replaced.
    pub args: Vec<String>,
    /// Environment on top of the sandbox's own; the same words are replaced. `AQ_QUEUE`, `HOME`, `TMPDIR` and `PATH` are
    /// the sandbox's.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables of the sandbox that this runner must not get.
    #[serde(default)]
    pub unset: Vec<String>,
    /// Further commands in the same surroundings, one after the other.
    #[serde(default)]
    pub then: Vec<Vec<String>>,
    /// Environment of the commands of `then` on top of that, as a person has another one than the runner.
    #[serde(default)]
    pub then_env: BTreeMap<String, String>,
    /// Where the commands of `then` are started, below the folder in which the main one is.
    pub then_folder: Option<String>,
    /// Whether there is a queue folder beforehand.
    #[serde(default)]
    pub queue: QueueAtStart,
    /// Files laid into the queue folder before anything runs, by a path below it. Where work may come from the
    /// coordinator and no `aq.toml` is among them, one is laid that allows routed jobs everything; none where the queue is
    /// absent.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Lines that are laid into files many times over, after what `files` says.
    #[serde(default)]
    pub repeated: Vec<RepeatedLines>,
    /// Folders made below the one in which the runner is started, by a path below it.
    #[serde(default)]
    pub folders: Vec<String>,
    /// Fake engines on PATH beside those that the jobs name: letters, digits and `._-`.
    #[serde(default)]
    pub engines: Vec<String>,
    /// Engines that are not on PATH although a job names them.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Signals that its commands are started with ignored, as `nohup` does it: `["HUP", "INT"]`.
    #[serde(default)]
    pub ignores: Vec<String>,
    /// How the runner gets its token.
    #[serde(default)]
    pub token: TokenVia,
    /// Scopes of the runner's token; by default `shadow`, and `work` as well where ROUTE is set.
    pub scopes: Option<Vec<String>>,
    /// Limit of one command; by default 20 s.
    pub deadline: Option<DurationText>,
}

/// What the runner finds where its queue is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueAtStart {
    /// An empty queue, or one into which its own `add` has put jobs.
    #[default]
    Prepared,
    /// Nothing.
    Absent,
}

/// Lines of a file in the queue folder that no person would write out; several such tables continue one file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepeatedLines {
    /// The file's path below the queue folder.
    pub file: String,
    /// The line; `{n}` becomes its number, from 1 on.
    pub line: String,
    /// How many such lines, 10,000 at most.
    pub times: u16,
}

/// How the runner under test is handed the coordinator's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenVia {
    /// In `AQ_FLEET_TOKEN`.
    #[default]
    Env,
    /// In a file named by `AQ_FLEET_TOKEN_FILE`.
    File,
    /// A token that the coordinator does not know.
    Wrong,
    /// None at all, from a coordinator that asks for none.
    Open,
}

impl Scenario {
    /// Whether the runner's environment switches `flag` (the part after `AQ_FLEET`) on.
    pub fn flag(&self, name: &str) -> FlagState {
        match self
            .runner
            .env
            .get(name)
            .map(|value| value.to_lowercase())
            .as_deref()
        {
            Some("1" | "true" | "on") => FlagState::On,
            _ => FlagState::Off,
        }
    }

    /// The mode that the three flags of the environment add up to.
    pub fn mode(&self) -> FleetMode {
        let on = |name| self.flag(name) == FlagState::On;
        match (on("AQ_FLEET"), on("AQ_FLEET_ROUTE"), on("AQ_FLEET_SHADOW")) {
            (false, _, _) => FleetMode::Offline,
            (true, true, _) => FleetMode::Route,
            (true, false, true) => FleetMode::Shadow,
            (true, false, false) => FleetMode::Local,
        }
    }

    /// Whether work may come from the coordinator, from the start or once a step says so.
    pub fn may_route(&self) -> bool {
        let turns = |step: &Step| matches!(&step.action, StepAction::Flag(keys) if keys.contains_key("route_via_service"));
        self.mode() == FleetMode::Route || self.sets_route_in_file() || self.steps.iter().any(turns)
    }

    /// Whether ROUTE is set by a file that is laid into the queue, where the environment does not show it.
    pub fn sets_route_in_file(&self) -> bool {
        let settings = self.runner.files.get("aq.toml");
        settings.is_some_and(|text| text.contains("route_via_service"))
    }

    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }
}

/// A two-valued setting of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagState {
    On,
    Off,
}

/// What the three flags result in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetMode {
    Offline,
    Local,
    Shadow,
    Route,
}
