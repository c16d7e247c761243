//! The events and effects of a lease machine.

use std::sync::Arc;
use std::time::Duration;

use super::delivery_outcome::DeliveryOutcome;
use crate::boot_clock::BootInstant;
use crate::fleet::call_failure::CallFailure;
use crate::fleet::client::StageReport;

/// The limits by which every lease of a process is kept.
#[derive(Debug, Clone)]
pub(crate) struct LeaseTerms {
    /// The limit of one call.
    pub(crate) timeout: Duration,
    /// The time between TERM and KILL.
    pub(crate) grace: Duration,
    /// How long the last request about a lease is tried. The loop may stop waiting for it earlier.
    pub(crate) close_time_max: Duration,
}

/// How the loop wants the lease to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaseClose {
    /// The job reached this final stage.
    Final(StageReport),
    /// Another factory may have the job at once; this is the key of that request.
    Release(Arc<str>),
    /// The lease was lost, or nobody knows what was published: what is left of the job lies in `quarantine/`.
    Quarantine(StageReport),
}

/// What happened.
#[derive(Debug)]
pub(crate) enum LeaseEvent {
    /// A stage that is not final was reached.
    Report(StageReport),
    /// The loop wants a renewal from now on, before an effect that can't be taken back.
    Confirm,
    Close(LeaseClose),
    Renewed {
        sent: BootInstant,
        answer: Result<Duration, CallFailure>,
    },
    /// The answer to the last [`LeaseEffect::Send`].
    Answered(Result<(), CallFailure>),
    /// The instant of `LeaseStateMachine::next_instant` may have come.
    TimerDue,
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaseEffect {
    Renew {
        limit: Duration,
    },
    Send(LeaseRequest),
    /// The answer to the last [`LeaseEffect::Send`] does not matter any more.
    CancelRequest,
    Confirmed,
    Lost {
        reason: String,
    },
    Closed(DeliveryOutcome),
}

/// A request that takes effect once, however often it is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaseRequest {
    Report(StageReport),
    Quarantine(StageReport),
    Release(Arc<str>),
}
