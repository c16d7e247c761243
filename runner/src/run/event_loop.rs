//! The loop: it owns all state, waits for one event at a time, and starts what can start after each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::abandoned_jobs::OwnedJobs;
use super::attempt::{Attempt, ExecutionContext};
use super::event_stream::{EventStream, RunEvent};
use super::live_display::LiveDisplay;
use super::local_source::{LocalSelection, LocalSource, WaitReason};
use super::progress::{self, StageTally};
use super::routed_source::RoutedSource;
use super::runner_record::RunnerPresence;
use super::{RunError, RunOptions, RunUntil};
use crate::engine::EngineRegistry;
use crate::exit_codes::{ProgramExit, StopSignal};
use crate::ids::JobId;
use crate::job_reason::ReasonCode;
use crate::mode::Mode;
use crate::queue::{FolderChanges, Queue, QueuePause, WorkSnapshot};
use crate::scheduler::QueueSnapshot;
use crate::settings::{Settings, SettingsReloader};
use crate::shadow::{LocalDecision, ShadowLane, StageTransition};
use crate::stage::Stage;
use crate::supervise::{self, SpareSupervisor, SupervisorHandle};

/// Looks at a queue whose changes the system doesn't tell, or at what is in other hands.
pub(super) const COARSE_TICK: Duration = Duration::from_secs(1);
/// After a sign of a freed lock, which comes a moment before the lock is free.
const FIRST_TICK: Duration = Duration::from_millis(1);
/// For a tree to be gone after it was sent KILL.
pub(super) const KILL_WAIT_MAX: Duration = Duration::from_secs(5);

pub(super) struct EventLoop {
    pub(super) options: RunOptions,
    pub(super) queue: Queue,
    pub(super) engines: EngineRegistry,
    pub(super) execution_context: ExecutionContext,
    pub(super) presence: RunnerPresence,
    /// What counts for the next decision.
    pub(super) mode: Mode,
    pub(super) reload: SettingsReloader,
    /// `aq.toml` is being written.
    pub(super) settings_unsettled: bool,
    /// Warnings that were given, each once.
    pub(super) warned: Vec<String>,
    /// No job is started while there is one.
    pub(super) pause: Option<QueuePause>,
    pub(super) lane: Option<ShadowLane>,
    /// Those that were given up when the mode changed.
    pub(super) stopped_lanes: Vec<ShadowLane>,
    /// How long the shadow lane and the last reports may take when the run ends.
    pub(super) lane_limit: Duration,
    /// Of a run that takes its work from the coordinator, or did and still keeps leases.
    pub(super) routed: Option<RoutedSource>,
    pub(super) local: LocalSource,
    pub(super) events: EventStream,
    pub(super) changes: FolderChanges,
    /// Something changed after settings, pause and wishes had been looked at, and nothing else will tell of it again.
    pub(super) recheck_needed: bool,
    pub(super) running: BTreeMap<JobId, Attempt>,
    /// Jobs whose supervisor is gone: not ours any more, but this run ends what is left of them, and takes them up.
    pub(super) lost: BTreeMap<JobId, WorkSnapshot>,
    /// A supervisor for the command after those that run.
    pub(super) spare: Option<SpareSupervisor>,
    /// Supervisors that have answered and whose processes are about to be gone.
    pub(super) leaving: Vec<SupervisorHandle>,
    pub(super) tally: StageTally,
    pub(super) stop: Option<PendingStop>,
    pub(super) decided_once: bool,
    pub(super) idle_since_decision: Option<Instant>,
    pub(super) next_tick: Duration,
    pub(super) wait_reported: bool,
    pub(super) display: LiveDisplay,
}

pub(super) struct PendingStop {
    pub(super) signal: StopSignal,
    /// Set by the second signal: nothing is waited for beyond this.
    pub(super) give_up_at: Option<Instant>,
}

/// What the last look at the source of work came to.
pub(super) struct SourceSnapshot {
    pub(super) wait_reason: WaitReason,
    pub(super) view: Option<Arc<QueueSnapshot>>,
}

