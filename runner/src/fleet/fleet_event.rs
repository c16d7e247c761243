//! What the tasks that speak with the coordinator tell the run loop.

use super::client::LeaseProof;
use super::delivery_outcome::DeliveryOutcome;
use super::lease_time::LeaseTime;
use super::wire::WireJob;
use crate::ids::{JobId, LeaseId};

/// How many events the loop may leave waiting; a task that has one more waits too.
pub(super) const EVENTS_MAX: usize = 64;

/// What the tasks tell the run loop.
#[derive(Debug)]
pub(crate) enum FleetEvent {
    /// The answer to [`super::fleet_session::FleetSession::request_job`]: a job with its lease, renewed if the claim
    /// had to wait.
    Claimed(Box<GrantedJob>),
    /// The answer to [`super::fleet_session::FleetSession::request_job`]: there is nothing to do (a 204).
    Nothing,
    /// A claim was not answered as it should be, and is repeated.
    ClaimFailed,
    /// Nothing got through for 60 s: a `--drain` ends with exit 1 now, any other run goes on waiting.
    Unreachable { problem: String },
    /// The credential was refused: the run ends with exit 1 and says so.
    CredentialRefused { problem: String },
    /// What runs under the lease has to end now, and the job goes to `quarantine/`.
    LeaseLost {
        job: JobId,
        reason: String,
        /// All that this host had to do for the lease was done in time.
        in_time: bool,
    },
    /// The answer to [`super::fleet_session::FleetSession::confirm`]: a renewal that was sent after that call has been
    /// answered.
    Confirmed { job: JobId },
    /// The last request about a lease was answered or given up.
    LeaseClosed {
        job: JobId,
        lease: LeaseId,
        outcome: DeliveryOutcome,
    },
}

/// A job and the right to work on it.
#[derive(Debug)]
pub(crate) struct GrantedJob {
    pub(crate) job: WireJob,
    pub(crate) id: JobId,
    pub(crate) proof: LeaseProof,
    pub(crate) time: LeaseTime,
}
