//! `--set key=value`: one front matter key of a job file replaced or added, all other bytes left as they are.

use super::known_keys::{self, KeyKind};
use super::{JobDiagnostic, front_matter};

/// A front matter key with the value that it is to have, as typed on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrontMatterOverride {
    key: String,
    kind: KeyKind,
    value: String,
}

impl std::str::FromStr for FrontMatterOverride {
    type Err = String;

    fn from_str(text: &str) -> Result<FrontMatterOverride, String> {
        let (key, value) = text.split_once('=').ok_or("write it like priority=5")?;
        let unknown = || match known_keys::nearest_key(key) {
            Some(known) => format!("`{key}` is no key of a job; did you mean `{known}`?"),
            None => format!("`{key}` is no key of a job"),
        };
        let kind = known_keys::kind_of(key).ok_or_else(unknown)?;
        let (key, value) = (key.to_owned(), value.to_owned());
        Ok(FrontMatterOverride { key, kind, value })
    }
}

impl FrontMatterOverride {
    fn line(&self) -> String {
        let value = match self.kind {
            KeyKind::Switch | KeyKind::Number => self.value.clone(),
            KeyKind::List if self.value.starts_with('[') => self.value.clone(),
            KeyKind::List => format!("[{}]", self.value),
            KeyKind::Text if is_plain(&self.value) => self.value.clone(),
            // A JSON string is a double-quoted YAML string.
            KeyKind::Text => serde_json::Value::from(self.value.as_str()).to_string(),
        };
        format!("{}: {value}\n", self.key)
    }
}

/// The job file with the given keys replaced; `text` has front matter that can be read, or this says why not.
pub(crate) fn with_overrides(
    file: &str,
    text: &str,
    overrides: &[FrontMatterOverride],
) -> Result<String, JobDiagnostic> {
    let mut text = text.to_owned();
    for replacement in overrides {
        text = with_override(file, &text, replacement)?;
    }
    Ok(text)
}

fn with_override(file: &str, text: &str, replacement: &FrontMatterOverride) -> Result<String, JobDiagnostic> {
    let parts = front_matter::split(file, text)?;
    let entries = front_matter::parse(file, parts.yaml)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let closing = parts.body_line - 2;
    let (from, to) = match entries.iter().position(|entry| entry.key == replacement.key) {
        None => (closing, closing),
        Some(index) => {
            let from = entries[index].line - 1;
            let next = entries.get(index + 1).map_or(closing, |entry| entry.line - 1);
            if next <= from || (index > 0 && entries[index - 1].line - 1 == from) {
                let key = &replacement.key;
                let text = format!("`{key}` shares its line with another key: give each a line of its own");
                return Err(JobDiagnostic::new(file, from + 1, text));
            }
            (from, from + value_lines(&lines[from..next]))
        }
    };
    let before = lines[..from].concat();
    Ok(before + &replacement.line() + &lines[to..].concat())
}

/// Blank lines and comments behind a value belong to what follows.
fn value_lines(lines: &[&str]) -> usize {
    let is_filler = |line: &&&str| line.trim().is_empty() || line.starts_with('#');
    lines.len() - lines.iter().skip(1).rev().take_while(is_filler).count()
}

/// Whether YAML reads the bare text as that very string.
fn is_plain(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let special = [
        "true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan",
    ];
    let durations = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let starts_well =
        text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/' || first == '.');
    (starts_well || (durations && text.bytes().any(|byte| b"smh".contains(&byte))))
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._/@-".contains(&byte))
        && !special.contains(&lower.as_str())
}
