//! The loop: it owns all state, waits for one event at a time, and starts what can start after each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::announce::{self, Tally};
use super::attempt::{Attempt, Surroundings};
use super::events::{Event, Events};
use super::live;
use super::local::{Choice, Local, Own, Prospect};
use super::presence::Presence;
use super::routed::Routed;
use super::{OnJobFailure, Options, RunError, Until};
use crate::decide::{Eligibility, View, Waiting};
use crate::engine::Engines;
use crate::exit::{Exit, StopSignal};
use crate::ids::JobId;
use crate::mode::Mode;
use crate::queue::{CHANGED_IN_WORK, Changes, InWork, Pause, Queue};
use crate::settings::{Reload, Settings};
use crate::shadow::{Decision, Lane, Transition};
use crate::stage::Stage;
use crate::supervise::{self, Running, Spare};

/// Looks at a queue whose changes the system doesn't tell, or at what is in other hands.
pub(super) const COARSE_TICK: Duration = Duration::from_secs(1);
/// After a sign of a freed lock, which comes a moment before the lock is free.
const FIRST_TICK: Duration = Duration::from_millis(1);
/// For a tree to be gone after it was sent KILL.
pub(super) const KILL_WAIT_MAX: Duration = Duration::from_secs(5);

pub(super) struct Runner {
    pub(super) options: Options,
    pub(super) queue: Queue,
    pub(super) engines: Engines,
    pub(super) around: Surroundings,
    pub(super) presence: Presence,
    /// What counts for the next decision.
    pub(super) mode: Mode,
    pub(super) reload: Reload,
    /// `aq.toml` is being written.
    pub(super) settings_unsettled: bool,
    /// Warnings that were given, each once.
    pub(super) warned: Vec<String>,
    /// No job is started while there is one.
    pub(super) pause: Option<Pause>,
    pub(super) lane: Option<Lane>,
    /// Those that were given up when the mode changed.
    pub(super) lanes_left: Vec<Lane>,
    lane_limit: Duration,
    /// Of a run that takes its work from the coordinator, or did and still keeps leases.
    pub(super) routed: Option<Routed>,
    pub(super) local: Local,
    pub(super) events: Events,
    pub(super) changes: Changes,
    /// Something changed after settings, pause and wishes had been looked at, and nothing else will tell of it again.
    pub(super) unheard: bool,
    pub(super) running: BTreeMap<JobId, Attempt>,
    /// Jobs whose supervisor is gone: not ours any more, but this run ends what is left of them, and takes them up.
    pub(super) lost: BTreeMap<JobId, InWork>,
    /// A supervisor for the command after those that run.
    pub(super) spare: Option<Spare>,
    /// Supervisors that have answered and whose processes are about to be gone.
    pub(super) leaving: Vec<Running>,
    pub(super) tally: Tally,
    pub(super) stop: Option<Stop>,
    pub(super) decided_once: bool,
    pub(super) idle_since_decision: Option<Instant>,
    pub(super) next_tick: Duration,
    pub(super) wait_told: bool,
    /// Someone looks at a terminal on which lines can change.
    pub(super) is_watched: bool,
    /// Of the picture that turns while jobs run.
    pub(super) frame: usize,
}

pub(super) struct Stop {
    pub(super) signal: StopSignal,
    /// Set by the second signal: nothing is waited for beyond this.
    pub(super) give_up_at: Option<Instant>,
}

/// What the last look at the source of work came to.
pub(super) struct Outlook {
    pub(super) prospect: Prospect,
    pub(super) view: Option<Arc<View>>,
}

impl Runner {
    pub(super) fn new(
        settings: &Settings,
        options: Options,
        queue: Queue,
        engines: Engines,
        presence: Presence,
        (lane, routed): (Option<Lane>, Option<Routed>),
    ) -> Result<Runner, RunError> {
        Ok(Runner {
            around: Surroundings::of_this_process(settings)
                .map_err(RunError::system("find the current folder"))?,
            events: Events::new(&queue)?,
            local: Local::new(&settings.factory_caps, settings.grace),

            lane_limit: settings.fleet.drain.value,
            mode: settings.mode,
            reload: Reload::new(settings),
            settings_unsettled: false,
            warned: settings.warnings(),
            pause: None,
            lanes_left: Vec::new(),
            changes: Changes::everything(),
            unheard: false,
            running: BTreeMap::new(),
            lost: BTreeMap::new(),
            spare: None,
            leaving: Vec::new(),
            tally: Tally::default(),
            stop: None,
            decided_once: false,
            idle_since_decision: None,
            next_tick: FIRST_TICK,
            wait_told: false,
            is_watched: live::is_watched(),
            frame: 0,
            options,
            queue,
            engines,
            presence,
            lane,
            routed,
        })
    }

