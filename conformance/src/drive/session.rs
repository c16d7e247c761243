//! A run on its way: its commands, one after the other, and what is done while each of them runs.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use stub_coordinator::Stub;

use super::steps::{self, Steps};
use super::{DriveError, Event, Rig};
use crate::observed::CommandRun;
use crate::sandbox::environment::Variant;
use crate::sandbox::{Sandbox, environment, snapshot};
use crate::scenario::step::EventKind;
use crate::scenario::{Place, Scenario};
use crate::stand_in::server::Server;
use crate::supervise::{self, Order, Supervised};
use crate::timeline::Seen;

const COMMAND_LIMIT: Duration = Duration::from_secs(20);
/// What a supervisor gets to end what it was told to end.
const END_LIMIT: Duration = Duration::from_secs(15);
const OUTPUT_LIMIT: u64 = 256 << 10;

/// A run on its way.
pub(super) struct Session<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) rig: &'a Rig<'a>,
    pub(super) sandbox: &'a Sandbox,
    pub(super) stub: &'a Stub,
    pub(super) server: Server,
    pub(super) sender: Sender<Event>,
    pub(super) events: Receiver<Event>,
    pub(super) steps: Steps,
    pub(super) counts: BTreeMap<(EventKind, String), usize>,
    pub(super) environment: BTreeMap<String, String>,
}

impl Session<'_> {
    /// Puts the jobs into the queue by one `add`, without a fleet.
    pub(super) fn add(&mut self) -> Result<Option<CommandRun>, DriveError> {
        let jobs = self.scenario.jobs.iter().filter(|job| job.place == Place::Add);
        let files: Vec<String> = jobs
            .map(|job| self.sandbox.job_file(job).to_string_lossy().into_owned())
            .collect();
        if files.is_empty() {
            return Ok(None);
        }
        let words: Vec<String> = std::iter::once("add".to_owned()).chain(files).collect();
        let arguments = self.rig.profile.words(&words);
        let environment = self.rig.profile.renamed(environment::bare(self.sandbox));
        self.command_in("add", arguments, &environment).map(Some)
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
            let fill_in = |word: &String| environment::fill_in(word, self.sandbox, &self.stub.url());
            let arguments: Vec<String> = words.iter().map(fill_in).collect();
            let arguments = self.rig.profile.words(&arguments);
            done.push(self.command(&format!("command-{index}"), arguments)?);
        }
        Ok(done)
    }

    pub(super) fn command(&mut self, name: &str, arguments: Vec<String>) -> Result<CommandRun, DriveError> {
        let environment = self.environment.clone();
        self.command_in(name, arguments, &environment)
    }

    fn command_in(
        &mut self,
        name: &str,
        arguments: Vec<String>,
        environment: &BTreeMap<String, String>,
    ) -> Result<CommandRun, DriveError> {
        if self.rig.stop.asked() {
            return Err(DriveError::Stopped);
        }
        let output = self.sandbox.output(name);
        let mut supervised = supervise::start(&Order {
            harness: self.rig.harness,
            program: self
                .rig
                .profile
                .command
                .iter()
                .chain(&arguments)
                .cloned()
                .collect(),
            environment,
            folder: &self.sandbox.work(),
            output: output.clone(),
        })?;
        self.follow(&mut supervised, name)?;
        let took = supervised.started.elapsed();
        let ended = supervised.ended()?;
        Ok(CommandRun {
            arguments,
            exit: ended.exit,
            stragglers: ended.stragglers,
            stdout: snapshot::text(&output.with_extension("out"), OUTPUT_LIMIT),
            stderr: snapshot::text(&output.with_extension("err"), OUTPUT_LIMIT),
            started: supervised.started,
            took,
        })
    }

    /// Takes events and does steps until the command has ended or its time is up.
    fn follow(&mut self, supervised: &mut Supervised, name: &str) -> Result<(), DriveError> {
        let limit = self
            .scenario
            .runner
            .deadline
            .map_or(COMMAND_LIMIT, |limit| limit.0);
        let deadline = supervised.started + limit;
        let (sender, handle) = (self.sender.clone(), supervised.handle());
        std::thread::spawn(move || {
            let _ = handle.wait();
            let _ = sender.send(Event::CommandEnded);
        });
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::CommandEnded) => return Ok(()),
                Ok(Event::Stopped) => {
                    self.end(supervised, name)?;
                    return Err(DriveError::Stopped);
                }
                Ok(event) => self.take(&event, supervised),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        self.end(supervised, name)
    }

    /// Ends the command with all that it started, and waits until that is done.
    fn end(&mut self, supervised: &mut Supervised, name: &str) -> Result<(), DriveError> {
        supervised.end();
        let deadline = Instant::now() + END_LIMIT;
        loop {
            match self
                .events
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(Event::CommandEnded) => return Ok(()),
                Ok(_) => {}
                Err(_) => {
                    return Err(DriveError::Stuck {
                        command: name.to_owned(),
                    });
                }
            }
        }
    }

    fn take(&mut self, event: &Event, supervised: &mut Supervised) {
        let Some(seen) = seen(event, &mut self.counts) else {
            return;
        };
        let mut hands = steps::Hands {
            stub: self.stub,
            server: &mut self.server,
            supervised,
            queue: &self.sandbox.queue(),
        };
        self.steps.take(&seen, &mut hands);
    }
}

fn seen(event: &Event, counts: &mut BTreeMap<(EventKind, String), usize>) -> Option<Seen> {
    let (kind, subject, at) = steps::about(event)?;
    let ordinal = counts.entry((kind, subject.clone())).or_default();
    *ordinal += 1;
    Some(Seen {
        at,
        earliest: at,
        kind,
        subject,
        ordinal: *ordinal,
    })
}
