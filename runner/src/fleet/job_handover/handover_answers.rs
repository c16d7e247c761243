//! What the coordinator's answers to a hand-over and to a recall mean: pure (clauses F-14 and F-15).
//!
//! A request that may have had an effect nobody has heard of (`maybe_sent`) is undone by no refusal that says nothing
//! about the job: a token that was taken away meanwhile, for instance. Then only what says where the job is counts.

use crate::fleet::call_failure::CallFailure;
use crate::fleet::client::CoordinatorJob;
use crate::fleet::cut_over::job_file;
use crate::fleet::wire::WireJob;
use crate::ids::{Capability, LockName};
use crate::job::{self, Job, JobIdSource};
use crate::queue::HandoverPhase;
use crate::stage::Stage;

/// What became of one job that a person named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HandoverOutcome {
    /// The coordinator has it.
    Handed,
    /// It waits in this queue's inbox.
    Recalled,
    /// It had come to this end before it could be taken back.
    Finished(Stage),
    /// Somebody works on it, so it stays where it is.
    Held(String),
    /// Nothing changed, for this reason.
    Refused(String),
    /// Nothing changed, and nothing will under this token.
    TokenRefused(String),
    /// Nobody knows whether the coordinator did what it was asked for; the same command goes on.
    Unclear(String),
}

/// Who has a job that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SubmitVerdict {
    /// The coordinator.
    Taken,
    /// Nobody: the coordinator had it, and somebody took it out there.
    Withdrawn,
    /// This queue.
    Refused(String),
    /// This queue, and the token is to blame.
    TokenRefused(String),
    Unclear(String),
}

/// A refusal that does not say whether the coordinator has the job: it is asked for the job.
#[derive(Debug)]
pub(crate) struct PendingLook {
    refusal: String,
    maybe_sent: bool,
    /// It is about the caller and not about the job: what was sent before, and arrives late, may be taken yet.
    is_of_caller: bool,
}

/// What the answer to `job.submit` says, or that it takes a look to know.
pub(crate) fn submit_answer(
    answer: Result<(), CallFailure>,
    maybe_sent: bool,
) -> Result<SubmitVerdict, PendingLook> {
    match answer {
        Ok(()) => Ok(SubmitVerdict::Taken),
        Err(CallFailure::Definite(refusal)) => {
            let is_known = matches!(refusal.code.as_str(), "job_exists" | "superseded");
            let text = refusal.to_string();
            let is_of_caller = matches!(refusal.status, 401 | 403);
            match (is_known || maybe_sent, is_of_caller) {
                (true, _) => Err(PendingLook {
                    refusal: text,
                    maybe_sent,
                    is_of_caller,
                }),
                (false, true) => Ok(SubmitVerdict::TokenRefused(text)),
                (false, false) => Ok(SubmitVerdict::Refused(text)),
            }
        }
        Err(failure) if maybe_sent => Ok(SubmitVerdict::Unclear(failure.to_string())),
        Err(failure) => Ok(SubmitVerdict::Refused(failure.to_string())),
    }
}

impl PendingLook {
    /// What the answer to `job.get` says of the job that was sent.
    pub(crate) fn decide(self, ours: &Job, found: Result<CoordinatorJob, CallFailure>) -> SubmitVerdict {
        match found {
            Ok(found) if !same_job(ours, &found.job) => SubmitVerdict::Refused(String::from(
                "the coordinator has another job of that name: choose another name",
            )),
            Ok(CoordinatorJob { stage: None, .. }) => SubmitVerdict::Withdrawn,
            Ok(CoordinatorJob {
                stage: Some(stage), ..
            }) if stage.is_final() && !self.maybe_sent => SubmitVerdict::Refused(format!(
                "the coordinator had a job of that name, which is {} there: choose another name",
                stage.wire_name()
            )),
            Ok(_) => SubmitVerdict::Taken,
            Err(failure) if failure.is_definitely_unknown() && !self.is_of_caller || !self.maybe_sent => {
                SubmitVerdict::Refused(self.refusal)
            }
            Err(failure) => SubmitVerdict::Unclear(format!("{}; {failure}", self.refusal)),
        }
    }
}

