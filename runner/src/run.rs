//! `aq run`: from a queue to its end. Sets up what a run needs and hands it to the loop.

mod abandoned_jobs;
mod attempt;
mod delivery_notice;
mod event_loop;
mod event_stream;
mod idle;
mod leased;
mod lifecycle;
mod live_display;
mod local_source;
mod progress;
mod reload;
mod routed_claims;
mod routed_source;
mod run_end;
mod runner_record;
mod ship;
mod ship_plan;
pub(crate) mod step_outcome;
pub(crate) mod transition;

use crate::engine::{EngineError, EngineRegistry};
use crate::exit_codes::ProgramExit;
use crate::fleet::client::ClientError;
use crate::mode::Mode;
use crate::queue::{Queue, QueueError};
use crate::settings::Settings;
use crate::shadow::ShadowLane;
use crate::supervise;

pub(crate) use attempt::outputs;
pub(crate) use runner_record::{RunnerRecord, runners_at_work};
pub(crate) use ship::ship;
pub(crate) use ship_plan::ShipPlan;

/// When a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunUntil {
    /// When nothing is left that can be done here.
    Drained,
    /// After one decision and its job.
    Once,
    /// Never by itself.
    Stopped,
}

/// Whether a job that failed makes the whole run a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnJobFailure {
    Succeed,
    Fail,
}

/// For whom the line is that a run ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SummaryFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RunOptions {
    pub(crate) until: RunUntil,
    pub(crate) workers: usize,
    pub(crate) on_job_failure: OnJobFailure,
    pub(crate) summary: SummaryFormat,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("can't {what}")]
    System {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the folder for routed work can't be used: make it, or correct `cwd` under [route] in aq.toml")]
    RouteFolder(#[source] std::io::Error),
    #[error("can't speak with the coordinator")]
    Client(#[from] ClientError),
    #[error("{0}")]
    Refused(String),
}

impl RunError {
    fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> RunError {
        let what = what.into();
        move |source| RunError::System { what, source }
    }
}

pub(crate) fn run(settings: &Settings, options: RunOptions) -> Result<ProgramExit, RunError> {
    let engines = EngineRegistry::new(&settings.engines)?;
    let queue = open(settings)?;
    queue.check_filesystem()?;
    for warning in settings.warnings() {
        progress::warn(&warning);
    }
    supervise::become_subreaper().map_err(RunError::system(
        "look after processes that lose their supervisor",
    ))?;
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let presence = runner_record::RunnerPresence::begin(&queue, settings, options.workers);
    let source = match settings.mode {
        Mode::Offline | Mode::Local => (None, None),
        Mode::Shadow => (Some(ShadowLane::start(settings, &presence.health)), None),
        Mode::Route => {
            let here = std::env::current_dir().map_err(RunError::system("find the current folder"))?;
            let routed = routed_source::RoutedSource::new(settings, &engines, &here, &presence.health)?;
            routed.report_permissions();
            (None, Some(routed))
        }
    };
    let runner = event_loop::EventLoop::new(settings, options, queue, engines, presence, source)?;
    runtime.block_on(runner.run())
}

/// The queue to work on. Where all work comes from the coordinator nobody had to make one before.
fn open(settings: &Settings) -> Result<Queue, QueueError> {
    let root = &settings.queue.value;
    match Queue::open(root) {
        Ok(queue) => {
            queue.complete()?;
            Ok(queue)
        }
        Err(QueueError::Missing { .. }) if settings.mode == Mode::Route => {
            let queue = Queue::at(root);
            let made = queue.complete()?.join(", ");
            progress::warn(&format!("there was no queue at {}: made {made}", root.display()));
            Ok(queue)
        }
        Err(error) => Err(error),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(RunError::system("start the event loop"))
}
