//! Questions about what happened, with *inconclusive* where the journal can't know; metrics; explanations.

mod common;

use common::*;
use serde_json::{Value, json};
use stub_coordinator::{ExchangeMatch, RuleMatch, StubConfig, Verdict};

fn verdict(stub: &stub_coordinator::Stub, path: &str, question: Value) -> String {
    let reply = post(stub, &format!("/_stub/journal/{path}"), &question);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["verdict"].as_str().expect("a verdict").to_owned()
}

#[test]
fn how_often_something_arrived_is_verified_both_ways() {
    let stub = start(&["a", "b"]);
    claim(&stub, "f");
    claim(&stub, "g");
    shadow_claim(&stub, "f");
    for (question, wanted) in [
        (json!({"match": {"operation": "claim"}, "count": 2}), "holds"),
        (json!({"match": {"operation": "claim"}, "count": 1}), "fails"),
        (json!({"match": {"factory": "f"}, "at_least": 2}), "holds"),
        (json!({"match": {"factory": "f"}, "at_least": 3}), "fails"),
        (
            json!({"match": {"operation": "claim", "factory": "g"}, "at_most": 1}),
            "holds",
        ),
        (
            json!({"match": {"operation": "claim"}, "at_least": 3, "at_most": 4}),
            "fails",
        ),
        (json!({"match": {"operation": "job.report"}, "count": 0}), "holds"),
    ] {
        assert_eq!(verdict(&stub, "verify", question.clone()), wanted, "{question}");
    }
    assert_eq!(
        post(&stub, "/_stub/journal/verify", &json!({})).status,
        422,
        "say how many"
    );
    let seen = stub.verify(&ExchangeMatch::operation("claim"), 2, Some(2)).seen;
    assert_eq!(seen, [1, 2]);
}

#[test]
fn the_order_of_what_arrived_is_verified_whatever_came_between() {
    let stub = start(&["a", "b"]);
    claim(&stub, "f");
    get(&stub, "/v1/health");
    shadow_claim(&stub, "g");
    let step = |operation: &str| json!({"operation": operation});
    let there = json!({"sequence": [step("claim"), {"operation": "shadow.claim", "factory": "g"}]});
    assert_eq!(verdict(&stub, "verify-sequence", there), "holds");
    let back = json!({"sequence": [step("shadow.claim"), step("claim")]});
    assert_eq!(verdict(&stub, "verify-sequence", back), "fails");
    let twice = json!({"sequence": [step("claim"), step("claim")]});
    assert_eq!(
        verdict(&stub, "verify-sequence", twice),
        "fails",
        "one exchange is one step"
    );
    assert_eq!(
        post(&stub, "/_stub/journal/verify-sequence", &json!({"sequence": []})).status,
        422
    );
}

#[test]
fn past_the_edge_of_the_journal_a_question_is_inconclusive_and_never_wrong() {
    let stub = start_with(
        &[],
        StubConfig {
            journal_limit: 2,
            ..StubConfig::default()
        },
    );
    shadow_claim(&stub, "f");
    for _ in 0..2 {
        get(&stub, "/v1/health");
    }
    let health = ExchangeMatch::operation("health");
    let dry_run = ExchangeMatch::operation("shadow.claim");
    let verdict = |what: &ExchangeMatch, least, most| stub.verify(what, least, most).verdict;
    assert_eq!(
        verdict(&dry_run, 0, Some(0)),
        Verdict::Inconclusive,
        "one was there, and fell out"
    );
    assert_eq!(verdict(&dry_run, 1, None), Verdict::Inconclusive);
    assert_eq!(
        verdict(&health, 2, None),
        Verdict::Holds,
        "two are known whatever fell out"
    );
    assert_eq!(
        verdict(&health, 0, Some(1)),
        Verdict::Fails,
        "two are known, which is over one"
    );
    assert_eq!(
        verdict(&health, 2, Some(2)),
        Verdict::Inconclusive,
        "a third may have fallen out"
    );
    assert_eq!(
        stub.verify_sequence(&[dry_run.clone(), health.clone()]).verdict,
        Verdict::Inconclusive
    );
    assert_eq!(
        stub.verify_sequence(&[health.clone(), health]).verdict,
        Verdict::Holds
    );
    stub.reset(stub_coordinator::ResetScope::Journal);
    assert_eq!(stub.forgotten(), 0, "what is reset on purpose is not forgotten");
    assert_eq!(verdict(&dry_run, 0, Some(0)), Verdict::Holds);
}

