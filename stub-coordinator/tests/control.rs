//! The control API over HTTP: it means what the library means, and is no part of the evidence.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::*;
use serde_json::json;
use stub_coordinator::{ClockKind, ExchangeMatch, ResetScope, StubConfig};

#[test]
fn a_preset_changes_the_mood_of_a_running_stub() {
    let stub = start(&["a", "b"]);
    assert_eq!(shadow_claim(&stub, "f").json()["job"]["id"], "a");
    assert_eq!(
        post(&stub, "/_stub/preset", &json!({"name": "diverge"})).status,
        200
    );
    assert_eq!(shadow_claim(&stub, "f").json()["job"]["id"], "b");
    assert_eq!(post(&stub, "/_stub/preset", &json!({"name": "5xx"})).status, 200);
    assert_eq!(shadow_claim(&stub, "f").code(), "internal");
    assert_eq!(
        post(&stub, "/_stub/preset", &json!({"name": "agree"})).status,
        200
    );
    assert_eq!(shadow_claim(&stub, "f").status, 200);
    let refused = post(&stub, "/_stub/preset", &json!({"name": "agre"}));
    assert!(
        refused.status == 422 && refused.text.contains("did you mean `agree`?"),
        "{refused:?}"
    );
}

#[test]
fn rules_are_armed_listed_and_disarmed() {
    let stub = start(&["a"]);
    let armed = post(
        &stub,
        "/_stub/rules",
        &json!({"on": "claim", "fault": {"refuse": "already_claimed"}}),
    )
    .json();
    let id = armed["id"].as_str().expect("an id").to_owned();
    assert_eq!(claim(&stub, "f").code(), "already_claimed");
    let listed = get(&stub, "/_stub/rules").json();
    assert_eq!(
        (&listed["rules"][0]["id"], &listed["rules"][0]["fired"]),
        (&json!(id), &json!(1))
    );
    assert_eq!(
        send(&stub, "DELETE", &format!("/_stub/rules/{id}"), &[], None).status,
        200
    );
    assert_eq!(
        send(&stub, "DELETE", &format!("/_stub/rules/{id}"), &[], None).status,
        404
    );
    assert_eq!(claim(&stub, "f").status, 200);
    let bad = post(&stub, "/_stub/rules", &json!({"on": "clam", "fault": "hang"}));
    assert!(bad.status == 422 && bad.text.contains("did you mean"), "{bad:?}");
}

#[test]
fn evidence_over_http_is_the_evidence_of_the_library() {
    let stub = start(&["a"]);
    claim(&stub, "f");
    get(&stub, "/v1/nothing");
    let counters = get(&stub, "/_stub/counters").json();
    assert_eq!(counters["mutationsTotal"], 1);
    assert_eq!(counters["counters"]["requests"]["claim"], 1);
    assert_eq!(get(&stub, "/_stub/digest").json()["digest"], json!(stub.digest()));
    let journal = get(&stub, "/_stub/journal?operation=claim").json();
    assert_eq!(journal["exchanges"].as_array().map(Vec::len), Some(1));
    assert_eq!(journal["exchanges"][0]["factory"], "f");
    assert_eq!(
        get(&stub, "/_stub/unexpected").json()["exchanges"][0]["path"],
        "/v1/nothing"
    );
    assert_eq!(get(&stub, "/_stub/jobs").json()["jobs"][0]["stage"], "building");
    assert_eq!(
        post(&stub, "/_stub/journal/count", &json!({"match": {"factory": "f"}})).json()["count"],
        1
    );
}

#[test]
fn control_is_neither_journalled_nor_counted_nor_faulted() {
    let stub = start(&["a"]);
    post(&stub, "/_stub/preset", &json!({"name": "timeout"}));
    for path in ["/_stub/counters", "/_stub/journal", "/_stub/nothing"] {
        get(&stub, path);
    }
    stub.fence().expect("none is left");
    assert_eq!((stub.counters(), stub.journal()), Default::default());
}

