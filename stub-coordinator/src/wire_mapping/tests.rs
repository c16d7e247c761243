//! Mappings as files, and messages in both directions.

use axum::body::Bytes;
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::wire_answer::WireAnswer;

const SNAKE: &str = r#"
case = "snake"
[token]
header = "X-Fleet-Token"
[headers]
Idempotency-Key = "X-Request-Id"
[members]
factoryId = "runner_id"
waitMs = { name = "wait_seconds", unit = "s" }
expiresAt = { time = "rfc3339" }
stage = { values = { shipped = "done" } }
[refusals]
code = "/error/kind"
detail = "/error/message"
[refusals.codes]
lease_lost = { status = 410, code = "not_yours" }
unknown_job = { body = '{"ok": false}', status = 200 }
[operations.claim]
method = "GET"
path = "/api/fleet/{runner}/next"
request = { "/factoryId" = "path:runner", "/waitMs" = "query:wait", "/caps/*" = "/caps/*" }
nothing = { status = 200, body = '{"job": null}' }
answer = { "/lease/id" = "/job/lease" }
[operations."job.get"]
method = "GET"
path = "/api/fleet/jobs/{id}"
[operations."lease.renew"]
method = "POST"
path = "/api/fleet/leases/{id}/heartbeat"
status = 202
constants = { request = { "/v" = 2 }, api_request = { "header:traceparent" = "00-1-2-00" } }
"#;

fn mapping() -> WireMapping {
    WireMapping::read(SNAKE).unwrap()
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &Value) -> WireRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    WireRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: map,
        body: match body {
            Value::Null => Bytes::new(),
            body => Bytes::from(body.to_string()),
        },
    }
}

fn api(route: DialectRoute) -> (Operation, WireRequest) {
    match route {
        DialectRoute::Operation(operation, request) => (operation, request),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_of_the_dialect_is_one_of_the_api() {
    let renewal = json!({"runner_id": "forge-2", "fencing_token": 3, "v": 2});
    let (operation, request) = api(mapping().to_api_request(request(
        "POST",
        "/api/fleet/leases/lease%3A1/heartbeat",
        &[("x-fleet-token", "secret"), ("x-request-id", "key-1")],
        &renewal,
    )));
    assert_eq!(
        (operation, request.method.as_str()),
        (Operation::LeaseRenew, "POST")
    );
    assert_eq!(request.path, "/v1/leases/lease%3A1/renew");
    let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("authorization"), Some("Bearer secret"));
    assert_eq!(header("idempotency-key"), Some("key-1"));
    assert_eq!(header("traceparent"), Some("00-1-2-00"));
    assert_eq!((header("x-fleet-token"), header("x-request-id")), (None, None));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({"factoryId": "forge-2", "fencingToken": 3}));
}

#[test]
fn values_move_out_of_the_path_and_the_query_into_the_body_with_their_units() {
    let (operation, request) = api(mapping().to_api_request(request(
        "GET",
        "/api/fleet/forge%202/next?wait=1.5",
        &[],
        &Value::Null,
    )));
    assert_eq!((operation, request.method.as_str()), (Operation::Claim, "POST"));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({"factoryId": "forge 2", "waitMs": 1500}));
}

#[test]
fn an_answer_of_the_api_is_one_of_the_dialect() {
    let mapping = mapping();
    let granted = json!({"job": {"id": "a", "stage": "shipped"}, "lease": {"id": "l-1", "expiresAt": "2026-03-02T09:31:45.250Z"}});
    let there = mapping.to_dialect_answer(Some(Operation::Claim), WireAnswer::json(200, &granted));
    let told = json!({"job": {"id": "a", "stage": "done", "lease": "l-1"}, "lease": {"expires_at": "2026-03-02T09:31:45Z"}});
    assert_eq!((there.status, there.value()), (200, Some(told)));
    let nothing = mapping.to_dialect_answer(Some(Operation::Claim), WireAnswer::empty(204));
    assert_eq!(
        (nothing.status, nothing.value()),
        (200, Some(json!({"job": null})))
    );
    let back = mapping.to_api_answer(Operation::Claim, nothing);
    assert_eq!((back.status, back.body.len()), (204, 0));
    let renewed = mapping.to_dialect_answer(
        Some(Operation::LeaseRenew),
        WireAnswer::json(200, &json!({"lease": {}})),
    );
    assert_eq!(renewed.status, 202);
}

