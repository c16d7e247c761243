//! Claims that wait until there is something, or their time is over.

mod common;

use std::time::Duration;

use common::*;
use serde_json::json;
use stub_coordinator::{ClockKind, ExchangeMatch, ExchangeOutcome, StubConfig};

#[test]
fn a_claim_that_waits_is_given_what_is_submitted_meanwhile() {
    let stub = start(&[]);
    std::thread::scope(|scope| {
        let body = json!({"factoryId": "f", "caps": ["engine:sh"], "waitMs": 30_000});
        let stub = &stub;
        let client = scope.spawn(move || post(stub, "/v1/claims", &body));
        stub.wait(&ExchangeMatch::operation("claim"), 1, TIME_LIMIT)
            .expect("it arrives");
        assert_eq!(
            post(
                stub,
                "/v1/jobs",
                &json!({"id": "late", "engine": "sh", "body": "x"})
            )
            .status,
            201
        );
        assert_eq!(client.join().expect("it ends").json()["job"]["id"], "late");
    });
}

#[test]
fn a_claim_that_waits_is_given_what_runs_out_meanwhile() {
    let config = StubConfig {
        clock: ClockKind::Manual,
        lease_ms: 5_000,
        ..StubConfig::default()
    };
    let stub = start_with(&["a"], config);
    let stale = held(&claim(&stub, "stale"));
    std::thread::scope(|scope| {
        let body = json!({"factoryId": "f", "caps": ["engine:sh"], "waitMs": 10_000});
        let stub = &stub;
        let client = scope.spawn(move || post(stub, "/v1/claims", &body));
        stub.wait(&ExchangeMatch::operation("claim"), 2, TIME_LIMIT)
            .expect("it arrives");
        let due = stub.advance(Duration::from_secs(5)).expect("manual");
        assert!(
            due.iter().any(|due| due.what == "lease lease-1 on a ran out"),
            "{due:?}"
        );
        assert_eq!(
            stub.journal()[1].outcome,
            ExchangeOutcome::Answered,
            "it is done when advance returns"
        );
        assert_eq!(client.join().expect("it ends").json()["lease"]["fencingToken"], 2);
    });
    assert_eq!(stale.renew(&stub).code(), "lease_lost");
}

#[test]
fn a_claim_waits_no_longer_than_it_asked() {
    let stub = start_with(
        &[],
        StubConfig {
            clock: ClockKind::Manual,
            ..StubConfig::default()
        },
    );
    std::thread::scope(|scope| {
        let body = json!({"factoryId": "f", "caps": [], "waitMs": 10_000});
        let stub = &stub;
        let client = scope.spawn(move || post(stub, "/v1/claims", &body));
        stub.wait(&ExchangeMatch::operation("claim"), 1, TIME_LIMIT)
            .expect("it arrives");
        stub.advance(Duration::from_millis(9_999)).expect("manual");
        assert_eq!(stub.journal()[0].outcome, ExchangeOutcome::InFlight);
        stub.advance(Duration::from_millis(1)).expect("manual");
        assert_eq!(stub.journal()[0].outcome, ExchangeOutcome::Answered);
        assert_eq!(client.join().expect("it ends").status, 204);
    });
}
