//! Golden cases: what is harm, when, and what follows from it under each policy.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn id(name: &str) -> JobId {
    JobId::new(name).unwrap()
}

fn monitor(policy: RollbackPolicy) -> (HarmMonitor, Instant) {
    let after = 15 * MINUTE;
    (
        HarmMonitor::new(RollbackSettings { policy, after }),
        Instant::now(),
    )
}

/// The kinds of what is to be done now, a word each.
fn steps(monitor: &mut HarmMonitor, now: Instant, waiting: bool) -> Vec<String> {
    let each = std::iter::from_fn(|| monitor.next_step(now, || waiting));
    let words = each.map(|step| match step {
        HarmStep::Warn(harm) => format!("warn {}", harm.kind),
        HarmStep::RollBack(harm) => format!("roll back {}", harm.kind),
        HarmStep::RollBackAgain(harm) => format!("again {}", harm.kind),
    });
    words.collect()
}

fn lost(job: &str, host: HostCondition) -> HarmEvent {
    HarmEvent::LeaseLost { job: id(job), host }
}

#[test]
fn an_assignment_that_the_coordinator_has_to_know_better_is_harm_of_its_own_kind() {
    let conflicts = [
        (AssignmentConflict::Finished(Stage::Shipped), "finished"),
        (AssignmentConflict::Running, "running"),
        (AssignmentConflict::LockHeld(id("b")), "lock_held"),
    ];
    for (conflict, kind) in conflicts {
        for (policy, expected) in [
            (RollbackPolicy::Off, None),
            (RollbackPolicy::Warn, Some(format!("warn {kind}"))),
            (RollbackPolicy::Act, Some(format!("roll back {kind}"))),
        ] {
            let (mut monitor, now) = monitor(policy);
            for _ in 0..3 {
                let (job, conflict) = (id("a"), conflict.clone());
                monitor.note(now, HarmEvent::Assigned { job, conflict });
            }
            let found = steps(&mut monitor, now, true);
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{policy:?}");
        }
    }
}

#[test]
fn two_leases_that_a_healthy_host_lost_within_an_hour_are_harm_and_one_is_none() {
    use HostCondition::{Healthy, Impaired};
    let minutes = |minutes: u32| minutes * MINUTE;
    for (losses, harm) in [
        (&[(0, Healthy)][..], false),
        (&[(0, Healthy), (59, Healthy)], true),
        (&[(0, Healthy), (60, Healthy)], false),
        (&[(0, Healthy), (60, Healthy), (119, Healthy)], true),
        (&[(0, Impaired), (1, Healthy)], false),
        (&[(0, Healthy), (1, Impaired)], false),
        (&[(0, Healthy), (1, Impaired), (2, Healthy)], true),
    ] {
        let (mut monitor, start) = monitor(RollbackPolicy::Warn);
        for (minute, host) in losses {
            monitor.note(start + minutes(*minute), lost("a", *host));
        }
        let told = steps(&mut monitor, start + minutes(120), true);
        assert_eq!(told.len(), usize::from(harm), "{losses:?}");
    }
}

#[test]
fn lost_leases_are_told_again_only_after_an_hour_without_one() {
    let (mut monitor, start) = monitor(RollbackPolicy::Warn);
    let mut lose_at = |minute: u32| {
        let now = start + minute * MINUTE;
        monitor.note(now, lost("a", HostCondition::Healthy));
        steps(&mut monitor, now, true).len()
    };
    let told: Vec<usize> = [0, 1, 2, 50, 100, 200, 201].map(&mut lose_at).into();
    assert_eq!(told, [0, 1, 0, 0, 0, 0, 1]);
}

#[test]
fn an_outage_is_harm_once_it_is_long_enough_and_only_while_local_work_waits() {
    let (mut monitor, start) = monitor(RollbackPolicy::Act);
    for minute in 0..15 {
        let now = start + minute * MINUTE;
        monitor.note(now, HarmEvent::ClaimFailed);
        assert_eq!(steps(&mut monitor, now, true), Vec::<String>::new(), "{minute}");
        assert_eq!(monitor.next_instant(), Some(now + MINUTE));
    }
    let now = start + 15 * MINUTE;
    assert_eq!(steps(&mut monitor, now, false), Vec::<String>::new());
    assert_eq!(monitor.next_instant(), None, "the queue tells when a job comes");
    assert_eq!(steps(&mut monitor, now, true), ["roll back unreachable"]);
    monitor.note(now, HarmEvent::ClaimFailed);
    assert_eq!(steps(&mut monitor, now, true), Vec::<String>::new());
}

