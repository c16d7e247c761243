//! The loop: it waits for one event at a time, hands it on, and starts what can start after each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::event_stream::RunEvent;
use super::job_command::QueueAttempt;
use super::local_queue::{UsableEngines, WaitReason};
use super::mode_switch::ModeSwitch;
use super::queue_world::QueueWorld;
use super::run_control::{RunControl, SourceSnapshot};
use super::run_options::{RunError, RunOptions};
use super::runner_record::RunnerPresence;
use super::transition::AttemptInput;
use super::transition::{self, AttemptEvent, CommandEnd};
use super::work_source::WorkSource;
use super::{executor, progress, reviews};
use crate::engine;
use crate::exit_codes::ProgramExit;
use crate::settings::Settings;

/// Looks at what is in other hands, or at settings that are being written.
const COARSE_TICK: Duration = Duration::from_secs(1);
/// After a sign of a freed lock, which comes a moment before the lock is free.
const FIRST_TICK: Duration = Duration::from_millis(1);
/// Between two drawings of what runs, on a terminal.
const LIVE_TICK: Duration = Duration::from_millis(250);

mod fleet_events;
mod trouble;

pub(super) struct EventLoop {
    control: RunControl,
    world: QueueWorld,
    mode: ModeSwitch,
    presence: RunnerPresence,
    /// For the shadow lane, and for what is owed to the coordinator, when the run is over.
    end_limit: Duration,
    /// Something changed after settings, pause and wishes had been looked at, and nothing else will tell of it again.
    recheck_needed: bool,
    /// How long until the next look at what is in other hands.
    next_tick: Duration,
}

impl EventLoop {
    pub(super) fn new(
        settings: &Settings,
        options: RunOptions,
        world: QueueWorld,
        presence: RunnerPresence,
    ) -> EventLoop {
        presence.watches_by(world.events.change_source());
        EventLoop {
            control: RunControl::new(options),
            world,
            mode: ModeSwitch::new(settings),
            presence,
            end_limit: settings.fleet.drain.value,
            recheck_needed: false,
            next_tick: FIRST_TICK,
        }
    }

    pub(super) async fn run(mut self) -> ProgramExit {
        // What was done to the folder before it was watched, or while that was tried out, is told by nobody.
        let found = self.world.queue.check_presence();
        self.absorb(found.map_err(RunError::from));
        let view = loop {
            let snapshot = self.start_unless_troubled();
            let is_over = self.control.is_over(&self.world, &snapshot);
            if is_over || self.control.is_endless() {
                self.control
                    .decide_idle(&mut self.world.source, &self.world.jobs, &snapshot);
            }
            if is_over {
                break snapshot.view;
            }
            self.report(&snapshot);
            self.keep_spare();
            let at = match std::mem::take(&mut self.recheck_needed) {
                true => Some(Instant::now()),
                false => self.next_instant(&snapshot),
            };
            let QueueWorld { events, source, .. } = &mut self.world;
            let session = source.link_mut().map(|link| &mut link.session);
            let event = events.next(at, session).await;
            let applied = self.apply(event);
            self.absorb(applied);
            self.respond_to_harm();
            if self.control.gives_up_now() {
                self.report_given_up();
                break None;
            }
        };
        let end = self.control.into_end(self.end_limit, view);
        end.finish(self.world, self.mode, self.presence).await
    }

    fn start_ready_jobs(&mut self) -> Result<SourceSnapshot, RunError> {
        let mut last = SourceSnapshot::default();
        loop {
            // Between two decisions, so that none is made in a mode that is over.
            self.mode.reload(&mut self.world, &self.presence);
            self.control.reload_pause(&mut self.world)?;
            if self.world.source.is_routed() {
                let busy = self.take_up_abandoned()?;
                self.ask_for_work()?;
                if busy {
                    last.wait_reason = WaitReason::HeldByOthers;
                }
                return Ok(last);
            }
            if !self.control.may_start(self.world.jobs.workers_taken()) {
                if self.world.jobs.has_lost() && self.take_up_abandoned()? {
                    last.wait_reason = WaitReason::HeldByOthers;
                }
                return Ok(last);
            }
            match self.start_local_job()? {
                (snapshot, true) if !self.world.trouble.is_waiting(Instant::now()) => last = snapshot,
                (snapshot, _) => return Ok(snapshot),
            }
        }
    }

    /// True: one was started, and there may be another.
    fn start_local_job(&mut self) -> Result<(SourceSnapshot, bool), RunError> {
        let since = self.world.events.changes();
        self.recheck_needed |= since.any;
        self.note_changes(since)?;
        let WorkSource::Local(local) = &mut self.world.source else {
            return Ok((SourceSnapshot::default(), false));
        };
        let changes = local.take_changes();
        let choice = self.world.choose(changes)?;
        let snapshot = SourceSnapshot {
            wait_reason: choice.wait_reason,
            retry_at: choice.retry_at,
            view: Some(Arc::clone(&choice.view)),
        };
        let Some(claimed) = choice.claimed else {
            return Ok((snapshot, false));
        };
        if claimed.is_rewritten {
            progress::rewritten(&claimed.job.id);
        }
        self.control.decided_once = true;
        if let WorkSource::Local(local) = &self.world.source {
            local.decided(Some(&claimed.job), choice.view);
        }
        executor::start_attempt(&mut self.world, QueueAttempt::new(claimed, None))?;
        Ok((snapshot, true))
    }

    /// Jobs of dead runners, where no look at the inbox takes them up; true: something of one is being ended.
    fn take_up_abandoned(&mut self) -> Result<bool, RunError> {
        let (recovered, busy) = self.world.take_up_abandoned()?;
        for (id, stage) in recovered {
            executor::close_abandoned_lease(&mut self.world, &id, stage)?;
        }
        Ok(busy)
    }

