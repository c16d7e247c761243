//! The routed mode, but for the run loop itself: claiming with back-off, keeping a lease, and the rules for what a
//! claim brings. All of it talks to the loop by messages; the loop alone touches the queue and the processes.
//!
//! What is decided is pure: `claim_machine` (one claim), `claim_pacing` (when the next), `lease_machine` (one lease), `cut_over`.
//! `job_claimer` and `lease_renewer` carry it out, on a thread of their own: no busy loop, disk or engine keeps a renewal from being
//! sent.

pub(crate) mod admission_policy;
mod claim_answer;
pub(crate) mod claim_machine;
pub(crate) mod claim_pacing;
pub(crate) mod cut_over;
pub(crate) mod delivery_outcome;
pub(crate) mod fleet_session;
mod fleet_thread;
mod job_claimer;
pub(crate) mod lease_machine;
pub(crate) mod lease_messages;
mod lease_renewer;
pub(crate) mod outbox_delivery;
pub(crate) mod outbox_sender;
pub(crate) mod route_permissions;

use std::time::Duration;

pub(crate) use delivery_outcome::DeliveryOutcome;
use job_claimer::JobClaimer;
use lease_machine::{LeaseClose, LeaseTerms};
use lease_renewer::LeaseRenewer;

use super::client::LeaseProof;
use super::lease_time::LeaseTime;
use super::wire::WireJob;
use crate::boot_clock::BootInstant;
use crate::ids::{JobId, LeaseId};

/// Messages that the loop has not taken yet; its tasks wait when there are more.
const EVENTS_MAX: usize = 64;

/// What the tasks tell the run loop.
#[derive(Debug)]
pub(crate) enum FleetEvent {
    /// The answer to [`fleet_session::FleetSession::ask`]: a job with its lease, renewed if the claim had to wait.
    Claimed(Box<GrantedJob>),
    /// The answer to [`fleet_session::FleetSession::ask`]: nothing to do (a 204).
    Nothing,
    /// Nothing got through for 60 s: a `--drain` ends with exit 1 now, any other run goes on waiting.
    Unreachable { problem: String },
    /// The credential was refused: the run ends with exit 1 and says so.
    CredentialRefused { problem: String },
    /// What runs under the lease has to end now, and the job goes to `quarantine/`.
    LeaseLost { job: JobId, reason: String },
    /// The answer to [`fleet_session::FleetSession::confirm`]: a renewal that was sent after the question has been answered.
    Confirmed { job: JobId },
    /// The last word on a lease was said.
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

/// Waits until an instant of the boot clock. Timers stand still while the host sleeps, so it looks again in steps.
pub(crate) async fn sleep_until(at: BootInstant) {
    const STEP: Duration = Duration::from_secs(5);
    loop {
        match at.since(BootInstant::now()) {
            Duration::ZERO => return,
            left => tokio::time::sleep(left.min(STEP)).await,
        }
    }
}

/// Never, where nothing is due.
async fn due_at(due: Option<BootInstant>) {
    match due {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
