//! Reads a scenario file strictly: an unknown key, a wrong value or a contradiction is refused with file,
//! line and what to write instead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde::de::DeserializeOwned;

use super::expect::ExpectedOutput;
use super::path_guard::StrayPath;
use super::step::{EventKind, ScenarioEvent, StepAction};
use super::{JobPlacement, QueueAtStart, Scenario, path_guard};

/// Why a scenario file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error("{} can't be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}:{line}: {message}", path.display())]
    Wrong {
        path: PathBuf,
        line: usize,
        message: String,
    },
}

/// Checks the text of a scenario; `path` is used in messages only.
pub fn parse(text: &str, path: &Path) -> Result<Scenario, ScenarioError> {
    let read = strictly(text, path_guard::first_invalid_path, contradiction);
    read.map_err(|(line, message)| ScenarioError::Wrong {
        path: path.to_owned(),
        line,
        message,
    })
}

/// Reads a text of TOML, and refuses what types alone can't refuse. An error: the line, and what is wrong there.
pub(crate) fn strictly<T: DeserializeOwned>(
    text: &str,
    invalid_path: impl FnOnce(&T) -> Option<StrayPath>,
    contradiction: impl FnOnce(&T) -> Option<(String, String)>,
) -> Result<T, (usize, String)> {
    let read: T = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        (line, explain(error.message()))
    })?;
    if let Some(stray) = invalid_path(&read) {
        return Err((line_of(text, stray.offset_in(text)), stray.message()));
    }
    match contradiction(&read) {
        Some((needle, message)) => Err((line_with(text, &needle), message)),
        None => Ok(read),
    }
}

/// Keys that had another name, and the one that they have: too different to be found as the nearest.
const RENAMED: [(&str, &str); 7] = [
    ("does", "behaviour.engine"),
    ("verifies", "behaviour.verify"),
    ("ships", "behaviour.ship"),
    ("takes", "duration"),
    ("once", "on"),
    ("lapsed", "lease_expired"),
    ("lacks", "unsupported"),
];

/// Turns serde's "unknown field" into a hint at the nearest valid key.
fn explain(message: &str) -> String {
    let unknown = ["unknown field `", "unknown variant `"]
        .iter()
        .find_map(|start| message.strip_prefix(start));
    let Some((key, rest)) = unknown.and_then(|rest| rest.split_once('`')) else {
        return message.to_owned();
    };
    let valid: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let is_valid = |new: &str| new.split('.').next().is_some_and(|first| valid.contains(&first));
    if let Some((_, new)) = RENAMED.iter().find(|(old, new)| *old == key && is_valid(new)) {
        return format!("unknown key `{key}`; did you mean `{new}`?");
    }
    let nearest = valid
        .iter()
        .min_by_key(|candidate| strsim::damerau_levenshtein(key, candidate));
    match nearest {
        Some(nearest) if strsim::damerau_levenshtein(key, nearest) <= 1 + key.len() / 3 => {
            format!("unknown key `{key}`; did you mean `{nearest}`?")
        }
        _ => format!("unknown key `{key}`; the keys here are {}", valid.join(", ")),
    }
}

/// The first thing that types alone can't refuse: what to look for in the file, and the message.
fn contradiction(scenario: &Scenario) -> Option<(String, String)> {
    if scenario.clauses.is_empty() {
        return Some((
            "clauses".into(),
            "name at least one clause that this scenario proves".into(),
        ));
    }
    let mut seen = BTreeSet::new();
    for job in &scenario.jobs {
        if !seen.insert(job.id.as_str()) {
            return Some((quoted(&job.id), format!("two jobs have the id `{}`", job.id)));
        }
        if job.raw.is_some() && (job.body.is_some() || job.engine.is_some()) {
            return Some((
                quoted(&job.id),
                "`raw` is the whole file; drop the other keys".into(),
            ));
        }
    }
    let can_be_ignored = |name: &&String| {
        let signal = crate::supervise::signal_of(name);
        signal.is_some_and(|signal| ![Signal::KILL, Signal::STOP].contains(&signal))
    };
    if let Some(name) = scenario.runner.ignores.iter().find(|name| !can_be_ignored(name)) {
        let message =
            format!("`{name}` is no signal that can be ignored; write HUP, INT, QUIT, PIPE or TERM");
        return Some((quoted(name), message));
    }
    let known = |name: &&String| scenario.runner.folders.contains(name);
    if let Some(name) = scenario.runner.then_folder.iter().find(|name| !known(name)) {
        let message = format!("there is no `{name}`; name it in `folders` as well");
        return Some(("then_folder".into(), message));
    }
    in_queue(scenario)
        .or_else(|| in_steps(scenario))
        .or_else(|| in_expectations(scenario))
}