    pub(super) async fn run(mut self) -> Result<Exit, RunError> {
        let stranded = loop {
            let outlook = self.start_what_can()?;
            if self.is_over(&outlook) {
                self.decide_idle(&outlook);
                break outlook.view;
            }
            if self.options.until == Until::Stopped {
                self.decide_idle(&outlook);
            }
            self.tell_wait(&outlook);
            if let Some(routed) = &mut self.routed {
                routed.tell_owing(Instant::now());
            }
            self.show_running();
            self.keep_spare();
            let at = match std::mem::take(&mut self.unheard) {
                true => Some(Instant::now()),
                false => self.next_instant(&outlook),
            };
            let office = self.routed.as_mut().map(|routed| &mut routed.office);
            let event = self.events.next(at, office).await;
            self.apply(event)?;
            if self
                .stop
                .as_ref()
                .is_some_and(|stop| stop.give_up_at.is_some_and(|at| at <= Instant::now()))
            {
                break None;
            }
        };
        self.finish(stranded).await
    }

    fn start_what_can(&mut self) -> Result<Outlook, RunError> {
        let mut outlook = Outlook {
            prospect: Prospect::None,
            view: None,
        };
        loop {
            // Between two decisions, so that none is made in a mode that is over.
            self.follow_settings();
            self.follow_pause()?;
            if self.routes() {
                if self.take_up_left_behind()? {
                    outlook.prospect = Prospect::InOtherHands;
                }
                self.deliver_owed()?;
                self.ask_for_work()?;
                return Ok(outlook);
            }
            if !self.may_start() {
                if !self.lost.is_empty() && self.take_up_left_behind()? {
                    outlook.prospect = Prospect::InOtherHands;
                }
                break;
            }
            let mut changes = std::mem::take(&mut self.changes);
            let since = self.events.changes();
            self.unheard |= since.any;
            changes.merge(since);
            let own = self.own();
            let choice = self.local.choose(&self.queue, &self.engines, changes, &own)?;
            self.tell_moves(&choice);
            outlook = Outlook {
                prospect: choice.prospect,
                view: Some(Arc::clone(&choice.view)),
            };
            let Some(claimed) = choice.claimed else { break };
            if claimed.is_rewritten {
                announce::rewritten(&claimed.job.id);
            }
            self.decided(Some(claimed.job.id.clone()), choice.view);
            self.begin(Attempt::new(claimed))?;
        }
        Ok(outlook)
    }

    pub(super) fn may_start(&self) -> bool {
        let once_done = self.options.until == Until::Once && self.decided_once;
        self.stop.is_none() && self.pause.is_none() && !once_done && self.running.len() < self.options.workers
    }

    pub(super) fn decided(&mut self, local: Option<JobId>, view: Arc<View>) {
        self.decided_once = true;
        if let Some(lane) = &self.lane {
            lane.decided(Decision { local, view });
        }
    }

    pub(super) fn moved(&self, job: &JobId, stage: Stage) {
        let keeps = self
            .routed
            .as_ref()
            .is_some_and(|routed| routed.office.keeps(job));
        // What runs under a lease is reported as such, and is none of the local path's decisions.
        if let Some(lane) = self.lane.as_ref().filter(|_| !keeps) {
            lane.moved(Transition {
                job: job.clone(),
                stage,
            });
        }
        // `building` is set by the claim itself, and a final stage ends the lease.
        if let (Some(routed), Stage::Testing | Stage::Review) = (&self.routed, stage) {
            routed.office.report(job, stage);
        }
    }

    fn tell_moves(&mut self, choice: &Choice) {
        for refused in &choice.refused {
            self.tally.count(refused.stage);
            announce::moved(&refused.id, refused.stage, Some(&refused.reason), None);
            self.moved(&refused.id, refused.stage);
        }
        choice.awaited.iter().for_each(announce::awaited);
        if let Some(locked) = &choice.locked {
            self.warn_once(&format!("{locked}; what is new in the inbox waits for that"));
        }
        self.tell_recovered(&choice.recovered);
    }

