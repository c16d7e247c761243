//! What each key of the front matter means, and the message for a value that is wrong.

use std::path::PathBuf;
use std::time::Duration;

use super::front_matter::{FrontMatterEntry, FrontMatterValue, ListItem};
use super::known_keys::{KeyKind, kind_of, nearest_key};
use super::{Job, JobDiagnostic, JobIdSource, ParsedJob, TIMEOUT_DEFAULT};
use crate::duration_text::parse_duration;
use crate::ids::{Capability, EngineName, InvalidId, JobId, LockName};

const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const RETRIES_MAX: i64 = 100;

pub(super) fn read(
    naming: JobIdSource<'_>,
    file: &str,
    entries: &[FrontMatterEntry],
    body: &str,
) -> Result<ParsedJob, JobDiagnostic> {
    let reader = FieldReader { file, entries };
    let mut warnings = reader.unknown_keys()?;
    warnings.extend(reader.values_cut_by_comments());
    let job = Job {
        id: reader.id(naming)?,
        engine: reader.engine()?,
        cwd: reader.folder("cwd")?,
        yolo: reader.switch("yolo")?,
        lock: reader.name("lock", LockName::new)?,
        timeout: reader.duration("timeout")?.unwrap_or(TIMEOUT_DEFAULT),
        idle_timeout: reader.duration("idle_timeout")?,
        priority: reader.integer("priority", i64::MIN..=i64::MAX)?.unwrap_or(0),
        caps: reader.caps()?,
        verify: reader.command("verify")?,
        review: reader.switch("review")?,
        ship: reader.command("ship")?,
        retries: reader
            .integer("retries", 0..=RETRIES_MAX)?
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(0),
        retry_delay: reader.wait("retry_delay")?,
        prompt: body.to_owned(),
    };
    Ok(ParsedJob { job, warnings })
}

struct FieldReader<'a> {
    file: &'a str,
    entries: &'a [FrontMatterEntry],
}

impl<'a> FieldReader<'a> {
    fn refuse(&self, line: usize, text: impl Into<String>) -> JobDiagnostic {
        JobDiagnostic::new(self.file, line, text)
    }