/// As the name stands in the file.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn in_queue(scenario: &Scenario) -> Option<(String, String)> {
    let runner = &scenario.runner;
    let mut placed = scenario.jobs.iter().map(|job| job.place);
    let laid = !runner.files.is_empty() || !runner.repeated.is_empty();
    let laid = laid || placed.any(|place| matches!(place, JobPlacement::Add | JobPlacement::Inbox));
    if runner.queue == QueueAtStart::Absent && laid {
        let message = "`queue = \"absent\"`, but files or jobs are put into it before the runner starts";
        return Some(("queue".into(), message.into()));
    }
    let written = |id: &str| {
        let mut steps = scenario.steps.iter();
        steps.any(|step| matches!(&step.action, StepAction::Write(write) if write.job == id))
    };
    let mut left = scenario
        .jobs
        .iter()
        .filter(|job| job.place == JobPlacement::Steps);
    left.find(|job| !written(&job.id))
        .map(|job| (quoted(&job.id), format!("no step writes `{}`", job.id)))
}

fn in_steps(scenario: &Scenario) -> Option<(String, String)> {
    let held: BTreeSet<&str> = scenario
        .jobs
        .iter()
        .flat_map(|job| job.behaviour.all())
        .filter_map(|behaviour| behaviour.until.as_deref())
        .collect();
    for step in &scenario.steps {
        if step.on.events().is_none() {
            let kinds = "operation, answered, run, term, ended, verify, ship, ship_term, ship_ended, lease_expired, command_ended, all";
            let message =
                format!("`on` names exactly one of: {kinds} (events as in `order`, without `count`)");
            return Some(("[[step]]".into(), message));
        }
        if step.exit.is_some() && !matches!(step.action, StepAction::Command(_)) {
            return Some(("exit".into(), "only a step with `command` has an `exit`".into()));
        }
        match &step.action {
            StepAction::Release(name) if !held.contains(name.as_str()) => {
                return Some((quoted(name), format!("no fake engine waits `until = \"{name}\"`")));
            }
            StepAction::Write(write) if scenario.job(&write.job).is_none() => {
                let message = format!("there is no job `{}` to write", write.job);
                return Some((quoted(&write.job), message));
            }
            StepAction::Signal(name) if crate::supervise::signal_of(name).is_none() => {
                return Some((
                    quoted(name),
                    format!("`{name}` is no signal; write TERM, INT or HUP"),
                ));
            }
            _ => {}
        }
    }
    let released = |name: &str| {
        scenario
            .steps
            .iter()
            .any(|step| matches!(&step.action, StepAction::Release(given) if given == name))
    };
    held.into_iter()
        .find(|name| !released(name))
        .map(|name| (quoted(name), format!("no step releases `{name}`")))
}

fn in_expectations(scenario: &Scenario) -> Option<(String, String)> {
    let expect = &scenario.expect;
    let commands = 1 + scenario.runner.then.len();
    if let Some(exits) = &expect.exits
        && exits.len() + 1 != commands
    {
        let message = format!(
            "`exits` has {} codes for {} commands of `then`",
            exits.len(),
            commands - 1
        );
        return Some(("exits".into(), message));
    }
    if let Some(output) = expect.output.iter().find(|output| output.command >= commands) {
        let message = format!("there is no command {}; 0 is the main one", output.command);
        return Some((quoted(&output.contains), message));
    }
    let begins = |number: usize| {
        let step = number.checked_sub(1).and_then(|at| scenario.steps.get(at));
        step.is_some_and(|step| matches!(step.action, StepAction::Command(_)))
    };
    let stray = |output: &&ExpectedOutput| output.step.is_some_and(|step| !begins(step));
    if let Some(output) = expect.output.iter().find(stray) {
        let message = "`step` is the number of a step that begins a `command`; 1 is the first".to_owned();
        return Some((quoted(&output.contains), message));
    }
    if let Some(event) = expect
        .order
        .iter()
        .find(|event| ScenarioEvent::parse(event).is_none())
    {
        let kinds = EventKind::ALL.map(|(name, _)| name).join(", ");
        let message =
            format!("`{event}` is no event; write `KIND NAME` or `KIND NAME#2`, KIND one of {kinds}");
        return Some((quoted(event), message));
    }
    None
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .as_bytes()
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count()
}

fn line_with(text: &str, needle: &str) -> usize {
    text.find(needle).map_or(1, |offset| line_of(text, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_kind_subject_and_ordinal() {
        let event = |kind, subject: &str, ordinal| {
            Some(ScenarioEvent {
                kind,
                subject: subject.into(),
                ordinal,
            })
        };
        assert_eq!(
            ScenarioEvent::parse("ship alpha"),
            event(EventKind::Ship, "alpha", 1)
        );
        assert_eq!(
            ScenarioEvent::parse("answered shadow.claim#2"),
            event(EventKind::Answered, "shadow.claim", 2)
        );
        for text in [
            "ship",
            "ship ",
            "shipped alpha",
            "ship alpha#0",
            "ship alpha#x",
            "",
        ] {
            assert_eq!(ScenarioEvent::parse(text), None, "{text:?}");
        }
    }
}
