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
    let picked = view.waiting.iter().find(|job| job.id == *local);
    if let Some(job) = view.waiting.iter().find(|job| job.id == *named) {
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
        .iter()
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
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::decide::Working;
    use crate::ids::{Capability, EngineName};

    fn id(text: &str) -> JobId {
        JobId::new(text).unwrap()
    }

    fn lock(name: &str) -> Option<LockName> {
        Some(LockName::new(name).unwrap())
    }

    fn waiting(name: &str, sequence: u64) -> Waiting {
        let engine = EngineName::new("sh").unwrap();
        Waiting {
            id: id(name),
            priority: 0,
            sequence,
            lock: None,
            engine,
            caps: Vec::new(),
        }
    }

    /// `alpha` was picked; behind it wait jobs of every kind, and others are past the inbox.
    fn decision() -> Decision {
        let jobs = [
            waiting("alpha", 1),
            Waiting {
                lock: lock("busy"),
                ..waiting("locked", 2)
            },
            Waiting {
                caps: vec![Capability::new("gpu").unwrap()],
                ..waiting("gpu-job", 3)
            },
            Waiting {
                engine: EngineName::new("devin").unwrap(),
                ..waiting("no-engine", 4)
            },
            waiting("twin", 1),
            Waiting {
                lock: lock("free"),
                ..waiting("beta", 6)
            },
            waiting("gamma", 7),
            Waiting {
                lock: lock("busy"),
                caps: vec![Capability::new("gpu").unwrap()],
                ..waiting("both", 8)
            },
        ];
        let working = [
            ("runs", Stage::Building, "busy"),
            ("looked-at", Stage::Review, "done"),
        ];
        let view = View {
            waiting: jobs.into_iter().map(Arc::new).collect(),
            working: working
                .into_iter()
                .map(|(name, stage, held)| Working {
                    id: id(name),
                    stage,
                    lock: lock(held),
                })
                .collect(),
            locks_held: [lock("busy").unwrap()].into(),
            caps: [Capability::new("engine:sh").unwrap()].into(),
        };
        Decision {
            local: Some(id("alpha")),
            view: Arc::new(view),
        }
    }

    fn judged(named: &str, stage: Option<Stage>, locks: &[&str]) -> (Reason, Option<usize>) {
        let locks: BTreeSet<LockName> = locks.iter().filter_map(|name| lock(name)).collect();
        let comparison = compare(&decision(), Some(named), |_| Now { stage, locks }).unwrap();
        assert_eq!(comparison.verdict, Verdict::Diverge);
        (comparison.reason.unwrap(), comparison.rank)
    }

    #[test]
    fn the_verdict_says_who_named_a_job() {
        let decision = decision();
        let nobody = Decision {
            local: None,
            view: Arc::clone(&decision.view),
        };
        let verdict =
            |decision, offer| compare(decision, offer, |_| Now::default()).map(|found| found.verdict);
        assert_eq!(verdict(&decision, Some("alpha")), Some(Verdict::Agree));
        assert_eq!(verdict(&decision, None), Some(Verdict::CoordEmpty));
        assert_eq!(verdict(&nobody, Some("alpha")), Some(Verdict::LocalEmpty));
        assert_eq!(verdict(&nobody, None), None);
        assert_eq!(verdict(&decision, Some("other")), Some(Verdict::Diverge));
    }

    #[test]
    fn each_divergence_has_its_reason() {
        let inbox = Some(Stage::Inbox);
        for (named, stage, locks, reason, rank) in [
            ("../alpha", None, ["busy"], Reason::Invalid, None),
            ("", None, ["busy"], Reason::Invalid, None),
            ("gamma", Some(Stage::Building), ["busy"], Reason::StaleView, None),
            ("gamma", None, ["busy"], Reason::StaleView, None),
            ("runs", Some(Stage::Testing), ["busy"], Reason::StaleView, None),
            ("newcomer", inbox, ["busy"], Reason::StaleView, None),
            ("beta", inbox, ["free"], Reason::StaleView, None),
            ("locked", inbox, ["free"], Reason::StaleView, None),
            ("nobody-knows", None, ["busy"], Reason::Unknown, None),
            ("old", Some(Stage::Shipped), ["busy"], Reason::Finished, None),
            ("old", Some(Stage::Quarantine), ["busy"], Reason::Finished, None),
            ("runs", Some(Stage::Building), ["busy"], Reason::Running, None),
            ("looked-at", Some(Stage::Review), ["busy"], Reason::Running, None),
            ("locked", inbox, ["busy"], Reason::LockHeld, None),
            ("both", inbox, ["busy"], Reason::LockHeld, None),
            ("gpu-job", inbox, ["busy"], Reason::Caps, None),
            ("no-engine", inbox, ["busy"], Reason::Caps, None),
            ("twin", inbox, ["busy"], Reason::Tie, Some(2)),
            ("beta", inbox, ["busy"], Reason::Order, Some(3)),
            ("gamma", inbox, ["busy"], Reason::Order, Some(4)),
        ] {
            assert_eq!(
                judged(named, stage, &locks),
                (reason, rank),
                "{named} {stage:?} {locks:?}"
            );
        }
    }

    #[test]
    fn the_lock_that_this_decision_itself_takes_makes_no_view_stale() {
        let mut decision = decision();
        let mut view = View::clone(&decision.view);
        for job in &mut view.waiting {
            if ["alpha", "gamma"].contains(&job.id.as_str()) {
                *job = Arc::new(Waiting {
                    lock: lock("shared"),
                    ..Waiting::clone(job)
                });
            }
        }
        decision.view = Arc::new(view);
        let now = Now {
            stage: Some(Stage::Inbox),
            locks: [lock("shared").unwrap()].into(),
        };
        let comparison = compare(&decision, Some("gamma"), |_| now).unwrap();
        assert_eq!(
            (comparison.reason, comparison.rank),
            (Some(Reason::Order), Some(4))
        );
    }

    #[test]
    fn a_job_ahead_of_the_pick_is_unexplained() {
        let mut decision = decision();
        decision.local = Some(id("gamma"));
        let now = Now {
            stage: Some(Stage::Inbox),
            locks: BTreeSet::new(),
        };
        let comparison = compare(&decision, Some("alpha"), |_| now).unwrap();
        assert_eq!(
            (comparison.reason, comparison.rank),
            (Some(Reason::Unexplained), Some(1))
        );
    }

    #[test]
    fn a_hostile_name_is_escaped_and_cut() {
        let hostile = format!("a\n\u{1b}[2J{}", "x".repeat(300));
        let comparison = compare(&decision(), Some(&hostile), |_| Now::default()).unwrap();
        let coord = comparison.coord.unwrap();
        assert!(
            coord.starts_with("a\\n\\u{1b}[2Jx") && coord.chars().count() == 128,
            "{coord}"
        );
        assert_eq!(comparison.reason, Some(Reason::Invalid));
    }
}
