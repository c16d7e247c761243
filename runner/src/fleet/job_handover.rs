//! Hands jobs over to the coordinator, and takes them back, one at a time (clauses F-14 and F-15).
//!
//! What an answer means is decided by `handover_answers`, which is pure. This carries it out: the queue is told before
//! each request and after each answer, so that a job never has two that may start it.

pub(crate) mod handover_answers;
mod handover_calls;

use std::time::Duration;

use super::admission_policy::AdmissionPolicy;
use super::backoff::Backoff;
use super::call_failure::{CallFailure, FailureKind};
use super::client::CoordinatorJob;
use super::cut_over::job_file;
use crate::engine::EngineRegistry;
use crate::ids::JobId;
use crate::job::{self, JobIdSource};
use crate::queue::{
    HandoverPhase, HandoverRecord, HandoverStart, JobLocks, PendingHandover, Queue, QueueError,
};
use crate::stage::Stage;
pub(crate) use handover_calls::HandoverCalls;

use handover_answers::{
    HandoverOutcome, RecallStep, SubmitVerdict, look_before_recall, recall_answer, submit_answer, wire_job,
};

/// How often a request is sent before the command says that nobody knows.
const TRIES: u32 = 3;
/// A person waits for the command.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What a recall may do beyond the usual.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RecallOptions {
    /// The coordinator has another address than it had when the jobs were handed over.
    pub(crate) moved: bool,
    /// Also what somebody else has withdrawn.
    pub(crate) withdrawn: bool,
}

pub(crate) struct JobHandover<'a, C> {
    pub(crate) queue: &'a Queue,
    pub(crate) client: &'a C,
    /// The coordinator's address, as records have it.
    pub(crate) url: String,
    /// What a job may be that this host has no copy of, or why none is taken.
    pub(crate) policy: Result<&'a AdmissionPolicy, &'a str>,
    pub(crate) engines: &'a EngineRegistry,
}

