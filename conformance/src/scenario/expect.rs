//! `[expect]`: what must be seen of a run. Everything that is named is compared exactly; what is not named
//! is free, save for the checks that hold always.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a scenario demands.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectTable {
    /// Exit code of the main command; by default 0.
    #[serde(default)]
    pub exit: i32,
    /// The signal that the main command dies by, where a step sends it one; it has no exit code then.
    pub exit_signal: Option<i32>,
    /// Exit codes of the commands of `then`; by default all 0.
    pub exits: Option<Vec<i32>>,
    /// The stage folder of every job file in the queue; a job that is not named must not be there.
    pub stages: Option<BTreeMap<String, String>>,
    /// How often the fake engine of each job ran; a job that is not named must not have run.
    pub runs: Option<BTreeMap<String, usize>>,
    /// How often `ship-it` ran for each job.
    pub ships: Option<BTreeMap<String, usize>>,
    /// How often `verify-it` ran for each job.
    pub verifies: Option<BTreeMap<String, usize>>,
    /// Every verdict of the shadow log, in order (any order with more than one worker).
    pub verdicts: Option<Vec<ExpectedVerdict>>,
    /// Every error of the shadow log, in order; of one operation alone where `errors_of` names it.
    pub errors: Option<Vec<ExpectedShadowError>>,
    /// The operation whose errors are compared; those of others are free.
    pub errors_of: Option<String>,
    /// What parts of the shadow log that are not described here may hold.
    #[serde(default)]
    pub rest_of_log: RestOfLog,
    /// How many decisions have an outcome in the shadow log.
    pub decisions: Option<usize>,
    /// How many epochs its verdicts are of; each then says what it is evidence of (S-16).
    pub epochs: Option<usize>,
    /// The reason of every skipped decision, in order.
    pub skipped: Option<Vec<String>>,
    /// The event of every other line of the shadow log, in order.
    pub events: Option<Vec<String>>,
    /// Requests that arrived at the coordinator, by operation.
    #[serde(default)]
    pub calls: BTreeMap<String, u64>,
    /// Connections that the coordinator accepted.
    pub connections: Option<u64>,
    /// Dry runs, by the fake's own counter.
    pub dry_runs: Option<u64>,
    /// Mutations since the runner started: the counters' sum; 0 demands an unchanged digest too.
    pub mutations: Option<u64>,
    /// The queue, the engine runs and the exit code are those of the same run at `AQ_FLEET=0` (clause S-4).
    #[serde(default)]
    pub same_as_offline: bool,
    /// The main command with these variables on top must connect; the pair of a run that must not.
    pub connects_with: Option<BTreeMap<String, String>>,
    /// Fields of what `fleet-shadow-report --json` prints afterwards.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub report: Option<toml::Table>,
    /// Text in what the commands print.
    #[serde(default)]
    pub output: Vec<ExpectedOutput>,
    /// The jobs in `quarantine/`, sorted.
    pub quarantined: Option<Vec<String>>,
    /// The reason that the runner recorded for a job, as a code of the contract.
    #[serde(default)]
    pub reasons: BTreeMap<String, String>,
    /// The reason, as a code of the contract, that the last report of a job's stage gives the coordinator.
    #[serde(default)]
    pub reported: BTreeMap<String, String>,
    /// Events that come one after the other: `"ship alpha"`, `"answered shadow.claim#2"`.
    #[serde(default)]
    pub order: Vec<String>,
    /// The stage that each job has at the coordinator in the end.
    #[serde(default)]
    pub coordinator_stages: BTreeMap<String, String>,
}

/// What a part of the shadow log may hold that a scenario does not describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestOfLog {
    /// Nothing.
    #[default]
    Empty,
    /// Anything.
    Free,
}

/// One verdict; `*` stands for any name; a name that is absent means that side had no job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedVerdict {
    pub local: Option<String>,
    pub coord: Option<String>,
    pub verdict: String,
    /// Of a DIVERGE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of a DIVERGE by `order`; not compared where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u64>,
}

/// One error of the shadow lane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedShadowError {
    pub operation: String,
    pub kind: String,
}

/// Text that a command must print, or must not.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedOutput {
    /// 0 is the main command, 1 the first of `then`.
    #[serde(default)]
    pub command: usize,
    /// The number of a step: it is the command that this step begins.
    pub step: Option<usize>,
    /// Where it is printed; by default anywhere.
    #[serde(default)]
    pub stream: OutputStream,
    pub contains: String,
    /// On how many lines; by default on one at least. 0: nowhere.
    pub times: Option<usize>,
}

/// An output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    Stdout,
    Stderr,
    #[default]
    Both,
}

impl ExpectTable {
    /// A part of the shadow log as it must be: as described, else empty if any other part is described.
    pub fn part<T: Clone>(&self, part: &Option<Vec<T>>) -> Option<Vec<T>> {
        let described = self.verdicts.is_some()
            || self.errors.is_some()
            || self.skipped.is_some()
            || self.events.is_some();
        match (part, self.rest_of_log) {
            (Some(part), _) => Some(part.clone()),
            (None, RestOfLog::Empty) if described => Some(Vec::new()),
            (None, _) => None,
        }
    }
}
