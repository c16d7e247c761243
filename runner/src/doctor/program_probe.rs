//! Asks a program something that costs nothing, under a supervisor: whatever it does, nothing of it is left afterwards.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;

use crate::supervise::{self, CommandOutcome, CommandSpec, CommandStreams};

/// A program that is slower to tell its version will be no joy to work with.
const LIMIT_MS: u64 = 20_000;
const GRACE_MS: u64 = 500;
const SHOWN_MAX: usize = 60;
const OUTPUT_BYTES_MAX: u64 = 256 * 1024;

/// What the program said.
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
            CommandOutcome::NotStarted { error } => error.clone(),
            _ => String::from("it was ended by a signal"),
        }
    }

    /// The line that tells a version, which warnings may come before.
    pub(super) fn version(&self) -> Option<String> {
        let lines = || self.output.lines().map(str::trim).filter(|line| !line.is_empty());
        let line = lines()
            .find(|line| has_version(line))
            .or_else(|| lines().next())?;
        Some(line.chars().take(SHOWN_MAX).collect())
    }
}

/// `1.2`
fn has_version(line: &str) -> bool {
    let bytes = line.as_bytes();
    bytes
        .windows(3)
        .any(|three| three[0].is_ascii_digit() && three[1] == b'.' && three[2].is_ascii_digit())
}

/// In a folder of its own, without input.
pub(super) async fn ask(
    program: &Path,
    args: &[String],
    environment: &[(OsString, OsString)],
) -> io::Result<ProbeResult> {
    let folder = tempfile::tempdir()?;
    let mut output = tempfile::tempfile()?;
    // Who belongs to it is of interest while it runs only.
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
    };
    let stdin = File::open("/dev/null")?;
    let streams = CommandStreams {
        stdin: stdin.as_fd(),
        log: output.as_fd(),
        record: &record,
        locks: Vec::new(),
    };
    let running = supervise::start(None, &order, environment, &streams)?;
    let end = running.ending().await?;
    running.collect();
    output.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    output.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(ProbeResult {
        end,
        output: String::from_utf8_lossy(&bytes).into_owned(),
    })
}
