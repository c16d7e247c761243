//! What becomes of the jobs that a run has taken: each step's start, what follows its end, and every early end.

use std::io;
use std::time::Instant;

use super::attempt::{Attempt, LIMIT_TAIL_BYTES, VERDICT_TAIL_BYTES};
use super::course::{self, LastWord, Move};
use super::pipeline::{self, Next, Step, Wish};
use super::runner::{KILL_WAIT_MAX, Runner, Stop};
use super::{RunError, announce};
use crate::exit::StopSignal;
use crate::ids::JobId;
use crate::queue::{Cause, Letter, SHIP_UNKNOWN};
use crate::queue_root::Diversion;
use crate::stage::Stage;
use crate::supervise::remains::Remains;
use crate::supervise::{End, Running, Urgency};
use crate::terminal;
use crate::work_folder::holds_queue;

/// The reason of a job that was to write where a link leads.
const LINK_IN_QUEUE: &str = "link_in_queue";

impl Runner {
    pub(super) fn begin(&mut self, attempt: Attempt) -> Result<(), RunError> {
        self.wait_told = false;
        self.moved(&attempt.job.id, Stage::Building);
        announce::started(&attempt.job.id, attempt.job.engine.as_str(), attempt.number);
        self.warn_of_overlap(&attempt);
        self.start_step(attempt, Step::Engine)
    }

    fn warn_of_overlap(&mut self, attempt: &Attempt) {
        let warning = holds_queue(&attempt.folder(&self.around), self.queue.root());
        warning.iter().for_each(|warning| self.warn_once(warning));
    }

    pub(super) fn warn_once(&mut self, warning: &str) {
        if !self.warned.iter().any(|told| told == warning) {
            announce::warn(warning);
            self.warned.push(warning.to_owned());
        }
    }

    pub(super) fn start_step(&mut self, mut attempt: Attempt, step: Step) -> Result<(), RunError> {
        let id = attempt.job.id.clone();
        // The last look before something is started: writing down that it will be may have taken its time.
        attempt.wish = self.wish_now(&attempt);
        if attempt.wish.is_some() {
            let wish = attempt.wish.as_ref();
            let next = pipeline::after(&attempt.job, attempt.spent, attempt.step, &End::Ordered, wish);
            return self.follow(attempt, next);
        }
        if let Some(change) = self.queue.changed_file(attempt.stage, &id, &attempt.in_work)? {
            return self.follow(attempt, Next::Quarantine(change));
        }
        attempt.in_work.remember(self.queue.history(&id)?);
        let fence = self.fence(&attempt);
        let started = attempt.start(
            &self.queue,
            &self.engines,
            &self.around,
            step,
            fence,
            self.spare.take(),
        );
        let running = match started {
            Ok(running) => running,
            // Somebody put it there, the job most likely: that is for a person to look at, and no other job's trouble.
            Err(error) if Diversion::of(&error).is_some() => {
                let reason = format!(
                    "{LINK_IN_QUEUE}: something of it in {}: {error}",
                    self.queue.job_folder(&id).display()
                );
                return self.follow(attempt, Next::Quarantine(reason));
            }
            Err(error) => {
                let what = format!("start {id}; it is taken up again by the next run");
                return Err(RunError::system(what)(error));
            }
        };
        self.events.expect_end(&id, running);
        if let (Some(_), Some(routed)) = (fence, &self.routed) {
            let line = running.line();
            routed
                .office
                .guard(&id, Box::new(move |ending| line.set_fence(ending)));
        }
        self.running.insert(id, attempt);
        Ok(())
    }

    pub(super) fn ended(&mut self, id: &JobId, end: io::Result<End>) -> Result<(), RunError> {
        let Some(mut attempt) = self.running.remove(id) else {
            return Ok(());
        };
        match end {
            Ok(_) => self.leaving.extend(attempt.take_running()),
            Err(_) => attempt.take_running().into_iter().for_each(Running::kill),
        }
        attempt.wish = self.wish_now(&attempt);
        if end.is_err() && attempt.lease.is_none() {
            self.lose(attempt);
            return Ok(());
        }
        let next = match end {
            Ok(end) => self.after(&attempt, &end),
            // Its lease may be lost at any moment, so there is no grace.
            Err(_) => {
                let left = self.queue.kill_remains(id, &self.orphans())?;
                if let Remains::Unproven(what) = left {
                    announce::warn(&format!("{id}: {what}"));
                }
                Next::Quarantine(match attempt.step {
                    Step::Ship => SHIP_UNKNOWN.to_owned(),
                    Step::Engine | Step::Verify => "supervisor lost".to_owned(),
                })
            }
        };
        let next = match self.used_up(&attempt, &next)? {
            Some(reason) => Next::PutBack(Cause::Interruption, reason),
            None => next,
        };
        let next = self.unless_changed(&attempt, next)?;
        self.follow(attempt, next)
    }

