//! Writes the figures of the queue while a run goes on, on a thread of its own: no job waits for a slow disk, and a full
//! one costs a figure and nothing else.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::runner_record::{RunnerRecord, runners_at_work};
use crate::fleet::background_thread;
use crate::fleet::routing_harm::HarmKind;
use crate::fleet::routing_record::RoutingRecord;
use crate::ids::EngineName;
use crate::job_reason::ReasonCode;
use crate::metrics::{CoordinatorFigures, CounterValues, QueueFigures, render};
use crate::mode::{Mode, SwitchState};
use crate::queue::{MetricsFile, Queue};
use crate::settings::Settings;
use crate::stage::Stage;

/// Between two writings. Each is a sign of life as well, so none is left out where nothing has changed.
const INTERVAL: Duration = Duration::from_secs(15);
/// At the end of a run, for the last writing.
const LAST_WRITING: Duration = Duration::from_secs(1);

/// The handle for whoever counts something. It counts also where nothing is written.
#[derive(Debug, Clone, Default)]
pub(super) struct MetricsWriter {
    shared: Arc<MetricsState>,
}

#[derive(Debug, Default)]
struct MetricsState {
    notes: Mutex<MetricsNotes>,
    /// Told at each change of `thread`.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct MetricsNotes {
    /// What was counted and does not stand in the file yet.
    counters: CounterValues,
    thread: WriterState,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum WriterState {
    #[default]
    None,
    Running,
    Ending,
}

/// What the thread reads and writes.
struct MetricsSource {
    queue: Queue,
    file: MetricsFile,
    engines: Vec<EngineName>,
}

impl MetricsWriter {
    /// Without a thread nothing is written, and the jobs are none the worse for it.
    pub(super) fn start(
        settings: &Settings,
        queue: &Queue,
        engines: impl Iterator<Item = EngineName>,
    ) -> MetricsWriter {
        let writer = MetricsWriter::default();
        if settings.metrics.enabled == SwitchState::Off {
            return writer;
        }
        let source = MetricsSource {
            queue: queue.clone(),
            file: MetricsFile::new(queue, settings.metrics.file.as_deref()),
            engines: engines.collect(),
        };
        let shared = Arc::clone(&writer.shared);
        if background_thread::spawn("aq-metrics", move || shared.write_on(&source)).is_ok() {
            lock(&writer.shared.notes).thread = WriterState::Running;
        }
        writer
    }

    pub(super) fn attempt_started(&self) {
        lock(&self.shared.notes).counters.attempt_started();
    }

    /// An attempt is over, or a file was refused that never was one; `took`: how long the attempt took.
    pub(super) fn job_left(&self, stage: Stage, reason: Option<&ReasonCode>, took: Option<Duration>) {
        let counters = &mut lock(&self.shared.notes).counters;
        counters.job_left(stage, reason);
        if let Some(took) = took {
            counters.attempt_ended(took);
        }
    }

    /// Writes once more, and waits for that no longer than a bound.
    pub(super) fn finish(&self) {
        let mut notes = lock(&self.shared.notes);
        if notes.thread == WriterState::Running {
            notes.thread = WriterState::Ending;
            self.shared.changed.notify_all();
            let ends = |notes: &mut MetricsNotes| notes.thread == WriterState::Ending;
            drop(self.shared.changed.wait_timeout_while(notes, LAST_WRITING, ends));
        }
    }
}

impl MetricsState {
    fn write_on(&self, source: &MetricsSource) {
        loop {
            let is_last = lock(&self.notes).thread == WriterState::Ending;
            self.write(source);
            let mut notes = lock(&self.notes);
            if is_last {
                notes.thread = WriterState::None;
                return self.changed.notify_all();
            }
            let goes_on = |notes: &mut MetricsNotes| notes.thread != WriterState::Ending;
            let waited = self.changed.wait_timeout_while(notes, INTERVAL, goes_on);
            drop(waited);
        }
    }

    /// What could not be written is counted again the next time.
    fn write(&self, source: &MetricsSource) {
        let own = lock(&self.notes).counters.clone();
        let mut is_made = false;
        let written = source.file.update(|earlier| {
            let figures = source.figures()?;
            let mut counters = CounterValues::read(earlier);
            counters.add_all(&own);
            is_made = true;
            Some(render(&figures, &counters))
        });
        if written.is_ok() && is_made {
            lock(&self.notes).counters.subtract(&own);
        }
    }
}

impl MetricsSource {
    /// None: the queue can't be looked at, and what was written before says more than an empty one would.
    fn figures(&self) -> Option<QueueFigures> {
        let count = |stage: Stage| Some((stage, self.queue.ids(stage).ok()?.len()));
        let jobs: Option<Vec<_>> = Stage::ALL.into_iter().map(count).collect();
        let runners = runners_at_work(self.queue.root());
        let health = self.queue.engine_health().ok()?;
        let mut names = self.engines.clone();
        names.extend(health.keys().cloned());
        names.sort();
        names.dedup();
        let until = |name: &EngineName| Some(health.get(name)?.pause.as_ref()?.until);
        let in_mode = |mode: Mode| {
            let count = runners
                .iter()
                .filter(|runner| runner.mode == mode.to_string())
                .count();
            (mode, count)
        };
        let routing = RoutingRecord::of_queue(self.queue.root()).unwrap_or_default();
        let is_met = |kind: HarmKind| {
            let is_met = routing.harm.iter().any(|harm| harm.kind == kind);
            (kind.name(), is_met)
        };
        Some(QueueFigures {
            written_at: Timestamp::now(),
            jobs: jobs?,
            runners: Mode::ALL.map(in_mode).into(),
            workers: runners.iter().map(|runner| runner.workers).sum(),
            engines: names
                .into_iter()
                .map(|name| (name.clone(), until(&name)))
                .collect(),
            host_troubles: runners
                .iter()
                .filter_map(|runner| Some(runner.host_trouble.as_ref()?.kind))
                .collect(),
            coordinator: coordinator(&runners),
            harm: HarmKind::ALL.map(is_met).into(),
            rolled_back: routing.rolled_back.is_some(),
        })
    }
}

fn coordinator(runners: &[RunnerRecord]) -> Option<CoordinatorFigures> {
    let mut told = runners
        .iter()
        .filter_map(|runner| runner.coordinator.as_ref())
        .peekable();
    told.peek()?;
    let mut figures = CoordinatorFigures::default();
    for health in told {
        figures.troubled += usize::from(health.trouble.is_some());
        figures.not_comparing += usize::from(health.not_comparing.is_some());
        let answer = health.last_answer.as_ref().and_then(|at| at.parse().ok());
        figures.last_answer = figures.last_answer.max(answer);
    }
    Some(figures)
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
