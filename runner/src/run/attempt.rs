//! One attempt at one job: what decisions are made from, and what carries it out.

use std::time::Duration;

use crate::ids::LeaseProof;
use crate::job::Job;
use crate::queue::FileDigest;
use crate::stage::Stage;
use crate::token_usage::TokenUsage;

/// The commands of an attempt, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptStep {
    Engine,
    Verify,
    Ship,
}

/// Why an attempt was told to end before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// A person cancelled the job.
    Cancel,
    /// The runner itself has to end.
    Interrupt,
    /// The lease that it ran under was lost, for this reason (clause T-4).
    LeaseLost(String),
}

/// Where the file of a job under a lease came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobOrigin {
    /// The coordinator wrote it, and it is the coordinator's alone.
    Coordinator,
    /// It lay in this inbox.
    Inbox,
}

/// The right to work on a job.
#[derive(Debug, Clone)]
pub(crate) struct JobLease {
    pub(crate) proof: LeaseProof,
    pub(crate) origin: JobOrigin,
}

/// Of a job, at this instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseStatus {
    /// The job is this queue's own.
    Local,
    /// The coordinator's lease holds.
    Held,
    /// It was the coordinator's, and can't be relied on any more.
    Lost,
}

impl LeaseStatus {
    /// `holds`: of a job under a lease, whether that can be relied on.
    pub(crate) fn of(leased: bool, holds: bool) -> LeaseStatus {
        match (leased, holds) {
            (false, _) => LeaseStatus::Local,
            (true, true) => LeaseStatus::Held,
            (true, false) => LeaseStatus::Lost,
        }
    }
}

/// All that a decision about an attempt is made from.
#[derive(Debug)]
pub(crate) struct AttemptState {
    pub(crate) job: Job,
    /// Of the file that is worked on; none in the model.
    pub(crate) digest: Option<FileDigest>,
    pub(crate) number: u32,
    /// Attempts that count against `retries`, this one included.
    pub(crate) spent: u32,
    /// Where its file lies.
    pub(crate) stage: Stage,
    /// The command that runs, or ran last.
    pub(crate) step: AttemptStep,
    pub(crate) stop_reason: Option<StopReason>,
    /// What its engine used, until that is on record.
    pub(crate) usage: Option<TokenUsage>,
    /// The coordinator's, if it assigned the job.
    pub(crate) lease: Option<JobLease>,
}

/// No retry is waited for longer than this, unless its job says so itself.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(30 * 60);

impl AttemptState {
    /// How long the job waits for its next attempt: twice as long after each. `default`: where it names no wait.
    pub(crate) fn retry_wait(&self, default: Duration) -> Duration {
        let first = self.job.retry_delay.unwrap_or(default);
        let doublings = self.spent.saturating_sub(1).min(16);
        first
            .saturating_mul(1 << doublings)
            .min(RETRY_WAIT_MAX.max(first))
    }
}

/// `H`: what its world holds of the job; `C`: a command of it that runs.
#[derive(Debug)]
pub(crate) struct Attempt<H, C> {
    pub(crate) state: AttemptState,
    pub(crate) held: H,
    /// From its start until its supervisor has answered.
    pub(crate) command: Option<C>,
}

impl<H, C> Attempt<H, C> {
    /// Between two steps, waiting for something else than a command.
    pub(crate) fn awaits_confirmation(&self) -> bool {
        self.command.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobIdSource, parse};

    #[test]
    fn waits_for_a_retry_double_up_to_half_an_hour_or_what_the_job_says() {
        let waits = |keys: &str| {
            let text = format!("---\nengine: sh\n{keys}\n---\ntrue\n");
            let parsed = parse(JobIdSource::FileName("a"), "a.md", text.as_bytes()).unwrap();
            let mut state = AttemptState {
                job: parsed.job,
                digest: None,
                number: 1,
                spent: 1,
                stage: Stage::Building,
                step: AttemptStep::Engine,
                stop_reason: None,
                lease: None,
                usage: None,
            };
            [1, 2, 3, 50].map(|spent| {
                state.spent = spent;
                state.retry_wait(Duration::from_secs(30)).as_secs()
            })
        };
        assert_eq!(waits("retries: 9"), [30, 60, 120, 1800]);
        assert_eq!(waits("retry_delay: 0s"), [0; 4]);
        assert_eq!(waits("retry_delay: 10m"), [600, 1200, 1800, 1800]);
        assert_eq!(waits("retry_delay: 2h"), [7200; 4]);
    }
}
