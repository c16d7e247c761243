//! The API from outside: what is wrong is told, what is right goes its way.

mod common;

use std::io::Write;
use std::net::TcpStream;

use common::*;
use rstest::rstest;
use serde_json::json;
use stub_coordinator::{StubConfig, UnknownFieldPolicy};

#[rstest]
#[case("POST", "/v1/claims", Some("{"), 400, "malformed_json")]
#[case("POST", "/v1/claims", Some("{}"), 422, "invalid_field")]
#[case(
    "POST",
    "/v1/jobs/a/quarantine",
    Some(r#"{"factoryId":"f","reason":"lease lost: why"}"#),
    422,
    "invalid_field"
)]
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

#[test]
fn unknown_fields_are_refused_only_by_a_strict_stub() {
    let body = json!({"factoryId": "f", "caps": [], "extra": 1});
    assert_eq!(post(&start(&[]), "/v1/claims", &body).status, 204);
    let strict = start_with(
        &[],
        StubConfig {
            strict: UnknownFieldPolicy::Strict,
            ..StubConfig::default()
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