impl<C: HandoverCalls> JobHandover<'_, C> {
    pub(crate) async fn submit(&self, start: HandoverStart) -> Result<HandoverOutcome, QueueError> {
        let pending = match start {
            HandoverStart::Begun(pending) => pending,
            HandoverStart::Handed => return Ok(HandoverOutcome::Handed),
            HandoverStart::Refused(why) => return Ok(HandoverOutcome::Refused(why)),
        };
        match self.submit_verdict(&pending).await {
            SubmitVerdict::Taken => {
                self.queue.handed(&pending)?;
                Ok(HandoverOutcome::Handed)
            }
            SubmitVerdict::Withdrawn => {
                self.queue.handed(&pending)?;
                let id = pending.hold.id();
                Ok(HandoverOutcome::Refused(format!(
                    "it was handed over, and somebody else withdrew it there: see that nobody runs it, then \
                     `aq fleet-recall --withdrawn {id}`"
                )))
            }
            SubmitVerdict::Refused(why) => {
                self.queue.not_handed(&pending)?;
                Ok(HandoverOutcome::Refused(why))
            }
            SubmitVerdict::TokenRefused(why) => {
                self.queue.not_handed(&pending)?;
                Ok(HandoverOutcome::TokenRefused(why))
            }
            SubmitVerdict::Unclear(why) => Ok(HandoverOutcome::Unclear(why)),
        }
    }

    async fn submit_verdict(&self, pending: &PendingHandover) -> SubmitVerdict {
        let wire = wire_job(&pending.job);
        let key = pending.record.key(pending.hold.id());
        let (answer, maybe_sent) = repeated(self.client, pending.is_resumed, || {
            self.client.submit(&wire, &key)
        })
        .await;
        match submit_answer(answer, maybe_sent) {
            Ok(verdict) => verdict,
            Err(look) => {
                let found = self.client.job(pending.hold.id()).await;
                look.decide(&pending.job, found)
            }
        }
    }

    pub(crate) async fn recall(
        &self,
        id: &JobId,
        options: RecallOptions,
    ) -> Result<HandoverOutcome, QueueError> {
        let is_submitting = |record: &HandoverRecord| record.phase == HandoverPhase::Submitting;
        if self.queue.handover(id)?.as_ref().is_some_and(is_submitting)
            && let Some(outcome) = self.settle_submission(id).await?
        {
            return Ok(outcome);
        }
        let Some(hold) = self.queue.hold(id)? else {
            return Ok(HandoverOutcome::Held(String::from("it is in other hands here")));
        };
        let Some(record) = self.queue.handover(id)? else {
            return self.recall_unknown(&hold).await;
        };
        if let Some(outcome) = self.not_to_recall(&hold, &record, options)? {
            return Ok(outcome);
        }
        let found = self.client.job(id).await;
        match look_before_recall(record.phase, found, options.withdrawn) {
            RecallStep::Withdraw | RecallStep::Look => {
                let resumed = record.phase == HandoverPhase::Recalling;
                let record = self.queue.begin_recall(&hold, &record)?;
                self.withdraw(&hold, &record, resumed).await
            }
            RecallStep::Return(stage) => self.return_to(&hold, &record, stage),
            RecallStep::Stay(outcome) => Ok(outcome),
        }
    }

    /// A job whose submission nobody has answered: first that is settled, so that no copy of it arrives afterwards.
    /// None: the coordinator has it.
    async fn settle_submission(&self, id: &JobId) -> Result<Option<HandoverOutcome>, QueueError> {
        let pending = match self.queue.begin_handover(id, &self.url)? {
            HandoverStart::Begun(pending) => pending,
            HandoverStart::Handed => return Ok(None),
            HandoverStart::Refused(why) => return Ok(Some(HandoverOutcome::Refused(why))),
        };
        Ok(match self.submit_verdict(&pending).await {
            SubmitVerdict::Taken | SubmitVerdict::Withdrawn => {
                self.queue.handed(&pending)?;
                None
            }
            SubmitVerdict::Refused(_) | SubmitVerdict::TokenRefused(_) => {
                self.queue.never_handed(&pending)?;
                Some(HandoverOutcome::Recalled)
            }
            SubmitVerdict::Unclear(why) => Some(HandoverOutcome::Unclear(why)),
        })
    }

    /// Why there is nothing to ask the coordinator for.
    fn not_to_recall(
        &self,
        hold: &JobLocks,
        record: &HandoverRecord,
        options: RecallOptions,
    ) -> Result<Option<HandoverOutcome>, QueueError> {
        let id = hold.id();
        if let Some(stage) = self.queue.ended_here(id)? {
            return Ok(Some(HandoverOutcome::Finished(stage)));
        }
        if let Some(stage) = self.queue.find(id)?.filter(|stage| *stage != Stage::Inbox) {
            let text = format!("it is in {stage} here, and the coordinator decides about it");
            return Ok(Some(HandoverOutcome::Held(text)));
        }
        Ok(match record.phase {
            HandoverPhase::Unreadable => Some(HandoverOutcome::Refused(self.queue.unreadable_handover(id))),
            _ if record.url != self.url && !options.moved => Some(HandoverOutcome::Refused(format!(
                "it was handed to {}, which is not the address that is set: set AQ_FLEET_URL to that, or say --moved if \
                 it is the same coordinator",
                record.url
            ))),
            _ => None,
        })
    }

    async fn withdraw(
        &self,
        hold: &JobLocks,
        record: &HandoverRecord,
        resumed: bool,
    ) -> Result<HandoverOutcome, QueueError> {
        let id = hold.id();
        let key = record.key(id);
        let (answer, maybe_sent) = repeated(self.client, resumed, || self.client.withdraw(id, &key)).await;
        match recall_answer(answer, maybe_sent) {
            RecallStep::Return(stage) => self.return_to(hold, record, stage),
            RecallStep::Withdraw | RecallStep::Look => {
                self.queue.not_recalled(hold, record)?;
                match self.client.job(id).await {
                    Ok(CoordinatorJob {
                        stage: Some(stage), ..
                    }) if stage.is_final() => self.return_to(hold, record, stage),
                    _ => Ok(HandoverOutcome::Held(String::from(
                        "it ended there at this moment: try again",
                    ))),
                }
            }
            RecallStep::Stay(outcome @ HandoverOutcome::Unclear(_)) => Ok(outcome),
            RecallStep::Stay(outcome) => {
                self.queue.not_recalled(hold, record)?;
                Ok(outcome)
            }
        }
    }

    /// What the coordinator finished is not this host's to keep if it never was here.
    fn return_to(
        &self,
        hold: &JobLocks,
        record: &HandoverRecord,
        stage: Stage,
    ) -> Result<HandoverOutcome, QueueError> {
        if stage == Stage::Inbox {
            self.queue.return_to(hold, record, stage)?;
            return Ok(HandoverOutcome::Recalled);
        }
        match record.is_of_this_host() {
            true => self.queue.return_to(hold, record, stage)?,
            false => self.queue.not_recalled(hold, record)?,
        }
        Ok(HandoverOutcome::Finished(stage))
    }

    /// Of a job that this host did not hand over, the coordinator's text is all there is, and it is trusted no more than
    /// that of a routed job.
    async fn recall_unknown(&self, hold: &JobLocks) -> Result<HandoverOutcome, QueueError> {
        let id = hold.id();
        match self.queue.find(id)? {
            Some(Stage::Inbox) => return Ok(HandoverOutcome::Recalled),
            Some(stage) if stage.is_final() => return Ok(HandoverOutcome::Finished(stage)),
            Some(stage) => return Ok(HandoverOutcome::Held(format!("it is in {stage} here"))),
            None => {}
        }
        let found = match self.client.job(id).await {
            Ok(found) => found,
            Err(failure) => {
                return Ok(HandoverOutcome::Refused(match failure.is_definitely_unknown() {
                    true => String::from("neither this queue nor the coordinator has a job of that name"),
                    false => format!("the coordinator can't be asked: {failure}"),
                }));
            }
        };
        if found.stage != Some(Stage::Inbox) {
            return Ok(HandoverOutcome::Refused(match found.stage {
                None => String::from("it was withdrawn there already, and this host has no copy of it"),
                Some(stage) => format!(
                    "it is {} there, and this host has no copy of it",
                    stage.wire_name()
                ),
            }));
        }
        let text = job_file(&found.job);
        let name = format!("{id}.md");
        let objection = match job::parse(JobIdSource::FileName(id.as_str()), &name, text.as_bytes()) {
            Ok(parsed) => match self.policy {
                Ok(policy) => policy
                    .refusal(&parsed.job, &self.engines.available())
                    .map(|reason| reason.to_string()),
                Err(why) => Some(why.to_owned()),
            },
            Err(diagnostic) => Some(diagnostic.to_string()),
        };
        if let Some(objection) = objection {
            return Ok(HandoverOutcome::Refused(format!(
                "this host has no copy of it, so it is taken only as [route] allows: {objection}"
            )));
        }
        let record = self.queue.begin_recall_of_foreign(hold, &text, &self.url)?;
        self.withdraw(hold, &record, false).await
    }
}

/// Sends a request until it is answered, a few times. Returned is also whether one of them may have had an effect that
/// was not answered; `maybe_sent`: one of an earlier command.
async fn repeated<T, F>(
    client: &impl HandoverCalls,
    mut maybe_sent: bool,
    mut call: impl FnMut() -> F,
) -> (Result<T, CallFailure>, bool)
where
    F: Future<Output = Result<T, CallFailure>>,
{
    let mut backoff = Backoff::new(fastrand::u64(..));
    let mut tries = 1;
    loop {
        let answer = call().await;
        let Err(failure @ CallFailure::Indefinite { .. }) = &answer else {
            return (answer, maybe_sent);
        };
        // Nobody listens, so nothing was sent.
        maybe_sent |= failure.kind() != FailureKind::ConnectionRefused;
        if tries == TRIES {
            return (answer, maybe_sent);
        }
        tries += 1;
        let wait = backoff.after_failure(failure.retry_after());
        client.wait(wait.min(WAIT_MAX)).await;
    }
}
