//! Starts a command under a supervisor of its own, a single-threaded process that outlives nothing and
//! lets nothing outlive it. This is the harness's side; `supervisor` is the supervisor itself.

mod process_tree;
mod spawn;
pub mod supervisor;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

/// The hidden command that the supervisor is.
pub const COMMAND: &str = "supervise";
/// The variable by which a supervisor knows what its command started, on systems where it needs one. The harness's own,
/// so nothing compares it.
pub(crate) const MARK: &str = "AQC_SUPERVISOR";

/// A command, where it runs and where its output goes.
#[derive(Debug)]
pub struct CommandSpec<'a> {
    /// The binary that has the hidden `supervise` subcommand.
    pub harness: &'a Path,
    pub program: Vec<String>,
    pub environment: &'a BTreeMap<String, String>,
    pub folder: &'a Path,
    /// `STEM.out`, `STEM.err` and `STEM.report` are written.
    pub output: PathBuf,
}

/// How a supervised command ended, and what it left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorReport {
    pub exit: ProcessExit,
    /// Processes that were alive after the command and had to be killed.
    pub stragglers: Vec<Straggler>,
}

/// The end of a process.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessExit {
    Code(i32),
    Signal(i32),
    /// The harness ended it.
    Deadline,
    /// It could not be started.
    NotStarted,
}

/// In words, because reports show what a check expects and observes by this.
impl fmt::Debug for ProcessExit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessExit::Code(code) => write!(to, "exit {code}"),
            ProcessExit::Signal(signal) => write!(to, "signal {signal}"),
            ProcessExit::Deadline => to.write_str("ended at its limit"),
            ProcessExit::NotStarted => to.write_str("could not be started"),
        }
    }
}

/// A process that had to be killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Straggler {
    pub pid: i32,
    pub command: String,
}

/// A running command.
#[derive(Debug)]
pub struct SupervisedCommand {
    handle: Arc<duct::Handle>,
    control: Option<PipeWriter>,
    report: PathBuf,
    pub started: Instant,
}

/// Why it is not known how a command ended.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    #[error("the supervisor of `{command}` can't be started")]
    Start {
        command: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the order `{word}` can't be sent to the supervisor")]
    Control {
        word: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the supervisor left no report at {}", path.display())]
    NoReport {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the supervisor's report at {} is unreadable", path.display())]
    BadReport {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

/// What is put before a program that ignores these signals from its beginning on. What a shell ignores, the program that
/// it is replaced by ignores too; that needs no unsafe code here.
pub(crate) fn ignoring(names: &str) -> [String; 4] {
    let script = format!("trap '' {names}; exec \"$@\"");
    ["sh", "-c", &script, "sh"].map(str::to_owned)
}

/// The signal of this name, of those that a scenario may send.
pub fn signal_of(name: &str) -> Option<Signal> {
    let signals = [
        ("TERM", Signal::TERM),
        ("INT", Signal::INT),
        ("HUP", Signal::HUP),
        ("KILL", Signal::KILL),
        ("STOP", Signal::STOP),
        ("CONT", Signal::CONT),
        ("QUIT", Signal::QUIT),
        ("PIPE", Signal::PIPE),
    ];
    signals
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, signal)| signal)
}

/// Starts the command; its output goes to files, because a captured pipe would wait for grandchildren.
pub fn start(order: &CommandSpec) -> Result<SupervisedCommand, SuperviseError> {
    let command = order.program.join(" ");
    let failed = |source| SuperviseError::Start {
        command: command.clone(),
        source,
    };
    let report = order.output.with_extension("report");
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let mut arguments: Vec<String> = vec![COMMAND.into(), report.to_string_lossy().into_owned()];
    arguments.extend(order.program.iter().cloned());
    let handle = duct::cmd(order.harness, &arguments)
        .full_env(order.environment)
        .dir(order.folder)
        .stdin_file(reader)
        .stdout_path(order.output.with_extension("out"))
        .stderr_path(order.output.with_extension("err"))
        .unchecked()
        .start()
        .map_err(failed)?;
    Ok(SupervisedCommand {
        handle: Arc::new(handle),
        control: Some(writer),
        report,
        started: Instant::now(),
    })
}

impl SupervisedCommand {
    /// Sends the command itself a signal, through its supervisor, which knows that the pid is still its own.
    pub fn signal(&mut self, name: &str) -> Result<(), SuperviseError> {
        let failed = |source| SuperviseError::Control {
            word: name.to_owned(),
            source,
        };
        match self.control.as_mut() {
            Some(control) => control.write_all(format!("{name}\n").as_bytes()).map_err(failed),
            None => Ok(()),
        }
    }

    /// Ends the command and all that it started.
    pub fn end(&mut self) {
        self.control = None;
    }

    /// The handle to wait for its end by.
    pub fn handle(&self) -> Arc<duct::Handle> {
        Arc::clone(&self.handle)
    }

    /// What the supervisor reports; to be asked once it ended.
    pub fn ended(&self) -> Result<SupervisorReport, SuperviseError> {
        let path = || self.report.clone();
        let text = std::fs::read(&self.report)
            .map_err(|source| SuperviseError::NoReport { path: path(), source })?;
        serde_json::from_slice(&text).map_err(|source| SuperviseError::BadReport { path: path(), source })
    }
}