impl EventLoop {
    pub(super) fn new(
        settings: &Settings,
        options: RunOptions,
        queue: Queue,
        engines: EngineRegistry,
        presence: RunnerPresence,
        (lane, routed): (Option<ShadowLane>, Option<RoutedSource>),
    ) -> Result<EventLoop, RunError> {
        Ok(EventLoop {
            execution_context: ExecutionContext::of_this_process(settings)
                .map_err(RunError::system("find the current folder"))?,
            events: EventStream::new(&queue)?,
            local: LocalSource::new(&settings.factory_caps, settings.grace),

            lane_limit: settings.fleet.drain.value,
            mode: settings.mode,
            reload: SettingsReloader::new(settings),
            settings_unsettled: false,
            warned: settings.warnings(),
            pause: None,
            stopped_lanes: Vec::new(),
            changes: FolderChanges::everything(),
            recheck_needed: false,
            running: BTreeMap::new(),
            lost: BTreeMap::new(),
            spare: None,
            leaving: Vec::new(),
            tally: StageTally::default(),
            stop: None,
            decided_once: false,
            idle_since_decision: None,
            next_tick: FIRST_TICK,
            wait_reported: false,
            display: LiveDisplay::new(),
            options,
            queue,
            engines,
            presence,
            lane,
            routed,
        })
    }

    pub(super) async fn run(mut self) -> Result<ProgramExit, RunError> {
        let never_startable = loop {
            let source_snapshot = self.start_ready_jobs()?;
            if self.is_over(&source_snapshot) {
                self.decide_idle(&source_snapshot);
                break source_snapshot.view;
            }
            if self.options.until == RunUntil::Stopped {
                self.decide_idle(&source_snapshot);
            }
            self.report_wait(&source_snapshot);
            if let Some(routed) = &mut self.routed {
                routed.report_slow_delivery(Instant::now());
            }
            self.display.show_running(&self.queue, self.running.values());
            self.keep_spare();
            let at = match std::mem::take(&mut self.recheck_needed) {
                true => Some(Instant::now()),
                false => self.next_instant(&source_snapshot),
            };
            let fleet_session = self.routed.as_mut().map(|routed| &mut routed.fleet_session);
            let event = self.events.next(at, fleet_session).await;
            self.apply(event)?;
            if self
                .stop
                .as_ref()
                .is_some_and(|stop| stop.give_up_at.is_some_and(|at| at <= Instant::now()))
            {
                break None;
            }
        };
        self.finish(never_startable).await
    }

    fn start_ready_jobs(&mut self) -> Result<SourceSnapshot, RunError> {
        let mut source_snapshot = SourceSnapshot {
            wait_reason: WaitReason::None,
            view: None,
        };
        loop {
            // Between two decisions, so that none is made in a mode that is over.
            self.reload_settings();
            self.reload_pause()?;
            if self.routes() {
                if self.recover_abandoned()? {
                    source_snapshot.wait_reason = WaitReason::HeldByOthers;
                }
                self.deliver_outbox()?;
                self.ask_for_work()?;
                return Ok(source_snapshot);
            }
            if !self.may_start() {
                if !self.lost.is_empty() && self.recover_abandoned()? {
                    source_snapshot.wait_reason = WaitReason::HeldByOthers;
                }
                break;
            }
            let mut changes = std::mem::take(&mut self.changes);
            let since = self.events.changes();
            self.recheck_needed |= since.any;
            changes.merge(since);
            let own = self.own();
            let choice = self.local.choose(&self.queue, &self.engines, changes, &own)?;
            self.report_selection(&choice);
            source_snapshot = SourceSnapshot {
                wait_reason: choice.wait_reason,
                view: Some(Arc::clone(&choice.view)),
            };
            let Some(claimed) = choice.claimed else { break };
            if claimed.is_rewritten {
                progress::rewritten(&claimed.job.id);
            }
            self.decided(Some(claimed.job.id.clone()), choice.view);
            self.begin(Attempt::new(claimed))?;
        }
        Ok(source_snapshot)
    }

    pub(super) fn may_start(&self) -> bool {
        let once_done = self.options.until == RunUntil::Once && self.decided_once;
        self.stop.is_none() && self.pause.is_none() && !once_done && self.running.len() < self.options.workers
    }

    pub(super) fn decided(&mut self, local: Option<JobId>, view: Arc<QueueSnapshot>) {
        self.decided_once = true;
        if let Some(lane) = &self.lane {
            lane.decided(LocalDecision { local, view });
        }
    }

