//! The routed mode as the loop sees it, against a coordinator that answers as it is told.

use super::super::delivery_outcome::DeliveryOutcome;
use super::*;
use crate::job_reason::ReasonCode;
use crate::shadow::test_coordinator::{CLAIMED, RecordedRequest, TestCoordinator, block_on, id, settings};

fn answer(seen: &RecordedRequest) -> Option<(u16, String)> {
    let stage = seen.body["stage"].as_str().unwrap_or("queued");
    match seen.path.rsplit('/').next() {
        Some("claims") => Some((200, CLAIMED.to_owned())),
        Some("reports") => Some((202, format!(r#"{{"stage":"{stage}"}}"#))),
        _ => Some((200, format!(r#"{{"stage":"{stage}"}}"#))),
    }
}

fn with_fleet_session<F: Future<Output = ()>>(
    coordinator: &TestCoordinator,
    work: impl FnOnce(FleetSession) -> F,
) {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), &coordinator.url);
    block_on(async { work(FleetSession::open(&settings, &HealthReporter::default()).unwrap()).await });
}

async fn claimed(fleet_session: &mut FleetSession) -> Box<GrantedJob> {
    fleet_session.request_job([], None);
    match fleet_session.next().await {
        FleetEvent::Claimed(granted) => granted,
        other => panic!("{other:?}"),
    }
}

fn paths(coordinator: &TestCoordinator) -> Vec<String> {
    coordinator.seen().into_iter().map(|seen| seen.path).collect()
}

#[test]
fn a_job_goes_from_claim_to_its_final_report() {
    let coordinator = TestCoordinator::start(answer);
    with_fleet_session(&coordinator, |mut fleet_session| async move {
        let granted = claimed(&mut fleet_session).await;
        assert!(fleet_session.renewer(&granted.id).is_none());
        fleet_session.start_renewing(&granted);
        assert!(fleet_session.renewer(&granted.id).unwrap().is_lease_valid());
        fleet_session.report(&granted.id, Stage::Testing);
        fleet_session.finish(&granted.id, Stage::Shipped, ReasonCode::FinishedBefore.into());
        assert!(!fleet_session.is_settled());
        match fleet_session.next().await {
            FleetEvent::LeaseClosed { job, outcome, .. } => {
                assert_eq!((job, outcome), (id("a"), DeliveryOutcome::Delivered));
            }
            other => panic!("{other:?}"),
        }
        assert!(fleet_session.is_settled());
    });
    assert_eq!(
        paths(&coordinator),
        ["/v1/claims", "/v1/jobs/a/reports", "/v1/jobs/a/reports"]
    );
}

#[test]
fn shutting_releases_what_is_held() {
    let coordinator = TestCoordinator::start(answer);
    with_fleet_session(&coordinator, |mut fleet_session| async move {
        let granted = claimed(&mut fleet_session).await;
        fleet_session.start_renewing(&granted);
        fleet_session.shutdown(Duration::from_secs(30)).await;
    });
    assert_eq!(paths(&coordinator), ["/v1/claims", "/v1/leases/lease-9/release"]);
}

#[test]
fn shutting_gives_back_a_job_that_nobody_took_any_more() {
    let coordinator = TestCoordinator::start(answer);
    let theirs = coordinator.clone();
    with_fleet_session(&coordinator, |fleet_session| async move {
        fleet_session.request_job([], None);
        while theirs.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        fleet_session.shutdown(Duration::from_secs(30)).await;
    });
    assert_eq!(paths(&coordinator), ["/v1/claims", "/v1/leases/lease-9/release"]);
}

#[test]
fn a_refused_credential_is_named_by_where_it_comes_from() {
    let coordinator = TestCoordinator::start(|_| Some((403, String::from("{}"))));
    with_fleet_session(&coordinator, |mut fleet_session| async move {
        fleet_session.request_job([], None);
        match fleet_session.next().await {
            FleetEvent::CredentialRefused { problem } => {
                assert!(
                    problem.contains("AQ_FLEET_TOKEN") && problem.contains("status-403"),
                    "{problem}"
                );
            }
            other => panic!("{other:?}"),
        }
    });
}
