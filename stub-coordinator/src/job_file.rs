//! Job files as the runner takes them: Markdown with YAML front matter. Read here so that a person can put the same
//! file before the runner and into the fake coordinator.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::config::NewJob;
use crate::contract::name_hint::hint;
use crate::contract::signed_duration::SignedDuration;

/// The largest job file.
const FILE_LIMIT: u64 = 1_048_576;
const DAY_MS: u64 = 86_400_000;
const KEYS: [&str; 13] = [
    "engine",
    "cwd",
    "yolo",
    "lock",
    "timeout",
    "idle_timeout",
    "priority",
    "caps",
    "verify",
    "review",
    "ship",
    "retries",
    "id",
];

/// Why a job file is none.
#[derive(Debug, Error)]
pub enum JobFileError {
    /// It can't be read.
    #[error("can't read {path}; check the path and its permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It says something that a job file can't say.
    #[error("{path}: {what}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What, and what to write instead.
        what: String,
    },
}

/// A job that was read, with remarks about what was ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFile {
    /// The job, named as its file.
    pub job: NewJob,
    /// Unknown keys, each with a hint.
    pub warnings: Vec<String>,
}

/// Reads a job file.
pub fn read_job_file(path: &Path) -> Result<JobFile, JobFileError> {
    let text = read_text(path).map_err(|source| JobFileError::Read {
        path: path.to_owned(),
        source,
    })?;
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_suffix(".md"));
    let content = |what: String| JobFileError::Content {
        path: path.to_owned(),
        what,
    };
    let name = name.ok_or_else(|| content("a job file is named `ID.md`".to_owned()))?;
    parse(name, &text).map_err(content)
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(io::Error::other("the file is over 1 MiB"));
    }
    Ok(text)
}

fn parse(name: &str, text: &str) -> Result<JobFile, String> {
    let (yaml, body) = split(text)?;
    if body.trim().is_empty() {
        return Err("the body is empty; write the prompt below the second `---`".to_owned());
    }
    let mut keys = front_matter(yaml)?;
    let warnings: Vec<_> = keys
        .keys()
        .filter(|key| !KEYS.contains(&key.as_str()))
        .map(|key| ignored(key))
        .collect();
    let engine =
        take_text(&mut keys, "engine")?.ok_or("`engine` is missing; name the engine that runs the job")?;
    if take_text(&mut keys, "id")?.is_some_and(|id| id != name) {
        return Err(format!("`id` must be the file's name, `{name}`"));
    }
    let mut job = NewJob::named(name, &engine);
    job.cwd = take_text(&mut keys, "cwd")?;
    job.yolo = take(&mut keys, "yolo", "true or false")?.unwrap_or(false);
    job.lock = take_text(&mut keys, "lock")?;
    job.timeout_ms = take_time(&mut keys, "timeout")?;
    job.idle_timeout_ms = take_time(&mut keys, "idle_timeout")?;
    job.priority = take(&mut keys, "priority", "a whole number")?.unwrap_or(0);
    job.caps = take(&mut keys, "caps", "a list of names")?.unwrap_or_default();
    job.verify = take_text(&mut keys, "verify")?;
    job.review = take(&mut keys, "review", "true or false")?.unwrap_or(false);
    job.ship = take_text(&mut keys, "ship")?;
    job.retries = take::<i32>(&mut keys, "retries", "a whole number")?
        .unwrap_or(0)
        .unsigned_abs();
    job.body = body.to_owned();
    Ok(JobFile { job, warnings })
}

fn split(text: &str) -> Result<(&str, &str), String> {
    let shape = || "a job file begins with front matter between two lines `---`".to_owned();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text
        .split_inclusive('\n')
        .next()
        .filter(|line| line.trim_end() == "---")
        .ok_or_else(shape)?;
    let rest = &text[first.len()..];
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Ok((&rest[..at], &rest[at + line.len()..]));
        }
        at += line.len();
    }
    Err(shape())
}

fn front_matter(yaml: &str) -> Result<Map<String, Value>, String> {
    if yaml
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(Map::new());
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_anchors: 0, max_aliases: 0, max_depth: 16, max_documents: 1 },
        strict_booleans: true,
    };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        let reason = error.without_snippet().to_string();
        let reason = reason.lines().next().unwrap_or_default().to_owned();
        format!("the front matter can't be read: {reason}; write one `key: value` a line")
    })
}