#[test]
fn a_question_may_wait_for_its_answer() {
    let stub = start(&["a"]);
    std::thread::scope(|scope| {
        let stub = &stub;
        let body = json!({"match": {"operation": "claim"}, "count": 1, "limit": "20s"});
        let asker = scope.spawn(move || post(stub, "/_stub/journal/wait", &body));
        claim(stub, "f");
        assert_eq!(
            asker.join().expect("it ends").json()["exchanges"][0]["operation"],
            "claim"
        );
    });
    let late = post(
        &stub,
        "/_stub/journal/wait",
        &json!({"match": {"job": "zz"}, "count": 1, "limit": "1ms"}),
    );
    assert_eq!((late.status, late.code().as_str()), (408, "timed_out"));
    let unbounded = post(&stub, "/_stub/journal/wait", &json!({"count": 1}));
    assert_eq!(unbounded.status, 422, "a limit must be given");
}

#[test]
fn gates_and_clock_are_worked_by_hand() {
    let stub = start_with(
        &["a"],
        StubConfig {
            clock: ClockKind::Manual,
            lease_ms: 1_000,
            ..StubConfig::default()
        },
    );
    post(
        &stub,
        "/_stub/rules",
        &json!({"on": "shadow.claim", "fault": {"gate": "g"}}),
    );
    std::thread::scope(|scope| {
        let stub = &stub;
        let client = scope.spawn(move || shadow_claim(stub, "f"));
        stub.wait(&ExchangeMatch::operation("shadow.claim"), 1, TIME_LIMIT)
            .expect("it arrives");
        assert_eq!(
            post(stub, "/_stub/gates/g/release", &json!({})).json()["gate"],
            "g"
        );
        assert_eq!(client.join().expect("it ends").status, 200);
    });
    claim(&stub, "f");
    let due = post(&stub, "/_stub/clock", &json!({"advance": "2s"})).json();
    assert_eq!(due["due"][0]["what"], "lease lease-1 on a ran out");
    assert_eq!(due["now"], "2026-01-01T00:00:02.000Z");
    assert_eq!(stage_of(&stub, "a"), "queued");
    assert_eq!(
        post(&start(&[]), "/_stub/clock", &json!({"advance": "2s"})).code(),
        "real_clock"
    );
}

#[test]
fn a_reset_puts_back_what_it_names_and_ends_what_is_under_way() {
    let stub = start(&["a"]);
    let digest = stub.digest();
    claim(&stub, "f");
    post(&stub, "/_stub/rules", &json!({"on": "health", "fault": "hang"}));
    std::thread::scope(|scope| {
        let stub = &stub;
        let client = scope.spawn(move || raw(stub, &request_bytes("GET", "/v1/health", &[], None)));
        stub.wait(&ExchangeMatch::operation("health"), 1, TIME_LIMIT)
            .expect("it arrives");
        assert_eq!(post(stub, "/_stub/reset", &json!({"scope": "state"})).status, 200);
        assert_eq!(client.join().expect("it ends").0, Vec::<u8>::new());
    });
    assert_eq!(stub.digest(), digest);
    assert_eq!((stub.rules().len(), stub.counters().mutations_total()), (1, 1));
    assert_eq!(post(&stub, "/_stub/reset", &json!({"scope": "all"})).status, 200);
    assert_eq!(
        (
            stub.rules().len(),
            stub.counters().mutations_total(),
            stub.journal().len()
        ),
        (0, 0, 0)
    );
    assert_eq!(claim(&stub, "f").json()["lease"]["id"], "lease-1");
}

