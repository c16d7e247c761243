//! One `[engine.NAME]` table, checked.

use serde::Deserialize;

use super::failure_rules::{FailureRules, OutputRule};

/// All that a table may say.
const KEYS: [&str; 11] = [
    "command",
    "args",
    "yolo",
    "stdin",
    "limit",
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

#[derive(Debug, Clone)]
pub(super) struct EngineAdapter {
    pub(super) command: String,
    pub(super) args: Vec<ArgumentTemplate>,
    pub(super) yolo: Vec<String>,
    pub(super) stdin: EngineStdin,
    /// What its output says where it failed because it is used up for a while.
    pub(super) limit: Vec<String>,
    /// The rules by which exit code 0 is no success.
    pub(super) rules: FailureRules,
    /// The arguments that make it tell its version; none: it tells none.
    pub(super) version: Vec<String>,
    /// The arguments of a question that it answers with exit code 0 if it is logged in.
    pub(super) login: Vec<String>,
    /// `NAME=VALUE`, without which it skips no permission questions for root.
    pub(super) root_needs: Option<String>,
}

/// One element of `args`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ArgumentTemplate {
    Literal(String),
    Prompt,
    PromptFile,
    /// The folder that it works in, which it is started in as well.
    Folder,
    /// The switch that skips permission questions, where the job asks for it.
    Yolo,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdapterTable {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    yolo: Vec<String>,
    #[serde(default = "prompt_on_stdin")]
    stdin: EngineStdin,
    #[serde(default)]
    limit: Vec<String>,
    #[serde(default)]
    failure: Vec<String>,
    #[serde(default)]
    success: Vec<String>,
    #[serde(default)]
    needs_output: bool,
    #[serde(default = "long_version")]
    version: Vec<String>,
    #[serde(default)]
    login: Vec<String>,
    root_needs: Option<String>,
}

impl EngineAdapter {
    pub(super) fn new(table: &toml::Table) -> Result<EngineAdapter, String> {
        if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown_key(unknown));
        }
        let table: AdapterTable = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())?;
        let args: Vec<ArgumentTemplate> = table.args.into_iter().map(part).collect();
        if table.command.is_empty() {
            return Err("`command` is empty: name the program".to_owned());
        }
        if table.stdin == EngineStdin::Nothing
            && !args
                .iter()
                .any(|part| matches!(part, ArgumentTemplate::Prompt | ArgumentTemplate::PromptFile))
        {
            return Err(
                "the prompt goes nowhere: add \"{prompt_file}\" to `args`, or say stdin = \"prompt\""
                    .to_owned(),
            );
        }
        if !table.yolo.is_empty() && !args.contains(&ArgumentTemplate::Yolo) {
            return Err("`yolo` has no place: put \"{yolo}\" into `args` where it belongs".to_owned());
        }
        let read = |texts: &[String]| {
            texts
                .iter()
                .map(|text| OutputRule::new(text))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(EngineAdapter {
            rules: FailureRules {
                failure: read(&table.failure)?,
                success: read(&table.success)?,
                needs_output: table.needs_output,
            },
            version: table.version,
            login: table.login,
            root_needs: table.root_needs,
            command: table.command,
            args,
            yolo: table.yolo,
            stdin: table.stdin,
            limit: table
                .limit
                .into_iter()
                .filter(|part| !part.trim().is_empty())
                .collect(),
        })
    }
}

impl EngineAdapter {
    /// Behind the words that stand before everything else, as they name a command of the program.
    pub(super) fn help(&self) -> Vec<String> {
        let leading = self.args.iter().map_while(|part| match part {
            ArgumentTemplate::Literal(text) if !text.starts_with('-') && !text.is_empty() => {
                Some(text.clone())
            }
            _ => None,
        });
        leading.chain(["--help".to_owned()]).collect()
    }

    /// Those that a help text would name: `--name`, also of `--name=value`, and `-n`.
    pub(super) fn switches(&self) -> Vec<String> {
        let literals = self.args.iter().filter_map(|part| match part {
            ArgumentTemplate::Literal(text) => Some(text),
            _ => None,
        });
        literals
            .chain(&self.yolo)
            .filter(|part| part.len() > 1 && part.starts_with('-') && *part != "--")
            .map(|part| part.split('=').next().unwrap_or(part).to_owned())
            .collect()
    }
}

fn part(text: String) -> ArgumentTemplate {
    match text.as_str() {
        "{prompt}" => ArgumentTemplate::Prompt,
        "{prompt_file}" => ArgumentTemplate::PromptFile,
        "{yolo}" => ArgumentTemplate::Yolo,
        "{cwd}" => ArgumentTemplate::Folder,
        _ => ArgumentTemplate::Literal(text),
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
