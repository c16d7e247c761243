//! Claims against a coordinator that answers as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::shadow::test_coordinator::{CLAIMED, RecordedRequest, TestCoordinator, block_on, settings};

fn is_claim(seen: &RecordedRequest) -> bool {
    seen.path.ends_with("/claims")
}

/// Answers the first claims as given and grants the rest.
fn coordinator(first: &'static [(u16, &'static str)]) -> TestCoordinator {
    let claims = AtomicUsize::new(0);
    TestCoordinator::start_with_problems(move |seen| match is_claim(seen) {
        true => {
            let answer = first
                .get(claims.fetch_add(1, Ordering::SeqCst))
                .copied()
                .unwrap_or((200, CLAIMED));
            Some((answer.0, answer.1.to_owned()))
        }
        false => Some((200, String::from(r#"{"stage":"queued"}"#))),
    })
}

fn with_claimer<F: Future<Output = ()>>(
    coordinator: &TestCoordinator,
    talk: impl FnOnce(JobClaimer, mpsc::Receiver<FleetEvent>) -> F,
) {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), &coordinator.url);
    let client = CoordinatorClient::new(&settings).unwrap();
    block_on(async {
        let (sender, events) = mpsc::channel(crate::fleet::fleet_event::EVENTS_MAX);
        talk(
            JobClaimer::start(
                &Handle::current(),
                client,
                settings.fleet.timeout.value,
                1,
                sender,
            ),
            events,
        )
        .await;
    });
}

/// The answer to a claim, after so many that failed; the loop is told of each.
async fn answer_after(events: &mut mpsc::Receiver<FleetEvent>, failed: usize) -> Option<FleetEvent> {
    for _ in 0..failed {
        assert!(matches!(events.recv().await, Some(FleetEvent::ClaimFailed)));
    }
    events.recv().await
}

fn keys(coordinator: &TestCoordinator) -> Vec<String> {
    coordinator
        .seen()
        .into_iter()
        .filter(is_claim)
        .map(|seen| seen.key.unwrap())
        .collect()
}

#[test]
fn a_job_or_nothing_is_the_answer() {
    let coordinator = coordinator(&[(204, "")]);
    with_claimer(&coordinator, |claimer, mut events| async move {
        claimer.request_job(Vec::new(), None);
        assert!(matches!(events.recv().await, Some(FleetEvent::Nothing)));
        claimer.request_job(Vec::new(), None);
        match events.recv().await {
            Some(FleetEvent::Claimed(granted)) => {
                assert_eq!((granted.id.as_str(), granted.proof.fencing_token), ("a", 4));
            }
            other => panic!("{other:?}"),
        }
    });
    let keys = keys(&coordinator);
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn a_claim_whose_answer_was_lost_is_repeated_with_its_key_and_recovers_by_itself() {
    let coordinator = coordinator(&[(500, ""), (200, "{\"job\":")]);
    with_claimer(&coordinator, |claimer, mut events| async move {
        claimer.request_job(Vec::new(), None);
        let answer = answer_after(&mut events, 2).await;
        assert!(matches!(answer, Some(FleetEvent::Claimed(_))));
    });
    let keys = keys(&coordinator);
    assert_eq!((keys.len(), &keys[0], &keys[1]), (3, &keys[1], &keys[2]));
}

#[test]
fn a_key_that_was_decided_on_is_not_used_again() {
    let coordinator = coordinator(&[(
        409,
        r#"{"type":"urn:x","title":"Gone","status":409,"code":"lease_lost"}"#,
    )]);
    with_claimer(&coordinator, |claimer, mut events| async move {
        claimer.request_job(Vec::new(), None);
        let answer = answer_after(&mut events, 1).await;
        assert!(matches!(answer, Some(FleetEvent::Claimed(_))));
    });
    let keys = keys(&coordinator);
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn a_refused_credential_is_not_hammered() {
    let coordinator = coordinator(&[(401, "{}"), (401, "{}")]);
    with_claimer(&coordinator, |claimer, mut events| async move {
        claimer.request_job(Vec::new(), None);
        match events.recv().await {
            Some(FleetEvent::CredentialRefused { problem }) => {
                assert!(problem.contains("status-401"), "{problem}");
            }
            other => panic!("{other:?}"),
        }
        claimer.stop(Duration::from_secs(5)).await;
    });
    assert_eq!(keys(&coordinator).len(), 1);
}

#[test]
fn a_job_that_names_no_id_is_given_back_and_another_is_asked_for() {
    let hostile = r#"{"job":{"id":"../a","engine":"sh","body":"true"},"lease":{"id":"lease-8","jobId":"../a","fencingToken":1,"ttlMs":60000}}"#;
    let coordinator = coordinator(Box::leak(Box::new([(200, hostile)])));
    with_claimer(&coordinator, |claimer, mut events| async move {
        claimer.request_job(Vec::new(), None);
        let answer = answer_after(&mut events, 1).await;
        assert!(matches!(answer, Some(FleetEvent::Claimed(_))));
    });
    let paths: Vec<String> = coordinator.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/v1/claims", "/v1/leases/lease-8/release", "/v1/claims"]);
}

#[test]
fn a_job_that_arrives_after_the_stop_is_given_back() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let coordinator = TestCoordinator::start(move |seen| {
        if is_claim(seen) {
            // Answered when the run has been told to stop.
            let _ = held.lock().unwrap().recv();
            return Some((200, CLAIMED.to_owned()));
        }
        Some((200, String::from(r#"{"stage":"queued"}"#)))
    });
    let theirs = coordinator.clone();
    with_claimer(&coordinator, |claimer, _events| async move {
        claimer.request_job(Vec::new(), None);
        while theirs.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        let stopping = claimer.stop(Duration::from_secs(5));
        drop(release);
        stopping.await;
    });
    let paths: Vec<String> = coordinator.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/v1/claims", "/v1/leases/lease-9/release"]);
}