#[test]
fn a_short_limit_is_met_to_the_instant() {
    let after = Duration::from_secs(3);
    let policy = RollbackPolicy::Warn;
    let (mut monitor, start) = (
        HarmMonitor::new(RollbackSettings { policy, after }),
        Instant::now(),
    );
    monitor.note(start, HarmEvent::ClaimFailed);
    assert_eq!(monitor.next_instant(), Some(start + after));
    let before = start + after - Duration::from_millis(1);
    assert_eq!(steps(&mut monitor, before, true), Vec::<String>::new());
    assert_eq!(steps(&mut monitor, start + after, true), ["warn unreachable"]);
}

#[test]
fn an_answer_ends_the_outage_and_the_next_one_is_told_anew() {
    let (mut monitor, start) = monitor(RollbackPolicy::Warn);
    let outage = |monitor: &mut HarmMonitor, begin: u32| {
        for minute in begin..begin + 15 {
            monitor.note(start + minute * MINUTE, HarmEvent::ClaimFailed);
        }
        steps(monitor, start + (begin + 15) * MINUTE, true).len()
    };
    monitor.note(start, HarmEvent::ClaimFailed);
    monitor.note(start + 14 * MINUTE, HarmEvent::ClaimAnswered);
    assert_eq!(monitor.next_instant(), None);
    assert_eq!(outage(&mut monitor, 20), 1);
    monitor.note(start + 40 * MINUTE, HarmEvent::ClaimAnswered);
    assert_eq!(outage(&mut monitor, 50), 1);
}

#[test]
fn the_time_in_which_nobody_looked_is_no_outage() {
    let (mut monitor, start) = monitor(RollbackPolicy::Act);
    monitor.note(start, HarmEvent::ClaimFailed);
    let woken = start + 600 * MINUTE;
    monitor.note(woken, HarmEvent::ClaimFailed);
    assert_eq!(steps(&mut monitor, woken, true), Vec::<String>::new());
    assert_eq!(monitor.next_instant(), Some(woken + MINUTE));
}

#[test]
fn what_could_not_be_turned_off_is_tried_again_and_told_once() {
    let (mut monitor, start) = monitor(RollbackPolicy::Act);
    let (job, conflict) = (id("a"), AssignmentConflict::Running);
    monitor.note(start, HarmEvent::Assigned { job, conflict });
    let Some(HarmStep::RollBack(harm)) = monitor.next_step(start, || true) else {
        panic!("no step");
    };
    monitor.rollback_failed(start, harm.clone());
    assert_eq!(monitor.next_instant(), Some(start + RETRY_DELAY));
    assert_eq!(steps(&mut monitor, start, true), Vec::<String>::new());
    let later = start + RETRY_DELAY;
    assert_eq!(steps(&mut monitor, later, true), ["again running"]);
    assert_eq!(steps(&mut monitor, later, true), Vec::<String>::new());
}

#[test]
fn an_outage_that_is_over_is_no_reason_to_go_back_any_more() {
    let (mut monitor, start) = monitor(RollbackPolicy::Act);
    for minute in 0..=15 {
        monitor.note(start + minute * MINUTE, HarmEvent::ClaimFailed);
    }
    let now = start + 15 * MINUTE;
    let Some(HarmStep::RollBack(harm)) = monitor.next_step(now, || true) else {
        panic!("no step");
    };
    monitor.rollback_failed(now, harm);
    monitor.note(now, HarmEvent::ClaimAnswered);
    assert_eq!(monitor.next_instant(), None);
    assert_eq!(steps(&mut monitor, now + RETRY_DELAY, true), Vec::<String>::new());
}

#[test]
fn a_kind_is_written_as_it_is_called() {
    for kind in HarmKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
}
