//! What can be asked of the coordinator and what it can say: commands, replies, refusals. No HTTP in here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::job::{JobRecord, JobSpec};
use super::lease::{Lease, LeaseHolder};
use crate::contract::ids::{Capability, FactoryId, JobId, LeaseId};
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;

/// One operation with what it was given.
#[derive(Debug, Clone)]
pub(crate) enum CoordinatorCommand {
    Submit(JobSubmission),
    Enrol(EnrolmentRequest),
    Heartbeat {
        factory: FactoryId,
        running: Vec<(JobId, LeaseId)>,
    },
    Claim {
        factory: FactoryId,
        caps: BTreeSet<Capability>,
    },
    Renew(LeaseHolder),
    Release(LeaseHolder),
    Report {
        job: JobId,
        holder: LeaseHolder,
        stage: Stage,
    },
    Quarantine {
        job: JobId,
        quarantine: QuarantineRequest,
    },
    Withdraw(JobId),
    ShadowClaim {
        factory: FactoryId,
        caps: BTreeSet<Capability>,
    },
    ShadowReport {
        factory: FactoryId,
        job: JobId,
        stage: Stage,
    },
    List {
        stage: Option<Stage>,
        limit: usize,
        after: u64,
    },
    Get(JobId),
}

/// A job handed in; the coordinator names it where it has no name.
#[derive(Debug, Clone)]
pub(crate) struct JobSubmission {
    /// Its id stands for nothing where `naming` is [`JobNaming::ByCoordinator`].
    pub(crate) spec: JobSpec,
    pub(crate) naming: JobNaming,
}

/// Who names a job that is handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobNaming {
    BySubmitter,
    ByCoordinator,
}

/// A factory that wants to be known.
#[derive(Debug, Clone)]
pub(crate) struct EnrolmentRequest {
    pub(crate) factory: FactoryId,
    pub(crate) caps: Vec<Capability>,
    pub(crate) enrol_token: Option<String>,
    /// The bearer token that the request carried.
    pub(crate) bearer: Option<String>,
    pub(crate) version: String,
}

/// What a factory says that puts a job aside.
#[derive(Debug, Clone)]
pub(crate) struct QuarantineRequest {
    pub(crate) factory: FactoryId,
    pub(crate) lease: Option<LeaseId>,
    pub(crate) fencing_token: Option<u64>,
    /// Why, as a code of the runner contract.
    pub(crate) reason: String,
    /// The same for people.
    pub(crate) detail: Option<String>,
}

/// An answer that refuses nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CommandReply {
    Submitted(JobRecord),
    Enrolled {
        factory: FactoryId,
        token: String,
        scopes: Vec<crate::contract::scope::Scope>,
        heartbeat_ms: u64,
    },
    Noted {
        server_time: UtcTimestamp,
    },
    Granted {
        job: JobRecord,
        lease: Lease,
    },
    Nothing,
    Renewed(Lease),
    Released(Stage),
    Reported(Stage),
    Recorded(Stage),
    /// Which job it was: its id may be that of a later one by now (C-13).
    Withdrawn {
        job: JobId,
        sequence: u64,
    },
    /// `lease` is there only where the coordinator was told to break its word.
    WouldGrant {
        job: JobRecord,
        lease: Option<Lease>,
    },
    Mirrored {
        accepted: bool,
        stage: Stage,
        real_stage: Stage,
    },
    Jobs {
        jobs: Vec<JobRecord>,
        next: Option<u64>,
    },
    Job(JobRecord),
}

/// Why a command was refused; it then had no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandRefusal {
    Unauthenticated,
    InvalidEnrolToken,
    InsufficientScope(crate::contract::scope::Scope),
    UnknownJob(JobId),
    UnknownLease(LeaseId),
    UnknownFactory(FactoryId),
    JobExists(JobId),
    FactoryExists(FactoryId),
    LeaseLost(LeaseId),
    IllegalTransition {
        from: Stage,
        to: Stage,
    },
    /// Somebody holds a lease on it, so that it can't be withdrawn.
    Leased(JobId),
    /// It has ended at this stage, so that it can't be withdrawn.
    Ended(Stage),
    /// What was answered under this key is no longer true of the job (C-13).
    Superseded(JobId),
    IdempotencyMismatch,
    /// A bound of this coordinator is reached.
    Full(&'static str),
    /// The jobs take all the bytes that there are for them.
    JobBytesExhausted {
        limit: usize,
    },
}

/// What a command comes to.
pub(crate) type CommandResult = Result<CommandReply, CommandRefusal>;

/// What a command led to, and the evidence of it, all taken in one critical section.
#[derive(Debug, Clone)]
pub(crate) struct CommandOutcome {
    pub(crate) result: CommandResult,
    pub(crate) digest_before: Digest,
    pub(crate) digest_after: Digest,
    /// Whether anything real was written, by the count of writes, not by the digest.
    pub(crate) mutated: bool,
}
