//! What a tenure is told, and what it wants done.

use std::sync::Arc;
use std::time::Duration;

use super::Settlement;
use crate::clock::BootInstant;
use crate::fleet::client::StageNews;
use crate::fleet::failure::Failure;

/// What every lease of a process is kept by.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Limit of one call.
    pub(crate) timeout: Duration,
    /// Between TERM and KILL.
    pub(crate) grace: Duration,
    /// How long the last word on a lease is tried; the loop may stop waiting for it earlier.
    pub(crate) closing: Duration,
}

/// How the loop wants the lease to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The job reached this final stage.
    Final(StageNews),
    /// Another factory may have it at once; with the key of that request.
    Release(Arc<str>),
    /// The lease was lost, or nobody knows what was published: what is left of the job lies in `quarantine/`.
    Quarantine(StageNews),
}

/// What a tenure is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// A stage that is not final was reached.
    Report(StageNews),
    /// A renewal from now on is wanted, before something that can't be taken back.
    Confirm,
    Close(Closing),
    Renewed {
        sent: BootInstant,
        answer: Result<Duration, Failure>,
    },
    /// To what was said last by [`Act::Say`].
    Answered(Result<(), Failure>),
    /// The instant of `Tenure::next_instant` may have come.
    Time,
}

/// What a tenure wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Renew {
        limit: Duration,
    },
    Say(Word),
    /// The answer to what was said last is of no interest any more.
    Abandon,
    Confirmed,
    Lost {
        reason: String,
    },
    Settled(Settlement),
}

/// A request that takes effect once, however often it is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    Report(StageNews),
    Quarantine(StageNews),
    Release(Arc<str>),
}
