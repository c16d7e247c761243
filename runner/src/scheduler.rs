//! Which job starts next: a pure function of what the queue looked like.
//!
//! It names no file system, clock, task or connection; whoever calls it takes the picture of the queue first and
//! acts on the answer afterwards. The picture is kept, so that the shadow lane can explain a divergence later.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use crate::ids::{Capability, EngineName, JobId, LockName};
use crate::stage::Stage;

/// A job in the inbox, as far as choosing goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WaitingJob {
    pub(crate) id: JobId,
    pub(crate) priority: i64,
    /// Its place in enqueue order (clause O-2).
    pub(crate) sequence: u64,
    pub(crate) lock: Option<LockName>,
    pub(crate) engine: EngineName,
    pub(crate) caps: Vec<Capability>,
    /// It failed, and waits for its next attempt until then, in milliseconds since 1970.
    pub(crate) retry_at_ms: Option<i64>,
}

/// Priority (higher first), sequence, id: clause O-2.
pub(crate) type QueuePosition = (Reverse<i64>, u64, JobId);

/// The jobs of an inbox in their order. Whoever keeps a picture of it shares the jobs with the inbox: taking one costs
/// the same however many wait.
pub(crate) type InboxOrder = RedBlackTreeMapSync<QueuePosition, Arc<WaitingJob>>;

impl WaitingJob {
    pub(crate) fn place(&self) -> QueuePosition {
        (Reverse(self.priority), self.sequence, self.id.clone())
    }
}

/// A job that has left the inbox and is in no final stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActiveJob {
    pub(crate) id: JobId,
    pub(crate) stage: Stage,
    pub(crate) lock: Option<LockName>,
}

/// The queue at the moment of one decision.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueueSnapshot {
    pub(crate) waiting: InboxOrder,
    pub(crate) working: Vec<ActiveJob>,
    /// Held here, by another runner on this queue, or by what outlived one.
    pub(crate) locks_held: BTreeSet<LockName>,
    /// Those of them that a job in quarantine keeps until a person has decided about it.
    pub(crate) locks_in_quarantine: BTreeSet<LockName>,
    /// What this factory can do, `engine:NAME` for each engine found included.
    pub(crate) caps: BTreeSet<Capability>,
    /// The jobs with which an engine failed at once whose pause is over: another job tries it, if there is one.
    pub(crate) failed_at_once: BTreeSet<JobId>,
    /// When this was seen, in milliseconds since 1970.
    pub(crate) at_ms: i64,
}

/// Whether a waiting job may start now, and if not, what stands in its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eligibility {
    Eligible,
    LockHeld,
    EngineMissing,
    CapsMissing,
    /// The wait before its next attempt is not over.
    RetryLater,
}

/// The first job that may start now; those that may not never block the ones behind them.
pub(crate) fn decide(view: &QueueSnapshot) -> Option<&Arc<WaitingJob>> {
    let waiting = view.waiting.values();
    let mut eligible = waiting.filter(|job| eligibility(job, view) == Eligibility::Eligible);
    let first = eligible.next()?;
    let failed = |job: &WaitingJob| view.failed_at_once.contains(&job.id);
    match failed(first) {
        false => Some(first),
        // A job that is at fault itself does not keep an engine paused while others could try that.
        true => eligible
            .find(|job| job.engine == first.engine && !failed(job))
            .or(Some(first)),
    }
}

pub(crate) fn eligibility(job: &WaitingJob, view: &QueueSnapshot) -> Eligibility {
    let engine = format!("engine:{}", job.engine);
    let is_held = |lock| view.locks_held.contains(lock);
    if !view.caps.iter().any(|cap| cap.as_str() == engine) {
        Eligibility::EngineMissing
    } else if !job.caps.iter().all(|cap| view.caps.contains(cap)) {
        Eligibility::CapsMissing
    } else if job.lock.as_ref().is_some_and(is_held) {
        Eligibility::LockHeld
    } else if job.retry_at_ms.is_some_and(|at| at > view.at_ms) {
        Eligibility::RetryLater
    } else {
        Eligibility::Eligible
    }
}
