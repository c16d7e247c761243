//! The routed mode, seen from the loop: what the coordinator hands over is admitted, goes through the same steps as any
//! job, and is ended when its lease is (clauses T-1 to T-7, T-12 to T-15).
//!
//! The office speaks with the coordinator; here is decided what its news mean for the queue and for what runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::local::usable;
use super::pipeline::{Step, Wish};
use super::runner::Runner;
use super::{RunError, Until, announce};
use crate::engine;
use crate::fleet::backoff::Backoff;
use crate::fleet::client::LeaseProof;
use crate::fleet::lease::BootInstant;
use crate::fleet::routed::admission::{Allowance, CutOver, cut_over, job_file};
use crate::fleet::routed::office::Office;
use crate::fleet::routed::{Closing, FleetEvent, Granted, Settlement};
use crate::fleet::wire::WireJob;
use crate::ids::{Capability, JobId};
use crate::job::{self, Job, Naming};
use crate::queue::{Admission, Posted, QueueError, SHIP_UNKNOWN};
use crate::settings::Settings;
use crate::stage::Stage;
use crate::supervise::Urgency;

/// How long the coordinator may hold the question of a run that has time.
const CLAIM_WAIT: Duration = Duration::from_secs(20);
/// Between two questions to a coordinator that doesn't hold them.
const CLAIM_INTERVAL: Duration = Duration::from_secs(5);

/// The right to work on a job.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) proof: LeaseProof,
    /// Between TERM and KILL, so short that both fall before the lease ends.
    pub(crate) grace: Duration,
    /// Set when the lease is lost: nothing may live beyond it.
    pub(super) kill_at: Option<BootInstant>,
}

/// What a routed run knows besides its jobs.
pub(super) struct Routed {
    pub(super) office: Office,
    allowance: Allowance,
    caps: Vec<Capability>,
    /// A question is out.
    asked: bool,
    not_before: Option<Instant>,
    /// The same, while nothing else is in the way.
    wake_at: Option<Instant>,
    backoff: Backoff,
    /// The last answer was 204, and nothing has ended since.
    nothing_left: bool,
    /// The coordinator can't be worked with: the run ends with exit 1.
    pub(super) given_up: bool,
    trouble_told: bool,
    /// Final reports on the disk that are being sent.
    pub(super) letters: BTreeMap<JobId, Posted>,
    /// There may be more of them in the outbox.
    owes: bool,
    /// One could not be delivered: tried again when the coordinator has answered something.
    later: bool,
    /// Work comes from elsewhere now; what is under a lease still ends under it.
    resting: bool,
    /// Jobs that wait for a person, under their leases; they take no worker.
    pub(super) reviewing: BTreeMap<JobId, Attempt>,
}

impl Routed {
    pub(super) fn new(settings: &Settings, here: &Path) -> Result<Routed, RunError> {
        Ok(Routed {
            office: Office::open(settings)?,
            allowance: Allowance::of(settings, here),
            caps: settings.factory_caps.clone(),
            asked: false,
            not_before: None,
            wake_at: None,
            backoff: Backoff::new(u64::from(std::process::id())),
            nothing_left: false,
            given_up: false,
            trouble_told: false,
            letters: BTreeMap::new(),
            owes: true,
            later: false,
            resting: false,
            reviewing: BTreeMap::new(),
        })
    }

    /// No more claims; leases are kept to their end (clause T-11).
    pub(super) fn rest(&mut self) {
        self.office.stop_asking(CLAIM_WAIT);
        self.resting = true;
        self.asked = false;
    }

    /// The coordinator decides again, as the settings say now.
    pub(super) fn resume(&mut self, fresh: Routed) {
        let Routed {
            office,
            allowance,
            caps,
            ..
        } = fresh;
        self.office.ask_like(office);
        (self.allowance, self.caps) = (allowance, caps);
        (self.resting, self.asked, self.nothing_left) = (false, false, false);
        self.not_before = None;
        self.owes = true;
    }

    /// What was answered need not be kept; the rest waits for the next chance.
    pub(super) fn settled(&mut self, job: &JobId, outcome: &Settlement) -> Result<(), RunError> {
        match (self.letters.remove(job), outcome) {
            (None, _) => {}
            (Some(posted), Settlement::Delivered | Settlement::Refused(_)) => posted.answered()?,
            (Some(_), Settlement::Undelivered(_)) => self.later = true,
        }
        Ok(())
    }

    /// The end of the process: what is under way may take `limit`, what is owed after it stays on the disk.
    pub(super) async fn shut(mut self, limit: Duration) -> Result<(), RunError> {
        for (job, outcome) in self.office.shut(limit).await {
            if let (Some(posted), Settlement::Delivered | Settlement::Refused(_)) =
                (self.letters.remove(&job), outcome)
            {
                posted.answered()?;
            }
        }
        if !self.letters.is_empty() {
            announce::warn(&format!(
                "{} final reports wait in the outbox: the next run with AQ_FLEET_ROUTE=1 delivers them first",
                self.letters.len()
            ));
        }
        Ok(())
    }

