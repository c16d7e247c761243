//! `aq run`: from a queue to its end. Sets up what a run needs and hands it to the loop.

mod abandoned_jobs;
mod admission;
pub(crate) mod attempt;
mod delivery_notice;
mod engine_end;
mod engine_health;
mod engine_run;
mod event_loop;
mod event_stream;
pub(crate) mod executor;
mod fleet_link;
mod handover_notice;
mod harm_response;
mod host_trouble;
mod job_command;
mod job_table;
mod live_display;
mod local_queue;
mod login_question;
mod messages;
mod metrics_writer;
mod mode_switch;
mod notification_sender;
mod progress;
mod queue_world;
mod reviews;
mod run_control;
mod run_end;
mod run_options;
mod runner_record;
mod ship;
mod ship_plan;
pub(crate) mod transition;
mod work_source;
pub(crate) mod world;

use crate::engine::EngineRegistry;
use crate::error_scope::ErrorScope;
use crate::exit_codes::ProgramExit;
use crate::mode::Mode;
use crate::queue::{Queue, QueueError};
use crate::settings::Settings;
use crate::supervise;

use metrics_writer::MetricsWriter;
use notification_sender::NotificationSender;
use progress::RunObservers;

pub(crate) use job_command::{has_output, outputs};
pub(crate) use run_options::{RunError, RunOptions, RunUntil};
pub(crate) use runner_record::{RunnerRecord, runners_at_work};
pub(crate) use ship::ship;
pub(crate) use ship_plan::ShipPlan;

pub(crate) fn run(settings: &Settings, options: RunOptions) -> Result<ProgramExit, RunError> {
    let engines = EngineRegistry::new(&settings.engines)?;
    let queue = open(settings)?;
    // Trouble of the host is no reason not to begin: it is looked at again.
    unless_host_trouble(queue.check_filesystem())?;
    for warning in settings.warnings() {
        progress::warn(&warning);
    }
    handover_notice::at_start(settings, &queue)?;
    supervise::become_subreaper().map_err(RunError::system(
        "look after processes that lose their supervisor",
    ))?;
    let runtime = event_stream::runtime()?;
    let _inside = runtime.enter();
    let observers = RunObservers {
        notifier: NotificationSender::start(settings),
        metrics: MetricsWriter::start(settings, &queue, engines.names().cloned()),
    };
    let notifier = observers.notifier.clone();
    let presence = runner_record::RunnerPresence::begin(&queue, settings, options.workers, notifier);
    let world = queue_world::QueueWorld::new(settings, queue, engines, &presence.health, observers)?;
    let runner = event_loop::EventLoop::new(settings, options, world, presence);
    Ok(runtime.block_on(runner.run()))
}

/// The queue to work on. Where all work comes from the coordinator nobody had to make one before.
fn open(settings: &Settings) -> Result<Queue, QueueError> {
    let root = &settings.queue.value;
    match Queue::open(root) {
        Ok(queue) => {
            unless_host_trouble(queue.complete().map(drop))?;
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

fn unless_host_trouble(tried: Result<(), QueueError>) -> Result<(), QueueError> {
    match tried {
        Err(error) if matches!(error.scope(), ErrorScope::Host(_)) => Ok(()),
        tried => tried,
    }
}
