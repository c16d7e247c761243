//! A job as its file describes it, or why a file describes none.
//!
//! It turns bytes into a checked [`Job`] and touches no disk. Where the file lies, when the job runs and what runs it
//! is decided elsewhere.

mod fields;
mod front_matter;
mod known_keys;
mod overrides;
mod source_text;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::ids::{Capability, EngineName, JobId, LockName};

pub(crate) use overrides::{FrontMatterOverride, with_overrides};

/// The largest job file that is taken.
pub(crate) const FILE_BYTES_MAX: usize = 1024 * 1024;
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(4 * 60 * 60);

/// What a job file asks for, every value checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) engine: EngineName,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) yolo: bool,
    pub(crate) lock: Option<LockName>,
    pub(crate) timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) priority: i64,
    pub(crate) caps: Vec<Capability>,
    pub(crate) verify: Option<String>,
    pub(crate) review: bool,
    pub(crate) ship: Option<String>,
    pub(crate) retries: u32,
    /// The wait before the first of these; none: the host's own.
    pub(crate) retry_delay: Option<Duration>,
    /// The body: what the engine is asked to do.
    pub(crate) prompt: String,
}

/// Where the id of a job comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum JobIdSource<'a> {
    /// The file's name without `.md`; an `id` key has to agree with it.
    FileName(&'a str),
    /// Nothing but the `id` key: the text came from a stream.
    IdKey,
}

/// A remark about one line of a job file. It starts with `file:line:`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct JobDiagnostic {
    file: String,
    line: usize,
    text: String,
}

impl JobDiagnostic {
    pub(crate) fn new(file: &str, line: usize, text: impl Into<String>) -> JobDiagnostic {
        JobDiagnostic {
            file: file.to_owned(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for JobDiagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// A job that was accepted, with remarks for its author.
#[derive(Debug)]
pub(crate) struct ParsedJob {
    pub(crate) job: Job,
    pub(crate) warnings: Vec<JobDiagnostic>,
}

/// Reads a job file; messages call it `file`.
pub(crate) fn parse(naming: JobIdSource<'_>, file: &str, bytes: &[u8]) -> Result<ParsedJob, JobDiagnostic> {
    let text = text_of(file, bytes)?;
    let parts = front_matter::split(file, text)?;
    let entries = front_matter::parse(file, parts.yaml)?;
    if parts.body.trim().is_empty() {
        let text = "the body is empty: write what the engine is to do below the closing `---`";
        return Err(JobDiagnostic::new(file, parts.body_line, text));
    }
    fields::read(naming, file, &entries, parts.body)
}

fn text_of<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, JobDiagnostic> {
    if bytes.len() > FILE_BYTES_MAX {
        let text = format!(
            "the file has {} bytes: keep it within {FILE_BYTES_MAX} and let the prompt name further files",
            bytes.len()
        );
        return Err(JobDiagnostic::new(file, 1, text));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes[..error.valid_up_to()].iter();
        let line = valid.filter(|byte| **byte == b'\n').count() + 1;
        let text = "this line is not UTF-8: save the file in that encoding";
        JobDiagnostic::new(file, line, text)
    })
}