/// What is to be done next about a job that is to be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RecallStep {
    /// The coordinator is to be asked for it.
    Withdraw,
    /// It had come to an end there, and the coordinator is asked to which.
    Look,
    /// The coordinator has it no more, or has finished it.
    Return(Stage),
    Stay(HandoverOutcome),
}

/// What the answer to `job.get` says before a job is withdrawn.
pub(crate) fn look_before_recall(
    phase: HandoverPhase,
    found: Result<CoordinatorJob, CallFailure>,
    also_withdrawn: bool,
) -> RecallStep {
    let is_begun = phase == HandoverPhase::Recalling;
    match found {
        Ok(CoordinatorJob {
            stage: Some(stage), ..
        }) if stage.is_final() => RecallStep::Return(stage),
        Ok(CoordinatorJob { stage: None, .. }) if !is_begun && !also_withdrawn => {
            RecallStep::Stay(HandoverOutcome::Refused(String::from(
                "somebody else withdrew it there, and may have it now: see that nobody runs it, then add --withdrawn",
            )))
        }
        Ok(_) => RecallStep::Withdraw,
        Err(failure) if failure.is_definitely_unknown() => RecallStep::Return(Stage::Inbox),
        Err(failure) if is_begun => RecallStep::Stay(HandoverOutcome::Unclear(failure.to_string())),
        Err(failure) => RecallStep::Stay(HandoverOutcome::Refused(failure.to_string())),
    }
}

/// What the answer to `job.withdraw` says of a job that `job.get` has just told of.
pub(crate) fn recall_answer(answer: Result<(), CallFailure>, maybe_sent: bool) -> RecallStep {
    let refusal = match answer {
        Ok(()) => return RecallStep::Return(Stage::Inbox),
        Err(CallFailure::Definite(refusal)) => refusal,
        Err(failure) if maybe_sent => return RecallStep::Stay(HandoverOutcome::Unclear(failure.to_string())),
        Err(failure) => return RecallStep::Stay(HandoverOutcome::Refused(failure.to_string())),
    };
    RecallStep::Stay(match refusal.code.as_str() {
        "final" => return RecallStep::Look,
        "leased" => HandoverOutcome::Held(String::from(
            "somebody works on it: it stays with the coordinator, and its end is reported there",
        )),
        "superseded" => HandoverOutcome::Refused(String::from(
            "somebody has submitted it there again: recall it once more if that is the job that you mean",
        )),
        _ if maybe_sent => HandoverOutcome::Unclear(refusal.to_string()),
        _ if matches!(refusal.status, 401 | 403) => HandoverOutcome::TokenRefused(refusal.to_string()),
        // It has just told of the job, so it is the operation that it does not know.
        _ if matches!(refusal.status, 404 | 405) => HandoverOutcome::Refused(format!(
            "the coordinator has no `job.withdraw` ({refusal}): take the job out there, then add --withdrawn"
        )),
        _ => HandoverOutcome::Refused(refusal.to_string()),
    })
}

/// A job as it is handed in.
pub(crate) fn wire_job(job: &Job) -> WireJob {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    WireJob {
        id: job.id.to_string(),
        engine: job.engine.to_string(),
        cwd: job.cwd.as_ref().map(|cwd| cwd.to_string_lossy().into_owned()),
        yolo: job.yolo,
        lock: job.lock.as_ref().map(LockName::to_string),
        timeout_ms: Some(millis(job.timeout)),
        idle_timeout_ms: job.idle_timeout.map(millis),
        priority: job.priority,
        caps: job.caps.iter().map(Capability::to_string).collect(),
        verify: job.verify.clone(),
        review: job.review,
        ship: job.ship.clone(),
        retries: job.retries,
        body: job.prompt.clone(),
    }
}

/// Whether what the coordinator has is this very job; how long a retry waits is no business of its.
pub(crate) fn same_job(ours: &Job, theirs: &WireJob) -> bool {
    let text = job_file(theirs);
    let naming = JobIdSource::FileName(ours.id.as_str());
    job::parse(naming, "job.md", text.as_bytes()).is_ok_and(|parsed| {
        let theirs = Job {
            retry_delay: ours.retry_delay,
            ..parsed.job
        };
        theirs == *ours
    })
}

#[cfg(test)]
mod tests;
