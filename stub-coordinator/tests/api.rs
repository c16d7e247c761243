//! The API from outside: errors, access, waiting claims, evidence.

mod common;

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::*;
use rstest::rstest;
use serde_json::json;
use stub_coordinator::{ClockKind, Config, Match, NewJob, Outcome, Scope, Strictness, Stub, TokenGrant};

#[rstest]
#[case("POST", "/v1/claims", Some("{"), 400, "malformed_json")]
#[case("POST", "/v1/claims", Some("{}"), 422, "invalid_field")]
#[case(
    "POST",
    "/v1/claims",
    Some(r#"{"factoryId":"a..b","caps":[]}"#),
    422,
    "invalid_id"
)]
#[case(
    "POST",
    "/v1/leases/lease-9/renew",
    Some(r#"{"factoryId":"f","fencingToken":1}"#),
    404,
    "unknown_lease"
)]
#[case(
    "POST",
    "/v1/factories/f/heartbeat",
    Some(r#"{"running":[]}"#),
    404,
    "unknown_factory"
)]
#[case("GET", "/v1/jobs/zz", None, 404, "unknown_job")]
#[case("GET", "/v1/jobs/..%2Fetc", None, 422, "invalid_id")]
#[case("GET", "/v1/jobs?limit=0", None, 422, "invalid_field")]
#[case("GET", "/v1/jobs?stage=done", None, 422, "invalid_field")]
#[case("GET", "/v1/claims", None, 405, "method_not_allowed")]
#[case("GET", "/v1/nothing", None, 404, "not_found")]
#[case("GET", "/", None, 404, "not_found")]
fn c30_what_is_wrong_is_told_and_has_no_effect(
    #[case] method: &str,
    #[case] path: &str,
    #[case] body: Option<&str>,
    #[case] status: u16,
    #[case] code: &str,
) {
    let stub = start(&["a"]);
    let digest = stub.digest();
    let reply = parse(&raw(&stub, &request_bytes(method, path, &[], body)).0);
    assert_eq!((reply.status, reply.code().as_str()), (status, code));
    assert_eq!(reply.json()["status"], status);
    assert_eq!(stub.digest(), digest);
    assert_eq!(stub.counters().mutations_total(), 0);
    assert_eq!(claim(&stub, "f").status, 200, "the server goes on");
}

#[test]
fn c30_a_body_over_a_mebibyte_is_refused_and_the_refusal_arrives() {
    let stub = start(&[]);
    let whole = json!({"engine": "sh", "body": "x".repeat(1_048_576 - 100)});
    assert_eq!(
        post(&stub, "/v1/jobs", &whole).status,
        201,
        "just under the bound"
    );
    let digest = stub.digest();
    let over = json!({"engine": "sh", "body": "x".repeat(12 * 1_048_576)}).to_string();
    let request = request_bytes("POST", "/v1/jobs", &[], Some(&over));
    for _ in 0..3 {
        let mut stream = TcpStream::connect(stub.address()).expect("connects");
        stream
            .write_all(&request)
            .expect("a client that sends it all before it reads is not cut off");
        let reply = parse(&read_to_end(&mut stream).0);
        assert_eq!((reply.status, reply.code().as_str()), (413, "body_too_large"));
    }
    assert_eq!(stub.digest(), digest);
}

#[test]
fn a_broken_head_is_answered_or_dropped_and_the_server_goes_on() {
    let stub = start(&["a"]);
    for garbage in [
        &b"\x00\x01\x02\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /v1/health HTTP/9.9\r\n\r\n",
    ] {
        let (bytes, _) = raw(&stub, garbage);
        assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 4"), "{bytes:?}");
    }
    let endless = format!("GET /v1/health HTTP/1.1\r\n{}", "x: y\r\n".repeat(200_000));
    let (bytes, _) = raw(&stub, endless.as_bytes());
    assert!(
        bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 4"),
        "{} bytes",
        bytes.len()
    );
    assert_eq!(claim(&stub, "f").status, 200);
}

