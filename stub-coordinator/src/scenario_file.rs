//! The coordinator of a conformance scenario, taken out of its file. The other tables are the harness's and are not
//! looked at, except for the jobs that the coordinator's names stand for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::config::{ConfigError, CoordinatorTable, NewJob, StubConfig};

/// Why a scenario file gives no coordinator.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// It can't be read.
    #[error("can't read {path}; check the path and its permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML, or its `[coordinator]` is none.
    #[error("{path}: the `[coordinator]` table can't be read; correct what the reason names")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// What it says can't be set up.
    #[error("{path}: the coordinator can't be set up")]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ConfigError,
    },
}

/// What is looked at in a scenario file.
#[derive(Deserialize)]
struct ScenarioFile {
    #[serde(default)]
    coordinator: CoordinatorTable,
    #[serde(default)]
    job: Vec<toml::Table>,
}

/// Reads the coordinator of a scenario.
pub fn read_scenario(path: &Path) -> Result<StubConfig, ScenarioError> {
    let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Read {
        path: path.to_owned(),
        source,
    })?;
    let file: ScenarioFile = toml::from_str(&text).map_err(|source| ScenarioError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let known: BTreeMap<String, NewJob> = file
        .job
        .iter()
        .filter_map(scenario_job)
        .map(|job| (job.id.clone(), job))
        .collect();
    file.coordinator
        .into_config_knowing(&known)
        .map_err(|source| ScenarioError::Config {
            path: path.to_owned(),
            source,
        })
}

/// What a scenario's job says that a coordinator goes by; whatever else it says is the harness's.
fn scenario_job(table: &toml::Table) -> Option<NewJob> {
    let text = |key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let mut job = NewJob::named(&text("id")?, &text("engine").unwrap_or_else(|| "sh".to_owned()));
    job.lock = text("lock");
    let priority = table.get("priority").and_then(toml::Value::as_integer);
    job.priority = priority
        .and_then(|priority| i32::try_from(priority).ok())
        .unwrap_or(0);
    let caps = table.get("caps").and_then(toml::Value::as_array);
    job.caps = caps
        .into_iter()
        .flatten()
        .filter_map(|cap| cap.as_str().map(str::to_owned))
        .collect();
    Some(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_the_scenarios_own_jobs_and_unknown_ones_get_an_engine_that_is_there() {
        let text = r#"
            title = "whatever the harness reads"
            [runner]
            args = 7
            [[job]]
            id = "alpha"
            engine = "devin"
            priority = 3
            does = { exit = 0 }
            [coordinator]
            jobs = ["beta", "alpha", { id = "gamma", engine = "codex", caps = ["gpu"] }]
            [[coordinator.rule]]
            on = "shadow.claim"
            when = { skip = 1, times = 2 }
            fault = { status = 503, retry_after = "1s" }
        "#;
        let file: ScenarioFile = toml::from_str(text).expect("a scenario");
        let known = file
            .job
            .iter()
            .filter_map(scenario_job)
            .map(|job| (job.id.clone(), job))
            .collect();
        let config = file.coordinator.into_config_knowing(&known).expect("a config");
        let jobs: Vec<_> = config
            .jobs
            .iter()
            .map(|job| (job.id.as_str(), job.engine.as_str(), job.priority))
            .collect();
        assert_eq!(
            jobs,
            [("beta", "devin", 0), ("alpha", "devin", 3), ("gamma", "codex", 0)]
        );
        assert_eq!(config.rules[0].when.times, Some(2));
    }
}
