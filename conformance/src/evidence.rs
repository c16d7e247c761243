//! What was seen of a run: plain values, gathered after everything that the runner started has ended, and
//! handed to the checks, which look at nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use stub_coordinator::{Exchange, StubCounters};

use crate::fake_engine::engine_run::EngineRun;
use crate::sandbox::queue_snapshot::{ShadowLog, StageFile};
use crate::scenario::step::EventKind;
use crate::supervise::{ProcessExit, Straggler};

/// All evidence of a scenario: the run itself and the runs that it is compared with.
#[derive(Debug)]
pub struct Evidence {
    pub run: RunEvidence,
    /// The same without a fleet, where the scenario asks for that comparison.
    pub offline: Option<RunEvidence>,
    /// The same with other flags, where the scenario is one of a pair.
    pub paired: Option<RunEvidence>,
}

/// What was seen of one run.
#[derive(Debug)]
pub struct RunEvidence {
    /// The folder of the run, and whether it was kept.
    pub root: PathBuf,
    pub kept: Option<PathBuf>,
    /// The harness's own `add`, where there was one.
    pub add: Option<CommandRun>,
    /// The main command, then those of `then`.
    pub commands: Vec<CommandRun>,
    /// Those that steps began beside them, as they ended.
    pub beside: Vec<StepCommandRun>,
    /// What the runner's report prints as JSON, where it was asked for.
    pub report: Option<CommandRun>,
    /// What the runner says of single jobs, by id, where it was asked.
    pub shown: BTreeMap<String, CommandRun>,
    pub stage_files: Vec<StageFile>,
    pub shadow_log: ShadowLog,
    pub watched: QueueObservations,
    pub tree: Vec<String>,
    /// Where the commands of each job are to work: as its file says it, and where that lay in the end, links followed.
    pub work_folders: BTreeMap<String, Vec<PathBuf>>,
    pub runs: Vec<EngineRun>,
    pub coordinator: CoordinatorEvidence,
    pub timeline: Vec<ObservedEvent>,
    /// Steps of the scenario, by position, that never came about.
    pub steps_missed: Vec<usize>,
    /// Steps that failed when they were carried out.
    pub steps_failed: Vec<String>,
    /// Steps that came about, and when.
    pub steps_done: Vec<(Instant, String)>,
    pub leaks: Vec<String>,
    /// The runner's own names of variables that no child may see, beside all of `AQ_FLEET*`.
    pub fleet_variables: Vec<String>,
    /// Its names of `AQ_JOB_ID` and `AQ_FENCING_TOKEN`.
    pub job_variables: [String; 2],
}

/// A command that a step began beside the main one.
#[derive(Debug, Clone)]
pub struct StepCommandRun {
    /// The position of the step, from 1.
    pub step: usize,
    pub command: CommandRun,
}

/// What was seen of the queue folder while the run was on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueObservations {
    /// Job files that entered or left a stage folder, in order.
    pub moves: Vec<ObservedMove>,
    /// The length of the shadow log, and when it was found to have it.
    pub log: Vec<(Instant, u64)>,
    /// Its length before the first command.
    pub log_before: u64,
    /// Why not all of it was seen.
    pub trouble: Option<String>,
}

/// A job file that changed its stage folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedMove {
    /// When it was noticed: it happened by then.
    pub at: Instant,
    pub job: String,
    /// None where it came from elsewhere, or was written in place.
    pub from: Option<String>,
    /// None where it left the stage folders.
    pub to: Option<String>,
}

/// Something that happened: the `ordinal`th of its kind about its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedEvent {
    /// When it was noticed: it happened by then.
    pub at: Instant,
    /// It did not happen before this. The end of a process, and what it says, is noticed late on a busy machine; all
    /// else is noted by whoever does it.
    pub earliest: Instant,
    pub kind: EventKind,
    pub subject: String,
    pub ordinal: usize,
}

impl QueueObservations {
    /// Nothing, for this reason.
    pub fn blind(reason: impl std::fmt::Display) -> QueueObservations {
        QueueObservations {
            trouble: Some(reason.to_string()),
            ..QueueObservations::default()
        }
    }

    /// When the log held its first `length` bytes; none where it did before the run, or was never seen to.
    pub fn log_reached(&self, length: u64) -> Option<Instant> {
        let grown = self.log.iter().find(|(_, size)| *size >= length);
        grown.filter(|_| length > self.log_before).map(|(at, _)| *at)
    }
}

/// A finished command.
#[derive(Debug, Clone)]
pub struct CommandRun {
    pub arguments: Vec<String>,
    pub exit: ProcessExit,
    pub stragglers: Vec<Straggler>,
    pub stdout: String,
    pub stderr: String,
    pub started: Instant,
    pub took: Duration,
}

/// What the fake coordinator can say.
#[derive(Debug)]
pub struct CoordinatorEvidence {
    pub before: StubCounters,
    pub after: StubCounters,
    pub digest_before: String,
    pub digest_after: String,
    pub journal: Vec<Exchange>,
    /// Exchanges that the journal no longer has; what is asked of it is inconclusive then.
    pub forgotten: u64,
    pub unexpected: Vec<Exchange>,
    pub violations: Vec<String>,
    /// Rules that never fired, shown.
    pub rules_unfired: Vec<String>,
    /// Whether a rule took the whole listener down: who then tried to connect, only the runner knows.
    pub was_down: bool,
    /// Stage of every job.
    pub stages: BTreeMap<String, String>,
}

impl RunEvidence {
    /// The main command.
    pub fn main(&self) -> &CommandRun {
        &self.commands[0]
    }

    /// Every command of the run, in order.
    pub fn all_commands(&self) -> impl Iterator<Item = &CommandRun> {
        self.add
            .iter()
            .chain(&self.commands)
            .chain(self.beside.iter().map(|beside| &beside.command))
            .chain(&self.report)
            .chain(self.shown.values())
    }

    /// Runs of engines: of every fake engine but `verify-it` and `ship-it`.
    pub fn engine_runs(&self) -> impl Iterator<Item = &EngineRun> {
        let commands = [crate::fake_engine::VERIFY, crate::fake_engine::SHIP];
        self.runs
            .iter()
            .filter(move |run| !commands.contains(&run.tool.as_str()))
    }

    /// Requests of this operation that arrived.
    pub fn calls(&self, operation: &str) -> u64 {
        self.exchanges(operation).count() as u64
    }

    /// Those requests, with their answers.
    pub fn exchanges<'a>(&'a self, operation: &'a str) -> impl DoubleEndedIterator<Item = &'a Exchange> {
        let is_it = move |seen: &&Exchange| seen.operation.as_deref() == Some(operation);
        self.coordinator.journal.iter().filter(is_it)
    }
}
