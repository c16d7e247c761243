//! What a coordinator does to a routed host that routing must not go on with, and what follows from it: pure (clauses
//! F-20 and F-21).
//!
//! Only what the coordinator has to know counts. It knows nothing of the work that went on here before routing began, so
//! a job of that time that it assigns is no harm (clause T-12). `run/harm_response.rs` carries out what is decided here.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::ids::JobId;
use crate::settings::{RollbackPolicy, RollbackSettings};
use crate::stage::Stage;
use crate::terminal;

/// Lost leases that are further apart than this have nothing to do with each other.
const LOSS_WINDOW: Duration = Duration::from_secs(3600);
const LOSSES_MAX: usize = 2;
/// A claim fails at least this often while the coordinator can't be reached. What is longer between two looks was no
/// outage that anybody saw: the runner stood still, or its host did.
const OBSERVED_MAX: Duration = Duration::from_secs(60);
/// From a try to turn ROUTE off that failed to the next.
const RETRY_DELAY: Duration = Duration::from_secs(60);

/// The kinds of harm, by the words of the contract. The first three are those of the shadow log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HarmKind {
    Finished,
    Running,
    LockHeld,
    LostLeases,
    Unreachable,
}

impl HarmKind {
    pub(crate) const ALL: [HarmKind; 5] = [
        HarmKind::Finished,
        HarmKind::Running,
        HarmKind::LockHeld,
        HarmKind::LostLeases,
        HarmKind::Unreachable,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            HarmKind::Finished => "finished",
            HarmKind::Running => "running",
            HarmKind::LockHeld => "lock_held",
            HarmKind::LostLeases => "lost_leases",
            HarmKind::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for HarmKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Harm that was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoutingHarm {
    pub(crate) kind: HarmKind,
    /// The job at which it was met; none of an outage.
    pub(crate) job: Option<JobId>,
    /// A sentence for people.
    pub(crate) detail: String,
}

/// Why a job that was assigned is not free, as far as the coordinator has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AssignmentConflict {
    /// The coordinator took the report of this final stage from this run.
    Finished(Stage),
    /// This run works on it under a live lease.
    Running,
    /// A job that this run works on under a live lease has the lock.
    LockHeld(JobId),
}

/// Whether a lost lease may be this host's own fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostCondition {
    Healthy,
    /// It stood still, or it was in trouble, since the job was started.
    Impaired,
}

/// What happened in routed mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HarmEvent {
    Assigned {
        job: JobId,
        conflict: AssignmentConflict,
    },
    LeaseLost {
        job: JobId,
        host: HostCondition,
    },
    /// A claim was not answered as it should be, and will be repeated.
    ClaimFailed,
    ClaimAnswered,
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HarmStep {
    Warn(RoutingHarm),
    /// Tell it, and turn ROUTE off.
    RollBack(RoutingHarm),
    /// Turn ROUTE off, which failed before.
    RollBackAgain(RoutingHarm),
}

/// Looks for harm while a run is routed. It begins anew with each stretch of routing.
#[derive(Debug)]
pub(crate) struct HarmMonitor {
    settings: RollbackSettings,
    /// The last leases that were lost by no fault of this host, at most `LOSSES_MAX`.
    losses: VecDeque<(Instant, JobId)>,
    /// Since the first claim that failed, until one is answered.
    outage: Option<ClaimOutage>,
    /// Each cause is told once: of an outage until it is over, of lost leases until none was lost for an hour.
    told: BTreeSet<HarmKind>,
    /// Decided, and not taken yet; at most one a kind.
    steps: VecDeque<HarmStep>,
    /// Harm after which ROUTE could not be turned off, and when that is tried again.
    retry: Option<(RoutingHarm, Instant)>,
}

/// An outage, as far as it was observed.
#[derive(Debug, Clone, Copy)]
struct ClaimOutage {
    lasted: Duration,
    /// Up to this instant.
    seen: Instant,
}

impl ClaimOutage {
    fn observe(&mut self, now: Instant) {
        self.lasted += now.saturating_duration_since(self.seen).min(OBSERVED_MAX);
        self.seen = now;
    }
}

impl HarmMonitor {
    pub(crate) fn new(settings: RollbackSettings) -> HarmMonitor {
        HarmMonitor {
            settings,
            losses: VecDeque::new(),
            outage: None,
            told: BTreeSet::new(),
            steps: VecDeque::new(),
            retry: None,
        }
    }

