//! Fake engines: what a runner finds on PATH in place of an engine, `verify-it` or `ship-it`. Each start asks the
//! harness over a Unix socket what to do, so that the harness knows of every start and of every end.
//! `engine_process` is the process that was started, `server` the harness's side.

mod connection;
pub mod engine_process;
pub mod engine_run;
pub mod server;
mod server_loop;
mod success_events;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::scenario::SpawnKind;
use crate::signal_dispositions::SignalDispositions;

/// The hidden command that a fake engine is.
pub const COMMAND: &str = "fake-engine";
/// The line in a prompt by which a fake engine knows its job.
pub const JOB_LINE: &str = "fake-engine: ";
/// Fakes of commands, which find the job as their first argument.
pub const VERIFY: &str = "verify-it";
pub const SHIP: &str = "ship-it";

/// What a fake engine says of itself when it starts: everything that the runner decided about its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineHello {
    /// The name that it was called by.
    pub tool: String,
    pub pid: u32,
    pub arguments: Vec<String>,
    pub environment: BTreeMap<String, String>,
    pub folder: String,
    pub stdin: StdinState,
    /// The signals that it does not have the default of.
    pub signals: SignalDispositions,
    /// Its prompt, from standard input or from the file that an argument names.
    pub prompt: String,
    /// The argument lists of the processes above it, nearest first.
    pub ancestors: Vec<String>,
    /// The run that this process goes on with, after it replaced itself.
    pub resumes: Option<usize>,
}

impl EngineHello {
    /// The job that it was started for: named by its first argument, or by a line of its prompt.
    fn job(&self) -> Option<String> {
        if [VERIFY, SHIP].contains(&self.tool.as_str()) {
            return self.arguments.first().cloned();
        }
        let in_text = |text: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(JOB_LINE).map(|id| id.trim().to_owned()))
        };
        in_text(&self.prompt).or_else(|| self.arguments.iter().find_map(|argument| in_text(argument)))
    }
}

/// What was found on standard input (clause O-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StdinState {
    /// It could be read to its end.
    Ended,
    /// It stayed open and silent.
    Open,
}

/// What a fake engine is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineInstructions {
    pub run: usize,
    pub duration_ms: u64,
    pub exit: i32,
    pub writes: Vec<String>,
    pub prints: String,
    pub ignores_term: bool,
    pub spawns: Option<SpawnInstruction>,
}

/// A process that a fake engine leaves running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpawnInstruction {
    Child,
    Setsid,
    DoubleFork,
}

impl From<SpawnKind> for SpawnInstruction {
    fn from(spawns: SpawnKind) -> SpawnInstruction {
        match spawns {
            SpawnKind::Child => SpawnInstruction::Child,
            SpawnKind::Setsid => SpawnInstruction::Setsid,
            SpawnKind::DoubleFork => SpawnInstruction::DoubleFork,
        }
    }
}

/// What a fake engine says after its hello; a connection that closes without `Exits` was a fake engine that was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineMessage {
    /// It got SIGTERM. Of that it ends, unless it ignores it.
    GotTerm,
    Exits(i32),
    Resumes,
}

/// Makes this file, or empties the one that is there; not where a link leads, which a job may have made.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}
