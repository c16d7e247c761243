//! When nothing starts: whether the run is over, what is waited for, and what is said about it.

use std::time::{Duration, Instant};

use super::event_loop::{COARSE_TICK, EventLoop, SourceSnapshot};
use super::local_source::WaitReason;
use super::step_outcome;
use super::{RunUntil, progress};
use crate::supervise::SpareSupervisor;

/// An endless run that has nothing to do says so to the shadow lane this often at most.
const IDLE_DECISION_INTERVAL: Duration = Duration::from_secs(30);
/// Between two drawings of what runs, on a terminal.
const LIVE_TICK: Duration = Duration::from_millis(250);

impl EventLoop {
    pub(super) fn is_over(&self, source_snapshot: &SourceSnapshot) -> bool {
        if !self.running.is_empty() || !self.lost.is_empty() {
            return false;
        }
        if self.pause.is_some() && self.options.until != RunUntil::Stopped {
            return self
                .routed
                .as_ref()
                .is_none_or(|routed| routed.fleet_session.is_settled());
        }
        if let Some(routed) = self
            .routed
            .as_ref()
            .filter(|_| self.stop.is_none() && self.routes())
        {
            let ending = source_snapshot.wait_reason != WaitReason::None;
            return !ending && routed.is_over(self.options.until, self.decided_once);
        }
        let waiting_helps = match source_snapshot.wait_reason {
            WaitReason::None => false,
            WaitReason::BeingWritten => true,
            WaitReason::HeldByOthers => self.options.until == RunUntil::Drained,
        };
        match self.options.until {
            _ if self.stop.is_some() => true,
            RunUntil::Once if self.decided_once => true,
            RunUntil::Once | RunUntil::Drained => !waiting_helps,
            RunUntil::Stopped => false,
        }
    }

    /// The next command's supervisor starts while the ones before it are busy. Kept no longer than a command runs that
    /// another will follow: a runner that waits for jobs has none.
    pub(super) fn keep_spare(&mut self) {
        let takes_more = !self.routes() && self.pause.is_none() && self.options.until != RunUntil::Once;
        let next_job = takes_more && self.local.has_waiting();
        let mut running = self.running.values();
        let next_step = running.any(|attempt| step_outcome::goes_on(&attempt.job, attempt.step));
        let wanted = self.stop.is_none() && !self.running.is_empty() && (next_job || next_step);
        match (wanted, &self.spare) {
            // Without it the next command starts its own.
            (true, None) => self.spare = self.execution_context.spare().ok(),
            (false, Some(_)) => self.spare.take().into_iter().for_each(SpareSupervisor::dismiss),
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Says once why nothing happens.
    pub(super) fn report_wait(&mut self, source_snapshot: &SourceSnapshot) {
        let asks = self.routes() && self.options.until != RunUntil::Stopped;
        if asks
            || !self.running.is_empty()
            || self.stop.is_some()
            || self.pause.is_some()
            || std::mem::replace(&mut self.wait_reported, true)
        {
            return;
        }
        match source_snapshot.wait_reason {
            WaitReason::None => progress::waiting("waiting for jobs; Ctrl-C ends this"),
            WaitReason::HeldByOthers => {
                progress::waiting("waiting for a lock or a job that is in other hands")
            }
            // That was said of each file.
            WaitReason::BeingWritten => self.wait_reported = false,
        }
    }

    /// An idle decision: nothing runs and nothing could (clause S-1).
    pub(super) fn decide_idle(&mut self, source_snapshot: &SourceSnapshot) {
        let Some(view) = source_snapshot.view.clone() else {
            return;
        };
        let due = self
            .idle_since_decision
            .is_none_or(|last| last.elapsed() >= IDLE_DECISION_INTERVAL);
        let ends = self.options.until != RunUntil::Stopped;
        let already = self.options.until == RunUntil::Once && self.decided_once;
        if self.lane.is_some() && self.running.is_empty() && self.stop.is_none() && !already && (due || ends)
        {
            self.idle_since_decision = Some(Instant::now());
            self.decided(None, view);
        }
    }

    pub(super) fn next_instant(&self, source_snapshot: &SourceSnapshot) -> Option<Instant> {
        let now = Instant::now();
        let looks = match source_snapshot.wait_reason {
            WaitReason::HeldByOthers | WaitReason::BeingWritten => Some(now + self.next_tick),
            WaitReason::None => None,
        };
        let coarse = (!self.events.notices_changes()).then(|| now + COARSE_TICK);
        let idle = match (&self.lane, self.running.is_empty(), self.options.until) {
            (Some(_), true, RunUntil::Stopped) if self.pause.is_none() => {
                self.idle_since_decision.map(|last| last + IDLE_DECISION_INTERVAL)
            }
            _ => None,
        };
        let live = (self.display.is_watched() && !self.running.is_empty()).then(|| now + LIVE_TICK);
        // An engine that is used up may be started again then.
        let paused = self.queue.paused_engines().unwrap_or_default();
        let unpaused = paused.values().min().map(|left| now + *left);
        let give_up = self.stop.as_ref().and_then(|stop| stop.give_up_at);
        let routed = self
            .routed
            .as_ref()
            .filter(|_| self.routes())
            .and_then(|routed| routed.next_instant());
        let settings = self.settings_unsettled.then(|| now + COARSE_TICK);
        let abandoned_jobs = self.local.next_instant();
        [
            looks,
            coarse,
            idle,
            give_up,
            routed,
            settings,
            live,
            unpaused,
            abandoned_jobs,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
