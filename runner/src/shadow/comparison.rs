//! Two decisions about the same moment, compared: a pure function (clauses S-1 and S-2).
//!
//! It judges on the picture of the queue that the local decision was taken from. What has changed since is handed
//! in, and counts for one reason alone: that the coordinator's answer was coalesced.

use std::collections::BTreeSet;

use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};

use super::LocalDecision;
use crate::fleet::call_failure::shown;
use crate::ids::{JobId, LockName};
use crate::scheduler::{Eligibility, QueueSnapshot, WaitingJob, eligibility};
use crate::stage::Stage;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ComparisonVerdict {
    Agree,
    Diverge,
    CoordEmpty,
    LocalEmpty,
}

impl std::fmt::Display for ComparisonVerdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(formatter)
    }
}

/// Why the two named different jobs, in the order in which it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DivergenceReason {
    Invalid,
    StaleView,
    Unknown,
    Finished,
    Running,
    LockHeld,
    Caps,
    Tie,
    /// The coordinator answered that it does not know the picked job.
    NotMirrored,
    Order,
    Unexplained,
}

impl DivergenceReason {
    /// As a line of the log names it; none if it names none of these.
    pub(crate) fn named(name: &str) -> Option<DivergenceReason> {
        let name: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
        DivergenceReason::deserialize(name).ok()
    }

    /// Whether acting on the answer would have done harm.
    pub(crate) fn is_harmful(self) -> bool {
        match self {
            DivergenceReason::Invalid
            | DivergenceReason::Unknown
            | DivergenceReason::Finished
            | DivergenceReason::Running
            | DivergenceReason::LockHeld
            | DivergenceReason::Caps => true,
            DivergenceReason::StaleView
            | DivergenceReason::Tie
            | DivergenceReason::NotMirrored
            | DivergenceReason::Order
            | DivergenceReason::Unexplained => false,
        }
    }
}

impl std::fmt::Display for DivergenceReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(formatter)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecisionComparison {
    pub(crate) verdict: ComparisonVerdict,
    /// What the coordinator named, escaped and cut.
    pub(crate) coord: Option<String>,
    pub(crate) reason: Option<DivergenceReason>,
    /// The named job's place among those eligible here, from 1.
    pub(crate) rank: Option<usize>,
}

impl DecisionComparison {
    /// Whether it matters that the coordinator may never have heard of the picked job.
    pub(crate) fn is_about_order(&self) -> bool {
        matches!(
            self.reason,
            Some(DivergenceReason::Order | DivergenceReason::Unexplained)
        )
    }

    /// The same where it never has: then it could not choose that job.
    pub(crate) fn not_mirrored(self) -> DecisionComparison {
        DecisionComparison {
            reason: Some(DivergenceReason::NotMirrored),
            ..self
        }
    }
}

/// What the queue says of the named job when the answer is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct NamedJobState {
    pub(crate) stage: Option<Stage>,
    /// The locks of the jobs at work now.
    pub(crate) locks: BTreeSet<LockName>,
}

/// Nothing, if neither side named a job.
pub(crate) fn compare(
    decision: &LocalDecision,
    offer: Option<&str>,
    now: impl FnOnce(&JobId) -> NamedJobState,
) -> Option<DecisionComparison> {
    let plain = |verdict| DecisionComparison {
        verdict,
        coord: offer.map(shown),
        reason: None,
        rank: None,
    };
    match (&decision.local, offer) {
        (None, None) => None,
        (Some(_), None) => Some(plain(ComparisonVerdict::CoordEmpty)),
        (None, Some(_)) => Some(plain(ComparisonVerdict::LocalEmpty)),
        (Some(local), Some(named)) if local.job.as_str() == named => Some(plain(ComparisonVerdict::Agree)),
        (Some(local), Some(named)) => {
            let (reason, rank) = match JobId::new(named) {
                Err(_) => (DivergenceReason::Invalid, None),
                Ok(named) => explain(&decision.view, &local.job, &named, &now(&named)),
            };
            Some(DecisionComparison {
                reason: Some(reason),
                rank,
                ..plain(ComparisonVerdict::Diverge)
            })
        }
    }
}

fn explain(
    view: &QueueSnapshot,
    local: &JobId,
    named: &JobId,
    now: &NamedJobState,
) -> (DivergenceReason, Option<usize>) {
    let picked = view.waiting.values().find(|job| job.id == *local);
    if let Some(job) = view.waiting.values().find(|job| job.id == *named) {
        let picked_lock = picked.and_then(|job| job.lock.as_ref());
        if now.stage != Some(Stage::Inbox) || lock_changed(view, job, picked_lock, now) {
            return (DivergenceReason::StaleView, None);
        }
        return explain_waiting(view, picked, job);
    }
    let working = view.working.iter().find(|job| job.id == *named);
    let reason = match (working, now.stage) {
        (Some(job), stage) if stage == Some(job.stage) => DivergenceReason::Running,
        (Some(_), _) => DivergenceReason::StaleView,
        (None, None) => DivergenceReason::Unknown,
        (None, Some(stage)) if stage.is_final() => DivergenceReason::Finished,
        // It came into the queue after the decision.
        (None, Some(_)) => DivergenceReason::StaleView,
    };
    (reason, None)
}

/// Whether the named job's lock was taken or freed since. The picked job's own lock tells nothing: that one is
/// taken because of this very decision.
fn lock_changed(
    view: &QueueSnapshot,
    job: &WaitingJob,
    picked_lock: Option<&LockName>,
    now: &NamedJobState,
) -> bool {
    let Some(lock) = job.lock.as_ref().filter(|lock| Some(*lock) != picked_lock) else {
        return false;
    };
    let at_work = |stage| matches!(stage, Stage::Building | Stage::Testing);
    let mut working = view.working.iter();
    let then = working.any(|other| other.lock.as_ref() == Some(lock) && at_work(other.stage));
    then != now.locks.contains(lock)
}

fn explain_waiting(
    view: &QueueSnapshot,
    picked: Option<&std::sync::Arc<WaitingJob>>,
    job: &WaitingJob,
) -> (DivergenceReason, Option<usize>) {
    let is_held = |lock| view.locks_held.contains(lock);
    if job.lock.as_ref().is_some_and(is_held) {
        return (DivergenceReason::LockHeld, None);
    }
    let waiting = view.waiting.values();
    let mut eligible = waiting.filter(|other| eligibility(other, view) == Eligibility::Eligible);
    match eligibility(job, view) {
        Eligibility::Eligible => {}
        // Until its retry is due it stands behind all that may start.
        Eligibility::RetryLater => return (DivergenceReason::Order, Some(eligible.count() + 1)),
        _ => return (DivergenceReason::Caps, None),
    }
    let ahead = eligible.position(|other| other.id == job.id);
    let rank = ahead.map(|ahead| ahead + 1);
    let reason = match picked {
        Some(picked) if (picked.priority, picked.sequence) == (job.priority, job.sequence) => {
            DivergenceReason::Tie
        }
        // The first that is eligible is the one that is picked; a job ahead of it can't be.
        _ if rank > Some(1) => DivergenceReason::Order,
        _ => DivergenceReason::Unexplained,
    };
    (reason, rank)
}

#[cfg(test)]
mod tests;