    /// A job that made something else of itself, or of its record, goes no further (clause O-16), unless it is published
    /// already.
    fn unless_changed(&self, attempt: &Attempt, next: Next) -> Result<Next, RunError> {
        let change = self
            .queue
            .changed(attempt.stage, &attempt.job.id, &attempt.in_work)?;
        Ok(match (change, next) {
            (None, next) | (Some(_), next @ Next::Quarantine(_)) => next,
            (Some(_), Next::Shipped) if attempt.step == Step::Ship => Next::Shipped,
            (Some(change), _) => Next::Quarantine(change),
        })
    }

    /// What is wished for at this moment, whether or not an event has told of it yet.
    fn wish_now(&self, attempt: &Attempt) -> Option<Wish> {
        let wish = attempt.wish.clone().or_else(|| {
            let is_cancelled = self.queue.cancel_marker(&attempt.job.id).exists();
            is_cancelled.then_some(Wish::Cancel)
        });
        course::wish_of(self.right_to(attempt), wish)
    }

    /// Exit code 0 is not all: engines tell errors of their own with it.
    fn after(&self, attempt: &Attempt, end: &End) -> Next {
        let (job, spent, wish) = (&attempt.job, attempt.spent, attempt.wish.as_ref());
        if attempt.step == Step::Engine && matches!(end, End::Exited { code: Some(0), .. }) {
            let tail = || attempt.tail(&self.queue, Step::Engine, VERDICT_TAIL_BYTES);
            if let Some(complaint) = self.engines.complaint(&job.engine, tail) {
                return pipeline::after_complaint(job, spent, &complaint, wish);
            }
        }
        pipeline::after(job, spent, attempt.step, end, wish)
    }

    /// Its supervisor is gone and can't say what is alive: the job is let go of, with its locks, and treated like one that
    /// a dead runner left behind (clause O-7).
    fn lose(&mut self, attempt: Attempt) {
        announce::warn(&format!("{}: its supervisor was killed", attempt.job.id));
        self.lost.insert(attempt.job.id.clone(), attempt.in_work);
    }

    /// The engine's usage limit is no failure of the job: it waits, and the engine pauses (clause O-12).
    fn used_up(&mut self, attempt: &Attempt, next: &Next) -> Result<Option<String>, RunError> {
        let failed = matches!(next, Next::Failed(_) | Next::PutBack(Cause::Failure, _));
        if !failed || attempt.wish.is_some() || attempt.step != Step::Engine {
            return Ok(None);
        }
        let engine = &attempt.job.engine;
        let tail = attempt.tail(&self.queue, Step::Engine, LIMIT_TAIL_BYTES);
        let Some(length) = self.engines.limit(engine, &tail) else {
            return Ok(None);
        };
        self.queue.pause_engine(engine, length)?;
        announce::warn(&format!(
            "{engine} is used up: it pauses for {}, jobs of other engines go on",
            terminal::duration(length)
        ));
        Ok(Some(format!("usage limit of {engine}")))
    }

    fn follow(&mut self, attempt: Attempt, next: Next) -> Result<(), RunError> {
        match course::next_move(next, attempt.lease.is_some()) {
            Move::Start(step) => self.go_on(attempt, step),
            Move::Confirm => {
                self.park(attempt);
                Ok(())
            }
            Move::Settle(stage, reason) => self.settle(attempt, stage, reason.as_deref()),
            Move::PutBack(cause, reason) => {
                self.queue
                    .put_back(&attempt.hold, attempt.stage, cause, &reason)?;
                let (id, mut in_work) = (attempt.job.id.clone(), attempt.in_work.clone());
                in_work.remember(self.queue.history(&id)?);
                self.local.put_back(id, in_work);
                self.left(attempt, Stage::Inbox, Some(&reason));
                Ok(())
            }
            Move::GiveBack(reason) => {
                let (hold, from) = (&attempt.hold, attempt.stage);
                match attempt.folders {
                    Some(_) => self.queue.give_back(hold, from)?,
                    // It came from this inbox, and lies there again.
                    None => self.queue.put_back(hold, from, Cause::Interruption, &reason)?,
                }
                self.left(attempt, Stage::Inbox, Some(&reason));
                Ok(())
            }
            Move::Again(reason) => self.again(attempt, &reason),
        }
    }

