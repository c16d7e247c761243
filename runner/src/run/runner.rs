//! The loop: it owns all state, waits for one event at a time, and starts what can start after each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::announce::{self, Tally};
use super::attempt::{Attempt, Surroundings};
use super::events::{Event, Events};
use super::local::{Choice, Local, Prospect};
use super::{OnJobFailure, Options, RunError, Until};
use crate::decide::{Eligibility, View};
use crate::engine::Engines;
use crate::exit::{Exit, StopSignal};
use crate::ids::JobId;
use crate::queue::{Changes, Queue};
use crate::settings::Settings;
use crate::shadow::{Decision, Lane, Transition};
use crate::stage::Stage;
use crate::supervise::Running;

/// An endless run that has nothing to do says so to the shadow lane this often at most.
const IDLE_DECISION_INTERVAL: Duration = Duration::from_secs(30);
/// Looks at a queue whose changes the system doesn't tell, or at what is in other hands.
const COARSE_TICK: Duration = Duration::from_secs(1);
/// After a sign of a freed lock, which comes a moment before the lock is free.
const FIRST_TICK: Duration = Duration::from_millis(1);
/// For a tree to be gone after it was sent KILL.
pub(super) const KILL_WAIT_MAX: Duration = Duration::from_secs(5);

pub(super) struct Runner {
    options: Options,
    pub(super) queue: Queue,
    pub(super) engines: Engines,
    pub(super) around: Surroundings,
    lane: Option<Lane>,
    lane_limit: Duration,
    local: Local,
    pub(super) events: Events,
    changes: Changes,
    pub(super) running: BTreeMap<JobId, Attempt>,
    /// Supervisors that have answered and whose processes are about to be gone.
    pub(super) leaving: Vec<Running>,
    pub(super) tally: Tally,
    pub(super) stop: Option<Stop>,
    decided_once: bool,
    idle_since_decision: Option<Instant>,
    next_tick: Duration,
    pub(super) wait_told: bool,
}

pub(super) struct Stop {
    pub(super) signal: StopSignal,
    /// Set by the second signal: nothing is waited for beyond this.
    pub(super) give_up_at: Option<Instant>,
}

/// What the last look at the source of work came to.
struct Outlook {
    prospect: Prospect,
    view: Option<Arc<View>>,
}

