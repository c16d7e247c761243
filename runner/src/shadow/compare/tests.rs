//! Each verdict and each reason, on one picture of a queue.

use std::sync::Arc;

use super::*;
use crate::decide::{Place, Working};
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
        waiting: jobs.into_iter().map(|job| (job.place(), Arc::new(job))).collect(),
        working: working
            .into_iter()
            .map(|(name, stage, held)| Working {
                id: id(name),
                stage,
                lock: lock(held),
            })
            .collect(),
        locks_held: [lock("busy").unwrap()].into(),
        locks_kept: [].into(),
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
    let verdict = |decision, offer| compare(decision, offer, |_| Now::default()).map(|found| found.verdict);
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
    let with_shared_lock = |(place, job): (&Place, &Arc<Waiting>)| {
        let mut job = Waiting::clone(job);
        if ["alpha", "gamma"].contains(&job.id.as_str()) {
            job.lock = lock("shared");
        }
        (place.clone(), Arc::new(job))
    };
    view.waiting = view.waiting.iter().map(with_shared_lock).collect();
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
