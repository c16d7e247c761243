//! Scripted steps: which event sets each off, and what is then done to the runner, to its coordinator or
//! to its fake engines.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Instant;

use stub_coordinator::{Stub, StubEvent};

use super::DriverEvent;
use super::slow_writer::SlowWriter;
use crate::fake_engine::engine_run;
use crate::fake_engine::server::FakeEngineServer;
use crate::sandbox::Sandbox;
use crate::scenario::step::{EventKind, ScenarioEvent};
use crate::scenario::{Job, Step, StepAction};
use crate::supervise::SupervisedCommand;
use crate::timeline;

/// What the name of a command that a step begins starts with; then comes the position of the step.
pub(super) const STEP_COMMAND: &str = "step-";

/// The steps of a run, and which of them came about.
pub(super) struct StepExecutor {
    steps: Vec<PendingStep>,
    writer: SlowWriter,
    seen: HashSet<ScenarioEvent>,
    pub(super) failed: Vec<String>,
    /// What was done, and when.
    pub(super) performed: Vec<(Instant, String)>,
}

struct PendingStep {
    /// All that has to have been seen.
    events: Vec<ScenarioEvent>,
    action: StepAction,
    done: bool,
}

/// What a step can be done with.
pub(super) struct StepContext<'a> {
    pub(super) stub: &'a Stub,
    pub(super) server: &'a mut FakeEngineServer,
    pub(super) supervised: &'a mut SupervisedCommand,
    pub(super) queue: &'a Path,
}

impl StepExecutor {
    pub(super) fn new(steps: Vec<Step>, jobs: &[Job], sandbox: &Sandbox) -> StepExecutor {
        let scripted = steps.into_iter().map(|step| PendingStep {
            events: step.on.events().unwrap_or_default(),
            action: step.action,
            done: false,
        });
        StepExecutor {
            steps: scripted.collect(),
            writer: SlowWriter::of(jobs, sandbox),
            seen: HashSet::new(),
            failed: Vec::new(),
            performed: Vec::new(),
        }
    }

    /// Does every step that this event sets off, in the order in which they are written. Returned are the commands to be
    /// begun, each with the position of its step.
    pub(super) fn take(&mut self, seen: ScenarioEvent, hands: &mut StepContext) -> Vec<(usize, Vec<String>)> {
        self.seen.insert(seen);
        let mut commands = Vec::new();
        for (position, step) in (1..).zip(&mut self.steps) {
            if step.done || !step.events.iter().all(|event| self.seen.contains(event)) {
                continue;
            }
            step.done = true;
            let what = format!("step {position}: {:?}", step.action);
            self.performed.push((Instant::now(), what));
            match &step.action {
                StepAction::Command(words) => commands.push((position, words.clone())),
                StepAction::Write(write) => {
                    if let Err(message) = self.writer.write(write) {
                        self.failed.push(format!("step {position}: {message}"));
                    }
                }
                action => {
                    if let Err(message) = perform(action, hands) {
                        self.failed.push(format!("step {position}: {message}"));
                    }
                }
            }
        }
        commands
    }

    /// Positions, from 1, of the steps whose event never came.
    pub(super) fn missed(&self) -> Vec<usize> {
        let numbered = (1..).zip(&self.steps);
        let missed = numbered.filter(|(_, step)| !step.done);
        missed.map(|(position, _)| position).collect()
    }
}

/// The kind and the subject of an event, where a step can be about it.
pub(super) fn about(event: &DriverEvent) -> Option<(EventKind, String)> {
    match event {
        DriverEvent::CommandEnded(name) => {
            let step = name.strip_prefix(STEP_COMMAND)?;
            Some((EventKind::CommandEnded, step.to_owned()))
        }
        DriverEvent::Stopped => None,
        DriverEvent::Stub(StubEvent::Arrived(exchange)) => {
            Some((EventKind::Arrived, exchange.operation.clone()?))
        }
        DriverEvent::Stub(StubEvent::Completed(exchange)) => {
            Some((EventKind::Answered, exchange.operation.clone()?))
        }
        DriverEvent::FakeEngine(engine_run::EngineEvent::Started { tool, job, .. }) => {
            Some((timeline::start_of(tool), job.clone()?))
        }
        DriverEvent::FakeEngine(engine_run::EngineEvent::GotTerm { tool, job, .. }) => {
            Some((timeline::term_of(tool)?, job.clone()?))
        }
        DriverEvent::FakeEngine(engine_run::EngineEvent::Gone { tool, job, .. }) => {
            Some((timeline::end_of(tool)?, job.clone()?))
        }
        DriverEvent::LeaseExpired { job, .. } => Some((EventKind::LeaseExpired, job.clone())),
    }
}

fn perform(action: &StepAction, hands: &mut StepContext) -> Result<(), String> {
    let signal = |hands: &mut StepContext, name: &str| {
        hands.supervised.signal(name).map_err(|error| error.to_string())
    };
    match action {
        StepAction::Clock(by) => hands
            .stub
            .advance(by.0)
            .map(drop)
            .map_err(|error| error.to_string()),
        StepAction::Signal(name) => signal(hands, name),
        StepAction::Kill => signal(hands, "KILL"),
        StepAction::Stop => signal(hands, "STOP"),
        StepAction::Continue => signal(hands, "CONT"),
        StepAction::Arm(rule) => hands
            .stub
            .arm(rule.as_ref().clone())
            .map(drop)
            .map_err(|error| error.to_string()),
        StepAction::Disarm(id) => super::fake_coordinator::disarm(hands.stub, id),
        StepAction::ReleaseGate(name) => {
            hands.stub.release_gate(name);
            Ok(())
        }
        StepAction::RestartCoordinator => {
            hands.stub.restart();
            Ok(())
        }
        StepAction::Flag(keys) => set_flags(hands.queue, keys),
        StepAction::Release(name) => {
            hands.server.release(name);
            Ok(())
        }
        // Begun by the session, which has to follow it, and done by the writer, which has the file open.
        StepAction::Command(_) | StepAction::Write(_) => Ok(()),
    }
}

/// Writes keys of `[fleet]` into `aq.toml`, in one rename, as a person's editor would.
fn set_flags(queue: &Path, keys: &BTreeMap<String, String>) -> Result<(), String> {
    let path = queue.join("aq.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut document: toml::Table = text.parse().map_err(|error| format!("aq.toml: {error}"))?;
    let fleet = document
        .entry("fleet")
        .or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let Some(fleet) = fleet.as_table_mut() else {
        return Err("aq.toml: `fleet` is no table".into());
    };
    for (key, value) in keys {
        // What reads like a boolean or a number is one, as in the file itself.
        let value = format!("value = {value}")
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut read| read.remove("value"));
        fleet.insert(
            key.clone(),
            value.unwrap_or_else(|| toml::Value::String(keys[key].clone())),
        );
    }
    let new = queue.join(".aq.toml.new");
    std::fs::write(&new, document.to_string())
        .and_then(|()| std::fs::rename(&new, &path))
        .map_err(|error| format!("aq.toml: {error}"))
}
