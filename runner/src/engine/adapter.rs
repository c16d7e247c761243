//! One `[engine.NAME]` table, checked.

use serde::Deserialize;

use super::argument_template::{ArgumentTemplate, refuse_placeholders};
use super::event_format::EventFormat;
use super::failure_rules::FailureRules;

/// All that a table may say.
const KEYS: [&str; 14] = [
    "command",
    "args",
    "yolo",
    "stdin",
    "events",
    "limit",
    "logged_out",
    "fails_fast",
    "failure",
    "success",
    "needs_output",
    "version",
    "login",
    "root_needs",
];
/// A key that is further away is no help.
const EDITS_MAX: usize = 3;

/// What an engine finds on its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EngineStdin {
    /// The prompt, and then its end.
    Prompt,
    /// The null device.
    Nothing,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct EngineAdapter {
    pub(super) command: String,
    #[serde(default)]
    pub(super) args: Vec<ArgumentTemplate>,
    #[serde(default)]
    pub(super) yolo: Vec<String>,
    #[serde(default = "prompt_on_stdin")]
    pub(super) stdin: EngineStdin,
    /// How its output tells events; none: it tells none, and its last line is all that counts.
    pub(super) events: Option<EventFormat>,
    /// What its last words say where it failed because it is used up for a while.
    #[serde(default)]
    pub(super) limit: Vec<String>,
    /// What they say where it failed because it is not logged in.
    #[serde(default)]
    pub(super) logged_out: Vec<String>,
    /// Its jobs may well fail within seconds, which says nothing of the engine.
    #[serde(default)]
    pub(super) fails_fast: bool,
    /// The rules by which exit code 0 is no success, of an engine without events.
    #[serde(flatten)]
    pub(super) rules: FailureRules,
    /// The arguments that make it tell its version; none: it tells none.
    #[serde(default = "long_version")]
    pub(super) version: Vec<String>,
    /// The arguments of a question that it answers with exit code 0 if it is logged in.
    #[serde(default)]
    pub(super) login: Vec<String>,
    /// `NAME=VALUE`, without which it skips no permission questions for root.
    pub(super) root_needs: Option<String>,
}

impl EngineAdapter {
    pub(super) fn new(table: &toml::Table) -> Result<EngineAdapter, String> {
        if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown_key(unknown));
        }
        let mut adapter: EngineAdapter = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())?;
        if adapter.command.is_empty() {
            return Err("`command` is empty: name the program".to_owned());
        }
        for (key, words) in [
            ("yolo", &adapter.yolo),
            ("version", &adapter.version),
            ("login", &adapter.login),
        ] {
            words.iter().try_for_each(|word| refuse_placeholders(key, word))?;
        }
        if adapter.stdin == EngineStdin::Nothing && !adapter.args.iter().any(ArgumentTemplate::has_prompt) {
            let text = "the prompt goes nowhere: add \"{prompt_file}\" to `args`, or say stdin = \"prompt\"";
            return Err(text.to_owned());
        }
        if !adapter.yolo.is_empty() && !adapter.args.contains(&ArgumentTemplate::Yolo) {
            return Err("`yolo` has no place: put \"{yolo}\" into `args` where it belongs".to_owned());
        }
        if adapter.events.is_some() && adapter.rules.are_any() {
            let text = "`failure`, `success` and `needs_output` have no effect beside `events`: take one or the other out";
            return Err(text.to_owned());
        }
        for phrases in [&mut adapter.limit, &mut adapter.logged_out] {
            phrases.retain(|part| !part.trim().is_empty());
        }
        Ok(adapter)
    }

    /// Behind the words that stand before everything else, as they name a command of the program.
    pub(super) fn help(&self) -> Vec<String> {
        let leading = self.args.iter().map_while(ArgumentTemplate::literal);
        let leading = leading.take_while(|text| !text.starts_with('-') && !text.is_empty());
        leading.map(str::to_owned).chain(["--help".to_owned()]).collect()
    }

    /// Those that a help text would name: `--name`, also of `--name=value`, and `-n`.
    pub(super) fn switches(&self) -> Vec<String> {
        let beginnings = self.args.iter().filter_map(ArgumentTemplate::beginning);
        beginnings
            .chain(self.yolo.iter().map(String::as_str))
            .filter(|part| part.len() > 1 && part.starts_with('-') && *part != "--")
            .map(|part| part.split('=').next().unwrap_or(part).to_owned())
            .collect()
    }
}

fn unknown_key(key: &str) -> String {
    let nearest = KEYS
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, key), known))
        .min()
        .filter(|(edits, _)| *edits <= EDITS_MAX);
    match nearest {
        Some((_, known)) => format!("`{key}` is no key; did you mean `{known}`?"),
        None => format!("`{key}` is no key; known: {}", KEYS.join(", ")),
    }
}

fn long_version() -> Vec<String> {
    vec!["--version".to_owned()]
}

fn prompt_on_stdin() -> EngineStdin {
    EngineStdin::Prompt
}