    pub(super) fn go_on(&mut self, mut attempt: Attempt, step: Step) -> Result<(), RunError> {
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

    pub(super) fn settle(
        &mut self,
        attempt: Attempt,
        to: Stage,
        reason: Option<&str>,
    ) -> Result<(), RunError> {
        match (&attempt.lease, course::last_word(attempt.lease.is_some(), to)) {
            (Some(lease), LastWord::Post) => {
                let letter = Letter::new(&attempt.job.id, &lease.proof, to, reason);
                let posted = self
                    .queue
                    .advance_posted(&attempt.hold, attempt.stage, to, reason, letter)?;
                if let Some(routed) = &mut self.routed {
                    routed.letters.insert(lease.proof.lease.clone(), posted);
                }
            }
            _ => {
                if to == Stage::Review {
                    // One that is there already is meant for what an earlier attempt had done.
                    self.queue
                        .take_approval(&attempt.hold, attempt.in_work.digest())?;
                    if attempt.job.ship.is_some() {
                        let kept = attempt.surroundings(&self.around);
                        self.queue.keep_surroundings(&attempt.hold, &kept)?;
                    }
                }
                self.queue.advance(&attempt.hold, attempt.stage, to, reason)?;
            }
        }
        self.left(attempt, to, reason);
        Ok(())
    }

    fn again(&mut self, mut attempt: Attempt, reason: &str) -> Result<(), RunError> {
        let Some(lease) = &attempt.lease else {
            return Ok(());
        };
        (attempt.number, attempt.spent) = self.queue.try_again(
            &attempt.hold,
            attempt.stage,
            &lease.proof,
            attempt.in_work.digest(),
        )?;
        (attempt.stage, attempt.step) = (Stage::Building, Step::Engine);
        announce::moved(
            &attempt.job.id,
            Stage::Inbox,
            Some(reason),
            Some(attempt.started.elapsed()),
        );
        self.begin(attempt)
    }

    /// The attempt is over, or waits for a person; its locks are given back here.
    fn left(&mut self, mut attempt: Attempt, to: Stage, reason: Option<&str>) {
        let id = attempt.job.id.clone();
        self.moved(&id, to);
        self.tally.count(to);
        announce::moved(&id, to, reason, Some(attempt.started.elapsed()));
        let (Some(routed), Some(lease)) = (&mut self.routed, &attempt.lease) else {
            return;
        };
        match course::last_word(true, to) {
            LastWord::Post => {
                if let Some(posted) = routed.letters.get(&lease.proof.lease) {
                    routed.office.finish_posted(&id, &posted.letter);
                }
            }
            LastWord::Release => routed.office.release(&id),
            // It waits for a person.
            LastWord::None => {
                attempt.hold.give_back_name();
                attempt.stage = Stage::Review;
                routed.reviewing.insert(id, attempt);
            }
        }
    }

    /// Nothing runs of these, so no end of a command will say that they are to end.
    pub(super) fn end_parked(&mut self) -> Result<(), RunError> {
        let wished = |attempt: &&Attempt| attempt.is_parked() && attempt.wish.is_some();
        let ids = self
            .running
            .values()
            .filter(wished)
            .map(|attempt| attempt.job.id.clone());
        for id in ids.collect::<Vec<_>>() {
            if let Some(attempt) = self.running.remove(&id) {
                let wish = attempt.wish.as_ref();
                let next = pipeline::after(&attempt.job, attempt.spent, attempt.step, &End::Ordered, wish);
                self.follow(attempt, next)?;
            }
        }
        Ok(())
    }

    pub(super) fn end_cancelled(&mut self) {
        for attempt in self.running.values_mut().filter(|attempt| attempt.wish.is_none()) {
            if self.queue.cancel_marker(&attempt.job.id).exists() {
                attempt.end(Wish::Cancel, Urgency::Grace);
            }
        }
    }

    pub(super) fn stop(&mut self, signal: StopSignal) {
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
}