impl Runner {
    pub(super) fn new(
        settings: &Settings,
        options: Options,
        queue: Queue,
        engines: Engines,
        lane: Option<Lane>,
    ) -> Result<Runner, RunError> {
        Ok(Runner {
            around: Surroundings::of_this_process(settings)
                .map_err(RunError::system("find the current folder"))?,
            events: Events::new(&queue)?,
            local: Local::new(&settings.factory_caps),
            lane_limit: settings.fleet.drain.value,
            changes: Changes::everything(),
            running: BTreeMap::new(),
            leaving: Vec::new(),
            tally: Tally::default(),
            stop: None,
            decided_once: false,
            idle_since_decision: None,
            next_tick: FIRST_TICK,
            wait_told: false,
            options,
            queue,
            engines,
            lane,
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
            let event = self.events.next(self.next_instant(&outlook)).await;
            self.apply(event)?;
            if self
                .stop
                .as_ref()
                .is_some_and(|stop| stop.give_up_at.is_some_and(|at| at <= Instant::now()))
            {
                break None;
            }
        };
        self.finish(stranded)
    }

    fn start_what_can(&mut self) -> Result<Outlook, RunError> {
        let mut outlook = Outlook {
            prospect: Prospect::None,
            view: None,
        };
        while self.may_start() {
            let mut changes = std::mem::take(&mut self.changes);
            changes.merge(self.events.changes());
            let ours: BTreeSet<JobId> = self.running.keys().cloned().collect();
            let choice = self.local.choose(&self.queue, &self.engines, &changes, &ours)?;
            self.tell_moves(&choice);
            outlook = Outlook {
                prospect: choice.prospect,
                view: Some(Arc::clone(&choice.view)),
            };
            let Some(claimed) = choice.claimed else { break };
            self.decided(Some(claimed.job.id.clone()), choice.view);
            self.begin(claimed)?;
        }
        Ok(outlook)
    }

    fn may_start(&self) -> bool {
        let once_done = self.options.until == Until::Once && self.decided_once;
        self.stop.is_none() && !once_done && self.running.len() < self.options.workers
    }

    fn is_over(&self, outlook: &Outlook) -> bool {
        if !self.running.is_empty() {
            return false;
        }
        let waiting_helps = match outlook.prospect {
            Prospect::None => false,
            Prospect::After(_) => true,
            Prospect::InOtherHands => self.options.until == Until::Drained,
        };
        match self.options.until {
            _ if self.stop.is_some() => true,
            Until::Once if self.decided_once => true,
            Until::Once | Until::Drained => !waiting_helps,
            Until::Stopped => false,
        }
    }

    /// Says once why nothing happens.
    fn tell_wait(&mut self, outlook: &Outlook) {
        if !self.running.is_empty() || self.stop.is_some() || std::mem::replace(&mut self.wait_told, true) {
            return;
        }
        match outlook.prospect {
            Prospect::None => announce::waiting("waiting for jobs; Ctrl-C ends this"),
            Prospect::InOtherHands => announce::waiting("waiting for a lock or a job that is in other hands"),
            Prospect::After(_) => self.wait_told = false,
        }
    }

    /// An idle decision: nothing runs and nothing could (clause S-1).
    fn decide_idle(&mut self, outlook: &Outlook) {
        let Some(view) = outlook.view.clone() else { return };
        let due = self
            .idle_since_decision
            .is_none_or(|last| last.elapsed() >= IDLE_DECISION_INTERVAL);
        let ends = self.options.until != Until::Stopped;
        let already = self.options.until == Until::Once && self.decided_once;
        if self.lane.is_some() && self.running.is_empty() && self.stop.is_none() && !already && (due || ends)
        {
            self.idle_since_decision = Some(Instant::now());
            self.decided(None, view);
        }
    }

    fn decided(&mut self, local: Option<JobId>, view: Arc<View>) {
        self.decided_once = true;
        if let Some(lane) = &self.lane {
            lane.decided(Decision { local, view });
        }
    }

    pub(super) fn moved(&self, job: &JobId, stage: Stage) {
        if let Some(lane) = &self.lane {
            lane.moved(Transition {
                job: job.clone(),
                stage,
            });
        }
    }

    fn tell_moves(&mut self, choice: &Choice) {
        for refused in &choice.refused {
            self.tally.count(Stage::Failed);
            announce::moved(&refused.id, Stage::Failed, Some(&refused.reason), None);
            self.moved(&refused.id, Stage::Failed);
        }
        for (id, stage) in &choice.recovered {
            if stage.is_final() {
                self.tally.count(*stage);
            }
            announce::moved(id, *stage, Some("left behind by an earlier run"), None);
            self.moved(id, *stage);
        }
    }

    fn apply(&mut self, event: Event) -> Result<(), RunError> {
        self.leaving.retain_mut(|running| !running.is_collected());
        match event {
            Event::Ended { job, end } => self.ended(&job, end),
            Event::Stop(signal) => {
                self.stop(signal);
                Ok(())
            }
            Event::Changed => {
                self.next_tick = FIRST_TICK;
                self.changes.merge(self.events.changes());
                self.end_cancelled();
                Ok(())
            }
            Event::Time => {
                self.next_tick = (self.next_tick * 8).min(COARSE_TICK);
                self.end_cancelled();
                Ok(())
            }
        }
    }

    fn next_instant(&self, outlook: &Outlook) -> Option<Instant> {
        let now = Instant::now();
        let looks = match outlook.prospect {
            Prospect::After(after) => Some(now + after),
            Prospect::InOtherHands => Some(now + self.next_tick),
            Prospect::None => None,
        };
        let coarse = (!self.events.notices_changes()).then(|| now + COARSE_TICK);
        let idle = match (&self.lane, self.running.is_empty(), self.options.until) {
            (Some(_), true, Until::Stopped) => {
                self.idle_since_decision.map(|last| last + IDLE_DECISION_INTERVAL)
            }
            _ => None,
        };
        let give_up = self.stop.as_ref().and_then(|stop| stop.give_up_at);
        [looks, coarse, idle, give_up].into_iter().flatten().min()
    }

    fn finish(mut self, view: Option<Arc<View>>) -> Result<Exit, RunError> {
        if let Some(lane) = self.lane.take() {
            let at_once = self.stop.as_ref().is_some_and(|stop| stop.give_up_at.is_some());
            lane.finish(if at_once { Duration::ZERO } else { self.lane_limit });
        }
        if self.running.is_empty() {
            self.leaving.drain(..).for_each(Running::collect);
        }
        self.tally.print();
        let stranded = view.map(|view| Local::stranded(&view)).unwrap_or_default();
        if let Some(stop) = self.stop {
            return Ok(Exit::Stopped(stop.signal));
        }
        for (job, why) in &stranded {
            let what = match why {
                Eligibility::EngineMissing => format!("its engine `{}` is not found on PATH", job.engine),
                _ => "it asks for `caps` that this factory lacks (AQ_FACTORY_CAPS)".to_owned(),
            };
            announce::warn(&format!("{} stays in the inbox: {what}", job.id));
        }
        let failures = self.tally.of(Stage::Failed) + self.tally.of(Stage::Quarantine);
        let jobs_failed = self.options.on_job_failure == OnJobFailure::Fail && failures > 0;
        let incomplete = self.options.until == Until::Drained && !stranded.is_empty();
        Ok(if jobs_failed || incomplete {
            Exit::Failed
        } else {
            Exit::Done
        })
    }
}
