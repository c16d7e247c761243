//! One `[engine.NAME]` table, checked.

use serde::Deserialize;

/// What an engine finds on its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stdin {
    /// The prompt, and then its end.
    Prompt,
    /// The null device.
    Nothing,
}

#[derive(Debug, Clone)]
pub(super) struct Adapter {
    pub(super) command: String,
    pub(super) args: Vec<Part>,
    pub(super) yolo: Vec<String>,
    pub(super) stdin: Stdin,
    /// What its output says where it failed because it is used up for a while.
    pub(super) limit: Vec<String>,
}

/// One element of `args`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Prompt,
    PromptFile,
    /// The switch that skips permission questions, where the job asks for it.
    Yolo,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    yolo: Vec<String>,
    #[serde(default = "prompt_on_stdin")]
    stdin: Stdin,
    #[serde(default)]
    limit: Vec<String>,
}

impl Adapter {
    pub(super) fn new(table: &toml::Table) -> Result<Adapter, String> {
        let table: Table = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())?;
        let args: Vec<Part> = table.args.into_iter().map(part).collect();
        if table.command.is_empty() {
            return Err("`command` is empty: name the program".to_owned());
        }
        if table.stdin == Stdin::Nothing
            && !args
                .iter()
                .any(|part| matches!(part, Part::Prompt | Part::PromptFile))
        {
            return Err(
                "the prompt goes nowhere: add \"{prompt_file}\" to `args`, or say stdin = \"prompt\""
                    .to_owned(),
            );
        }
        if !table.yolo.is_empty() && !args.contains(&Part::Yolo) {
            return Err("`yolo` has no place: put \"{yolo}\" into `args` where it belongs".to_owned());
        }
        Ok(Adapter {
            command: table.command,
            args,
            yolo: table.yolo,
            stdin: table.stdin,
            limit: table
                .limit
                .into_iter()
                .filter(|word| !word.trim().is_empty())
                .collect(),
        })
    }
}

fn part(text: String) -> Part {
    match text.as_str() {
        "{prompt}" => Part::Prompt,
        "{prompt_file}" => Part::PromptFile,
        "{yolo}" => Part::Yolo,
        _ => Part::Literal(text),
    }
}

fn prompt_on_stdin() -> Stdin {
    Stdin::Prompt
}
