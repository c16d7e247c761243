//! What was seen of a run, as bounded text that a stream can carry: its commands, the jobs' stages, the shadow log, and
//! one timeline from every source. Reports show it; nothing is judged by it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::timeline_events::{self, TimelineEvent};
use crate::evidence::{CommandRun, Evidence, RunEvidence};
use crate::printable_text::printable_line;
use crate::profile::Profile;

const STREAM_LINES: usize = 40;
const LOG_LINES: usize = 60;
const TREE_LINES: usize = 120;
const EVENTS: usize = 160;

/// One run of a scenario: the run itself, or one that it is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunTrace {
    /// What tells it from the others: `the run`, `the same run at AQ_FLEET=0`, `the same run with a fleet`.
    pub name: String,
    /// Its folder, where that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    pub commands: Vec<CommandTrace>,
    /// Files and folders that it left.
    pub folder: Vec<String>,
    /// The lines of the shadow log.
    pub log: Vec<String>,
    /// What happened, in order of time.
    pub events: Vec<TimelineEvent>,
    /// How many more there were.
    pub events_left_out: usize,
    /// Why its stage folders could not be watched, or not all the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwatched: Option<String>,
}

/// A command of the runner's, finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandTrace {
    /// The runner's name and the arguments.
    pub line: String,
    /// How it ended: `exit 0`, `signal 9`, `ended at its limit`, `could not be started`.
    pub ended: String,
    pub took_ms: u64,
    /// The last lines of its standard output.
    pub out: Vec<String>,
    /// The last lines of its standard error.
    pub err: Vec<String>,
    /// Lines before those.
    pub lines_left_out: usize,
}

/// The traces of all runs of a scenario.
pub fn of(evidence: &Evidence, profile: &Profile) -> Vec<RunTrace> {
    let others = [
        ("the same run at AQ_FLEET=0", &evidence.offline),
        ("the same run with a fleet", &evidence.paired),
    ];
    let others = others
        .into_iter()
        .filter_map(|(name, seen)| Some((name, seen.as_ref()?)));
    std::iter::once(("the run", &evidence.run))
        .chain(others)
        .map(|(name, seen)| trace_of(name, seen, profile))
        .collect()
}

fn trace_of(name: &str, seen: &RunEvidence, profile: &Profile) -> RunTrace {
    let events = timeline_events::of(seen, profile);
    let first = events.first().map(|raw| raw.at);
    let left_out = events.len().saturating_sub(EVENTS);
    let shown = events.into_iter().take(EVENTS);
    let shown = shown.map(|raw| raw.since(first));
    RunTrace {
        name: name.to_owned(),
        kept: seen.kept.as_ref().map(|path| path.display().to_string()),
        commands: seen.all_commands().map(|run| command(run, profile)).collect(),
        folder: seen
            .tree
            .iter()
            .take(TREE_LINES)
            .map(|path| printable_line(path))
            .collect(),
        log: seen
            .shadow_log
            .lines
            .iter()
            .take(LOG_LINES)
            .map(|described| printable_line(&described.text))
            .collect(),
        events: shown.collect(),
        events_left_out: left_out,
        unwatched: seen.watched.trouble.clone(),
    }
}

fn command(run: &CommandRun, profile: &Profile) -> CommandTrace {
    let (out, out_before) = last_lines(&run.stdout);
    let (err, err_before) = last_lines(&run.stderr);
    CommandTrace {
        line: printable_line(&format!("{} {}", profile.name, run.arguments.join(" "))),
        ended: format!("{:?}", run.exit),
        took_ms: u64::try_from(run.took.as_millis()).unwrap_or(u64::MAX),
        out,
        err,
        lines_left_out: out_before + err_before,
    }
}

fn last_lines(text: &str) -> (Vec<String>, usize) {
    let lines: Vec<&str> = text.lines().collect();
    let before = lines.len().saturating_sub(STREAM_LINES);
    (
        lines[before..].iter().map(|text| printable_line(text)).collect(),
        before,
    )
}
