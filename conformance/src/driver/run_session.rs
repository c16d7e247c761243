//! A run on its way: its commands, one after the other, and what is done while each of them runs.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use stub_coordinator::Stub;

use super::running_command::{CommandLauncher, RunningCommand};
use super::step_executor::{self, STEP_COMMAND, StepExecutor};
use super::{DriverError, DriverEvent};
use crate::evidence::{CommandRun, StepCommandRun};
use crate::fake_engine::server::FakeEngineServer;
use crate::sandbox::environment;
use crate::sandbox::environment::RunVariant;
use crate::scenario::step::{EventKind, ScenarioEvent};
use crate::scenario::{JobPlacement, Scenario};

const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// How long a supervisor may take to end its processes.
const END_LIMIT: Duration = Duration::from_secs(15);

/// A run on its way.
pub(super) struct RunSession<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) launcher: CommandLauncher<'a>,
    pub(super) stub: &'a Stub,
    pub(super) server: FakeEngineServer,
    pub(super) events: Receiver<DriverEvent>,
    pub(super) steps: StepExecutor,
    pub(super) counts: BTreeMap<(EventKind, String), usize>,
    /// The jobs whose leases lapsed, and when.
    pub(super) expired: Vec<(Instant, String)>,
    pub(super) environment: BTreeMap<String, String>,
    /// Commands that steps began, done with.
    pub(super) beside: Vec<StepCommandRun>,
}