    pub(crate) fn note(&mut self, now: Instant, event: HarmEvent) {
        match event {
            HarmEvent::Assigned { job, conflict } => self.meet(assigned(job, &conflict)),
            HarmEvent::LeaseLost { job, host } => {
                if host == HostCondition::Healthy {
                    self.lease_lost(now, job);
                }
            }
            HarmEvent::ClaimFailed => {
                let begun = ClaimOutage {
                    lasted: Duration::ZERO,
                    seen: now,
                };
                self.outage.get_or_insert(begun).observe(now);
            }
            HarmEvent::ClaimAnswered => {
                self.outage = None;
                self.told.remove(&HarmKind::Unreachable);
                self.retry.take_if(|(harm, _)| harm.kind == HarmKind::Unreachable);
            }
        }
    }

    /// What has to be done next, one step at a time. `has_waiting`: whether local jobs wait; asked only where that counts.
    pub(crate) fn next_step(&mut self, now: Instant, has_waiting: impl FnOnce() -> bool) -> Option<HarmStep> {
        if let Some(outage) = &mut self.outage {
            outage.observe(now);
            let is_long = outage.lasted >= self.settings.after;
            if is_long && !self.told.contains(&HarmKind::Unreachable) && has_waiting() {
                let detail = format!(
                    "no claim was answered for {}, and jobs wait in the inbox",
                    terminal::duration(outage.lasted)
                );
                self.meet(RoutingHarm {
                    kind: HarmKind::Unreachable,
                    job: None,
                    detail,
                });
            }
        }
        let again = self.retry.take_if(|(_, at)| *at <= now);
        let again = again.map(|(harm, _)| HarmStep::RollBackAgain(harm));
        self.steps.pop_front().or(again)
    }

    /// ROUTE could not be turned off after this harm.
    pub(crate) fn rollback_failed(&mut self, now: Instant, harm: RoutingHarm) {
        self.retry = Some((harm, now + RETRY_DELAY));
    }

    /// When `next_step` has to be asked although nothing happened.
    pub(crate) fn next_instant(&self) -> Option<Instant> {
        let is_open =
            self.settings.policy != RollbackPolicy::Off && !self.told.contains(&HarmKind::Unreachable);
        let outage = self.outage.filter(|_| is_open);
        let left = outage.map(|outage| (outage.seen, self.settings.after.saturating_sub(outage.lasted)));
        // An outage that is long enough waits for a job, which the queue tells of.
        let due = left.filter(|(_, left)| !left.is_zero());
        let due = due.map(|(seen, left)| seen + left.min(OBSERVED_MAX));
        let retry = self.retry.as_ref().map(|(_, at)| *at);
        due.into_iter().chain(retry).min()
    }

    fn lease_lost(&mut self, now: Instant, job: JobId) {
        let is_near = |(at, _): &(Instant, JobId)| now.saturating_duration_since(*at) < LOSS_WINDOW;
        self.losses.retain(is_near);
        if self.losses.is_empty() {
            self.told.remove(&HarmKind::LostLeases);
        }
        if self.losses.len() == LOSSES_MAX {
            self.losses.pop_front();
        }
        self.losses.push_back((now, job.clone()));
        if self.losses.len() < LOSSES_MAX {
            return;
        }
        let jobs: Vec<&str> = self.losses.iter().map(|(_, job)| job.as_str()).collect();
        let detail = format!(
            "two leases were lost within an hour, of {}, and nothing was wrong with this host",
            jobs.join(" and of ")
        );
        self.meet(RoutingHarm {
            kind: HarmKind::LostLeases,
            job: Some(job),
            detail,
        });
    }

    fn meet(&mut self, harm: RoutingHarm) {
        let step = match self.settings.policy {
            RollbackPolicy::Off => return,
            RollbackPolicy::Warn => HarmStep::Warn,
            RollbackPolicy::Act => HarmStep::RollBack,
        };
        if self.told.insert(harm.kind) {
            self.steps.push_back(step(harm));
        }
    }
}

fn assigned(job: JobId, conflict: &AssignmentConflict) -> RoutingHarm {
    let (kind, detail) = match conflict {
        AssignmentConflict::Finished(stage) => (
            HarmKind::Finished,
            format!(
                "the coordinator assigned {job}, which is {stage} here, after it had taken the report of that"
            ),
        ),
        AssignmentConflict::Running => (
            HarmKind::Running,
            format!("the coordinator assigned {job}, which is at work here under a lease that it gave"),
        ),
        AssignmentConflict::LockHeld(holder) => (
            HarmKind::LockHeld,
            format!(
                "the coordinator assigned {job}, whose lock {holder} has here under a lease that it gave"
            ),
        ),
    };
    RoutingHarm {
        kind,
        job: Some(job),
        detail,
    }
}

#[cfg(test)]
mod tests;
