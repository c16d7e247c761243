//! A profile as it is written in its TOML file, key by key, and read strictly.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::log_format::{LogFormat, LogLineFormat};
use super::{Profile, ProfileError};
use crate::clause;
use crate::known_failures::KnownFailure;
use crate::scenario::parse;
use crate::scenario::path_guard::StrayPath;

/// How a runner is driven, and what of the contract it claims.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Profile")]
pub struct ProfileFile {
    /// The name that reports give it.
    pub name: String,
    /// Program and leading arguments. A program with a `/` in it is looked for beside this file.
    pub command: Vec<String>,
    /// The runner's words in place of a command of the contract: `run = ["work"]`.
    #[serde(default)]
    pub commands: BTreeMap<String, Vec<String>>,
    /// The runner's words in place of an option of the contract: `"--drain" = []`.
    #[serde(default)]
    pub options: BTreeMap<String, Vec<String>>,
    /// The runner's names of the contract's variables: `AQ_QUEUE = "JOBS_DIR"`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The shadow log.
    #[serde(default)]
    pub log: LogTable,
    /// Clauses that it does not claim to keep. Their scenarios are not applicable to it.
    #[serde(default)]
    pub unsupported: BTreeSet<String>,
    /// What it is known to get wrong, for a time.
    #[serde(default, rename = "known_failure")]
    pub known_failures: Vec<KnownFailure>,
}

/// Where the shadow log lies and what its lines look like.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogTable {
    /// Its path below the queue folder; by default `.state/fleet-shadow.log`.
    pub path: Option<String>,
    /// What a line is; by default `borrowed_json`.
    #[serde(default)]
    pub form: LogLineFormat,
    /// Of `tab`: the contract's name of each column, in order; `-` for one that has none.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The runner's names of the contract's fields: `localJob = "local"`.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// The runner's words for the contract's values, by field: `verdict = { AGREE = "same" }`.
    #[serde(default)]
    pub values: BTreeMap<String, BTreeMap<String, String>>,
    /// What stands for none; by default nothing at all. In `borrowed_json`, `null` does too.
    #[serde(default)]
    pub none: String,
}

/// Reads and checks the file.
pub fn read(path: &Path) -> Result<Profile, ProfileError> {
    let text = std::fs::read_to_string(path).map_err(|error| ProfileError::Unreadable {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    let wrong = |line, message| ProfileError::Wrong {
        path: path.to_owned(),
        line,
        message,
    };
    let file: ProfileFile = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| parse::line_of(&text, span.start));
        wrong(line, parse::explain(error.message()))
    })?;
    let log = file.log.path.as_ref();
    if let Some(stray) = log.and_then(|log| StrayPath::below("the queue folder", "path", log)) {
        return Err(wrong(
            parse::line_of(&text, stray.offset_in(&text)),
            stray.message(),
        ));
    }
    match contradiction(&file) {
        Some((needle, message)) => Err(wrong(parse::line_with(&text, &needle), message)),
        None => Ok(profile(file, path)),
    }
}

/// The schema as it is checked in.
pub fn schema() -> String {
    let schema = schemars::schema_for!(ProfileFile);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

fn profile(file: ProfileFile, path: &Path) -> Profile {
    let mut command = file.command;
    if command[0].contains('/') {
        let folder = path.parent().unwrap_or(Path::new("."));
        let program = folder.join(&command[0]);
        let program = program.canonicalize().unwrap_or(program);
        command[0] = program.to_string_lossy().into_owned();
    }
    Profile {
        name: file.name,
        command,
        commands: file.commands,
        options: file.options,
        environment: file.environment,
        shadow_log: file.log.path.unwrap_or_else(|| ".state/fleet-shadow.log".into()),
        log: LogFormat {
            form: file.log.form,
            columns: file.log.columns,
            fields: file.log.fields,
            values: file.log.values,
            none: file.log.none,
        },
        unsupported: file.unsupported,
        known_failures: file.known_failures,
    }
}

/// What types alone can't refuse: what to look for in the file, and the message.
fn contradiction(file: &ProfileFile) -> Option<(String, String)> {
    if file.command.is_empty() {
        return Some(("command".into(), "`command` names no program".into()));
    }
    if let Some(id) = file.unsupported.iter().find(|id| clause::named(id).is_none()) {
        let message = format!(
            "`{id}` is no clause; docs/runner-contract.md and docs/coordinator-contract.md have them all"
        );
        return Some((format!("\"{id}\""), message));
    }
    if (file.log.form == LogLineFormat::Tab) == file.log.columns.is_empty() {
        let message = "`columns` goes with `form = \"tab\"`, and with no other form";
        return Some(("form".into(), message.into()));
    }
    let day = |text: &str| text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10;
    let undated = file.known_failures.iter().find(|known| !day(&known.until));
    undated.map(|known| {
        let message = format!("`{}` is no day; write one like `2026-05-01`", known.until);
        (format!("\"{}\"", known.until), message)
    })
}
