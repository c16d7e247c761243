//! A run on its way: its commands, one after the other, and what is done while each of them runs.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use stub_coordinator::Stub;

use super::command::{Begun, Launcher};
use super::steps::{self, STEP_COMMAND, Steps};
use super::{DriveError, Event};
use crate::observed::{Beside, CommandRun};
use crate::sandbox::environment;
use crate::sandbox::environment::Variant;
use crate::scenario::step::{EventKind, Moment};
use crate::scenario::{Place, Scenario};
use crate::stand_in::server::Server;

const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// What a supervisor gets to end what it was told to end.
const END_LIMIT: Duration = Duration::from_secs(15);

/// A run on its way.
pub(super) struct Session<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) launcher: Launcher<'a>,
    pub(super) stub: &'a Stub,
    pub(super) server: Server,
    pub(super) events: Receiver<Event>,
    pub(super) steps: Steps,
    pub(super) counts: BTreeMap<(EventKind, String), usize>,
    /// The jobs whose leases lapsed, and when.
    pub(super) lapsed: Vec<(Instant, String)>,
    pub(super) environment: BTreeMap<String, String>,
    /// Commands that steps began, done with.
    pub(super) beside: Vec<Beside>,
}

impl Session<'_> {
    /// Puts the jobs into the queue by one `add`, without a fleet.
    pub(super) fn add(&mut self) -> Result<Option<CommandRun>, DriveError> {
        let sandbox = self.launcher.sandbox;
        let jobs = self.scenario.jobs.iter().filter(|job| job.place == Place::Add);
        let files: Vec<String> = jobs
            .map(|job| sandbox.job_file(job).to_string_lossy().into_owned())
            .collect();
        if files.is_empty() {
            return Ok(None);
        }
        let profile = self.launcher.rig.profile;
        let words: Vec<String> = std::iter::once("add".to_owned()).chain(files).collect();
        let environment = profile.renamed(environment::bare(sandbox));
        let begun = self
            .launcher
            .begin("add", profile.words(&words), &environment, &sandbox.work())?;
        self.follow(begun).map(Some)
    }

    /// The main command and, but in a run that is only to connect, those after it.
    pub(super) fn commands(&mut self, variant: &Variant) -> Result<Vec<CommandRun>, DriveError> {
        let runner = &self.scenario.runner;
        let then: &[Vec<String>] = match variant {
            Variant::AsWritten | Variant::Offline => &runner.then,
            Variant::With(_) => &[],
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

    pub(super) fn command(&mut self, name: &str, arguments: Vec<String>) -> Result<CommandRun, DriveError> {
        let folder = self.launcher.sandbox.work();
        let begun = self.launcher.begin(name, arguments, &self.environment, &folder)?;
        self.follow(begun)
    }

    /// As a person starts it, who may be elsewhere and have another environment.
    fn command_of_then(&mut self, name: &str, arguments: Vec<String>) -> Result<CommandRun, DriveError> {
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
        let fill_in = |word: &String| environment::fill_in(word, self.launcher.sandbox, &self.stub.url());
        let words: Vec<String> = words.iter().map(fill_in).collect();
        self.launcher.rig.profile.words(&words)
    }

    /// Takes events and does steps until the command, and all that steps began beside it, has ended or its time is up.
    fn follow(&mut self, main: Begun) -> Result<CommandRun, DriveError> {
        let limit = self
            .scenario
            .runner
            .deadline
            .map_or(COMMAND_LIMIT, |limit| limit.0);
        let mut open = Open {
            deadline: main.supervised.started + limit,
            main,
            took: None,
            beside: Vec::new(),
        };
        while open.is_open() {
            let left = open.deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::Stopped) => {
                    self.end(&mut open)?;
                    return Err(DriveError::Stopped);
                }
                Ok(event) => {
                    if let Event::CommandEnded(name) = &event {
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
    fn end(&mut self, open: &mut Open) -> Result<(), DriveError> {
        open.end();
        let deadline = Instant::now() + END_LIMIT;
        while open.is_open() {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::CommandEnded(name)) => self.beside.extend(open.ended(&name)?),
                Ok(_) => {}
                Err(_) => {
                    return Err(DriveError::Stuck {
                        command: open.main.name.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, event: &Event, open: &mut Open) -> Result<(), DriveError> {
        if let Event::Lapsed { job, at } = event {
            self.lapsed.push((*at, job.clone()));
        }
        let Some(seen) = seen(event, &mut self.counts) else {
            return Ok(());
        };
        let mut hands = steps::Hands {
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
struct Open {
    main: Begun,
    /// Once it has ended.
    took: Option<Duration>,
    beside: Vec<(usize, Begun)>,
    deadline: Instant,
}

impl Open {
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
    fn ended(&mut self, name: &str) -> Result<Option<Beside>, DriveError> {
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
        Ok(Some(Beside { step, command }))
    }
}

fn seen(event: &Event, counts: &mut BTreeMap<(EventKind, String), usize>) -> Option<Moment> {
    let (kind, subject) = steps::about(event)?;
    let ordinal = counts.entry((kind, subject.clone())).or_default();
    *ordinal += 1;
    Some(Moment {
        kind,
        subject,
        ordinal: *ordinal,
    })
}