    /// Whether a job may be asked for at this instant; if only time is in the way, it is noted until when.
    fn is_due(&mut self, now: Instant) -> bool {
        let free = !(self.asked || self.given_up || self.nothing_left) && self.office.is_settled();
        self.wake_at = self.not_before.filter(|at| free && *at > now);
        free && self.wake_at.is_none()
    }

    /// When there is something to do that no event will tell. While a worker, an answer or a settlement is waited for it
    /// is none: a loop that waits for an instant that is over never sleeps.
    pub(super) fn next_instant(&self) -> Option<Instant> {
        self.wake_at
    }

    /// Whether a run that does nothing is over.
    pub(super) fn is_over(&self, until: Until, decided_once: bool) -> bool {
        let done = match until {
            Until::Once => decided_once,
            Until::Drained => self.nothing_left,
            Until::Stopped => false,
        };
        self.office.is_settled() && (self.given_up || done)
    }

    /// The job can't be had now: others may, and this factory asks again a while later.
    fn leave_it(&mut self, id: &JobId) {
        self.office.release(id);
        self.not_before = Some(Instant::now() + self.backoff.after_failure(None));
    }
}

impl Runner {
    /// Asks for a job where one could be started.
    pub(super) fn ask_for_work(&mut self) -> Result<(), RunError> {
        let may_start = self.may_start();
        let Some(routed) = &mut self.routed else {
            return Ok(());
        };
        if !may_start || !routed.is_due(Instant::now()) {
            routed.wake_at = routed.wake_at.filter(|_| may_start);
            return Ok(());
        }
        let wait = match self.options.until {
            Until::Stopped => Some(CLAIM_WAIT),
            Until::Drained | Until::Once => None,
        };
        let found = usable(&self.queue, &self.engines)?;
        let caps = routed.caps.iter().cloned().chain(engine::capabilities(&found));
        routed.office.ask(caps, wait);
        routed.asked = true;
        routed.not_before = wait.is_some().then(|| Instant::now() + CLAIM_INTERVAL);
        Ok(())
    }

    /// Delivers what the outbox holds before anything new is asked for (clause T-9).
    pub(super) fn deliver_owed(&mut self) -> Result<(), RunError> {
        let Some(routed) = self.routed.as_mut().filter(|routed| routed.owes) else {
            return Ok(());
        };
        routed.owes = false;
        let mut letters = Vec::new();
        for posted in self.queue.undelivered()? {
            if let Some((job, ..)) = posted.letter.subject() {
                letters.push(posted.letter.clone());
                routed.letters.insert(job, posted);
            }
        }
        routed.office.deliver(letters);
        Ok(())
    }

