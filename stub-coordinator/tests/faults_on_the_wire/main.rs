//! Faults seen from the other end of a real socket: what a client gets, and what state remembers of it.

#[path = "../common/mod.rs"]
mod common;
mod waiting_faults;

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use common::*;
use serde_json::json;
use stub_coordinator::{
    ClockKind, CutFault, DelayDistribution, DivergeFault, DribbleFault, ExchangeMatch, ExchangeOutcome,
    Fault, GateFault, MalformedFault, RedirectFault, Rule, SignedDuration, StatusFault, Stub, StubConfig,
};

fn shadow_bytes(stub: &Stub) -> (Vec<u8>, Option<ErrorKind>) {
    let body = json!({"factoryId": "f", "caps": ["engine:sh"], "shadow": 1}).to_string();
    raw(
        stub,
        &request_bytes("POST", "/v1/shadow/claims", &[], Some(&body)),
    )
}

fn claim_bytes(stub: &Stub) -> (Vec<u8>, Option<ErrorKind>) {
    let body = json!({"factoryId": "f", "caps": ["engine:sh"]}).to_string();
    raw(stub, &request_bytes("POST", "/v1/claims", &[], Some(&body)))
}

fn armed(fault: impl Into<Fault>) -> Stub {
    let stub = start(&["alpha", "beta"]);
    stub.arm(Rule::on("shadow.claim", fault)).expect("armed");
    stub
}

#[test]
fn reset_ends_with_rst_and_close_with_fin_without_a_byte() {
    assert_eq!(
        shadow_bytes(&armed(Fault::Reset)),
        (Vec::new(), Some(ErrorKind::ConnectionReset))
    );
    assert_eq!(shadow_bytes(&armed(Fault::Close)), (Vec::new(), None));
}

#[test]
fn cut_ends_after_exactly_so_many_bytes() {
    let (bytes, error) = shadow_bytes(&armed(CutFault { bytes: 33 }));
    assert_eq!((bytes.len(), error), (33, None));
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK"));
}

#[test]
fn garbage_is_no_http() {
    let (bytes, error) = shadow_bytes(&armed(Fault::Garbage));
    assert!(!bytes.is_empty() && !bytes.starts_with(b"HTTP/"), "{bytes:?}");
    assert_eq!(error, None);
}

#[test]
fn truncated_promises_more_than_it_sends() {
    let (bytes, _) = shadow_bytes(&armed(MalformedFault::Truncated));
    let reply = parse(&bytes);
    let promised: usize = reply
        .header("content-length")
        .expect("a length")
        .parse()
        .expect("a number");
    assert!(
        reply.text.len() < promised && !reply.text.is_empty(),
        "{} of {promised}",
        reply.text.len()
    );
}

#[test]
fn malformed_answers_are_malformed_each_in_its_way() {
    let reply = |kind| parse(&shadow_bytes(&armed(kind)).0);
    let not_json = reply(MalformedFault::NotJson);
    assert_eq!(
        not_json.header("content-type").as_deref(),
        Some("application/json")
    );
    assert!(serde_json::from_str::<serde_json::Value>(&not_json.text).is_err());
    assert!(reply(MalformedFault::WrongType).json()["job"]["id"].is_number());
    assert!(
        reply(MalformedFault::MissingField).json()["job"]
            .get("id")
            .is_none()
    );
    assert_eq!(reply(MalformedFault::ExtraField).json()["job"]["id"], "alpha");
    assert!(
        reply(MalformedFault::ExtraField)
            .json()
            .get("addedInAnotherVersion")
            .is_some()
    );
    assert_eq!(
        reply(MalformedFault::WrongContentType)
            .header("content-type")
            .as_deref(),
        Some("text/html; charset=utf-8")
    );
    assert!(serde_json::from_str::<serde_json::Value>(&reply(MalformedFault::Deep).text).is_err());
    assert!(reply(MalformedFault::Huge).text.len() > 10 * 1_048_576);
}

#[test]
fn status_answers_in_the_coordinators_own_dialect() {
    let fault = StatusFault {
        status: 503,
        code: None,
        retry_after: SignedDuration::parse("1500ms"),
    };
    let reply = parse(&shadow_bytes(&armed(fault)).0);
    assert_eq!((reply.status, reply.code().as_str()), (503, "unavailable"));
    assert_eq!(reply.header("retry-after").as_deref(), Some("2"));
}

#[test]
fn redirect_names_another_place() {
    let reply = parse(
        &shadow_bytes(&armed(RedirectFault {
            location: "http://127.0.0.1:9/x".to_owned(),
        }))
        .0,
    );
    assert_eq!(reply.status, 307);
    assert_eq!(reply.header("location").as_deref(), Some("http://127.0.0.1:9/x"));
}

