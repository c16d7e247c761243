//! Each verdict and each reason, on one picture of a queue.

use std::sync::Arc;

use super::*;
use crate::ids::{Capability, EngineName};
use crate::scheduler::{ActiveJob, QueuePosition};
use crate::shadow::test_coordinator::{id, pick};

fn lock(name: &str) -> Option<LockName> {
    Some(LockName::new(name).unwrap())
}

fn waiting(name: &str, sequence: u64) -> WaitingJob {
    let engine = EngineName::new("sh").unwrap();
    WaitingJob {
        id: id(name),
        priority: 0,
        sequence,
        lock: None,
        engine,
        caps: Vec::new(),
        retry_at_ms: None,
    }
}

/// `alpha` was picked; behind it wait jobs of every kind, and others are past the inbox.
fn decision() -> LocalDecision {
    let jobs = [
        waiting("alpha", 1),
        WaitingJob {
            lock: lock("busy"),
            ..waiting("locked", 2)
        },
        WaitingJob {
            caps: vec![Capability::new("gpu").unwrap()],
            ..waiting("gpu-job", 3)
        },
        WaitingJob {
            engine: EngineName::new("devin").unwrap(),
            ..waiting("no-engine", 4)
        },
        waiting("twin", 1),
        WaitingJob {
            lock: lock("free"),
            ..waiting("beta", 6)
        },
        waiting("gamma", 7),
        WaitingJob {
            lock: lock("busy"),
            caps: vec![Capability::new("gpu").unwrap()],
            ..waiting("both", 8)
        },
    ];
    let working = [
        ("runs", Stage::Building, "busy"),
        ("looked-at", Stage::Review, "done"),
    ];
    let view = QueueSnapshot {
        waiting: jobs.into_iter().map(|job| (job.place(), Arc::new(job))).collect(),
        working: working
            .into_iter()
            .map(|(name, stage, held)| ActiveJob {
                id: id(name),
                stage,
                lock: lock(held),
            })
            .collect(),
        locks_held: [lock("busy").unwrap()].into(),
        locks_in_quarantine: [].into(),
        caps: [Capability::new("engine:sh").unwrap()].into(),
        failed_at_once: [].into(),
        at_ms: 1000,
    };
    LocalDecision {
        local: Some(pick("alpha")),
        view: Arc::new(view),
    }
}

fn judged(named: &str, stage: Option<Stage>, locks: &[&str]) -> (DivergenceReason, Option<usize>) {
    let locks: BTreeSet<LockName> = locks.iter().filter_map(|name| lock(name)).collect();
    let comparison = compare(&decision(), Some(named), |_| NamedJobState { stage, locks }).unwrap();
    assert_eq!(comparison.verdict, ComparisonVerdict::Diverge);
    (comparison.reason.unwrap(), comparison.rank)
}

#[test]
fn the_verdict_says_who_named_a_job() {
    let decision = decision();
    let nobody = LocalDecision {
        local: None,
        view: Arc::clone(&decision.view),
    };
    let verdict =
        |decision, offer| compare(decision, offer, |_| NamedJobState::default()).map(|found| found.verdict);
    assert_eq!(verdict(&decision, Some("alpha")), Some(ComparisonVerdict::Agree));
    assert_eq!(verdict(&decision, None), Some(ComparisonVerdict::CoordEmpty));
    assert_eq!(
        verdict(&nobody, Some("alpha")),
        Some(ComparisonVerdict::LocalEmpty)
    );
    assert_eq!(verdict(&nobody, None), None);
    assert_eq!(
        verdict(&decision, Some("other")),
        Some(ComparisonVerdict::Diverge)
    );
}

#[test]
fn each_divergence_has_its_reason() {
    let inbox = Some(Stage::Inbox);
    for (named, stage, locks, reason, rank) in [
        ("../alpha", None, ["busy"], DivergenceReason::Invalid, None),
        ("", None, ["busy"], DivergenceReason::Invalid, None),
        (
            "gamma",
            Some(Stage::Building),
            ["busy"],
            DivergenceReason::StaleView,
            None,
        ),
        ("gamma", None, ["busy"], DivergenceReason::StaleView, None),
        (
            "runs",
            Some(Stage::Testing),
            ["busy"],
            DivergenceReason::StaleView,
            None,
        ),
        ("newcomer", inbox, ["busy"], DivergenceReason::StaleView, None),
        ("beta", inbox, ["free"], DivergenceReason::StaleView, None),
        ("locked", inbox, ["free"], DivergenceReason::StaleView, None),
        ("nobody-knows", None, ["busy"], DivergenceReason::Unknown, None),
        (
            "old",
            Some(Stage::Shipped),
            ["busy"],
            DivergenceReason::Finished,
            None,
        ),
        (
            "old",
            Some(Stage::Quarantine),
            ["busy"],
            DivergenceReason::Finished,
            None,
        ),
        (
            "runs",
            Some(Stage::Building),
            ["busy"],
            DivergenceReason::Running,
            None,
        ),
        (
            "looked-at",
            Some(Stage::Review),
            ["busy"],
            DivergenceReason::Running,
            None,
        ),
        ("locked", inbox, ["busy"], DivergenceReason::LockHeld, None),
        ("both", inbox, ["busy"], DivergenceReason::LockHeld, None),
        ("gpu-job", inbox, ["busy"], DivergenceReason::Caps, None),
        ("no-engine", inbox, ["busy"], DivergenceReason::Caps, None),
        ("twin", inbox, ["busy"], DivergenceReason::Tie, Some(2)),
        ("beta", inbox, ["busy"], DivergenceReason::Order, Some(3)),
        ("gamma", inbox, ["busy"], DivergenceReason::Order, Some(4)),
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
    let mut view = QueueSnapshot::clone(&decision.view);
    let with_shared_lock = |(place, job): (&QueuePosition, &Arc<WaitingJob>)| {
        let mut job = WaitingJob::clone(job);
        if ["alpha", "gamma"].contains(&job.id.as_str()) {
            job.lock = lock("shared");
        }
        (place.clone(), Arc::new(job))
    };
    view.waiting = view.waiting.iter().map(with_shared_lock).collect();
    decision.view = Arc::new(view);
    let now = NamedJobState {
        stage: Some(Stage::Inbox),
        locks: [lock("shared").unwrap()].into(),
    };
    let comparison = compare(&decision, Some("gamma"), |_| now).unwrap();
    assert_eq!(
        (comparison.reason, comparison.rank),
        (Some(DivergenceReason::Order), Some(4))
    );
}

#[test]
fn a_job_ahead_of_the_pick_is_unexplained() {
    let mut decision = decision();
    decision.local = Some(pick("gamma"));
    let now = NamedJobState {
        stage: Some(Stage::Inbox),
        locks: BTreeSet::new(),
    };
    let comparison = compare(&decision, Some("alpha"), |_| now).unwrap();
    assert_eq!(
        (comparison.reason, comparison.rank),
        (Some(DivergenceReason::Unexplained), Some(1))
    );
}

#[test]
fn a_hostile_name_is_escaped_and_cut() {
    let hostile = format!("a\n\u{1b}[2J{}", "x".repeat(300));
    let comparison = compare(&decision(), Some(&hostile), |_| NamedJobState::default()).unwrap();
    let coord = comparison.coord.unwrap();
    assert!(
        coord.starts_with("a\\n\\u{1b}[2Jx") && coord.chars().count() == 128,
        "{coord}"
    );
    assert_eq!(comparison.reason, Some(DivergenceReason::Invalid));
}