#[test]
fn a_refusal_is_written_as_the_dialect_does_and_read_back() {
    let mapping = mapping();
    let problem = |code: &str| WireAnswer::problem(&crate::contract::problem::Problem::new(code, "told"));
    for (code, status, body) in [
        (
            "lease_lost",
            410,
            json!({"error": {"kind": "not_yours", "message": "told"}}),
        ),
        ("unknown_job", 200, json!({"ok": false})),
        (
            "unavailable",
            503,
            json!({"error": {"kind": "unavailable", "message": "told"}}),
        ),
    ] {
        let there = mapping.to_dialect_answer(Some(Operation::JobGet), problem(code));
        assert_eq!((there.status, there.value()), (status, Some(body)), "{code}");
        let back = mapping.to_api_answer(Operation::JobGet, there);
        assert_eq!(back.value().unwrap()["code"], code);
        assert_eq!(back.status, problem(code).status, "{code}");
    }
}

#[test]
fn what_is_no_json_goes_through_as_it_is() {
    let garbage = WireAnswer::bytes(200, "application/json", Bytes::from_static(b"{\"job\":"));
    let there = mapping().to_dialect_answer(Some(Operation::Claim), garbage.clone());
    assert_eq!(there.body, garbage.body);
    let mut broken = request("POST", "/api/fleet/leases/l/heartbeat", &[], &Value::Null);
    broken.body = Bytes::from_static(b"{");
    let (_, request) = api(mapping().to_api_request(broken));
    assert_eq!(request.body, Bytes::from_static(b"{"));
}

#[test]
fn the_dialect_has_its_own_paths_and_no_others() {
    let mapping = mapping();
    let of = |method: &str, path: &str| mapping.to_api_request(request(method, path, &[], &Value::Null));
    assert!(matches!(of("POST", "/v1/claims"), DialectRoute::UnknownPath));
    assert!(matches!(
        of("POST", "/api/fleet/forge/next"),
        DialectRoute::WrongMethod("GET")
    ));
    // This could be the next job of a runner called `jobs`.
    let (operation, _) = api(of("GET", "/api/fleet/jobs/next"));
    assert_eq!(operation, Operation::JobGet);
    assert!(mapping.missing_operations().contains(&"job.withdraw"));
}

#[test]
fn a_file_that_can_not_mean_anything_is_refused_with_what_is_wrong() {
    let claim = "[operations.claim]\nmethod = \"POST\"\npath = \"/c\"\n";
    for (text, says) in [
        (String::new(), "needs one operation"),
        (claim.replace("claim", "clam"), "no operation is called \"clam\""),
        (claim.replace("/c", "c"), "begins with `/`"),
        (claim.replace("POST", "post"), "no method"),
        (format!("colour = 1\n{claim}"), "unknown field `colour`"),
        (format!("[members]\nshoe = \"x\"\n{claim}"), "no member `shoe`"),
        (format!("[members]\nid = \"jobId\"\n{claim}"), "stands for"),
        (
            format!("[members.stage]\nvalues = {{ queued = \"x\", shipped = \"x\" }}\n{claim}"),
            "`x` stands for",
        ),
        (
            format!("[members.waitMs]\nunit = \"h\"\n{claim}"),
            "unknown variant `h`",
        ),
        (
            format!("[refusals.codes]\nnever = {{ status = 1 }}\n{claim}"),
            "no code `never`",
        ),
        (
            format!("{claim}request = {{ \"factoryId\" = \"/x\" }}\n"),
            "is no place",
        ),
        (
            format!("{claim}request = {{ \"/caps/*\" = \"/x\" }}\n"),
            "as many `*`",
        ),
        (
            format!("{claim}nothing = {{ status = 200, body = '{{' }}\n"),
            "is no JSON",
        ),
        (claim.replace("/c", "/{who}"), "what `path:who` is"),
        (
            "[operations.\"job.get\"]\nmethod = \"GET\"\npath = \"/job\"\n".to_owned(),
            "where `path:id`",
        ),
        (
            format!("{claim}[operations.\"shadow.claim\"]\nmethod = \"POST\"\npath = \"/c\"\n"),
            "same method and path",
        ),
    ] {
        let error = WireMapping::read(&text).expect_err(&text).to_string();
        assert!(error.contains(says), "{text}\n{error}");
    }
}

#[test]
fn the_examples_of_the_document_show_what_a_mapping_loses() {
    let report = check_wire_mapping(&mapping());
    assert!(report.same > 10, "{report:?}");
    // The capabilities have no place in a GET.
    let lost: Vec<_> = report
        .different
        .iter()
        .filter(|text| text.starts_with("claim"))
        .collect();
    assert!(
        lost.iter().all(|text| text.contains("has no place in a GET")),
        "{lost:?}"
    );
    assert!(!lost.is_empty());
}
