//! What lets a run go on, and what ends it: its options, a pause, a signal, and what is left to do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::job_table::JobTable;
use super::local_queue::WaitReason;
use super::progress;
use super::queue_world::QueueWorld;
use super::run_end::{PendingStop, RunEnd};
use super::run_options::{RunError, RunOptions, RunUntil};
use super::work_source::WorkSource;
use crate::exit_codes::ProgramExit;
use crate::queue::QueuePause;
use crate::scheduler::QueueSnapshot;
use crate::supervise::StopUrgency;

/// For a tree to be gone after it was sent KILL.
const KILL_WAIT_MAX: Duration = Duration::from_secs(5);

/// A `--drain` waits for a retry that is due this soon. A later one is left to the next run.
const DRAIN_RETRY_WAIT_MAX: Duration = Duration::from_secs(5 * 60);

pub(super) struct RunControl {
    pub(super) options: RunOptions,
    /// No job is started while there is one.
    pause: Option<QueuePause>,
    pub(super) stop: Option<PendingStop>,
    /// A job was chosen, here or by the coordinator, or it is known that there is none.
    pub(super) decided_once: bool,
}

/// What the last look at the source of work came to.
#[derive(Default)]
pub(super) struct SourceSnapshot {
    pub(super) wait_reason: WaitReason,
    /// When the first retry is due, if nothing can start before.
    pub(super) retry_at: Option<Instant>,
    /// Of the inbox.
    pub(super) view: Option<Arc<QueueSnapshot>>,
}

impl RunControl {
    pub(super) fn new(options: RunOptions) -> RunControl {
        RunControl {
            options,
            pause: None,
            stop: None,
            decided_once: false,
        }
    }

    pub(super) fn is_endless(&self) -> bool {
        self.options.until == RunUntil::Stopped
    }

    pub(super) fn may_start(&self, workers_taken: usize) -> bool {
        let once_done = self.options.until == RunUntil::Once && self.decided_once;
        self.may_take_granted() && !once_done && workers_taken < self.options.workers
    }

    /// A job that was asked for before the pause came, or the end, is not taken.
    pub(super) fn may_take_granted(&self) -> bool {
        self.stop.is_none() && self.pause.is_none()
    }

    /// What people approved is published while the queue is paused, too.
    pub(super) fn has_worker_for_approved(&self, workers_taken: usize) -> bool {
        self.stop.is_none() && workers_taken < self.options.workers
    }

    /// Whether another job will be started after those that run.
    pub(super) fn takes_more(&self) -> bool {
        self.pause.is_none() && self.options.until != RunUntil::Once
    }

    /// How urgently what runs has to end.
    pub(super) fn stop(&mut self, exit: ProgramExit) -> StopUrgency {
        match &mut self.stop {
            None => {
                self.stop = Some(PendingStop {
                    exit,
                    give_up_at: None,
                });
                StopUrgency::Graceful
            }
            Some(stop) => {
                stop.give_up_at.get_or_insert(Instant::now() + KILL_WAIT_MAX);
                StopUrgency::Immediate
            }
        }
    }

    pub(super) fn give_up_at(&self) -> Option<Instant> {
        self.stop.as_ref().and_then(|stop| stop.give_up_at)
    }

    pub(super) fn gives_up_now(&self) -> bool {
        self.give_up_at().is_some_and(|at| at <= Instant::now())
    }

    /// Looks whether a person paused the queue, or resumed it.
    pub(super) fn reload_pause(&mut self, world: &mut QueueWorld) -> Result<(), RunError> {
        let pause = world.queue.paused()?;
        match (&self.pause, &pause) {
            (None, Some(_)) => {
                progress::waiting("paused: no job is started, what runs goes on; `aq resume` ends it");
            }
            (Some(_), None) => {
                progress::waiting("resumed");
                world.progress.forget_wait();
            }
            _ => {}
        }
        self.pause = pause;
        Ok(())
    }

    pub(super) fn is_over(&self, world: &QueueWorld, snapshot: &SourceSnapshot) -> bool {
        let (source, until) = (&world.source, self.options.until);
        if !world.jobs.is_empty() {
            return false;
        }
        if self.pause.is_some() && until != RunUntil::Stopped {
            return source.link().is_none_or(|link| link.session.is_settled());
        }
        if let (WorkSource::Routed(routed), None) = (source, &self.stop) {
            let is_ending = snapshot.wait_reason != WaitReason::None;
            return !is_ending && routed.is_over(until, self.decided_once);
        }
        let is_due_soon = |at: Instant| at <= Instant::now() + DRAIN_RETRY_WAIT_MAX;
        let waiting_helps = match snapshot.wait_reason {
            WaitReason::None => until == RunUntil::Drained && snapshot.retry_at.is_some_and(is_due_soon),
            WaitReason::BeingWritten | WaitReason::HostTrouble => true,
            WaitReason::HeldByOthers => until == RunUntil::Drained,
        };
        match until {
            _ if self.stop.is_some() => true,
            RunUntil::Once if self.decided_once => true,
            RunUntil::Once | RunUntil::Drained => !waiting_helps,
            RunUntil::Stopped => false,
        }
    }

    /// Why nothing happens, if that is so and was not said otherwise.
    pub(super) fn wait_message(&self, world: &QueueWorld, snapshot: &SourceSnapshot) -> Option<&'static str> {
        let asks = world.source.is_routed() && self.options.until != RunUntil::Stopped;
        if asks || world.jobs.workers_taken() > 0 || !self.may_take_granted() {
            return None;
        }
        match snapshot.wait_reason {
            WaitReason::None if snapshot.retry_at.is_some() => {
                Some("waiting for the next attempt of a job that failed; Ctrl-C ends this")
            }
            WaitReason::None => Some("waiting for jobs; Ctrl-C ends this"),
            WaitReason::HeldByOthers => Some("waiting for a lock or a job that is in other hands"),
            // That was said of each file, or of the host.
            WaitReason::BeingWritten | WaitReason::HostTrouble => None,
        }
    }

    /// An idle decision: nothing runs and nothing could (clause S-1).
    pub(super) fn decide_idle(
        &mut self,
        source: &mut WorkSource,
        jobs: &JobTable,
        snapshot: &SourceSnapshot,
    ) {
        let (Some(view), WorkSource::Local(local)) = (&snapshot.view, source) else {
            return;
        };
        let is_first = self.options.until != RunUntil::Once || !self.decided_once;
        // A job that waits for its next attempt is not nothing to do.
        let is_idle = jobs.workers_taken() == 0 && self.stop.is_none() && snapshot.retry_at.is_none();
        if is_idle && is_first && local.is_idle_due(!self.is_endless()) {
            local.decided(None, Arc::clone(view));
            self.decided_once = true;
        }
    }

    /// Whether the shadow lane is told again, after a while, that nothing could be started.
    pub(super) fn repeats_idle_decisions(&self) -> bool {
        self.is_endless() && self.pause.is_none()
    }

    pub(super) fn into_end(self, limit: Duration, view: Option<Arc<QueueSnapshot>>) -> RunEnd {
        RunEnd {
            options: self.options,
            limit,
            is_paused: self.pause.is_some() && self.stop.is_none(),
            stop: self.stop,
            view,
        }
    }
}
