//! Starts a program for a question that costs nothing. It runs under a supervisor, so that nothing of it is left
//! afterwards.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;

use crate::character_cut::whole_characters;
use crate::supervise::process_record::{MARK_VARIABLE, ProcessTag};
use crate::supervise::{self, CommandOutcome, CommandSpec, CommandStreams, LogSpec};

/// How long a program may take to print its version.
const LIMIT_MS: u64 = 20_000;
const GRACE_MS: u64 = 500;
const SHOWN_MAX: usize = 60;
const OUTPUT_BYTES_MAX: u64 = 256 * 1024;

/// How the program ended, and what it printed.
#[derive(Debug)]
pub(super) struct ProbeResult {
    pub(super) end: CommandOutcome,
    pub(super) output: String,
}

impl ProbeResult {
    pub(super) fn is_success(&self) -> bool {
        matches!(self.end, CommandOutcome::Exited { code: Some(0), .. })
    }

    /// How it ended, for people.
    pub(super) fn how(&self) -> String {
        match &self.end {
            CommandOutcome::Exited { code: Some(code), .. } => format!("exit code {code}"),
            CommandOutcome::TimedOut => format!("no end within {} s", LIMIT_MS / 1000),
            CommandOutcome::NotStarted { error, .. } | CommandOutcome::ProgramUnusable { error } => {
                error.clone()
            }
            _ => String::from("it was ended by a signal"),
        }
    }

    /// Returns the line that has a version; warnings may come before it.
    pub(super) fn version(&self) -> Option<String> {
        let lines = || self.output.lines().map(str::trim).filter(|line| !line.is_empty());
        let line = lines()
            .find(|line| has_version(line))
            .or_else(|| lines().next())?;
        Some(line.chars().take(SHOWN_MAX).collect())
    }
}

/// Whether a line has something like `1.2`.
fn has_version(line: &str) -> bool {
    let bytes = line.as_bytes();
    bytes
        .windows(3)
        .any(|three| three[0].is_ascii_digit() && three[1] == b'.' && three[2].is_ascii_digit())
}

/// Runs the program in a folder of its own, without input.
pub(super) async fn ask(
    program: &Path,
    args: &[String],
    environment: &[(OsString, OsString)],
) -> io::Result<ProbeResult> {
    let folder = tempfile::tempdir()?;
    let mut output = tempfile::tempfile()?;
    // The record of its processes matters only while it runs.
    let record = tempfile::tempfile()?;
    let order = CommandSpec {
        program: program.into(),
        args: args.iter().map(OsString::from).collect(),
        cwd: folder.path().into(),
        within: None,
        timeout_ms: LIMIT_MS,
        idle_timeout_ms: None,
        grace_ms: GRACE_MS,
        fence: None,
        log: LogSpec::of_beginning(OUTPUT_BYTES_MAX),
    };
    let stdin = File::open("/dev/null")?;
    let streams = CommandStreams {
        stdin: stdin.as_fd(),
        log: output.as_fd(),
        // Not used: there is no file but the first one.
        log_folder: output.as_fd(),
        record: &record,
        locks: Vec::new(),
    };
    // As for a job: where orphans can't be adopted, what it leaves behind is recognised by nothing else.
    let mark = (MARK_VARIABLE.into(), ProcessTag::fresh().as_str().into());
    let environment: Vec<_> = environment.iter().cloned().chain([mark]).collect();
    let running = supervise::start(None, &order, &environment, &streams)?;
    let end = running.ending().await?;
    running.collect();
    output.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    Ok(ProbeResult {
        end,
        output: whole_characters(&bytes),
    })
}
