//! The routed mode as the loop sees it, against a coordinator that answers as it is told.

use super::super::Settlement;
use super::*;
use crate::shadow::rig::{CLAIMED, Coordinator, Seen, block_on, id, settings};

fn answer(seen: &Seen) -> Option<(u16, String)> {
    let stage = seen.body["stage"].as_str().unwrap_or("queued");
    match seen.path.rsplit('/').next() {
        Some("claims") => Some((200, CLAIMED.to_owned())),
        Some("reports") => Some((202, format!(r#"{{"stage":"{stage}"}}"#))),
        _ => Some((200, format!(r#"{{"stage":"{stage}"}}"#))),
    }
}

fn with_office<F: Future<Output = ()>>(coordinator: &Coordinator, work: impl FnOnce(Office) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), &coordinator.url);
    block_on(async { work(Office::open(&settings, &HealthReporter::default()).unwrap()).await });
}

async fn claimed(office: &mut Office) -> Box<Granted> {
    office.ask([], None);
    match office.next().await {
        FleetEvent::Claimed(granted) => granted,
        other => panic!("{other:?}"),
    }
}

fn paths(coordinator: &Coordinator) -> Vec<String> {
    coordinator.seen().into_iter().map(|seen| seen.path).collect()
}

#[test]
fn a_job_goes_from_claim_to_its_final_report() {
    let coordinator = Coordinator::start(answer);
    with_office(&coordinator, |mut office| async move {
        let granted = claimed(&mut office).await;
        assert!(!office.holds(&granted.id));
        office.keep(&granted);
        assert!(office.holds(&granted.id));
        office.report(&granted.id, Stage::Testing);
        office.finish(&granted.id, Stage::Shipped, None);
        assert!(!office.is_settled());
        match office.next().await {
            FleetEvent::Settled { job, outcome, .. } => {
                assert_eq!((job, outcome), (id("a"), Settlement::Delivered));
            }
            other => panic!("{other:?}"),
        }
        assert!(office.is_settled());
    });
    assert_eq!(
        paths(&coordinator),
        ["/v1/claims", "/v1/jobs/a/reports", "/v1/jobs/a/reports"]
    );
}

#[test]
fn shutting_releases_what_is_held() {
    let coordinator = Coordinator::start(answer);
    with_office(&coordinator, |mut office| async move {
        let granted = claimed(&mut office).await;
        office.keep(&granted);
        office.shut(Duration::from_secs(30)).await;
    });
    assert_eq!(paths(&coordinator), ["/v1/claims", "/v1/leases/lease-9/release"]);
}

#[test]
fn shutting_gives_back_a_job_that_nobody_took_any_more() {
    let coordinator = Coordinator::start(answer);
    let theirs = coordinator.clone();
    with_office(&coordinator, |office| async move {
        office.ask([], None);
        while theirs.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        office.shut(Duration::from_secs(30)).await;
    });
    assert_eq!(paths(&coordinator), ["/v1/claims", "/v1/leases/lease-9/release"]);
}

#[test]
fn a_refused_credential_is_named_by_where_it_comes_from() {
    let coordinator = Coordinator::start(|_| Some((403, String::from("{}"))));
    with_office(&coordinator, |mut office| async move {
        office.ask([], None);
        match office.next().await {
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
