//! The end of a run: what is given back, waited for, and said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::event_stream::EventStream;
use super::fleet_link::FleetLink;
use super::live_display;
use super::local_queue::LocalQueue;
use super::mode_switch::ModeSwitch;
use super::notification_sender::LAST_NOTIFICATIONS;
use super::queue_world::QueueWorld;
use super::run_options::{RunError, RunOptions, RunUntil};
use super::runner_record::RunnerPresence;
use super::work_source::WorkSource;
use super::{progress, reviews};
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::queue::Queue;
use crate::scheduler::{Eligibility, QueueSnapshot, WaitingJob};
use crate::stage::Stage;
use crate::terminal;

/// A wait that is shorter than this needs no word.
const NOTICE_DELAY: Duration = Duration::from_millis(250);

/// The run was told to end, or can't go on.
pub(super) struct PendingStop {
    /// With which it ends.
    pub(super) exit: ProgramExit,
    /// Set by the second signal: nothing is waited for beyond this.
    pub(super) give_up_at: Option<Instant>,
}

/// What a run is over with.
pub(super) struct RunEnd {
    pub(super) options: RunOptions,
    /// How long the lane, or what is owed to the coordinator, may take.
    pub(super) limit: Duration,
    pub(super) stop: Option<PendingStop>,
    pub(super) is_paused: bool,
    /// As the inbox was seen last, if it was the source of work.
    pub(super) view: Option<Arc<QueueSnapshot>>,
}

impl RunEnd {
    pub(super) async fn finish(
        self,
        mut world: QueueWorld,
        mode: ModeSwitch,
        presence: RunnerPresence,
    ) -> ProgramExit {
        live_display::show(Vec::new());
        let is_hurried = self.stop.as_ref().is_some_and(|stop| stop.give_up_at.is_some());
        world.jobs.dismiss_spare();
        warn_of(reviews::release_all(&mut world));
        let suspended = world.jobs.take_suspended();
        suspended
            .into_iter()
            .for_each(|(attempt, _)| world.let_go(attempt));
        let is_routed = world.source.is_routed();
        let (lane, mut link) = std::mem::replace(&mut world.source, WorkSource::local(None)).into_parts();
        let has_given_up = link.as_ref().is_some_and(|link| link.has_given_up());
        // A lease of what may still be alive is not given back: it ends by itself.
        if let Some(link) = link.take_if(|_| world.jobs.workers_taken() == 0) {
            let signals = self.stop.is_some().then_some(&mut world.events);
            warn_of(close_link(link, self.limit, signals).await);
        }
        for lane in mode.into_stopped_lanes() {
            lane.finish(Duration::ZERO);
        }
        if let Some(lane) = lane {
            lane.finish(if is_hurried { Duration::ZERO } else { self.limit });
        }
        world.jobs.collect_leaving();
        presence.end();
        let observers = &world.progress.observers;
        observers.metrics.finish();
        let tally = &world.progress.tally;
        tally.print(self.options.json);
        let limit = if is_hurried {
            Duration::ZERO
        } else {
            LAST_NOTIFICATIONS
        };
        observers.notifier.finish(limit).await;
        if let Some(stop) = self.stop {
            return stop.exit;
        }
        let never_startable = self.view.as_deref().map(LocalQueue::never_startable);
        let never_startable = never_startable.unwrap_or_default();
        warn_of(report_left_behind(&world.queue, &never_startable));
        let failures = tally.of(Stage::Failed) + tally.of(Stage::Quarantine);
        let held_up =
            self.is_paused && (is_routed || world.queue.ids(Stage::Inbox).is_ok_and(|ids| !ids.is_empty()));
        if held_up {
            progress::warn("the queue is paused, what waits stays where it is: `aq resume`, then run again");
        }
        let jobs_failed = self.options.fail_on_job_failure && failures > 0;
        let incomplete = self.options.until == RunUntil::Drained && !never_startable.is_empty();
        if jobs_failed || incomplete || has_given_up || held_up {
            ProgramExit::Failed
        } else {
            ProgramExit::Done
        }
    }
}

/// Waits for what is under way at the coordinator, for a question that may bring a job for instance, and says so unless
/// that is over at once. `signals`: of a run that was told to end, where another signal ends the wait.
async fn close_link(
    link: FleetLink,
    limit: Duration,
    signals: Option<&mut EventStream>,
) -> Result<(), RunError> {
    let mut shutdown = std::pin::pin!(link.shutdown(limit));
    let mut again = std::pin::pin!(async {
        match signals {
            Some(signals) => signals.stop_signal().await,
            None => std::future::pending().await,
        }
    });
    let mut notice = std::pin::pin!(tokio::time::sleep(NOTICE_DELAY));
    let mut is_told = false;
    loop {
        tokio::select! {
            closed = &mut shutdown => return closed,
            () = &mut again => {
                progress::warn("a job that the coordinator assigns now stays leased until its lease runs out");
                return Ok(());
            }
            () = &mut notice, if !is_told => {
                is_told = true;
                progress::waiting(&format!(
                    "ending: what the coordinator was asked is answered within {}, or given up, so that no job stays \
                     leased to this host; another signal ends this at once",
                    terminal::duration(limit)
                ));
            }
        }
    }
}

/// What can't be done at the end is told, and the rest is done.
fn warn_of(done: Result<(), RunError>) {
    if let Err(error) = done {
        progress::warn(&terminal::error_chain(&error));
    }
}

/// What no waiting helps, and why.
fn report_left_behind(
    queue: &Queue,
    never_startable: &[(Arc<WaitingJob>, Eligibility)],
) -> Result<(), RunError> {
    let paused = queue.paused_engines()?;
    for (job, why) in never_startable {
        let what = match why {
            Eligibility::EngineMissing => match paused.get(&job.engine) {
                Some(pause) => format!(
                    "its engine `{}` {}, and is paused; `aq status` says until when",
                    job.engine,
                    pause.cause.what()
                ),
                None => format!("its engine `{}` is not found on PATH", job.engine),
            },
            Eligibility::LockHeld => kept_by(queue, job)?,
            Eligibility::RetryLater => {
                let at = job
                    .retry_at_ms
                    .and_then(|at| Timestamp::from_millisecond(at).ok());
                let at = at
                    .map(|at| terminal::instant(&at.to_string()))
                    .unwrap_or_default();
                format!("it failed, and its next attempt is due at {at}; a later `aq run` makes it")
            }
            _ => "it asks for `caps` that this factory lacks (AQ_FACTORY_CAPS)".to_owned(),
        };
        progress::warn(&format!("{} stays in the inbox: {what}", job.id));
    }
    Ok(())
}

fn kept_by(queue: &Queue, job: &WaitingJob) -> Result<String, RunError> {
    let Some(lock) = &job.lock else {
        return Ok(String::new());
    };
    let keepers = queue.keepers(lock)?;
    let keepers: Vec<&str> = keepers.iter().map(JobId::as_str).collect();
    Ok(format!(
        "its lock `{lock}` is kept by {} in quarantine; `aq show` says why, `aq retry` or `aq cancel` frees it",
        keepers.join(", ")
    ))
}
