//! A renewer against a coordinator that answers as it is told. What is asserted is what was said and in which order,
//! never how long it took.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::super::delivery_outcome::DeliveryOutcome;
use super::super::lease_machine::LeaseTerms;
use super::*;
use crate::fleet::client::StageReport;
use crate::fleet::lease_time::LeaseTime;
use crate::ids::LeaseId;
use crate::shadow::test_coordinator::{RecordedRequest, TestCoordinator, block_on, id, settings};
use crate::stage::Stage;

const GRACE: Duration = Duration::from_secs(10);

/// What a request was about, such as `renew` or `reports testing`.
fn brief(seen: &RecordedRequest) -> String {
    let verb = seen.path.rsplit('/').next().unwrap_or_default().to_owned();
    match seen.body["stage"].as_str() {
        Some(stage) => format!("{verb} {stage}"),
        None => verb,
    }
}

fn renewed(ttl_ms: u64) -> Option<(u16, String)> {
    Some((
        200,
        format!(r#"{{"lease":{{"id":"lease-9","jobId":"a","fencingToken":4,"ttlMs":{ttl_ms}}}}}"#),
    ))
}

fn taken(seen: &RecordedRequest) -> Option<(u16, String)> {
    let stage = seen.body["stage"].as_str().unwrap_or("queued");
    Some((
        if seen.path.ends_with("release") { 200 } else { 202 },
        format!(r#"{{"stage":"{stage}","recorded":true}}"#),
    ))
}

fn report(stage: Stage) -> StageReport {
    StageReport {
        key: fresh_key("report"),
        stage,
        at: String::from("2026-03-02T09:30:45.250Z"),
        reason: None,
    }
}

/// Runs `lease_messages` with a renewer of a lease that lives `ttl_ms`.
fn with_lease_renewer<F: Future<Output = ()>>(
    coordinator: &TestCoordinator,
    ttl_ms: u64,
    talk: impl FnOnce(LeaseRenewer, mpsc::Receiver<FleetEvent>) -> F,
) {
    let folder = tempfile::tempdir().unwrap();
    let client = CoordinatorClient::new(&settings(folder.path(), &coordinator.url)).unwrap();
    let job = serde_json::from_value(serde_json::json!({"id": "a", "engine": "sh", "body": "true"})).unwrap();
    let time = LeaseTime::granted(Duration::from_millis(ttl_ms), BootInstant::now()).unwrap();
    let proof = LeaseProof {
        lease: LeaseId::new("lease-9").unwrap(),
        fencing_token: 4,
    };
    let granted = GrantedJob {
        job,
        id: id("a"),
        proof,
        time,
    };
    let terms = LeaseTerms {
        timeout: Duration::from_secs(5),
        grace: GRACE,
        close_time_max: Duration::from_secs(5),
    };
    block_on(async {
        let (sender, events) = mpsc::channel(crate::fleet::fleet_event::EVENTS_MAX);
        let renewer = LeaseRenewer::start(&Handle::current(), &granted, client, terms, sender);
        talk(renewer, events).await;
    });
}

async fn settled(events: &mut mpsc::Receiver<FleetEvent>) -> DeliveryOutcome {
    match events.recv().await {
        Some(FleetEvent::LeaseClosed { outcome, .. }) => outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn stages_are_reported_in_order_with_the_fencing_token_and_the_last_ends_it() {
    let coordinator = TestCoordinator::start(taken);
    with_lease_renewer(&coordinator, 60_000, |renewer, mut events| async move {
        renewer.order(LeaseEvent::Report(report(Stage::Testing)));
        renewer.order(LeaseEvent::Report(report(Stage::Review)));
        renewer.order(LeaseEvent::Close(LeaseRequest::Report(report(Stage::Shipped))));
        assert_eq!(settled(&mut events).await, DeliveryOutcome::Delivered);
    });
    let seen = coordinator.seen();
    let briefs: Vec<String> = seen.iter().map(brief).collect();
    assert_eq!(briefs, ["reports testing", "reports review", "reports shipped"]);
    assert!(
        seen.iter()
            .all(|request| request.body["fencingToken"] == 4 && request.body["leaseId"] == "lease-9")
    );
}

#[test]
fn a_lease_is_renewed_while_a_report_hangs() {
    let renewals = AtomicUsize::new(0);
    let coordinator = TestCoordinator::start(move |seen| match brief(seen).as_str() {
        "renew" => {
            renewals.fetch_add(1, Ordering::SeqCst);
            renewed(60_000)
        }
        "reports testing" if renewals.load(Ordering::SeqCst) < 4 => None,
        _ => taken(seen),
    });
    with_lease_renewer(&coordinator, 60_000, |renewer, mut events| async move {
        renewer.order(LeaseEvent::Report(report(Stage::Testing)));
        // Its answer can't come before four renewals; had they to wait for it, none would come.
        for _ in 0..4 {
            renewer.order(LeaseEvent::Confirm);
            match events.recv().await {
                Some(FleetEvent::Confirmed { .. }) => assert!(renewer.is_lease_valid()),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn what_runs_under_a_lease_is_told_of_each_renewal() {
    let coordinator = TestCoordinator::start(|_| renewed(60_000));
    with_lease_renewer(&coordinator, 60_000, |renewer, mut events| async move {
        let (sender, told) = std::sync::mpsc::channel();
        renewer.set_deadline_listener(Box::new(move |ending| sender.send(ending).unwrap()));
        let first = told.try_recv().unwrap();
        assert_eq!(first, renewer.kill_deadlines());
        renewer.order(LeaseEvent::Confirm);
        assert!(matches!(events.recv().await, Some(FleetEvent::Confirmed { .. })));
        let next = told.try_recv().unwrap();
        assert!(next.term_at > first.term_at && next.kill_at > first.kill_at);
    });
}

#[test]
fn a_lease_that_cannot_be_renewed_is_given_up_before_its_deadline() {
    let coordinator = TestCoordinator::start(|_| None);
    with_lease_renewer(&coordinator, 1_000, |renewer, mut events| async move {
        match events.recv().await {
            Some(FleetEvent::LeaseLost { .. }) => assert!(!renewer.is_lease_valid()),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_refused_renewal_is_a_lost_lease_and_then_one_quarantine_and_no_report() {
    let problem = r#"{"type":"urn:x","title":"Gone","status":409,"code":"lease_lost"}"#;
    let coordinator = TestCoordinator::start_with_problems(move |seen| match brief(seen).as_str() {
        "renew" => Some((409, problem.to_owned())),
        _ => taken(seen),
    });
    with_lease_renewer(&coordinator, 60_000, |renewer, mut events| async move {
        renewer.order(LeaseEvent::Confirm);
        match events.recv().await {
            Some(FleetEvent::LeaseLost { reason, .. }) => {
                assert!(reason.contains("lease_lost"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        renewer.order(LeaseEvent::Report(report(Stage::Testing)));
        renewer.order(LeaseEvent::Close(LeaseRequest::Quarantine(report(
            Stage::Quarantine,
        ))));
        assert_eq!(settled(&mut events).await, DeliveryOutcome::Delivered);
    });
    let briefs: Vec<String> = coordinator.seen().iter().map(brief).collect();
    assert_eq!(briefs, ["renew", "quarantine"]);
}

#[test]
fn a_404_that_is_not_the_coordinators_own_loses_no_lease() {
    let answers = AtomicUsize::new(0);
    let coordinator = TestCoordinator::start(move |_| match answers.fetch_add(1, Ordering::SeqCst) {
        0 => Some((404, String::from("{}"))),
        _ => renewed(3_000),
    });
    with_lease_renewer(&coordinator, 3_000, |renewer, mut events| async move {
        renewer.order(LeaseEvent::Confirm);
        match events.recv().await {
            Some(FleetEvent::Confirmed { .. }) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_lost_answer_to_a_report_is_asked_for_again_with_the_same_key() {
    let answers = AtomicUsize::new(0);
    let coordinator = TestCoordinator::start(move |seen| match answers.fetch_add(1, Ordering::SeqCst) {
        0 => Some((500, String::new())),
        _ => taken(seen),
    });
    with_lease_renewer(&coordinator, 60_000, |renewer, mut events| async move {
        renewer.order(LeaseEvent::Close(LeaseRequest::Report(report(Stage::Failed))));
        assert_eq!(settled(&mut events).await, DeliveryOutcome::Delivered);
    });
    let keys: Vec<String> = coordinator
        .seen()
        .into_iter()
        .map(|seen| seen.key.unwrap())
        .collect();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn a_lease_that_is_not_needed_is_released_and_a_loop_that_is_gone_releases_it_too() {
    for close in [true, false] {
        let coordinator = TestCoordinator::start(taken);
        with_lease_renewer(&coordinator, 60_000, |renewer, mut events| async move {
            match close {
                true => renewer.order(LeaseEvent::Close(LeaseRequest::Release(fresh_key("release")))),
                false => drop(renewer),
            }
            assert_eq!(settled(&mut events).await, DeliveryOutcome::Delivered);
        });
        let briefs: Vec<String> = coordinator.seen().iter().map(brief).collect();
        assert_eq!(briefs, ["release"]);
    }
}
