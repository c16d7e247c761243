//! One attempt at one job: what decisions are made from, and what carries it out.

use crate::ids::LeaseProof;
use crate::job::Job;
use crate::queue::FileDigest;
use crate::stage::Stage;

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
    /// The coordinator's, if it assigned the job.
    pub(crate) lease: Option<JobLease>,
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