#[test]
fn diverge_names_another_queued_job_or_one_that_nobody_knows() {
    let diverging = armed(DivergeFault::Otherwise);
    assert_eq!(shadow_claim(&diverging, "f").json()["job"]["id"], "beta");
    let lonely = start(&["alpha"]);
    lonely
        .arm(Rule::on("shadow.claim", Fault::Diverge(DivergeFault::Otherwise)))
        .expect("armed");
    let named = shadow_claim(&lonely, "f").json()["job"]["id"].clone();
    assert!(named.is_string() && named != "alpha", "{named}");
}

#[test]
fn diverge_takes_any_name_and_any_patch() {
    let hostile = "../../etc/passwd\n";
    let stub = armed(Fault::Diverge(DivergeFault::Job(hostile.to_owned())));
    assert_eq!(shadow_claim(&stub, "f").json()["job"]["id"], hostile);
    let stub = armed(Fault::Diverge(DivergeFault::Patch(
        json!({"job": {"id": 7, "engine": null}}),
    )));
    let job = shadow_claim(&stub, "f").json()["job"].clone();
    assert_eq!(job["id"], 7);
    assert!(job.get("engine").is_none() && job["body"].is_string(), "{job}");
}

#[test]
fn diverge_takes_a_member_out_of_the_answer_or_out_of_a_part_of_it() {
    let without = |member: &str| {
        let stub = armed(Fault::Diverge(DivergeFault::Without(member.to_owned())));
        shadow_claim(&stub, "f").json()
    };
    let answer = without("dryRun");
    assert!(answer.get("dryRun").is_none(), "{answer}");
    assert_eq!(answer["job"]["id"], "alpha");
    let answer = without("job.id");
    assert!(answer["job"].get("id").is_none(), "{answer}");
    assert_eq!(
        (&answer["dryRun"], &answer["job"]["engine"]),
        (&json!(true), &json!("sh"))
    );
    assert_eq!(without("job.no.such")["job"]["id"], "alpha");
}

#[test]
fn empty_says_that_there_is_nothing() {
    let reply = parse(&shadow_bytes(&armed(Fault::Empty)).0);
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
}

#[test]
fn before_changes_nothing_and_after_commits_first() {
    for (rule, mutations, stage) in [
        (Rule::on("claim", Fault::Close), 0, "queued"),
        (Rule::on("claim", Fault::Close).after(), 1, "building"),
        (
            Rule::on("claim", Fault::Malformed(MalformedFault::NotJson)),
            0,
            "queued",
        ),
        (
            Rule::on("claim", Fault::Malformed(MalformedFault::NotJson)).after(),
            1,
            "building",
        ),
    ] {
        let stub = start(&["alpha"]);
        let before = stub.digest();
        stub.arm(rule.clone()).expect("armed");
        claim_bytes(&stub);
        assert_eq!(stub.counters().mutations_total(), mutations, "{rule:?}");
        assert_eq!(stub.digest() == before, mutations == 0, "{rule:?}");
        assert_eq!(stub.jobs()[0].stage, stage, "{rule:?}");
        assert_eq!(stub.journal()[0].outcome, ExchangeOutcome::Faulted);
    }
}

#[test]
fn a_lost_reply_is_replayed_as_the_handler_answered_it() {
    let stub = start(&["alpha"]);
    let status = Fault::Status(StatusFault {
        status: 500,
        code: None,
        retry_after: None,
    });
    stub.arm(Rule::on("claim", status).after().times(1))
        .expect("armed");
    let body = json!({"factoryId": "f", "caps": ["engine:sh"]});
    let key = [("idempotency-key", "try-1")];
    assert_eq!(send(&stub, "POST", "/v1/claims", &key, Some(&body)).status, 500);
    let again = send(&stub, "POST", "/v1/claims", &key, Some(&body));
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["lease"]["fencingToken"], 1);
    assert_eq!(stub.counters().mutations_total(), 1);
}

#[test]
fn a_dry_run_that_grants_is_a_violation_that_the_stub_reports() {
    let stub = armed(Fault::DryRunGrants);
    let reply = shadow_claim(&stub, "f").json();
    assert!(reply["lease"]["id"].is_string(), "{reply}");
    assert_eq!(stub.jobs()[0].stage, "building");
    assert_eq!(stub.violations().len(), 1);
    assert_eq!(stub.counters().mutations["shadow.claim"], 1);
}
