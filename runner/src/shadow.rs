//! The shadow lane: asks the coordinator what it would have assigned, compares, and writes that down.
//!
//! The rest of the runner gives it values and gets nothing back, so that it can't change an outcome: no job waits for
//! it or fails by it. The lane has a thread of its own; only the end of a process may wait for it, and for a limited
//! time.

mod change_alarm;
pub(crate) mod comparison;
mod decision_log;
pub(crate) mod decision_stratum;
pub(crate) mod evidence_context;
pub(crate) mod gate;
mod lane;
mod lane_mailbox;
pub(crate) mod log;
mod observation_span;
mod observer;
mod pending_reports;
pub(crate) mod report;
mod report_ledger;
#[cfg(test)]
pub(crate) mod test_coordinator;
mod transition_reporter;

use std::sync::Arc;

pub(crate) use lane::{ShadowLane, mirror};
pub(crate) use log::SkipReason;

use crate::ids::{EngineName, JobId};
use crate::scheduler::QueueSnapshot;
use crate::stage::Stage;

/// What the local path picked in one iteration, and the queue as it was then.
///
/// It is handed over before any transition of the picked job.
#[derive(Debug)]
pub(crate) struct LocalDecision {
    pub(crate) local: Option<LocalPick>,
    pub(crate) view: Arc<QueueSnapshot>,
}

/// The job that the local path picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalPick {
    pub(crate) job: JobId,
    pub(crate) engine: EngineName,
    /// It holds a lock while it is at work.
    pub(crate) has_lock: bool,
}

/// A job that has just arrived in a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageTransition {
    pub(crate) job: JobId,
    pub(crate) stage: Stage,
}
