//! The loop: it owns all state, waits for one event at a time, and starts what can start after each.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::announce::{self, Tally};
use super::attempt::{Attempt, Surroundings};
use super::events::{Event, Events};
use super::local::{Choice, Local, Prospect};
use super::pipeline::{self, Next, Step, Wish};
use super::{OnJobFailure, Options, RunError, Until};
use crate::decide::{Eligibility, View};
use crate::engine::Engines;
use crate::exit::{Exit, StopSignal};
use crate::ids::JobId;
use crate::queue::{Cause, Changes, Claimed, Queue};
use crate::settings::Settings;
use crate::shadow::{Decision, Lane, Transition};
use crate::stage::Stage;
use crate::supervise::{End, Running, Urgency};

/// An endless run that has nothing to do says so to the shadow lane this often at most.
const IDLE_DECISION_INTERVAL: Duration = Duration::from_secs(30);
/// Looks at a queue whose changes the system doesn't tell, or at what is in other hands.
const COARSE_TICK: Duration = Duration::from_secs(1);
/// After a sign of a freed lock, which comes a moment before the lock is free.
const FIRST_TICK: Duration = Duration::from_millis(1);
/// For a tree to be gone after it was sent KILL.
const KILL_WAIT_MAX: Duration = Duration::from_secs(5);

pub(super) struct Runner {
    options: Options,
    queue: Queue,
    engines: Engines,
    around: Surroundings,
    lane: Option<Lane>,
    lane_limit: Duration,
    local: Local,
    events: Events,
    changes: Changes,
    running: BTreeMap<JobId, Attempt>,
    /// Supervisors that have answered and whose processes are about to be gone.
    leaving: Vec<Running>,
    tally: Tally,
    stop: Option<Stop>,
    decided_once: bool,
    idle_since_decision: Option<Instant>,
    next_tick: Duration,
}

struct Stop {
    signal: StopSignal,
    /// Set by the second signal: nothing is waited for beyond this.
    give_up_at: Option<Instant>,
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
        self.stop.is_none() && !once_done && self.running.len() < self.options.workers.get()
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

    fn moved(&self, job: &JobId, stage: Stage) {
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
            announce::moved(id, *stage, Some("left behind by an earlier run"), None);
            self.moved(id, *stage);
        }
    }

    fn begin(&mut self, claimed: Claimed) -> Result<(), RunError> {
        let attempt = Attempt::new(claimed);
        self.moved(&attempt.job.id, Stage::Building);
        announce::started(&attempt.job.id, attempt.job.engine.as_str(), attempt.number);
        self.start_step(attempt, Step::Engine)
    }

    fn start_step(&mut self, mut attempt: Attempt, step: Step) -> Result<(), RunError> {
        let id = attempt.job.id.clone();
        let running = attempt
            .start(&self.queue, &self.engines, &self.around, step)
            .map_err(RunError::system(format!(
                "start {id}; it is taken up again by the next run"
            )))?;
        self.events.expect_end(&id, running);
        self.running.insert(id, attempt);
        Ok(())
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

    fn ended(&mut self, id: &JobId, end: io::Result<End>) -> Result<(), RunError> {
        let Some(mut attempt) = self.running.remove(id) else {
            return Ok(());
        };
        self.leaving.extend(attempt.take_running());
        let next = match end {
            Ok(end) => pipeline::after(
                &attempt.job,
                attempt.spent,
                attempt.step,
                &end,
                attempt.wish.as_ref(),
            ),
            // Nobody can say any more what of the job is still alive.
            Err(_) => Next::Quarantine("supervisor lost".to_owned()),
        };
        match next {
            Next::Run(step) => self.go_on(attempt, step),
            Next::Review => self.settle(attempt, Stage::Review, None),
            Next::Shipped => self.settle(attempt, Stage::Shipped, None),
            Next::Failed(reason) => self.settle(attempt, Stage::Failed, Some(&reason)),
            Next::Quarantine(reason) => self.settle(attempt, Stage::Quarantine, Some(&reason)),
            Next::PutBack(cause, reason) => self.put_back(attempt, cause, &reason),
        }
    }

    fn go_on(&mut self, mut attempt: Attempt, step: Step) -> Result<(), RunError> {
        match step {
            Step::Engine => {}
            Step::Verify => {
                self.queue
                    .advance(&attempt.hold, attempt.stage, Stage::Testing, None)?;
                attempt.stage = Stage::Testing;
                self.moved(&attempt.job.id, Stage::Testing);
            }
            Step::Ship => self.queue.note_shipping(&attempt.hold, attempt.stage)?,
        }
        self.start_step(attempt, step)
    }

    fn settle(&mut self, attempt: Attempt, to: Stage, reason: Option<&str>) -> Result<(), RunError> {
        self.queue.advance(&attempt.hold, attempt.stage, to, reason)?;
        self.left(attempt, to, reason);
        Ok(())
    }

    fn put_back(&mut self, attempt: Attempt, cause: Cause, reason: &str) -> Result<(), RunError> {
        self.queue.put_back(&attempt.hold, attempt.stage, cause, reason)?;
        self.left(attempt, Stage::Inbox, Some(reason));
        Ok(())
    }

    /// The attempt is over; its locks are given back here.
    fn left(&mut self, attempt: Attempt, to: Stage, reason: Option<&str>) {
        self.moved(&attempt.job.id, to);
        self.tally.count(to);
        announce::moved(&attempt.job.id, to, reason, Some(attempt.started.elapsed()));
    }

    fn end_cancelled(&mut self) {
        for attempt in self.running.values_mut().filter(|attempt| attempt.wish.is_none()) {
            if self.queue.cancel_marker(&attempt.job.id).exists() {
                attempt.end(Wish::Cancel, Urgency::Grace);
            }
        }
    }

    fn stop(&mut self, signal: StopSignal) {
        let urgency = match &mut self.stop {
            None => {
                self.stop = Some(Stop {
                    signal,
                    give_up_at: None,
                });
                Urgency::Grace
            }
            Some(stop) => {
                stop.give_up_at.get_or_insert(Instant::now() + KILL_WAIT_MAX);
                Urgency::Now
            }
        };
        for attempt in self.running.values_mut() {
            attempt.end(Wish::Interrupt, urgency);
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