    pub(super) fn fleet_event(&mut self, event: FleetEvent) -> Result<(), RunError> {
        let Some(routed) = &mut self.routed else {
            return Ok(());
        };
        let about_asking = matches!(
            event,
            FleetEvent::Trouble { .. }
                | FleetEvent::Recovered
                | FleetEvent::Unreachable { .. }
                | FleetEvent::CredentialRefused { .. }
        );
        if routed.resting && about_asking {
            return Ok(());
        }
        if matches!(
            event,
            FleetEvent::Claimed(_) | FleetEvent::Nothing | FleetEvent::Recovered
        ) {
            routed.owes |= std::mem::take(&mut routed.later);
        }
        match event {
            FleetEvent::Claimed(granted) => {
                routed.asked = false;
                self.decided_once |= !routed.resting;
                return self.admit(*granted);
            }
            FleetEvent::Nothing => {
                routed.asked = false;
                if !routed.resting {
                    routed.nothing_left = self.options.until != Until::Stopped;
                    self.decided_once = true;
                }
            }
            FleetEvent::Trouble { problem, retry_in } => {
                if !std::mem::replace(&mut routed.trouble_told, true) {
                    announce::warn(&format!(
                        "no work from the coordinator: {problem}; trying again in {retry_in:.1?} and on, nothing is \
                         taken from the inbox meanwhile"
                    ));
                }
            }
            FleetEvent::Recovered => {
                routed.trouble_told = false;
                announce::warn("the coordinator answers again");
            }
            FleetEvent::Unreachable { problem } => {
                if self.options.until != Until::Stopped {
                    routed.given_up = true;
                    announce::warn(&format!(
                        "gave up: nothing got through to the coordinator for 60 s ({problem}); an unreachable \
                         coordinator is not an empty one"
                    ));
                }
            }
            FleetEvent::CredentialRefused { problem } => {
                routed.given_up = true;
                announce::warn(&problem);
            }
            FleetEvent::LeaseLost { job, reason, ending } => {
                return self.lease_lost(&job, reason, ending.kill_at);
            }
            FleetEvent::Confirmed { job } => return self.confirmed(&job),
            FleetEvent::Settled { job, outcome } => {
                routed.nothing_left = false;
                routed.settled(&job, &outcome)?;
                match outcome {
                    Settlement::Delivered => {}
                    Settlement::Refused(why) => {
                        announce::warn(&format!("{job}: the coordinator refused its end: {why}"));
                    }
                    Settlement::Undelivered(why) => {
                        announce::warn(&format!(
                            "{job}: its end did not reach the coordinator: {why}; what is owed waits in the outbox"
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn admit(&mut self, granted: Granted) -> Result<(), RunError> {
        let id = granted.id.clone();
        let stopping = self.stop.is_some();
        let Some(routed) = &mut self.routed else {
            return Ok(());
        };
        routed.office.keep(&granted);
        if stopping || routed.given_up || routed.resting {
            routed.office.release(&id);
            return Ok(());
        }
        let admission = match cut_over(self.queue.find(&id)?) {
            CutOver::Report(stage) => {
                announce::moved(
                    &id,
                    stage,
                    Some("finished here before; reported, not run again"),
                    None,
                );
                routed
                    .office
                    .finish(&id, stage, Some("finished on this factory before it was routed"));
                return Ok(());
            }
            CutOver::Release => Admission::InOtherHands,
            CutOver::RunLocal => match self.queue.admit_local(&id, &granted.proof) {
                Err(QueueError::Job(_)) => Admission::InOtherHands,
                admission => admission?,
            },
            CutOver::Run => match self.judge(&granted.job) {
                Err(reason) => return self.refuse(&id, &reason),
                Ok((job, text)) => self.queue.admit(job, &text, &granted.proof)?,
            },
        };
        match admission {
            Admission::Claimed(claimed) => {
                let mut attempt = Attempt::new(*claimed);
                attempt.lease = Some(Lease {
                    grace: granted.time.notice(self.around.grace()),
                    proof: granted.proof,
                    kill_at: None,
                });
                if let Some(routed) = &mut self.routed {
                    routed.backoff.succeeded();
                }
                self.begin(attempt)
            }
            Admission::InOtherHands => {
                announce::warn(&format!("{id} is in other hands here: its lease is given back"));
                if let Some(routed) = &mut self.routed {
                    routed.leave_it(&id);
                }
                Ok(())
            }
        }
    }

    /// The job and its text, or why this factory doesn't take it (clause T-7).
    fn judge(&self, wire: &WireJob) -> Result<(Job, String), String> {
        let text = job_file(wire);
        let name = format!("{}.md", wire.id);
        let job = job::parse(Naming::File(&wire.id), &name, text.as_bytes())
            .map_err(|remark| format!("refused: {remark}"))?
            .job;
        let folder = self.around.folder();
        let cwd = job.cwd.as_ref().map_or(folder.to_owned(), |cwd| folder.join(cwd));
        let cwd = cwd.canonicalize().ok().filter(|cwd| cwd.is_dir());
        let Some(routed) = &self.routed else {
            return Ok((job, text));
        };
        match routed
            .allowance
            .refusal(&job, &self.engines.available(), cwd.as_deref())
        {
            Some(reason) => Err(reason),
            None => Ok((job, text)),
        }
    }

    fn refuse(&mut self, id: &JobId, reason: &str) -> Result<(), RunError> {
        self.tally.count(Stage::Failed);
        announce::moved(id, Stage::Failed, Some(reason), None);
        if let Some(routed) = &mut self.routed {
            routed.office.finish(id, Stage::Failed, Some(reason));
        }
        Ok(())
    }

    fn lease_lost(&mut self, id: &JobId, reason: String, kill_at: BootInstant) -> Result<(), RunError> {
        announce::warn(&format!("{id}: its lease is lost: {reason}"));
        if let Some(attempt) = self
            .routed
            .as_mut()
            .and_then(|routed| routed.reviewing.remove(id))
        {
            return self.settle(attempt, Stage::Quarantine, Some(&format!("lease lost: {reason}")));
        }
        if let Some(attempt) = self.running.get_mut(id) {
            if let Some(lease) = &mut attempt.lease {
                lease.kill_at = Some(kill_at);
            }
            // Outweighs every other wish: the job is not ours any more.
            attempt.wish = Some(Wish::LeaseLost(reason));
            attempt.end(Wish::Interrupt, Urgency::Grace);
        }
        Ok(())
    }

    /// A renewal that was sent after the last step has been answered: now it may be published (clause T-14).
    fn confirmed(&mut self, id: &JobId) -> Result<(), RunError> {
        if !self.running.get(id).is_some_and(Attempt::is_parked) || !self.still_ours(id) {
            return Ok(());
        }
        let Some(attempt) = self.running.remove(id) else {
            return Ok(());
        };
        if attempt.job.ship.is_none() {
            return self.settle(attempt, Stage::Shipped, None);
        }
        self.queue.note_shipping(&attempt.hold, attempt.stage)?;
        self.start_step(attempt, Step::Ship)
    }

    /// Whether a job that was routed here still may be worked on; asked before every effect.
    pub(super) fn still_ours(&self, id: &JobId) -> bool {
        self.routed.as_ref().is_none_or(|routed| routed.office.holds(id))
    }

    /// What runs under a lost lease and has not ended by its deadline is killed.
    pub(super) fn kill_overdue(&mut self) {
        let now = BootInstant::now();
        for attempt in self.running.values_mut() {
            let due = |lease: &mut Lease| lease.kill_at.take_if(|at| *at <= now);
            if attempt.lease.as_mut().and_then(due).is_some() {
                attempt.end(Wish::Interrupt, Urgency::Now);
            }
        }
    }

    /// What people decided about jobs in review: given up, or to be published once a worker and the lock are free.
    pub(super) fn follow_reviews(&mut self) -> Result<(), RunError> {
        let ids: Vec<JobId> = match &self.routed {
            Some(routed) => routed.reviewing.keys().cloned().collect(),
            None => return Ok(()),
        };
        for id in ids {
            let approved = self.queue.approval_marker(&id).exists();
            let cancelled = self.queue.cancel_marker(&id).exists();
            let has_worker = self.stop.is_none() && self.running.len() < self.options.workers;
            if !(cancelled || approved && has_worker) {
                continue;
            }
            let taken = self
                .routed
                .as_mut()
                .and_then(|routed| routed.reviewing.remove(&id));
            let Some(mut attempt) = taken else { continue };
            if cancelled {
                self.queue.take_cancel_wish(&attempt.hold)?;
                self.settle(attempt, Stage::Failed, Some("cancelled"))?;
            } else if attempt.hold.take_name(&self.queue, attempt.job.lock.as_ref())? {
                self.queue.take_approval(&attempt.hold)?;
                self.park(attempt);
            } else if let Some(routed) = &mut self.routed {
                routed.reviewing.insert(id, attempt);
            }
        }
        Ok(())
    }

    /// A job that an earlier run left behind under its lease: another factory may have it at once, unless nobody knows
    /// whether it was published (clause T-13).
    pub(super) fn settle_left_behind(&mut self, id: &JobId, stage: Stage) -> Result<(), RunError> {
        let known = self.queue.history(id)?;
        let (Some(routed), Some(proof)) = (&mut self.routed, known.lease()) else {
            return Ok(());
        };
        if stage == Stage::Quarantine {
            let last = known.lines.last().and_then(|line| line.reason.as_deref());
            let closing = match last {
                Some(SHIP_UNKNOWN) => Closing::Quarantine(SHIP_UNKNOWN.to_owned()),
                _ => Closing::Release,
            };
            routed.office.settle_orphan(id, proof, closing);
        }
        Ok(())
    }

    /// The next step needs a fresh renewal: asked for, and waited for without a command.
    pub(super) fn park(&mut self, attempt: Attempt) {
        let id = attempt.job.id.clone();
        self.running.insert(id.clone(), attempt);
        if let Some(routed) = &self.routed {
            routed.office.confirm(&id);
        }
    }

    /// The run ends while a person has not decided: another factory may have the job, what was done here is kept.
    pub(super) fn leave_reviews(&mut self) -> Result<(), RunError> {
        let Some(routed) = &mut self.routed else {
            return Ok(());
        };
        for (id, attempt) in std::mem::take(&mut routed.reviewing) {
            let reason = "its lease was given back while it waited for review";
            self.queue
                .advance(&attempt.hold, Stage::Review, Stage::Quarantine, Some(reason))?;
            self.tally.count(Stage::Quarantine);
            announce::moved(&id, Stage::Quarantine, Some(reason), None);
            routed.office.release(&id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::rig::settings;

    #[test]
    fn a_run_whose_workers_are_busy_waits_for_no_instant_that_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let settings = settings(folder.path(), "http://127.0.0.1:9");
        let mut routed = Routed::new(&settings, folder.path()).unwrap();
        let at = Instant::now() + Duration::from_secs(5);
        routed.not_before = Some(at);
        assert!(!routed.is_due(at - Duration::from_secs(1)));
        assert_eq!(routed.next_instant(), Some(at));
        assert!(routed.is_due(at));
        assert_eq!(routed.next_instant(), None);
        // An answer is waited for, and that is an event.
        routed.asked = true;
        assert!(!routed.is_due(at - Duration::from_secs(1)));
        assert_eq!(routed.next_instant(), None);
    }
}
