//! Carries out one run of a scenario: sets up folder, fake and fake engines, starts the commands one after the
//! other under supervision, does the scripted steps when their events come, and gathers the evidence.

mod fake_coordinator;
mod lease_expiry;
mod queue_watcher;
mod run_session;
mod running_command;
mod slow_writer;
mod step_executor;
pub mod stop_signal;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{PipeWriter, Write};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Instant;

use stub_coordinator::{ClockKind, Stub, StubCounters, StubEvent};

use crate::evidence::{CommandRun, QueueObservations, RunEvidence};
use crate::fake_engine;
use crate::fake_engine::engine_run::EngineScript;
use crate::fake_engine::server::FakeEngineServer;
use crate::profile::Profile;
use crate::sandbox::environment::{self, RunVariant};
use crate::sandbox::token_leaks::RunTokens;
use crate::sandbox::{FolderRetention, Sandbox, SandboxError, queue_snapshot};
use crate::scenario::{Scenario, Step, StepAction};
use crate::supervise::SuperviseError;
use crate::timeline;
use lease_expiry::LeaseExpiryTracker;
use queue_watcher::QueueWatcher;
use run_session::RunSession;
use running_command::CommandLauncher;
use step_executor::StepExecutor;
use stop_signal::StopSignal;

/// With what a scenario is run.
#[derive(Debug, Clone)]
pub struct DriverContext<'a> {
    pub profile: &'a Profile,
    /// The binary with the hidden subcommands.
    pub harness: &'a Path,
    pub keep: FolderRetention,
    /// Ends the run before its time.
    pub stop: &'a StopSignal,
}