fn closed() -> Config {
    let grant = |token: &str, scope| TokenGrant {
        token: token.to_owned(),
        scopes: vec![scope],
    };
    Config {
        tokens: vec![
            grant("watcher", Scope::Shadow),
            grant("worker", Scope::Work),
            grant("submitter", Scope::Submit),
            grant("root", Scope::Admin),
        ],
        ..Config::default()
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

#[test]
fn unknown_fields_are_refused_only_by_a_strict_stub() {
    let body = json!({"factoryId": "f", "caps": [], "extra": 1});
    assert_eq!(post(&start(&[]), "/v1/claims", &body).status, 204);
    let strict = start_with(
        &[],
        Config {
            strict: Strictness::Strict,
            ..Config::default()
        },
    );
    let reply = post(&strict, "/v1/claims", &body);
    assert_eq!((reply.status, reply.code().as_str()), (422, "unknown_field"));
    assert_eq!(strict.unexpected().len(), 1);
}

#[test]
fn a_life_of_a_job_from_claim_to_shipped() {
    let stub = start(&["a"]);
    let lease = held(&claim(&stub, "f"));
    assert_eq!(lease.renew(&stub).json()["lease"]["fencingToken"], 1);
    assert_eq!(lease.report(&stub, "testing").json()["stage"], "testing");
    assert_eq!(lease.report(&stub, "shipped").status, 202);
    assert_eq!(lease.renew(&stub).code(), "lease_lost");
    assert_eq!(lease.report(&stub, "failed").code(), "illegal_transition");
    assert_eq!(lease.release(&stub).json()["stage"], "shipped");
    assert_eq!(stage_of(&stub, "a"), "shipped");
    let mutations = stub.counters().mutations;
    assert_eq!(
        (
            mutations["claim"],
            mutations["lease.renew"],
            mutations["job.report"]
        ),
        (1, 1, 2)
    );
    assert!(!mutations.contains_key("lease.release"), "it had no effect");
    assert_eq!(stub.counters().refusals["lease_lost"], 1);
}

#[test]
fn pages_of_jobs_follow_one_another_in_order_of_submission() {
    let names: Vec<_> = (0..7).map(|number| format!("j{number}")).collect();
    let stub = start(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut seen = Vec::new();
    let mut path = "/v1/jobs?limit=3".to_owned();
    loop {
        let page = get(&stub, &path).json();
        let jobs = page["jobs"].as_array().expect("jobs");
        seen.extend(
            jobs.iter()
                .map(|job| job["id"].as_str().expect("an id").to_owned()),
        );
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        assert_eq!(jobs.len(), 3);
        path = format!("/v1/jobs?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, names);
}

#[test]
fn a_claim_that_waits_is_given_what_is_submitted_meanwhile() {
    let stub = start(&[]);
    std::thread::scope(|scope| {
        let body = json!({"factoryId": "f", "caps": ["engine:sh"], "waitMs": 30_000});
        let stub = &stub;
        let client = scope.spawn(move || post(stub, "/v1/claims", &body));
        stub.wait(&Match::operation("claim"), 1, PATIENCE)
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
    let config = Config {
        clock: ClockKind::Manual,
        lease_ms: 5_000,
        ..Config::default()
    };
    let stub = start_with(&["a"], config);
    let stale = held(&claim(&stub, "stale"));
    std::thread::scope(|scope| {
        let body = json!({"factoryId": "f", "caps": ["engine:sh"], "waitMs": 10_000});
        let stub = &stub;
        let client = scope.spawn(move || post(stub, "/v1/claims", &body));
        stub.wait(&Match::operation("claim"), 2, PATIENCE)
            .expect("it arrives");
        let due = stub.advance(Duration::from_secs(5)).expect("manual");
        assert!(
            due.iter().any(|due| due.what == "lease lease-1 on a ran out"),
            "{due:?}"
        );
        assert_eq!(
            stub.journal()[1].outcome,
            Outcome::Answered,
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
        Config {
            clock: ClockKind::Manual,
            ..Config::default()
        },
    );
    std::thread::scope(|scope| {
        let body = json!({"factoryId": "f", "caps": [], "waitMs": 10_000});
        let stub = &stub;
        let client = scope.spawn(move || post(stub, "/v1/claims", &body));
        stub.wait(&Match::operation("claim"), 1, PATIENCE)
            .expect("it arrives");
        stub.advance(Duration::from_millis(9_999)).expect("manual");
        assert_eq!(stub.journal()[0].outcome, Outcome::InFlight);
        stub.advance(Duration::from_millis(1)).expect("manual");
        assert_eq!(stub.journal()[0].outcome, Outcome::Answered);
        assert_eq!(client.join().expect("it ends").status, 204);
    });
}

#[test]
fn every_connection_is_counted_behind_a_fence_and_the_fence_is_not() {
    let stub = start(&[]);
    for _ in 0..50 {
        drop(TcpStream::connect(stub.address()).expect("connects"));
    }
    stub.fence().expect("none is left");
    stub.fence().expect("none is left");
    assert_eq!(stub.counters().connections, 50);
    assert_eq!(stub.journal(), Vec::new());
}

#[test]
fn a_restart_drops_connections_and_keeps_the_state() {
    let stub = start(&["a"]);
    let lease = held(&claim(&stub, "f"));
    let digest = stub.digest();
    let mut idle = TcpStream::connect(stub.address()).expect("connects");
    idle.write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n")
        .expect("written");
    stub.wait(&Match::operation("health"), 1, PATIENCE)
        .expect("it arrives");
    stub.restart();
    let (_, error) = read_to_end(&mut idle);
    assert!(
        matches!(error, None | Some(ErrorKind::ConnectionReset)),
        "{error:?}"
    );
    assert_eq!(stub.digest(), digest);
    assert_eq!(lease.renew(&stub).status, 200);
}

#[test]
fn a_port_that_somebody_listens_on_is_an_error() {
    let stub = start(&[]);
    let twin = Config {
        address: stub.address(),
        ..Config::default()
    };
    let error = Stub::start(twin).err().expect("the port is taken").to_string();
    assert!(error.contains(&stub.address().to_string()), "{error}");
    let job = || NewJob::named("a", "sh");
    let error = Stub::start(Config {
        jobs: vec![job(), job()],
        ..Config::default()
    })
    .err()
    .expect("twice");
    assert!(error.to_string().contains("given twice"), "{error}");
}

#[test]
fn listening_beyond_loopback_needs_a_token() {
    let address = ([0, 0, 0, 0], 0).into();
    assert!(
        Stub::start(Config {
            address,
            ..Config::default()
        })
        .is_err()
    );
}