    fn entry(&self, key: &str) -> Option<&'a FrontMatterEntry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn unknown_keys(&self) -> Result<Vec<JobDiagnostic>, JobDiagnostic> {
        let mut warnings = Vec::new();
        for entry in self.entries.iter().filter(|entry| kind_of(&entry.key).is_none()) {
            let shown: String = entry.key.escape_debug().take(60).collect();
            if let Some(known) = nearest_key(&entry.key) {
                let text = format!("`{shown}` is no key of a job: write `{known}`");
                return Err(self.refuse(entry.line, text));
            }
            let text = format!("`{shown}` is no key of a job; it is ignored");
            warnings.push(self.refuse(entry.line, text));
        }
        Ok(warnings)
    }

    /// Values that are cut where their author wrote on.
    fn values_cut_by_comments(&self) -> impl Iterator<Item = JobDiagnostic> {
        let cut = self
            .entries
            .iter()
            .filter(|entry| entry.is_cut && kind_of(&entry.key) == Some(KeyKind::Text));
        cut.filter_map(|entry| {
            let FrontMatterValue::Text(value) = &entry.value else {
                return None;
            };
            let (key, value) = (&entry.key, value.escape_debug());
            let text = format!("`{key}` is `{value}`: what follows ` #` is a comment; if it belongs to `{key}`, put all of it in quotes");
            Some(self.refuse(entry.line, text))
        })
    }

    fn id(&self, naming: JobIdSource<'_>) -> Result<JobId, JobDiagnostic> {
        let key = self.name("id", JobId::new)?;
        let line = self.entry("id").map_or(1, |entry| entry.line);
        match (naming, key) {
            (JobIdSource::IdKey, Some(id)) => Ok(id),
            (JobIdSource::IdKey, None) => {
                let text = "a job from standard input needs a name: add a key such as `id: fix-login`";
                Err(self.refuse(1, text))
            }
            (JobIdSource::FileName(name), key) => {
                let id =
                    JobId::new(name).map_err(|error| self.refuse(1, format!("the file's name: {error}")))?;
                match key.filter(|key| *key != id) {
                    None => Ok(id),
                    Some(key) => {
                        let text = format!(
                            "`id: {key}` contradicts the file's name: remove the key, or name the file {key}.md"
                        );
                        Err(self.refuse(line, text))
                    }
                }
            }
        }
    }

    fn engine(&self) -> Result<EngineName, JobDiagnostic> {
        let missing = "`engine` is missing: say who does the work, such as `engine: claude`";
        let engine = self.name("engine", EngineName::new)?;
        engine.ok_or_else(|| self.refuse(1, missing))
    }

    fn text(&self, key: &str, what: &str) -> Result<Option<(usize, String)>, JobDiagnostic> {
        let Some(entry) = self.entry(key) else {
            return Ok(None);
        };
        match &entry.value {
            FrontMatterValue::Text(text) if !text.is_empty() && !text.contains('\0') => {
                Ok(Some((entry.line, text.clone())))
            }
            // Of a name that YAML takes for a number, what counts is how it is written.
            FrontMatterValue::Integer(_) | FrontMatterValue::Fraction => {
                Ok(Some((entry.line, entry.written.clone())))
            }
            other => {
                let is = describe(other);
                let text = format!("`{key}` is {is}: write {what} (in quotes if in doubt)");
                Err(self.refuse(entry.line, text))
            }
        }
    }

    /// A folder; `~` is the home of this user, as it is in a shell.
    fn folder(&self, key: &str) -> Result<Option<PathBuf>, JobDiagnostic> {
        let Some((line, text)) = self.text(key, "a folder")? else {
            return Ok(None);
        };
        let Some(below) = text.strip_prefix('~') else {
            return Ok(Some(PathBuf::from(text)));
        };
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        match (
            home,
            below.strip_prefix('/').or_else(|| below.is_empty().then_some("")),
        ) {
            (Some(home), Some(below)) => Ok(Some(home.join(below.trim_start_matches('/')))),
            (None, Some(_)) => Err(self.refuse(
                line,
                format!("`{key}` is `{text}`, and HOME names no folder: write the whole path"),
            )),
            (_, None) => Err(self.refuse(
                line,
                format!(
                    "`{key}` is `{}`: only `~/` stands for a home, your own; write the whole path",
                    text.escape_debug()
                ),
            )),
        }
    }

    fn command(&self, key: &str) -> Result<Option<String>, JobDiagnostic> {
        let Some((line, text)) = self.text(key, "a shell command")? else {
            return Ok(None);
        };
        if text.trim().is_empty() {
            let text = format!("`{key}` is empty: write a shell command, or remove the key");
            return Err(self.refuse(line, text));
        }
        Ok(Some(text))
    }

    fn name<T>(&self, key: &str, new: fn(&str) -> Result<T, InvalidId>) -> Result<Option<T>, JobDiagnostic> {
        let Some((line, text)) = self.text(key, "a name")? else {
            return Ok(None);
        };
        new(&text)
            .map(Some)
            .map_err(|error| self.refuse(line, format!("`{key}`: {error}")))
    }

    fn switch(&self, key: &str) -> Result<bool, JobDiagnostic> {
        match self.entry(key) {
            None => Ok(false),
            Some(FrontMatterEntry {
                value: FrontMatterValue::Bool(value),
                ..
            }) => Ok(*value),
            Some(entry) => {
                let text = format!("`{key}` is {}: write true or false", describe(&entry.value));
                Err(self.refuse(entry.line, text))
            }
        }
    }

    fn integer(
        &self,
        key: &str,
        allowed: std::ops::RangeInclusive<i64>,
    ) -> Result<Option<i64>, JobDiagnostic> {
        let Some(entry) = self.entry(key) else {
            return Ok(None);
        };
        let limits = match *allowed.start() {
            i64::MIN => "a whole number".to_owned(),
            start => format!("a whole number from {start} to {}", allowed.end()),
        };
        match &entry.value {
            FrontMatterValue::Integer(value) if allowed.contains(value) => Ok(Some(*value)),
            other => {
                let text = format!("`{key}` is {}: write {limits}", describe(other));
                Err(self.refuse(entry.line, text))
            }
        }
    }

    fn duration(&self, key: &str) -> Result<Option<Duration>, JobDiagnostic> {
        self.length(key, |length| !length.is_zero(), "90s, 15m, 4h, 1h30m or 1d")
    }

    /// A time that may be nothing.
    fn wait(&self, key: &str) -> Result<Option<Duration>, JobDiagnostic> {
        self.length(key, |_| true, "30s, 5m or 0s")
    }

    fn length(
        &self,
        key: &str,
        is_allowed: fn(&Duration) -> bool,
        examples: &str,
    ) -> Result<Option<Duration>, JobDiagnostic> {
        let Some((line, text)) = self.text(key, "a length of time such as 15m")? else {
            return Ok(None);
        };
        let found = parse_duration(&text).filter(|length| is_allowed(length) && *length <= TIME_MAX);
        match found {
            Some(length) => Ok(Some(length)),
            None => {
                let shown: String = text.escape_debug().take(40).collect();
                let text = format!("`{key}` is `{shown}`: write a length of time such as {examples}");
                Err(self.refuse(line, text))
            }
        }
    }

    fn caps(&self) -> Result<Vec<Capability>, JobDiagnostic> {
        let Some(entry) = self.entry("caps") else {
            return Ok(Vec::new());
        };
        let advice = "write a list such as `caps: [gpu, linux]`";
        let FrontMatterValue::List(values) = &entry.value else {
            let text = format!("`caps` is {}: {advice}", describe(&entry.value));
            return Err(self.refuse(entry.line, text));
        };
        let one = |item: &ListItem| {
            let name = match &item.value {
                FrontMatterValue::Text(text) => text.clone(),
                FrontMatterValue::Integer(_) | FrontMatterValue::Fraction => item.written.clone(),
                other => return Err(format!("`caps` holds {}: {advice}", describe(other))),
            };
            Capability::new(&name).map_err(|error| format!("`caps`: {error}"))
        };
        let caps: Result<_, _> = values.iter().map(one).collect();
        caps.map_err(|text| self.refuse(entry.line, text))
    }
}

fn describe(value: &FrontMatterValue) -> String {
    match value {
        FrontMatterValue::Nothing => "empty".to_owned(),
        FrontMatterValue::Bool(value) => format!("`{value}`"),
        FrontMatterValue::Integer(value) => format!("`{value}`"),
        FrontMatterValue::Text(text) => format!("`{}`", text.escape_debug().take(40).collect::<String>()),
        FrontMatterValue::List(_) => "a list".to_owned(),
        FrontMatterValue::Fraction => "a number that is not plain and whole".to_owned(),
        FrontMatterValue::Table => "a table".to_owned(),
    }
}