#[test]
fn metrics_say_what_the_counters_say() {
    let stub = start(&["a", "b"]);
    stub.arm(
        serde_json::from_value(json!({"id": "r", "on": "job.get", "fault": {"status": 503}}))
            .expect("a rule"),
    )
    .expect("armed");
    claim(&stub, "f");
    shadow_claim(&stub, "f");
    get(&stub, "/v1/jobs/a");
    get(&stub, "/v1/nothing");
    for path in ["/_stub/metrics", "/metrics"] {
        let reply = get(&stub, path);
        let content_type = reply.header("content-type").expect("a content type");
        assert!(
            content_type.starts_with("text/plain; version=0.0.4"),
            "{content_type}"
        );
        for line in [
            "# TYPE stub_requests_total counter",
            "stub_requests_total{operation=\"claim\"} 1",
            "stub_mutations_total{operation=\"claim\"} 1",
            "stub_dry_runs_total 1",
            "stub_shadow_reports_total 0",
            "stub_faults_total{kind=\"status\"} 1",
            "stub_refusals_total{code=\"not_found\"} 1",
            "stub_unexpected_total 1",
            "stub_jobs{stage=\"building\"} 1",
            "stub_jobs{stage=\"queued\"} 1",
            "stub_leases 1",
            "stub_rule_fired_total{rule=\"r\"} 1",
        ] {
            assert!(
                reply.text.lines().any(|has| has == line),
                "{line}: {}",
                reply.text
            );
        }
    }
    assert_eq!(
        stub.counters().unexpected,
        1,
        "asking for metrics is no request of the API"
    );
    let closed = StubConfig {
        control_token: Some("key".to_owned()),
        ..StubConfig::default()
    };
    assert_eq!(get(&start_with(&[], closed), "/metrics").status, 401);
}

#[test]
fn explain_says_which_rule_would_fire_and_why_not_the_others_and_changes_nothing() {
    let stub = start(&["a"]);
    for rule in [
        json!({"id": "other", "on": "health", "fault": "hang"}),
        json!({"id": "fussy", "on": "claim", "match": {"factory": "g"}, "fault": "hang"}),
        json!({"id": "patient", "on": "claim", "when": {"skip": 2}, "fault": "reset"}),
        json!({"id": "spent", "on": "claim", "when": {"times": 1}, "fault": "empty"}),
        json!({"id": "due", "on": "claim", "fault": {"sequence": ["empty", {"refuse": "already_claimed"}], "end": "pass"}}),
        json!({"id": "behind", "on": "claim", "fault": "close"}),
    ] {
        stub.arm(serde_json::from_value(rule).expect("a rule"))
            .expect("armed");
    }
    claim(&stub, "f");
    let before = (stub.rules(), stub.digest(), stub.counters(), stub.journal().len());
    let explained = post(
        &stub,
        "/_stub/explain",
        &json!({"operation": "claim", "factory": "f"}),
    )
    .json();
    assert_eq!(
        (&explained["fires"], &explained["rules"][4]["fault"]),
        (&json!("due"), &json!("empty"))
    );
    for (at, why) in [
        (0, "it is on `health`"),
        (1, "wants the factory \"g\", the request says \"f\""),
        (2, "lets 1 more through first"),
        (3, "has fired its 1 times"),
        (5, "`due` stands in front of it"),
    ] {
        let said = explained["rules"][at]["why"].as_str().expect("words");
        assert!(said.contains(why), "{at}: {said}");
    }
    let by_path = json!({"method": "POST", "path": "/v1/claims", "body": {"factoryId": "g", "caps": []}});
    assert_eq!(post(&stub, "/_stub/explain", &by_path).json()["fires"], "fussy");
    let listed = post(
        &stub,
        "/_stub/explain",
        &json!({"method": "GET", "path": "/v1/jobs?stage=queued"}),
    );
    assert_eq!(listed.status, 200, "a query is no part of a path: {listed:?}");
    let by_library = stub
        .explain("claim", &RuleMatch::default())
        .expect("an operation");
    assert_eq!(
        by_library
            .iter()
            .find(|rule| rule.fires)
            .map(|rule| rule.id.as_str()),
        Some("due")
    );
    assert_eq!(
        (stub.rules(), stub.digest(), stub.counters(), stub.journal().len()),
        before
    );
    assert_eq!(
        claim(&stub, "f").status,
        204,
        "what was explained is what happens"
    );
    assert_eq!(stub.journal()[1].rule.as_deref(), Some("due"));
    for wrong in [json!({"operation": "clam"}), json!({"path": "/v2/x"}), json!({})] {
        assert_eq!(post(&stub, "/_stub/explain", &wrong).status, 422, "{wrong}");
    }
}