/// Why nothing follows from a run for the runner.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("no random token can be had")]
    Secret(#[source] std::io::Error),
    #[error(
        "the fake engines can't be served at {path}; where that path is too long, set TMPDIR to a shorter one"
    )]
    FakeEngines {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the fake coordinator can't be started")]
    Stub(#[from] stub_coordinator::StartError),
    #[error("the fake coordinator's evidence can't be read")]
    Fence(#[from] stub_coordinator::FenceError),
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
    #[error("the supervisor of `{command}` did not end its processes when it was asked to")]
    Stuck { command: String },
    #[error("the scenario's coordinator can't be set up")]
    Config(#[from] stub_coordinator::ConfigError),
    #[error("the scenario's coordinator can't be set up: {message}")]
    Table { message: String },
    #[error("it was ended before its time")]
    Stopped,
}

/// What can happen during a run.
enum DriverEvent {
    Stub(StubEvent),
    FakeEngine(fake_engine::engine_run::EngineEvent),
    /// Of this name.
    CommandEnded(String),
    /// The time of a lease on this job was over.
    LeaseExpired {
        job: String,
        at: Instant,
    },
    Stopped,
}

/// Runs `scenario_file` once, in this variant.
pub fn run(
    scenario: &Scenario,
    context: &DriverContext,
    variant: &RunVariant,
) -> Result<RunEvidence, DriverError> {
    let sandbox = Sandbox::create(scenario, context.harness, context.keep)?;
    let secret = RunTokens::random().map_err(DriverError::Secret)?;
    sandbox.write(&sandbox.token_file(), &secret.token)?;
    let stub = fake_coordinator::start(scenario, &secret, &sandbox.work())?;
    let (sender, events) = channel();
    let steps = steps_of(scenario, variant);
    let mut server = fake_engines(scenario, &steps, &sandbox, sender.clone())?;
    forward(&stub, scenario.coordinator.clock, sender.clone(), server.ticks());
    let stop_sender = sender.clone();
    let _listening = context.stop.listen(move || {
        let _ = stop_sender.send(DriverEvent::Stopped);
    });
    let environment = environment::of(scenario, &sandbox, variant, &stub.url(), &secret);
    let environment = context.profile.renamed(environment);
    let mut session = RunSession {
        scenario,
        launcher: CommandLauncher {
            context,
            sandbox: &sandbox,
            ignored: &scenario.runner.ignores,
            sender,
        },
        stub: &stub,
        server,
        events,
        steps: StepExecutor::new(steps, &scenario.jobs, &sandbox),
        counts: BTreeMap::new(),
        expired: Vec::new(),
        environment,
        beside: Vec::new(),
    };
    // A machine that can't watch costs a report a few lines, and no verdict.
    let watch = QueueWatcher::start(&sandbox.queue(), &context.profile.log.path);
    let done = carry_out(&mut session, variant)?;
    collect_evidence(session, done, watch, &secret)
}

/// What is known of a run once its commands are over.
fn collect_evidence(
    session: RunSession,
    done: CommandResults,
    watch: std::io::Result<QueueWatcher>,
    secret: &RunTokens,
) -> Result<RunEvidence, DriverError> {
    let RunSession {
        scenario,
        launcher: CommandLauncher { context, sandbox, .. },
        stub,
        server,
        steps,
        beside,
        expired,
        ..
    } = session;
    // Every process is gone by now; what is read from here on does not change any more.
    let runs = server.finish();
    let watched = watch.map_or_else(QueueObservations::blind, QueueWatcher::finish);
    let coordinator = fake_coordinator::evidence(stub, done.before)?;
    Ok(RunEvidence {
        kept: sandbox.kept(context.keep),
        add: done.add,
        commands: done.commands,
        report: done.report,
        shown: done.shown,
        stage_files: queue_snapshot::stages(&sandbox.queue()),
        shadow_log: queue_snapshot::shadow_log(
            &sandbox.queue().join(&context.profile.log.path),
            &context.profile.log,
        ),
        watched,
        tree: queue_snapshot::tree(&sandbox.root),
        work_folders: sandbox.work_folders(scenario),
        leaks: secret.leaks(&sandbox.root, &sandbox.token_file(), &runs),
        timeline: timeline::of(&runs, &coordinator.journal, &expired, &beside),
        beside,
        runs,
        coordinator,
        steps_missed: steps.missed(),
        steps_failed: steps.failed,
        steps_done: steps.performed,
        root: sandbox.root.clone(),
        fleet_variables: context.profile.fleet_variables(),
        job_variables: ["AQ_JOB_ID", "AQ_FENCING_TOKEN"].map(|name| context.profile.renamed_in(name)),
    })
}

/// Serves the fake engines of a run; what they do is sent to its one channel.
fn fake_engines(
    scenario: &Scenario,
    steps: &[Step],
    sandbox: &Sandbox,
    sender: Sender<DriverEvent>,
) -> Result<FakeEngineServer, DriverError> {
    let script = EngineScript {
        jobs: scenario.jobs.clone(),
        released: never_released(scenario, steps),
    };
    let send_event = fake_engine::server::sender(sender, DriverEvent::FakeEngine);
    let failed = |source| DriverError::FakeEngines {
        path: sandbox.socket().display().to_string(),
        source,
    };
    FakeEngineServer::start(&sandbox.socket(), script, send_event).map_err(failed)
}

/// The commands of a run, and the fake's counters and digest from before the first that is tested.
struct CommandResults {
    add: Option<CommandRun>,
    before: (StubCounters, String),
    commands: Vec<CommandRun>,
    report: Option<CommandRun>,
    shown: BTreeMap<String, CommandRun>,
}

fn carry_out(session: &mut RunSession, variant: &RunVariant) -> Result<CommandResults, DriverError> {
    let (scenario, profile) = (session.scenario, session.launcher.context.profile);
    let add = session.add()?;
    session.launcher.sandbox.fill_inbox(scenario)?;
    let before = (session.stub.counters(), session.stub.digest());
    let commands = session.commands(variant)?;
    // A report is asked of the run itself; the runs that it is compared with have none to give.
    let report = match (&scenario.expect.report, variant) {
        (Some(_), RunVariant::AsWritten) => Some(session.command("report", profile.report())?),
        _ => None,
    };
    let mut shown = BTreeMap::new();
    for id in scenario.expect.reasons.keys() {
        shown.insert(
            id.clone(),
            session.command(&format!("show-{id}"), profile.show(id))?,
        );
    }
    Ok(CommandResults {
        add,
        before,
        commands,
        report,
        shown,
    })
}

/// Passes the fake's events into the run's one channel, until the fake is gone. With each request that arrives, and each
/// lease that expires, the server looks which fake engines still live, so that the order of both is known.
fn forward(stub: &Stub, clock: ClockKind, sender: Sender<DriverEvent>, ticks: Option<PipeWriter>) {
    let events = stub.events();
    std::thread::spawn(move || {
        let mut leases = LeaseExpiryTracker::default();
        let tick = || {
            // Where nobody looks any more, all have ended.
            let _ = ticks.as_ref().map(|mut ticks| ticks.write_all(b"."));
        };
        loop {
            let event = match leases.next_expiry() {
                Some(at) => events.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let sent = match event {
                Ok(event) => {
                    match &event {
                        StubEvent::Arrived(_) => tick(),
                        // A manual clock shows another time than this.
                        StubEvent::Completed(exchange) if clock == ClockKind::Real => leases.note(exchange),
                        StubEvent::Completed(_) => {}
                    }
                    sender.send(DriverEvent::Stub(event))
                }
                Err(RecvTimeoutError::Timeout) => {
                    let at = Instant::now();
                    tick();
                    let mut expired = leases.take_expired(at).into_iter();
                    expired.try_for_each(|job| sender.send(DriverEvent::LeaseExpired { job, at }))
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if sent.is_err() {
                return;
            }
        }
    });
}

/// The steps that can come about in this variant: without a fleet, no event of the coordinator's can.
fn steps_of(scenario: &Scenario, variant: &RunVariant) -> Vec<Step> {
    let possible = |step: &&Step| match variant {
        RunVariant::Offline => {
            let events = step.on.events().unwrap_or_default();
            !events.iter().any(|event| event.kind.is_the_coordinators())
        }
        RunVariant::AsWritten | RunVariant::With(_) => true,
    };
    scenario.steps.iter().filter(possible).cloned().collect()
}

/// Names that no step of this variant releases, so that nothing waits for them.
fn never_released(scenario: &Scenario, steps: &[Step]) -> BTreeSet<String> {
    let behaviours = scenario.jobs.iter().flat_map(|job| job.behaviour.all());
    let released = |name: &String| {
        steps
            .iter()
            .any(|step| matches!(&step.action, StepAction::Release(given) if given == name))
    };
    behaviours
        .filter_map(|behaviour| behaviour.until.clone())
        .filter(|name| !released(name))
        .collect()
}
