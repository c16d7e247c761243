//! One command of a run, from its start to what is known of it afterwards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::{DriverContext, DriverError, DriverEvent};
use crate::evidence::CommandRun;
use crate::sandbox::{Sandbox, queue_snapshot};
use crate::supervise::{self, CommandSpec, SuperviseError, SupervisedCommand};

/// The smallest limit of a log (O-24) is half of it.
const OUTPUT_LIMIT: u64 = 2 << 20;

/// What every command of a run has in common.
pub(super) struct CommandLauncher<'a> {
    pub(super) context: &'a DriverContext<'a>,
    pub(super) sandbox: &'a Sandbox,
    /// The signals that they are started with ignored.
    pub(super) ignored: &'a [String],
    /// Gets an event when one has ended.
    pub(super) sender: Sender<DriverEvent>,
}

/// A command at work.
pub(super) struct RunningCommand {
    pub(super) name: String,
    pub(super) supervised: SupervisedCommand,
    arguments: Vec<String>,
    output: PathBuf,
}

impl CommandLauncher<'_> {
    pub(super) fn begin(
        &self,
        name: &str,
        arguments: Vec<String>,
        environment: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<RunningCommand, DriverError> {
        if self.context.stop.is_asked() {
            return Err(DriverError::Stopped);
        }
        let output = self.sandbox.output(name);
        let ignored = match self.ignored {
            [] => Vec::new(),
            names => supervise::ignoring(&names.join(" ")).into(),
        };
        let command = self.context.profile.command.iter().chain(&arguments).cloned();
        let supervised = supervise::start(&CommandSpec {
            harness: self.context.harness,
            program: ignored.into_iter().chain(command).collect(),
            environment,
            folder,
            output: output.clone(),
        })?;
        let (sender, handle, ended) = (self.sender.clone(), supervised.handle(), name.to_owned());
        std::thread::spawn(move || {
            let _ = handle.wait();
            let _ = sender.send(DriverEvent::CommandEnded(ended));
        });
        Ok(RunningCommand {
            name: name.to_owned(),
            supervised,
            arguments,
            output,
        })
    }
}

impl RunningCommand {
    /// To be asked once it has ended, which took this long.
    pub(super) fn gather(self, took: Duration) -> Result<CommandRun, SuperviseError> {
        let ended = self.supervised.ended()?;
        Ok(CommandRun {
            arguments: self.arguments,
            exit: ended.exit,
            stragglers: ended.stragglers,
            stdout: queue_snapshot::text(&self.output.with_extension("out"), OUTPUT_LIMIT),
            stderr: queue_snapshot::text(&self.output.with_extension("err"), OUTPUT_LIMIT),
            started: self.supervised.started,
            took,
        })
    }
}