    /// Jobs of dead runners, where the coordinator is the source of work; true: something of one is being ended.
    fn take_up_left_behind(&mut self) -> Result<bool, RunError> {
        let own = self.own();
        let (recovered, busy) = self.local.take_up(&self.queue, &own)?;
        self.tell_recovered(&recovered);
        for (id, stage) in recovered {
            self.settle_left_behind(&id, stage)?;
        }
        Ok(busy)
    }

    fn tell_recovered(&mut self, recovered: &[(JobId, Stage)]) {
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
                .filter(|own| own.starts_with(CHANGED_IN_WORK));
            announce::moved(id, *stage, Some(own.as_deref().unwrap_or(reason)), None);
            self.moved(id, *stage);
        }
        self.lost.retain(|id, _| self.local.is_busy_with(id));
    }

    fn own(&self) -> Own {
        Own {
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
            .chain(self.leaving.iter().map(Running::pid))
            .chain(self.spare.iter().map(Spare::pid))
            .collect();
        let mut children = supervise::children();
        children.retain(|pid| !own.contains(pid));
        children
    }

    fn apply(&mut self, event: Event) -> Result<(), RunError> {
        self.leaving.retain_mut(|running| !running.is_collected());
        match event {
            Event::Ended { job, end } => self.ended(&job, end)?,
            Event::Stop(signal) => self.stop(signal),
            Event::Child => supervise::collect(self.adopted().into_iter()),
            Event::Changed => {
                self.next_tick = FIRST_TICK;
                self.changes.merge(self.events.changes());
                self.end_cancelled();
            }
            Event::Fleet(event) => self.fleet_event(event)?,
            Event::Time => {
                self.next_tick = (self.next_tick * 8).min(COARSE_TICK);
                self.end_cancelled();
            }
        }
        self.follow_reviews()?;
        self.end_parked()
    }

    fn kept_by(&self, job: &Waiting) -> Result<String, RunError> {
        let Some(lock) = &job.lock else {
            return Ok(String::new());
        };
        let keepers = self.queue.keepers(lock)?;
        let keepers: Vec<&str> = keepers.iter().map(JobId::as_str).collect();
        Ok(format!(
            "its lock `{lock}` is kept by {} in quarantine; `aq show` says why, `aq retry` or `aq cancel` frees it",
            keepers.join(", ")
        ))
    }

    async fn finish(mut self, view: Option<Arc<View>>) -> Result<Exit, RunError> {
        live::show(Vec::new());
        self.spare.take().into_iter().for_each(Spare::dismiss);
        self.leave_reviews()?;
        let given_up = self.routed.as_ref().is_some_and(|routed| routed.given_up);
        // A lease of what may still be alive is not given back: it ends by itself.
        if let Some(routed) = self.routed.take_if(|_| self.running.is_empty()) {
            routed.shut(self.lane_limit).await?;
        }
        self.lanes_left
            .drain(..)
            .for_each(|lane| lane.finish(Duration::ZERO));
        if let Some(lane) = self.lane.take() {
            let at_once = self.stop.as_ref().is_some_and(|stop| stop.give_up_at.is_some());
            lane.finish(if at_once { Duration::ZERO } else { self.lane_limit });
        }
        if self.running.is_empty() {
            self.leaving.drain(..).for_each(Running::collect);
        }
        self.presence.end();
        self.tally.print(self.options.summary);
        let stranded = view.map(|view| Local::stranded(&view)).unwrap_or_default();
        if let Some(stop) = self.stop {
            return Ok(Exit::Stopped(stop.signal));
        }
        let paused = self.queue.paused_engines()?;
        for (job, why) in &stranded {
            let what = match why {
                Eligibility::EngineMissing if paused.contains_key(&job.engine) => {
                    format!(
                        "its engine `{}` is used up; `aq status` says until when",
                        job.engine
                    )
                }
                Eligibility::EngineMissing => format!("its engine `{}` is not found on PATH", job.engine),
                Eligibility::LockHeld => self.kept_by(job)?,
                _ => "it asks for `caps` that this factory lacks (AQ_FACTORY_CAPS)".to_owned(),
            };
            announce::warn(&format!("{} stays in the inbox: {what}", job.id));
        }
        let failures = self.tally.of(Stage::Failed) + self.tally.of(Stage::Quarantine);
        let held_up = self.is_held_up()?;
        let jobs_failed = self.options.on_job_failure == OnJobFailure::Fail && failures > 0;
        let incomplete = self.options.until == Until::Drained && !stranded.is_empty();
        Ok(if jobs_failed || incomplete || given_up || held_up {
            Exit::Failed
        } else {
            Exit::Done
        })
    }
}
