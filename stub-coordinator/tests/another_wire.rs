//! A stub that speaks another wire, seen from a socket: the dialect goes in and out, and everything behind it speaks of
//! operations as ever.

mod common;

use std::sync::Arc;

use common::*;
use rstest::rstest;
use serde_json::{Value, json};
use stub_coordinator::{
    CutFault, ExchangeMatch, Fault, MalformedFault, Rule, Scope, StatusFault, Stub, StubConfig, TokenGrant,
    Verdict, WIRE_EXAMPLES, WireMapping, check_wire_mapping,
};

const TOKEN: [(&str, &str); 1] = [("x-fleet-token", "a-token")];

/// A stub that speaks the fleet service's wire.
fn fleet(jobs: &[&str]) -> Stub {
    let text = WIRE_EXAMPLES.iter().find(|(name, _)| *name == "fleet");
    let mapping = WireMapping::read(text.expect("an example").1).expect("a mapping");
    let token = TokenGrant {
        token: "a-token".to_owned(),
        scopes: vec![Scope::Shadow, Scope::Work, Scope::Submit],
    };
    let config = StubConfig {
        wire: Some(Arc::new(mapping)),
        tokens: vec![token],
        ..StubConfig::default()
    };
    start_with(jobs, config)
}

fn ask(stub: &Stub, method: &str, path: &str, body: &Value) -> Reply {
    let body = Some(body).filter(|body| !body.is_null());
    send(stub, method, path, &TOKEN, body)
}

fn claim_job(stub: &Stub) -> Reply {
    let said = json!({"runner_id": "r-1", "capabilities": ["engine:sh"]});
    ask(stub, "POST", "/api/fleet/claim", &said)
}

#[test]
fn a_job_goes_through_its_life_in_the_words_of_the_dialect() {
    let stub = fleet(&["a"]);
    let granted = claim_job(&stub);
    assert_eq!(granted.status, 200, "{granted:?}");
    let job = &granted.json()["job"];
    assert_eq!(job["id"], "a");
    let lease = &job["lease"];
    assert_eq!(
        (&lease["runner_id"], &lease["ttl_seconds"]),
        (&json!("r-1"), &json!(60))
    );
    let expires = lease["expires_at"].as_str().expect("an instant");
    assert!(!expires.contains('.'), "it has no milliseconds: {expires}");

    let path = format!("/api/fleet/leases/{}/renew", lease["id"].as_str().expect("an id"));
    let holder = json!({"runner_id": "r-1", "fencing_token": lease["fencing_token"]});
    assert_eq!(ask(&stub, "POST", &path, &holder).status, 200);

    for (stage, word) in [("testing", "testing"), ("shipped", "done")] {
        let report = json!({
            "runner_id": "r-1", "lease_id": lease["id"], "fencing_token": lease["fencing_token"],
            "stage": word, "at": "2026-01-01T00:00:00Z",
        });
        let noted = ask(&stub, "PATCH", "/api/fleet/jobs/a", &report);
        assert_eq!(
            (noted.status, &noted.json()["stage"]),
            (202, &json!(word)),
            "{stage}"
        );
    }
    assert_eq!(
        ask(&stub, "GET", "/api/fleet/jobs/a", &Value::Null).json()["stage"],
        "done"
    );
    assert_eq!(claim_job(&stub).json(), json!({"job": null}));

    // The journal and the counters speak of operations, and the journal of the API's request.
    assert_eq!(stub.counters().requests["claim"], 2);
    assert_eq!(stub.counters().mutations["job.report"], 2);
    let claims = ExchangeMatch {
        operation: Some("claim".to_owned()),
        factory: Some("r-1".to_owned()),
        ..ExchangeMatch::default()
    };
    assert_eq!(stub.verify(&claims, 2, Some(2)).verdict, Verdict::Holds);
    assert!(stub.unexpected().is_empty(), "{:?}", stub.unexpected());
}

#[test]
fn a_release_without_a_body_says_the_same_in_its_query() {
    let stub = fleet(&["a"]);
    let lease = claim_job(&stub).json()["job"]["lease"].clone();
    let (id, fence) = (lease["id"].as_str().expect("an id"), &lease["fencing_token"]);
    let path = format!("/api/fleet/leases/{id}?runner_id=r-1&fencing_token={fence}");
    let released = ask(&stub, "DELETE", &path, &Value::Null);
    assert_eq!(
        (released.status, released.json()),
        (200, json!({"stage": "waiting"}))
    );
    let again = ask(&stub, "DELETE", &path, &Value::Null);
    assert_eq!(
        (again.status, &again.json()["error"]),
        (410, &json!("lease_lost"))
    );
}