    /// Asks the coordinator for a job where one could be started, once all that is owed to it was delivered.
    fn ask_for_work(&mut self) -> Result<(), RunError> {
        let may_start = self.control.may_start(self.world.jobs.workers_taken());
        let world = &mut self.world;
        let WorkSource::Routed(routed) = &mut world.source else {
            return Ok(());
        };
        routed.link.deliver_outbox(&world.queue)?;
        if !may_start {
            routed.forget_wake();
        } else if routed.is_due(self.control.options.until, Instant::now()) {
            let usable = UsableEngines::of(&world.queue, &world.engines)?;
            routed.ask(engine::capabilities(&usable.found), self.control.options.until);
        }
        Ok(())
    }

    fn apply(&mut self, event: RunEvent) -> Result<(), RunError> {
        self.world.jobs.drop_collected();
        match event {
            RunEvent::CommandEnded { job, end } => {
                let end = end.map_or(CommandEnd::SupervisorLost, CommandEnd::Outcome);
                let answered = matches!(end, CommandEnd::Outcome(_));
                self.world.trouble.recheck_at_once(Instant::now());
                if let Some(attempt) = self.world.jobs.take_ended(&job, answered)
                    && let Some((attempt, end)) = self.world.told_end(attempt, end)
                {
                    self.presence.has_used(self.world.used);
                    self.take_on(attempt, AttemptInput::CommandEnd(end));
                }
            }
            RunEvent::StopSignal(signal) => {
                let urgency = self.control.stop(ProgramExit::Stopped(signal));
                self.world.jobs.interrupt(urgency);
            }
            RunEvent::ChildExited => self.world.jobs.collect_adopted(),
            RunEvent::QueueChanged => {
                self.next_tick = FIRST_TICK;
                self.presence.watches_by(self.world.events.change_source());
                let changes = self.world.events.changes();
                self.note_changes(changes)?;
                self.end_cancelled();
            }
            RunEvent::Fleet(event) => self.fleet_event(event)?,
            RunEvent::TimerDue => {
                self.next_tick = (self.next_tick * 8).min(COARSE_TICK);
                self.end_cancelled();
            }
        }
        let control = &self.control;
        reviews::check(&mut self.world, |world| {
            control.has_worker_for_approved(world.jobs.workers_taken())
        })?;
        self.end_waiting_attempts()
    }

    /// Nothing runs of these, so no end of a command will say that they are to end.
    fn end_waiting_attempts(&mut self) -> Result<(), RunError> {
        for id in self.world.jobs.stopped_waiting() {
            if let Some(attempt) = self.world.jobs.take_waiting(&id) {
                executor::handle_event(&mut self.world, attempt, AttemptEvent::StoppedWaiting)?;
            }
        }
        Ok(())
    }

    fn end_cancelled(&mut self) {
        let QueueWorld { jobs, queue, .. } = &mut self.world;
        jobs.end_cancelled(|id| queue.cancel_marker(id).exists());
    }

    /// What people are told while nothing happens, or while jobs run.
    fn report(&mut self, snapshot: &SourceSnapshot) {
        if let Some(why) = self.control.wait_message(&self.world, snapshot) {
            self.world.progress.report_wait(why);
        }
        if let Some(link) = self.world.source.link_mut() {
            link.report_slow_delivery(Instant::now());
        }
        let world = &mut self.world;
        let display = &mut world.progress.display;
        display.show_working(&world.queue, &world.engines, world.jobs.working());
    }

    /// Kept no longer than a command runs that another will follow: a runner that waits for jobs has none.
    fn keep_spare(&mut self) {
        let world = &mut self.world;
        let takes_more = !world.source.is_routed() && self.control.takes_more();
        let follows = |attempt: &QueueAttempt| transition::has_next_command(&attempt.state);
        let has_next = takes_more && world.local.inbox.has_waiting() || world.jobs.working().any(follows);
        let is_wanted = self.control.stop.is_none() && world.jobs.workers_taken() > 0 && has_next;
        world.jobs.keep_spare(is_wanted, &world.execution_context);
    }

    fn next_instant(&self, snapshot: &SourceSnapshot) -> Option<Instant> {
        let now = Instant::now();
        let (world, is_idle) = (&self.world, self.world.jobs.workers_taken() == 0);
        let looks = match snapshot.wait_reason {
            WaitReason::HeldByOthers | WaitReason::BeingWritten => Some(now + self.next_tick),
            WaitReason::None | WaitReason::HostTrouble => None,
        };
        let unsettled = self.mode.is_unsettled().then_some(COARSE_TICK);
        let coarse = unsettled
            .or(world.events.look_interval())
            .map(|interval| now + interval);
        let source = match &world.source {
            WorkSource::Routed(routed) => routed.next_instant(),
            WorkSource::Local(local) => local
                .next_idle()
                .filter(|_| is_idle && self.control.repeats_idle_decisions()),
        };
        let live = (world.progress.display.is_watched() && !is_idle).then(|| now + LIVE_TICK);
        // An engine may be tried again then.
        let paused = world.queue.paused_engines().unwrap_or_default();
        let clock = Timestamp::now();
        let unpaused = paused.values().filter_map(|pause| pause.left(clock)).min();
        let unpaused = unpaused.map(|left| now + left);
        let (give_up, abandoned_jobs) = (
            self.control.give_up_at(),
            world.local.abandoned_jobs.next_instant(),
        );
        let retry = snapshot.retry_at;
        let trouble = world.trouble.next_instant();
        [
            looks,
            coarse,
            source,
            live,
            unpaused,
            retry,
            give_up,
            abandoned_jobs,
            trouble,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