fn ignored(key: &str) -> String {
    format!("`{key}` is no key of a job and is ignored{}", hint(key, KEYS))
}

fn take_text(keys: &mut Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match keys.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(format!("`{key}` must be text")),
    }
}

/// Takes a key that may be left out, or says what it must be.
fn take<T: DeserializeOwned>(
    keys: &mut Map<String, Value>,
    key: &str,
    what: &str,
) -> Result<Option<T>, String> {
    let value = keys.remove(key).unwrap_or_default();
    serde_json::from_value(value).map_err(|_| format!("`{key}` must be {what}"))
}

fn take_time(keys: &mut Map<String, Value>, key: &str) -> Result<Option<u64>, String> {
    let Some(text) = take_text(keys, key)? else {
        return Ok(None);
    };
    // Only a job file counts in days.
    let (days, rest) = match text.split_once('d') {
        Some((days, rest)) => (days.parse().ok(), rest),
        None => (Some(0_u64), text.as_str()),
    };
    let time = match rest {
        "" => Some(0),
        rest => SignedDuration::parse(rest)
            .and_then(SignedDuration::forward)
            .and_then(|time| u64::try_from(time.as_millis()).ok()),
    };
    let millis = days
        .zip(time)
        .and_then(|(days, time)| days.checked_mul(DAY_MS)?.checked_add(time));
    millis
        .filter(|millis| *millis > 0)
        .map(Some)
        .ok_or_else(|| format!("`{key}` must be a length of time such as 90s, 15m, 1h30m or 1d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "---\nengine: devin\ncwd: /srv/site\nyolo: true\nlock: site\ntimeout: 1h30m\ncaps: [linux]\n---\nDo it.\n";

    #[test]
    fn a_job_file_of_the_runner_is_a_job_here() {
        let read = parse("tidy", FILE).expect("a job");
        let wanted = NewJob {
            cwd: Some("/srv/site".to_owned()),
            yolo: true,
            lock: Some("site".to_owned()),
            timeout_ms: Some(5_400_000),
            caps: vec!["linux".to_owned()],
            body: "Do it.\n".to_owned(),
            ..NewJob::named("tidy", "devin")
        };
        assert_eq!(
            read,
            JobFile {
                job: wanted,
                warnings: Vec::new()
            }
        );
    }

    #[test]
    fn a_length_of_time_may_have_days() {
        for (length, millis) in [
            ("1d", Some(86_400_000)),
            ("1d12h", Some(129_600_000)),
            ("90s", Some(90_000)),
            ("0d", None),
            ("d", None),
            ("1h1d", None),
            ("99999999999999d", None),
        ] {
            let read = parse("tidy", &FILE.replace("1h30m", length)).ok();
            assert_eq!(read.and_then(|read| read.job.timeout_ms), millis, "{length}");
        }
    }

    #[test]
    fn an_unknown_key_is_a_warning_with_a_hint() {
        let file = FILE.replace("yolo: true", "yollo: true");
        let read = parse("tidy", &file).expect("a job");
        assert!(!read.job.yolo);
        assert_eq!(
            read.warnings,
            ["`yollo` is no key of a job and is ignored; did you mean `yolo`?"]
        );
    }

    #[test]
    fn what_is_no_job_is_refused_with_its_reason() {
        for (file, reason) in [
            ("engine: sh\n", "front matter"),
            ("---\nengine: sh\n", "front matter"),
            ("---\nyolo: true\n---\nDo it.\n", "`engine` is missing"),
            ("---\nengine: sh\n---\n \n", "the body is empty"),
            (
                "---\nengine: sh\nyolo: maybe\n---\nx\n",
                "`yolo` must be true or false",
            ),
            (
                "---\nengine: sh\ntimeout: soon\n---\nx\n",
                "`timeout` must be a length of time",
            ),
            (
                "---\nengine: sh\npriority: high\n---\nx\n",
                "`priority` must be a whole number",
            ),
            (
                "---\nengine: sh\nid: other\n---\nx\n",
                "`id` must be the file's name",
            ),
            ("---\nengine: sh\nengine: sh\n---\nx\n", "can't be read"),
        ] {
            let error = parse("tidy", file).expect_err(file);
            assert!(error.contains(reason), "{file:?}: {error}");
        }
    }
}
