//! The paths that a scenario or a profile names. All of them lie below a folder that the harness makes for the run, and
//! one that leads elsewhere is refused before anything is made. In these folders the harness makes no links.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{Scenario, StepAction};

/// Variables that the sandbox sets, so that a runner finds no queue, home or program but those made for it.
const SANDBOX_VARIABLES: [&str; 4] = ["AQ_QUEUE", "HOME", "TMPDIR", "PATH"];

/// A text that leads out of the folder which it is to lie in.
#[derive(Debug)]
pub(crate) struct StrayPath {
    /// The key at which it stands.
    key: &'static str,
    text: String,
    /// Why it is refused, and what to write instead.
    reason: String,
}

impl StrayPath {
    /// Refuses a path at `key` that does not lie below a folder.
    pub(crate) fn below(folder: &str, key: &'static str, path: &str) -> Option<StrayPath> {
        let why = if path.is_empty() {
            "is empty"
        } else if path.contains('\0') {
            "holds a NUL"
        } else if path.starts_with('/') {
            "is absolute"
        } else if path.split('/').any(|part| part == "..") {
            "leads out by `..`"
        } else if path.split('/').any(|part| part.is_empty() || part == ".") {
            "has a part that is empty or `.`"
        } else {
            return None;
        };
        Some(StrayPath::new(
            key,
            path,
            format!("{why}; name a path below {folder}"),
        ))
    }

    /// Refuses what is more than the name of a file in a folder.
    fn name_in(folder: &str, key: &'static str, name: &str) -> Option<StrayPath> {
        let nested = || {
            let reason = format!("is more than a name; write the name of a file in {folder}");
            name.contains('/').then(|| StrayPath::new(key, name, reason))
        };
        StrayPath::below(folder, key, name).or_else(nested)
    }

    /// Refuses what is no plain name of a program: it is written into a script.
    fn program(key: &'static str, name: &str) -> Option<StrayPath> {
        let plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        let is_plain =
            name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(plain);
        let reason = "is no name of a program; write letters, digits and `._-`".to_owned();
        (!is_plain).then(|| StrayPath::new(key, name, reason))
    }

    /// Refuses a word for the runner that is a path out of the sandbox, by itself or after an option's `=`.
    fn word(key: &'static str, word: &str) -> Option<StrayPath> {
        let value = match word.split_once('=') {
            Some((option, value)) if option.starts_with('-') => value,
            _ => word,
        };
        let leads_out = value.starts_with('/') || value.split('/').any(|part| part == "..");
        let reason = "leads out of the sandbox; begin a path with `{queue}`, `{work}` or `{jobs}`".to_owned();
        (leads_out || word.contains('\0')).then(|| StrayPath::new(key, word, reason))
    }

    /// Refuses to set a variable that the sandbox sets.
    fn variable(key: &'static str, name: &str) -> Option<StrayPath> {
        let reason = "is the sandbox's, so that nothing outside is touched; leave it away".to_owned();
        SANDBOX_VARIABLES
            .contains(&name)
            .then(|| StrayPath::new(key, name, reason))
    }

    fn new(key: &'static str, text: &str, reason: String) -> StrayPath {
        StrayPath {
            key,
            text: text.to_owned(),
            reason,
        }
    }

    pub(crate) fn message(&self) -> String {
        format!(
            "`{}` names `{}`, which {}",
            self.key,
            self.text.escape_debug(),
            self.reason
        )
    }

    /// Where it stands in the file that it was read from.
    pub(crate) fn offset_in(&self, file: &str) -> usize {
        let Ok(document) = DeTable::parse(file) else {
            return 0;
        };
        let found = in_table(document.get_ref(), false, self.key, &self.text);
        found.map_or(0, |span| span.start)
    }
}

/// The first path of a scenario that leads elsewhere.
pub(crate) fn first_invalid_path(scenario: &Scenario) -> Option<StrayPath> {
    let runner = &scenario.runner;
    let mut files = runner.files.keys().map(|file| ("files", file));
    let mut repeated = runner.repeated.iter().map(|lines| ("file", &lines.file));
    let below_queue = |(key, path): (&'static str, &String)| StrayPath::below("the queue folder", key, path);
    let below_work = |path| StrayPath::below("the work folder", "folders", path);
    files
        .find_map(below_queue)
        .or_else(|| repeated.find_map(below_queue))
        .or_else(|| runner.folders.iter().find_map(|path| below_work(path)))
        .or_else(|| {
            runner
                .engines
                .iter()
                .find_map(|name| StrayPath::program("engines", name))
        })
        .or_else(|| in_jobs(scenario))
        .or_else(|| in_commands(scenario))
}

fn in_jobs(scenario: &Scenario) -> Option<StrayPath> {
    scenario.jobs.iter().find_map(|job| {
        let behaviours = job.behaviour.all().into_iter();
        let mut written = behaviours.flat_map(|behaviour| &behaviour.writes);
        StrayPath::name_in("`inbox/`", "id", &job.id)
            .or_else(|| written.find_map(|name| StrayPath::name_in("the job's folder", "writes", name)))
    })
}

fn in_commands(scenario: &Scenario) -> Option<StrayPath> {
    let runner = &scenario.runner;
    let in_steps = scenario.steps.iter().filter_map(|step| match &step.action {
        StepAction::Command(words) => Some(("command", words)),
        _ => None,
    });
    let then = runner.then.iter().map(|words| ("then", words));
    let commands = [("args", &runner.args)].into_iter().chain(then).chain(in_steps);
    let mut words = commands.flat_map(|(key, words)| words.iter().map(move |word| (key, word)));
    let env = runner.env.iter().map(|variable| ("env", variable));
    let then_env = runner.then_env.iter().map(|variable| ("then_env", variable));
    let connecting = scenario.expect.connects_with.iter().flatten();
    let connecting = connecting.map(|variable| ("connects_with", variable));
    words
        .find_map(|(key, word)| StrayPath::word(key, word))
        .or_else(|| {
            env.chain(then_env)
                .chain(connecting)
                .find_map(|(key, (name, value))| {
                    StrayPath::variable(key, name).or_else(|| StrayPath::word(key, value))
                })
        })
}

/// The place of a text that is a key or a value within the value of `key`, however deep. `within` says whether this
/// table is.
fn in_table(table: &DeTable<'_>, within: bool, key: &str, text: &str) -> Option<Range<usize>> {
    table.iter().find_map(|(name, value)| {
        if within && name.get_ref() == text {
            return Some(name.span());
        }
        in_value(
            value.get_ref(),
            value.span(),
            within || name.get_ref() == key,
            key,
            text,
        )
    })
}

fn in_value(
    value: &DeValue<'_>,
    span: Range<usize>,
    within: bool,
    key: &str,
    text: &str,
) -> Option<Range<usize>> {
    match value {
        DeValue::String(found) if within && found == text => Some(span),
        DeValue::Array(values) => values
            .iter()
            .find_map(|value| in_value(value.get_ref(), value.span(), within, key, text)),
        DeValue::Table(table) => in_table(table, within, key, text),
        _ => None,
    }
}
