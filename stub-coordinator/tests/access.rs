//! Who may do what: tokens, their scopes, and what never needs one.

mod common;

use common::*;
use serde_json::json;
use stub_coordinator::{Scope, StubConfig, TokenGrant};

fn closed() -> StubConfig {
    let grant = |token: &str, scope| TokenGrant {
        token: token.to_owned(),
        scopes: vec![scope],
    };
    StubConfig {
        tokens: vec![
            grant("watcher", Scope::Shadow),
            grant("worker", Scope::Work),
            grant("submitter", Scope::Submit),
            grant("root", Scope::Admin),
        ],
        ..StubConfig::default()
    }
}

/// Every operation with a request that would succeed or get as far as the state, and who may send it.
fn operations() -> Vec<(
    &'static str,
    &'static str,
    Option<serde_json::Value>,
    &'static [&'static str],
)> {
    let work: &[_] = &["worker", "root"];
    let read: &[_] = &["watcher", "worker", "submitter", "root"];
    let holder = json!({"factoryId": "f", "fencingToken": 1});
    vec![
        (
            "POST",
            "/v1/jobs",
            Some(json!({"engine": "sh", "body": "x"})),
            &["submitter", "root"],
        ),
        (
            "POST",
            "/v1/factories/f/heartbeat",
            Some(json!({"running": []})),
            work,
        ),
        (
            "POST",
            "/v1/claims",
            Some(json!({"factoryId": "f", "caps": []})),
            work,
        ),
        ("POST", "/v1/leases/lease-1/renew", Some(holder.clone()), work),
        ("POST", "/v1/leases/lease-1/release", Some(holder), work),
        (
            "POST",
            "/v1/jobs/a/reports",
            Some(
                json!({"factoryId": "f", "leaseId": "lease-1", "fencingToken": 1, "stage": "failed", "at": AT}),
            ),
            work,
        ),
        (
            "POST",
            "/v1/jobs/a/quarantine",
            Some(json!({"factoryId": "f", "reason": "x"})),
            work,
        ),
        ("GET", "/v1/jobs", None, read),
        ("GET", "/v1/jobs/a", None, read),
        (
            "POST",
            "/v1/shadow/claims",
            Some(json!({"factoryId": "f", "caps": [], "shadow": 1})),
            &["watcher", "root"],
        ),
        (
            "POST",
            "/v1/shadow/reports",
            Some(json!({"factoryId": "f", "jobId": "a", "stage": "building", "at": AT, "shadow": 1})),
            &["watcher", "root"],
        ),
    ]
}

#[test]
fn c31_each_operation_refuses_a_token_without_its_scope() {
    let stub = start_with(&["a"], closed());
    for (method, path, body, allowed) in operations() {
        for token in ["watcher", "worker", "submitter", "root"] {
            let digest = stub.digest();
            let bearer = format!("Bearer {token}");
            let reply = send(&stub, method, path, &[("authorization", &bearer)], body.as_ref());
            if allowed.contains(&token) {
                assert!(
                    ![401, 403].contains(&reply.status),
                    "{token} at {path}: {reply:?}"
                );
            } else {
                assert_eq!(
                    (reply.status, reply.code().as_str()),
                    (403, "insufficient_scope"),
                    "{token} at {path}"
                );
                assert_eq!(stub.digest(), digest, "{token} at {path}");
            }
        }
        for headers in [
            vec![],
            vec![("authorization", "Bearer wrong")],
            vec![("authorization", "Basic root")],
        ] {
            let reply = send(&stub, method, path, &headers, body.as_ref());
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (401, "unauthenticated"),
                "{headers:?} at {path}"
            );
        }
    }
}

#[test]
fn c31_a_shadow_token_changes_nothing_whatever_it_calls() {
    let stub = start_with(&["a"], closed());
    let digest = stub.digest();
    for (method, path, body, _) in operations() {
        send(
            &stub,
            method,
            path,
            &[("authorization", "Bearer watcher"), ("idempotency-key", "k")],
            body.as_ref(),
        );
    }
    assert_eq!(stub.digest(), digest);
    assert_eq!(stub.counters().mutations_total(), 0);
    assert_eq!(stub.violations(), Vec::<String>::new());
}

#[test]
fn health_and_the_document_need_no_token() {
    let stub = start_with(&[], closed());
    assert_eq!(get(&stub, "/v1/health").json()["status"], "ok");
    assert_eq!(
        get(&stub, "/v1/openapi.json").text,
        stub_coordinator::API_DOCUMENT
    );
}

#[test]
fn health_tells_who_shows_a_token_what_that_token_may_do() {
    let stub = start_with(&[], closed());
    for (token, scopes) in [
        ("watcher", json!(["shadow"])),
        ("worker", json!(["work"])),
        ("root", json!(["admin"])),
        ("wrong", json!(null)),
    ] {
        let bearer = format!("Bearer {token}");
        let reply = send(&stub, "GET", "/v1/health", &[("authorization", &bearer)], None);
        assert_eq!((reply.status, &reply.json()["scopes"]), (200, &scopes), "{token}");
    }
    assert!(get(&stub, "/v1/health").json().get("scopes").is_none());
}

#[test]
fn the_token_is_in_no_evidence() {
    let stub = start_with(&["a"], closed());
    send(
        &stub,
        "GET",
        "/v1/jobs",
        &[("authorization", "Bearer watcher")],
        None,
    );
    let exchange = &stub.journal()[0];
    assert_eq!(exchange.token_scopes, ["shadow"]);
    assert_eq!(exchange.request_headers["authorization"], "(redacted)");
    assert!(!format!("{exchange:?}").contains("watcher"));
}