#[rstest]
#[case::a_path_of_the_api("POST", "/v1/claims", 404, "not_found")]
#[case::another_method("GET", "/api/fleet/claim", 405, "method_not_allowed")]
#[case::an_unknown_job("GET", "/api/fleet/jobs/b", 404, "unknown_job")]
fn what_is_refused_is_refused_in_the_dialect(
    #[case] method: &str,
    #[case] path: &str,
    #[case] status: u16,
    #[case] code: &str,
) {
    let stub = fleet(&["a"]);
    let refused = ask(&stub, method, path, &Value::Null);
    assert_eq!((refused.status, &refused.json()["error"]), (status, &json!(code)));
    let allow = refused.header("allow");
    assert_eq!(allow.as_deref(), (status == 405).then_some("POST"));
}

#[test]
fn a_refusal_names_the_member_as_the_client_knows_it() {
    let stub = fleet(&["a"]);
    let refused = ask(&stub, "POST", "/api/fleet/claim", &json!({"runner_id": "r-1"}));
    let told =
        json!({"error": "invalid_field", "message": "`capabilities` is missing", "field": "capabilities"});
    assert_eq!((refused.status, refused.json()), (422, told));
}

#[test]
fn a_token_counts_in_the_header_of_the_dialect_alone() {
    let stub = fleet(&["a"]);
    let said = json!({"runner_id": "r-1", "capabilities": ["engine:sh"]});
    let bearer = [("authorization", "Bearer a-token")];
    let refused = send(&stub, "POST", "/api/fleet/claim", &bearer, Some(&said));
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (401, &json!("unauthenticated"))
    );
    assert_eq!(stub.counters().mutations_total(), 0);
}

#[test]
fn a_dry_run_changes_nothing_in_this_wire_either() {
    let stub = fleet(&["a"]);
    let before = stub.digest();
    let said = json!({"runner_id": "r-1", "capabilities": ["engine:sh"], "shadow": 1, "preview": true});
    let seen = ask(&stub, "POST", "/api/fleet/claim/preview", &said);
    assert_eq!(
        (&seen.json()["dry_run"], &seen.json()["job"]["id"]),
        (&json!(true), &json!("a"))
    );
    assert_eq!((stub.digest(), stub.counters().mutations_total()), (before, 0));
}

#[test]
fn a_key_in_the_header_of_the_dialect_makes_a_request_once() {
    let stub = fleet(&["a", "b"]);
    let said = json!({"runner_id": "r-1", "capabilities": ["engine:sh"]});
    let headers = [("x-fleet-token", "a-token"), ("x-request-id", "once")];
    let grants = [(), ()].map(|()| send(&stub, "POST", "/api/fleet/claim", &headers, Some(&said)).json());
    assert_eq!(grants[0], grants[1]);
    assert_eq!(stub.counters().mutations["claim"], 1);
}

#[rstest]
#[case::refuses(StatusFault { status: 503, code: None, retry_after: None }.into(), r#""error":"unavailable""#)]
#[case::assigns_nothing(Fault::Empty, r#"{"job":null}"#)]
#[case::says_more(MalformedFault::ExtraField.into(), "addedInAnotherVersion")]
#[case::is_cut_off(CutFault { bytes: 15 }.into(), "HTTP/1.1 200 OK")]
fn faults_and_lies_are_told_in_the_dialect(#[case] fault: Fault, #[case] says: &str) {
    let stub = fleet(&["a"]);
    stub.arm(Rule::on("claim", fault)).expect("armed");
    let said = json!({"runner_id": "r-1", "capabilities": ["engine:sh"]}).to_string();
    let request = request_bytes("POST", "/api/fleet/claim", &TOKEN, Some(&said));
    let (bytes, _) = raw(&stub, &request);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains(says), "{text}");
    assert!(!text.contains("factoryId"), "{text}");
}

#[rstest]
#[case::fleet("fleet", 200)]
#[case::managed_work("managed-work", 50)]
fn an_example_of_a_mapping_loses_nothing(#[case] name: &str, #[case] at_least: usize) {
    let text = WIRE_EXAMPLES.iter().find(|(there, _)| *there == name);
    let mapping = WireMapping::read(text.expect("an example").1).expect("a mapping");
    let report = check_wire_mapping(&mapping);
    assert_eq!(report.different, Vec::<String>::new());
    assert!(report.same >= at_least, "{report:?}");
}