    pub(super) fn moved(&self, job: &JobId, stage: Stage) {
        let keeps = self
            .routed
            .as_ref()
            .is_some_and(|routed| routed.fleet_session.has_lease(job));
        // What runs under a lease is reported as such, and is none of the local path's decisions.
        if let Some(lane) = self.lane.as_ref().filter(|_| !keeps) {
            lane.moved(StageTransition {
                job: job.clone(),
                stage,
            });
        }
        // `building` is set by the claim itself, and a final stage ends the lease.
        if let (Some(routed), Stage::Testing | Stage::Review) = (&self.routed, stage) {
            routed.fleet_session.report(job, stage);
        }
    }

    fn report_selection(&mut self, choice: &LocalSelection) {
        for refused in &choice.refused {
            self.tally.count(refused.stage);
            progress::moved(
                &refused.id,
                refused.stage,
                Some(&refused.reason.to_string()),
                None,
            );
            self.moved(&refused.id, refused.stage);
        }
        choice.awaited.iter().for_each(progress::awaited);
        if let Some(locked) = &choice.locked {
            self.warn_once(&format!("{locked}; what is new in the inbox waits for that"));
        }
        self.report_recovered(&choice.recovered);
    }

    /// Jobs of dead runners, where the coordinator is the source of work; true: something of one is being ended.
    fn recover_abandoned(&mut self) -> Result<bool, RunError> {
        let own = self.own();
        let (recovered, busy) = self.local.take_up(&self.queue, &own)?;
        self.report_recovered(&recovered);
        for (id, stage) in recovered {
            self.close_abandoned(&id, stage)?;
        }
        Ok(busy)
    }

    fn report_recovered(&mut self, recovered: &[(JobId, Stage)]) {
        for (id, stage) in recovered {
            if stage.is_final() {
                self.tally.count(*stage);
            }
            let reason = match self.lost.remove(id) {
                Some(_) => "its supervisor was lost",
                None => "left behind by an earlier run",
            };
            let own = self
                .queue
                .reason(id)
                .filter(|own| own.code == ReasonCode::ChangedInWork);
            let told = own.map_or_else(|| reason.to_owned(), |own| own.to_string());
            progress::moved(id, *stage, Some(&told), None);
            self.moved(id, *stage);
        }
        self.lost.retain(|id, _| self.local.is_busy_with(id));
    }

    fn own(&self) -> OwnedJobs {
        OwnedJobs {
            running: self.running.keys().cloned().collect(),
            lost: self.lost.clone(),
            adopted: match self.lost.is_empty() {
                true => Vec::new(),
                false => self.orphans(),
            },
        }
    }

    /// What a lost supervisor left to this process. Process 1 becomes the parent of everybody's orphans, so for it being
    /// adopted proves nothing.
    pub(super) fn orphans(&self) -> Vec<i32> {
        match std::process::id() {
            1 => Vec::new(),
            _ => self.adopted(),
        }
    }

    /// The children of this process that it never started: orphans of a supervisor that is gone, or, for process 1, of
    /// anything.
    pub(super) fn adopted(&self) -> Vec<i32> {
        let own = self.running.values().filter_map(Attempt::supervisor);
        let own: BTreeSet<i32> = own
            .chain(self.leaving.iter().map(SupervisorHandle::pid))
            .chain(self.spare.iter().map(SpareSupervisor::pid))
            .collect();
        let mut children = supervise::children();
        children.retain(|pid| !own.contains(pid));
        children
    }

    fn apply(&mut self, event: RunEvent) -> Result<(), RunError> {
        self.leaving.retain_mut(|running| !running.is_collected());
        match event {
            RunEvent::CommandEnded { job, end } => self.ended(&job, end)?,
            RunEvent::StopSignal(signal) => self.stop(signal),
            RunEvent::ChildExited => supervise::collect(self.adopted().into_iter()),
            RunEvent::QueueChanged => {
                self.next_tick = FIRST_TICK;
                self.changes.merge(self.events.changes());
                self.end_cancelled();
            }
            RunEvent::Fleet(event) => self.fleet_event(event)?,
            RunEvent::TimerDue => {
                self.next_tick = (self.next_tick * 8).min(COARSE_TICK);
                self.end_cancelled();
            }
        }
        self.check_reviews()?;
        self.end_waiting_attempts()
    }
}
