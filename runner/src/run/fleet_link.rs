//! What a run has with the coordinator from its first question on, whatever the source of work is by now: the leases of
//! what runs, the reports that it owes, and how fast it may ask.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::delivery_notice::DeliveryNotice;
use super::progress;
use super::run_options::{RunError, RunUntil};
use crate::boot_clock::BootInstant;
use crate::fleet::claim_pacing::ClaimPacing;
use crate::fleet::fleet_session::FleetSession;
use crate::fleet::lease_renewer::LeaseRenewer;
use crate::fleet::{DeliveryOutcome, FleetEvent};
use crate::ids::{JobId, LeaseId};
use crate::job_reason::JobReason;
use crate::queue::{PersistedEntry, Queue};
use crate::stage::Stage;

/// From a question that a coordinator answers at once, because it has nothing, to the next.
const CLAIM_INTERVAL: Duration = Duration::from_secs(5);
/// What was forgotten is reported once more, and then it is known again.
const ENDS_REMEMBERED_MAX: usize = 4096;

pub(super) struct FleetLink {
    pub(super) session: FleetSession,
    pub(super) pacing: ClaimPacing,
    claims: ClaimState,
    /// Reports on the disk that are being sent.
    posted: BTreeMap<LeaseId, PersistedEntry>,
    outbox: OutboxState,
    delivery_notice: DeliveryNotice,
    /// Reports of a final stage that are on their way, by their leases.
    ends_reported: BTreeMap<LeaseId, Stage>,
    /// Jobs of which the coordinator took such a report, at most `ENDS_REMEMBERED_MAX`.
    ends_taken: BTreeMap<JobId, Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClaimState {
    Allowed,
    /// The coordinator can't be worked with: the run ends with exit 1.
    GivenUp,
}

/// Of the reports that are not being sent, in their order of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum OutboxState {
    Empty,
    /// One could not be delivered: tried again when the coordinator has answered something.
    AfterNextAnswer,
    /// There may be some: to be delivered before anything new is asked for.
    Due,
}

impl FleetLink {
    pub(super) fn new(session: FleetSession) -> FleetLink {
        FleetLink {
            session,
            pacing: ClaimPacing::new(CLAIM_INTERVAL, u64::from(std::process::id())),
            claims: ClaimState::Allowed,
            posted: BTreeMap::new(),
            outbox: OutboxState::Due,
            delivery_notice: DeliveryNotice::default(),
            ends_reported: BTreeMap::new(),
            ends_taken: BTreeMap::new(),
        }
    }

    /// The coordinator decides again, through a session that was opened since; the leases stay with theirs.
    pub(super) fn resume(&mut self, fresh: FleetSession) {
        self.session.resume_claims(fresh);
        self.pacing.reset();
        self.outbox = OutboxState::Due;
    }

    /// No more claims; leases are kept to their end (clause T-11). `held`: how long the coordinator may hold one.
    pub(super) fn stop_claims(&mut self, held: Duration) {
        self.session.stop_claims(held);
        self.pacing.reset();
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.claims == ClaimState::GivenUp
    }

    /// Nothing more is asked; of no interest to a run that does not ask anyway.
    pub(super) fn give_up(&mut self, event: FleetEvent, until: RunUntil) {
        let why = match event {
            FleetEvent::Unreachable { problem } if until != RunUntil::Stopped => format!(
                "gave up: nothing got through to the coordinator for 60 s ({problem}); an unreachable coordinator is \
                 not an empty one"
            ),
            FleetEvent::CredentialRefused { problem } => problem,
            _ => return,
        };
        self.claims = ClaimState::GivenUp;
        progress::warn(&why);
    }

    /// A claim was answered: what could not be delivered before may get through now.
    pub(super) fn answered(&mut self) {
        if self.outbox == OutboxState::AfterNextAnswer {
            self.outbox = OutboxState::Due;
        }
    }

    /// Something was posted that nobody sends yet.
    pub(super) fn note_undelivered(&mut self) {
        self.outbox = OutboxState::Due;
    }

    /// Delivers what the outbox holds before anything new is asked for, one round at a time, so that all of it keeps its
    /// order (clause T-9).
    pub(super) fn deliver_outbox(&mut self, queue: &Queue) -> Result<(), RunError> {
        if self.outbox != OutboxState::Due || !self.session.is_settled() {
            return Ok(());
        }
        self.outbox = OutboxState::Empty;
        let waiting = queue.undelivered()?;
        let entries: Vec<_> = waiting.iter().map(|posted| &posted.letter).collect();
        self.session.deliver(&entries);
        for posted in waiting {
            if let Some((_, proof, stage)) = posted.letter.subject() {
                self.note_end(&proof.lease, stage);
                self.posted.insert(proof.lease, posted);
            }
        }
        Ok(())
    }