#[test]
fn a_late_request_of_a_past_life_is_refused_and_never_counted() {
    let stub = start(&["a"]);
    let whole = String::from_utf8(request_bytes(
        "POST",
        "/v1/claims",
        &[],
        Some(r#"{"factoryId":"straggler","caps":["engine:sh"]}"#),
    ))
    .expect("text");
    let (begun, rest) = whole.split_at(30);
    let mut straggler = TcpStream::connect(stub.address()).expect("connects");
    straggler.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
    straggler.write_all(begun.as_bytes()).expect("written");
    // Connections are taken in order: the straggler's is, once this one was answered.
    assert_eq!(claim(&stub, "f").status, 200);
    stub.reset(ResetScope::All);
    let fresh = stub.digest();
    straggler.write_all(rest.as_bytes()).expect("written");
    let late = parse(&read_to_end(&mut straggler).0);
    assert_eq!((late.status, late.code().as_str()), (410, "past_life"));
    assert_eq!((stub.digest(), stub.journal().len()), (fresh, 0));
    assert_eq!(
        (stub.counters().requests.len(), stub.counters().mutations_total()),
        (0, 0)
    );
    assert_eq!(get(&stub, "/_stub/health").json()["lateRequests"], 1);
    assert_eq!(
        claim(&stub, "f").status,
        200,
        "whoever connects again is of this life"
    );
}

#[test]
fn a_reset_closes_idle_connections_so_that_their_owners_connect_again() {
    let stub = start(&["a"]);
    let mut idle = TcpStream::connect(stub.address()).expect("connects");
    idle.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
    idle.write_all(b"GET /v1/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        .expect("written");
    let mut first = [0_u8; 12];
    idle.read_exact(&mut first).expect("an answer");
    stub.reset(ResetScope::Rules);
    let (rest, error) = read_to_end(&mut idle);
    assert!(
        error.is_none() && rest.ends_with(b"}"),
        "the end, not a refusal: {error:?}"
    );
}

#[test]
fn control_asks_for_its_token_and_refuses_pages_of_other_origins() {
    let config = StubConfig {
        control_token: Some("key".to_owned()),
        ..StubConfig::default()
    };
    let stub = start_with(&[], config);
    assert_eq!(get(&stub, "/_stub/counters").status, 401);
    let with = |name: &str, value: &str| send(&stub, "GET", "/_stub/counters", &[(name, value)], None).status;
    assert_eq!(with("authorization", "Bearer wrong"), 401);
    assert_eq!(with("authorization", "Bearer key"), 200);
    let open = start(&[]);
    let bytes = b"GET /_stub/counters HTTP/1.1\r\nhost: rebound.example\r\nconnection: close\r\n\r\n";
    assert_eq!(parse(&raw(&open, bytes).0).status, 403);
    let bytes = b"POST /_stub/reset HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: http://evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(parse(&raw(&open, bytes).0).status, 403);
}

#[test]
fn a_parameter_that_nobody_knows_is_refused_as_a_problem() {
    let stub = start(&[]);
    for path in ["/_stub/journal?stagge=queued", "/_stub/events?heartbeat=soon"] {
        let refused = get(&stub, path);
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (422, "invalid_field"),
            "{path}"
        );
        assert!(
            refused.head.contains("application/problem+json"),
            "{path}: {}",
            refused.head
        );
    }
}

/// Each is refused in words, none is the API's to answer or to journal.
#[test]
fn a_path_that_names_nothing_is_control_s_own_to_refuse() {
    let stub = start(&[]);
    for (method, path, code) in [
        ("DELETE", "/_stub/rules/%ff", "unknown_rule"),
        ("POST", "/_stub/gates/%ff/release", "unknown_gate"),
        ("POST", "/_stub/gates/a%20b/release", "unknown_gate"),
        ("GET", "/_stub/journal/%ff", "not_found"),
        ("GET", "/_stub", "not_found"),
        ("GET", "/_stub/", "not_found"),
    ] {
        let refused = send(&stub, method, path, &[], None);
        assert_eq!((refused.status, refused.code().as_str()), (404, code), "{path}");
    }
    assert_eq!((stub.journal(), stub.gates()), Default::default());
    let guarded = start_with(
        &[],
        StubConfig {
            control_token: Some("secret".to_owned()),
            ..StubConfig::default()
        },
    );
    assert_eq!(get(&guarded, "/_stub/").status, 401);
}
