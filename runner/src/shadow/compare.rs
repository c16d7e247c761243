//! Two decisions about the same moment, compared: a pure function (clauses S-1 and S-2).
//!
//! It judges on the picture of the queue that the local decision was taken from. What has changed since is handed
//! in, and counts for one reason alone: that the coordinator's answer was overtaken.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Decision;
use crate::decide::{Eligibility, View, Waiting, eligibility};
use crate::fleet::failure::shown;
use crate::ids::{JobId, LockName};
use crate::stage::Stage;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Verdict {
    Agree,
    Diverge,
    CoordEmpty,
    LocalEmpty,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Verdict::Agree => "AGREE",
            Verdict::Diverge => "DIVERGE",
            Verdict::CoordEmpty => "COORD_EMPTY",
            Verdict::LocalEmpty => "LOCAL_EMPTY",
        })
    }
}

/// Why the two named different jobs, in the order in which it is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    Invalid,
    StaleView,
    Unknown,
    Finished,
    Running,
    LockHeld,
    Caps,
    Tie,
    Order,
    Unexplained,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) verdict: Verdict,
    /// What the coordinator named, escaped and cut.
    pub(crate) coord: Option<String>,
    pub(crate) reason: Option<Reason>,
    /// The named job's place among those eligible here, from 1.
    pub(crate) rank: Option<usize>,
}

/// What the queue says of the named job when the answer is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Now {
    pub(crate) stage: Option<Stage>,
    /// The locks of the jobs at work now.
    pub(crate) locks: BTreeSet<LockName>,
}

/// Nothing, if neither side named a job.
pub(crate) fn compare(
    decision: &Decision,
    offer: Option<&str>,
    now: impl FnOnce(&JobId) -> Now,
) -> Option<Comparison> {
    let plain = |verdict| Comparison {
        verdict,
        coord: offer.map(shown),
        reason: None,
        rank: None,
    };
    match (&decision.local, offer) {
        (None, None) => None,
        (Some(_), None) => Some(plain(Verdict::CoordEmpty)),
        (None, Some(_)) => Some(plain(Verdict::LocalEmpty)),
        (Some(local), Some(named)) if local.as_str() == named => Some(plain(Verdict::Agree)),
        (Some(local), Some(named)) => {
            let (reason, rank) = match JobId::new(named) {
                Err(_) => (Reason::Invalid, None),
                Ok(named) => explain(&decision.view, local, &named, &now(&named)),
            };
            Some(Comparison {
                reason: Some(reason),
                rank,
                ..plain(Verdict::Diverge)
            })
        }
    }
}

fn explain(view: &View, local: &JobId, named: &JobId, now: &Now) -> (Reason, Option<usize>) {
    let picked = view.waiting.values().find(|job| job.id == *local);
    if let Some(job) = view.waiting.values().find(|job| job.id == *named) {
        let picked_lock = picked.and_then(|job| job.lock.as_ref());
        if now.stage != Some(Stage::Inbox) || lock_changed(view, job, picked_lock, now) {
            return (Reason::StaleView, None);
        }
        return explain_waiting(view, picked, job);
    }
    let working = view.working.iter().find(|job| job.id == *named);
    let reason = match (working, now.stage) {
        (Some(job), stage) if stage == Some(job.stage) => Reason::Running,
        (Some(_), _) => Reason::StaleView,
        (None, None) => Reason::Unknown,
        (None, Some(stage)) if stage.is_final() => Reason::Finished,
        // It came into the queue after the decision.
        (None, Some(_)) => Reason::StaleView,
    };
    (reason, None)
}

/// Whether the named job's lock was taken or freed since. The picked job's own lock tells nothing: that one is
/// taken because of this very decision.
fn lock_changed(view: &View, job: &Waiting, picked_lock: Option<&LockName>, now: &Now) -> bool {
    let Some(lock) = job.lock.as_ref().filter(|lock| Some(*lock) != picked_lock) else {
        return false;
    };
    let at_work = |stage| matches!(stage, Stage::Building | Stage::Testing);
    let then = view
        .working
        .iter()
        .any(|other| other.lock.as_ref() == Some(lock) && at_work(other.stage));
    then != now.locks.contains(lock)
}

fn explain_waiting(
    view: &View,
    picked: Option<&std::sync::Arc<Waiting>>,
    job: &Waiting,
) -> (Reason, Option<usize>) {
    if job
        .lock
        .as_ref()
        .is_some_and(|lock| view.locks_held.contains(lock))
    {
        return (Reason::LockHeld, None);
    }
    if eligibility(job, view) != Eligibility::Eligible {
        return (Reason::Caps, None);
    }
    let mut eligible = view
        .waiting
        .values()
        .filter(|other| eligibility(other, view) == Eligibility::Eligible);
    let rank = eligible
        .position(|other| other.id == job.id)
        .map(|ahead| ahead + 1);
    let reason = match picked {
        Some(picked) if (picked.priority, picked.sequence) == (job.priority, job.sequence) => Reason::Tie,
        // The first that is eligible is the one that is picked; a job ahead of it can't be.
        _ if rank > Some(1) => Reason::Order,
        _ => Reason::Unexplained,
    };
    (reason, rank)
}

#[cfg(test)]
mod tests;