    /// The job has come to its end under this lease, and its report is on the disk.
    pub(super) fn finish_from_outbox(&mut self, job: &JobId, lease: LeaseId, posted: PersistedEntry) {
        if let Some((_, _, stage)) = posted.letter.subject() {
            self.note_end(&lease, stage);
        }
        self.session.finish_from_outbox(job, &posted.letter);
        self.posted.insert(lease, posted);
    }

    /// Reports the final stage of a job of which nothing is on the disk.
    pub(super) fn finish(&mut self, job: &JobId, lease: &LeaseId, stage: Stage, reason: JobReason) {
        self.ends_reported.insert(lease.clone(), stage);
        self.session.finish(job, stage, reason);
    }

    /// The final stage that the coordinator took the report of.
    pub(super) fn end_taken(&self, job: &JobId) -> Option<Stage> {
        self.ends_taken.get(job).copied()
    }

    /// Whether this run works on the job under a lease that can be relied on.
    pub(super) fn holds_lease(&self, job: &JobId) -> bool {
        let renewer = self.session.renewer(job);
        renewer.is_some_and(LeaseRenewer::is_lease_valid)
    }

    /// The last request about a lease is on its way. One of quarantine is only put on record, and the job may be assigned
    /// again.
    fn note_end(&mut self, lease: &LeaseId, stage: Stage) {
        if stage != Stage::Quarantine {
            self.ends_reported.insert(lease.clone(), stage);
        }
    }

    /// The end of a lease is settled. What was answered need not be kept; the rest waits for the next chance.
    pub(super) fn lease_closed(
        &mut self,
        job: &JobId,
        lease: &LeaseId,
        outcome: &DeliveryOutcome,
    ) -> Result<(), RunError> {
        self.pacing.lease_ended();
        if let Some(stage) = self.ends_reported.remove(lease)
            && *outcome == DeliveryOutcome::Delivered
        {
            if self.ends_taken.len() >= ENDS_REMEMBERED_MAX {
                self.ends_taken.clear();
            }
            self.ends_taken.insert(job.clone(), stage);
        }
        match self.posted.remove(lease) {
            None => {}
            Some(posted) if outcome.is_answered() => posted.answered()?,
            Some(_) => self.outbox = self.outbox.max(OutboxState::AfterNextAnswer),
        }
        match outcome {
            DeliveryOutcome::Delivered => {}
            DeliveryOutcome::Refused(why) => {
                progress::warn(&format!("{job}: the coordinator refused its end: {why}"));
            }
            DeliveryOutcome::Undelivered(why) => {
                progress::warn(&format!(
                    "{job}: its end did not reach the coordinator: {why}; what is owed waits in the outbox"
                ));
            }
        }
        Ok(())
    }

    /// The job can't be had now: others may, and this factory asks again a while later. `free_in`: after which it can,
    /// where that is known.
    pub(super) fn release_busy_job(&mut self, id: &JobId, free_in: Option<Duration>) {
        self.session.release(id);
        self.pacing.held_elsewhere(BootInstant::now(), free_in);
    }

    /// When a delivery that takes long is to be told of.
    pub(super) fn next_instant(&self) -> Option<Instant> {
        self.delivery_notice.next_instant()
    }

    /// Says what is waited for, if that takes long: until then nothing is asked for.
    pub(super) fn report_slow_delivery(&mut self, now: Instant) {
        if !self.delivery_notice.is_due(!self.session.is_settled(), now) {
            return;
        }
        let subjects = self.posted.values().filter_map(|posted| posted.letter.subject());
        let ends = subjects.map(|(job, _, stage)| format!("{job} is {stage}"));
        let ends: Vec<String> = ends.collect();
        let what = match ends.is_empty() {
            true => "a lease back".to_owned(),
            false => format!("that {}", ends.join(", ")),
        };
        progress::waiting(&format!(
            "waiting for the coordinator to take {what}; it is tried again and again, and nothing new is asked for \
             meanwhile; Ctrl-C ends this, and what is in the outbox is delivered first by the next run with \
             AQ_FLEET_ROUTE=1"
        ));
    }

    /// The end of the process: what is under way may take `limit`, what is owed after it stays on the disk.
    pub(super) async fn shutdown(mut self, limit: Duration) -> Result<(), RunError> {
        for (lease, outcome) in self.session.shutdown(limit).await {
            if outcome.is_answered()
                && let Some(posted) = self.posted.remove(&lease)
            {
                posted.answered()?;
            }
        }
        if !self.posted.is_empty() {
            progress::warn(&format!(
                "{} reports wait in the outbox: the next run with AQ_FLEET_ROUTE=1 delivers them first",
                self.posted.len()
            ));
        }
        Ok(())
    }
}