impl RunSession<'_> {
    /// Puts the jobs into the queue by one `add`, without a fleet.
    pub(super) fn add(&mut self) -> Result<Option<CommandRun>, DriverError> {
        let sandbox = self.launcher.sandbox;
        let jobs = self
            .scenario
            .jobs
            .iter()
            .filter(|job| job.place == JobPlacement::Add);
        let files: Vec<String> = jobs
            .map(|job| sandbox.job_file(job).to_string_lossy().into_owned())
            .collect();
        if files.is_empty() {
            return Ok(None);
        }
        let profile = self.launcher.context.profile;
        let words: Vec<String> = std::iter::once("add".to_owned()).chain(files).collect();
        let environment = profile.renamed(environment::bare(sandbox));
        let begun = self
            .launcher
            .begin("add", profile.words(&words), &environment, &sandbox.work())?;
        self.follow(begun).map(Some)
    }

    /// The main command and, but in a run that is only to connect, those after it.
    pub(super) fn commands(&mut self, variant: &RunVariant) -> Result<Vec<CommandRun>, DriverError> {
        let runner = &self.scenario.runner;
        let then: &[Vec<String>] = match variant {
            RunVariant::AsWritten | RunVariant::Offline => &runner.then,
            RunVariant::With(_) => &[],
        };
        let all: Vec<&Vec<String>> = std::iter::once(&runner.args).chain(then).collect();
        let mut done = Vec::new();
        for (index, words) in all.into_iter().enumerate() {
            let arguments = self.arguments(words);
            let name = format!("command-{index}");
            done.push(match index {
                0 => self.command(&name, arguments)?,
                _ => self.command_of_then(&name, arguments)?,
            });
        }
        Ok(done)
    }

    pub(super) fn command(&mut self, name: &str, arguments: Vec<String>) -> Result<CommandRun, DriverError> {
        let folder = self.launcher.sandbox.work();
        let begun = self.launcher.begin(name, arguments, &self.environment, &folder)?;
        self.follow(begun)
    }

    /// As a person starts it, who may be elsewhere and have another environment.
    fn command_of_then(&mut self, name: &str, arguments: Vec<String>) -> Result<CommandRun, DriverError> {
        let runner = &self.scenario.runner;
        let mut environment = self.environment.clone();
        environment.extend(runner.then_env.clone());
        let folder = self.launcher.sandbox.work();
        let folder = folder.join(runner.then_folder.as_deref().unwrap_or_default());
        let begun = self.launcher.begin(name, arguments, &environment, &folder)?;
        self.follow(begun)
    }

    /// Words of a scenario, as this runner's arguments.
    fn arguments(&self, words: &[String]) -> Vec<String> {
        let substitute =
            |word: &String| environment::substitute(word, self.launcher.sandbox, &self.stub.url());
        let words: Vec<String> = words.iter().map(substitute).collect();
        self.launcher.context.profile.words(&words)
    }

    /// Takes events and does steps until the command, and all that steps began beside it, has ended or its time is up.
    fn follow(&mut self, main: RunningCommand) -> Result<CommandRun, DriverError> {
        let limit = self
            .scenario
            .runner
            .deadline
            .map_or(COMMAND_LIMIT, |limit| limit.0);
        let mut open = OpenCommands {
            deadline: main.supervised.started + limit,
            main,
            took: None,
            beside: Vec::new(),
        };
        while open.is_open() {
            let left = open.deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(DriverEvent::Stopped) => {
                    self.end(&mut open)?;
                    return Err(DriverError::Stopped);
                }
                Ok(event) => {
                    if let DriverEvent::CommandEnded(name) = &event {
                        self.beside.extend(open.ended(name)?);
                    }
                    self.take(&event, &mut open)?;
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    self.end(&mut open)?;
                }
            }
        }
        let took = open.took.unwrap_or_default();
        Ok(open.main.gather(took)?)
    }

    /// Ends the commands with all that they started, and waits until that is done.
    fn end(&mut self, open: &mut OpenCommands) -> Result<(), DriverError> {
        open.end();
        let deadline = Instant::now() + END_LIMIT;
        while open.is_open() {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(DriverEvent::CommandEnded(name)) => self.beside.extend(open.ended(&name)?),
                Ok(_) => {}
                Err(_) => {
                    return Err(DriverError::Stuck {
                        command: open.main.name.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, event: &DriverEvent, open: &mut OpenCommands) -> Result<(), DriverError> {
        if let DriverEvent::LeaseExpired { job, at } = event {
            self.expired.push((*at, job.clone()));
        }
        let Some(seen) = seen(event, &mut self.counts) else {
            return Ok(());
        };
        let mut hands = step_executor::StepContext {
            stub: self.stub,
            server: &mut self.server,
            supervised: &mut open.main.supervised,
            queue: &self.launcher.sandbox.queue(),
        };
        for (step, words) in self.steps.take(seen, &mut hands) {
            let arguments = self.arguments(&words);
            let begun = self.launcher.begin(
                &format!("{STEP_COMMAND}{step}"),
                arguments,
                &self.environment,
                &self.launcher.sandbox.work(),
            )?;
            open.beside.push((step, begun));
        }
        Ok(())
    }
}

/// The command that is followed, and those that steps began beside it.
struct OpenCommands {
    main: RunningCommand,
    /// Once it has ended.
    took: Option<Duration>,
    beside: Vec<(usize, RunningCommand)>,
    deadline: Instant,
}

impl OpenCommands {
    fn is_open(&self) -> bool {
        self.took.is_none() || !self.beside.is_empty()
    }

    fn end(&mut self) {
        self.main.supervised.end();
        for (_, begun) in &mut self.beside {
            begun.supervised.end();
        }
    }

    /// Takes note of an end; what is known of the command, if it is not the main one.
    fn ended(&mut self, name: &str) -> Result<Option<StepCommandRun>, DriverError> {
        if self.main.name == name {
            self.took = Some(self.main.supervised.started.elapsed());
            return Ok(None);
        }
        let Some(at) = self.beside.iter().position(|(_, begun)| begun.name == name) else {
            return Ok(None);
        };
        let (step, begun) = self.beside.remove(at);
        let took = begun.supervised.started.elapsed();
        let command = begun.gather(took)?;
        Ok(Some(StepCommandRun { step, command }))
    }
}

fn seen(event: &DriverEvent, counts: &mut BTreeMap<(EventKind, String), usize>) -> Option<ScenarioEvent> {
    let (kind, subject) = step_executor::about(event)?;
    let ordinal = counts.entry((kind, subject.clone())).or_default();
    *ordinal += 1;
    Some(ScenarioEvent {
        kind,
        subject,
        ordinal: *ordinal,
    })
}
