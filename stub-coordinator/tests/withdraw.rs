//! `job.withdraw` from outside: what is told, what is counted, and that no claim comes in between.

mod common;

use std::sync::Barrier;

use common::*;
use rstest::rstest;
use serde_json::{Value, json};
use stub_coordinator::{Rule, Scope, Stub, StubConfig, TokenGrant, UnknownFieldPolicy};

fn withdraw(stub: &Stub, job: &str, key: &str) -> Reply {
    let key = [("idempotency-key", key)];
    send(
        stub,
        "POST",
        &format!("/v1/jobs/{job}/withdraw"),
        &key,
        Some(&json!({})),
    )
}

fn submit(stub: &Stub, job: &Value, key: &str) -> Reply {
    send(stub, "POST", "/v1/jobs", &[("idempotency-key", key)], Some(job))
}

fn strict(scopes: &[Scope]) -> Stub {
    let token = TokenGrant {
        token: "a-token".to_owned(),
        scopes: scopes.to_vec(),
    };
    let config = StubConfig {
        tokens: vec![token],
        strict: UnknownFieldPolicy::Strict,
        ..StubConfig::default()
    };
    start_with(&["a"], config)
}

#[test]
fn c12_a_withdrawn_job_is_shown_as_such_and_listed_as_queued_no_more() {
    let stub = start(&["a", "b"]);
    let withdrawn = withdraw(&stub, "a", "one");
    assert_eq!(
        (withdrawn.status, withdrawn.json()),
        (200, json!({"stage": "withdrawn"}))
    );
    assert_eq!(stage_of(&stub, "a"), "withdrawn");
    let listed = |query: &str| -> Vec<String> {
        let page = get(&stub, &format!("/v1/jobs{query}")).json();
        let jobs = page["jobs"].as_array().expect("jobs");
        jobs.iter()
            .map(|job| job["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(listed("?stage=queued"), ["b"]);
    assert_eq!(listed("?stage=withdrawn"), ["a"]);
    assert_eq!(listed(""), ["a", "b"]);
    assert_eq!(
        shadow_report(&stub, "f", "a", "building").json()["realStage"],
        "withdrawn"
    );
    assert_eq!(stub.counters().mutations["job.withdraw"], 1);
    assert_eq!(withdraw(&stub, "a", "two").status, 200);
    assert_eq!(stub.counters().mutations["job.withdraw"], 1, "it had no effect");
    assert_eq!(stub.counters().requests["job.withdraw"], 2);
}

#[rstest]
#[case::nothing("", 200, "")]
#[case::an_empty_object("{}", 200, "")]
#[case::no_object("[]", 422, "invalid_field")]
#[case::an_unknown_field(r#"{"why":"x"}"#, 422, "unknown_field")]
#[case::half("{", 400, "malformed_json")]
fn c30_a_withdrawal_needs_no_body(#[case] body: &str, #[case] status: u16, #[case] code: &str) {
    let stub = strict(&[Scope::Submit]);
    let token = [("authorization", "Bearer a-token")];
    let body = Some(body).filter(|body| !body.is_empty());
    let reply = parse(&raw(&stub, &request_bytes("POST", "/v1/jobs/a/withdraw", &token, body)).0);
    assert_eq!(reply.status, status, "{reply:?}");
    if status != 200 {
        assert_eq!(reply.code(), code);
        assert_eq!(stub.counters().mutations_total(), 0);
    }
}

#[test]
fn c31_a_withdrawal_needs_the_scope_submit() {
    let stub = strict(&[Scope::Shadow, Scope::Work]);
    let token = [("authorization", "Bearer a-token")];
    let refused = send(&stub, "POST", "/v1/jobs/a/withdraw", &token, None);
    assert_eq!((refused.status, &*refused.code()), (403, "insufficient_scope"));
    assert_eq!(stub.counters().mutations_total(), 0);
}

#[test]
fn c12_what_cannot_be_withdrawn_is_refused_with_its_code() {
    let stub = start(&["a", "b"]);
    let lease = held(&claim(&stub, "f"));
    assert_eq!(withdraw(&stub, "a", "one").code(), "leased");
    assert_eq!(lease.report(&stub, "shipped").status, 202);
    // A refusal is not remembered.
    assert_eq!(withdraw(&stub, "a", "one").code(), "final");
    assert_eq!(withdraw(&stub, "c", "two").code(), "unknown_job");
    assert!(!stub.counters().mutations.contains_key("job.withdraw"));
    // Who works on a job does not withdraw it.
    let refused = held(&claim(&stub, "f")).report(&stub, "withdrawn");
    assert_eq!((refused.status, &*refused.code()), (422, "invalid_field"));
}

/// What is handed over has to come back whole, for whoever writes the job's file again.
#[test]
fn a_job_is_shown_with_all_that_was_submitted() {
    let stub = start(&[]);
    let job = json!({"id": "a", "engine": "sh", "cwd": "/srv/site", "yolo": true, "lock": "site",
        "timeoutMs": 1, "idleTimeoutMs": 2, "priority": -7, "caps": ["linux", "gpu", "linux"],
        "verify": "make\tcheck\n", "review": true, "ship": "git push", "retries": 4,
        "body": "\r\n--- \u{0} \u{7f} \u{1f9ea}\n\n"});
    assert_eq!(submit(&stub, &job, "one").status, 201);
    assert_eq!(withdraw(&stub, "a", "two").status, 200);
    let shown = get(&stub, "/v1/jobs/a").json();
    for (field, value) in job.as_object().expect("an object") {
        assert_eq!(&shown[field], value, "{field}");
    }
}

#[test]
fn c13_a_job_goes_over_and_back_and_over_again() {
    let stub = start(&[]);
    let job = json!({"id": "a", "engine": "sh", "body": "do it"});
    assert_eq!(submit(&stub, &job, "over-1").status, 201);
    let first = held(&claim(&stub, "f"));
    assert_eq!(first.release(&stub).status, 200);
    assert_eq!(withdraw(&stub, "a", "back-1").status, 200);
    let late = submit(&stub, &job, "over-1");
    assert_eq!((late.status, &*late.code()), (409, "superseded"));
    assert_eq!(submit(&stub, &job, "over-2").status, 201);
    assert_eq!(withdraw(&stub, "a", "back-1").code(), "superseded");
    assert_eq!(stage_of(&stub, "a"), "queued");
    let second = held(&claim(&stub, "g"));
    assert_eq!((second.job.as_str(), second.token), ("a", first.token + 1));
    assert_eq!(first.report(&stub, "shipped").code(), "lease_lost");
    assert_eq!(withdraw(&stub, "a", "back-2").code(), "leased");
}

/// A lost answer costs nothing: the same key tells what came of it.
#[rstest]
#[case::unanswered(json!("close"), "after", 200, "withdrawn")]
#[case::never_arrived(json!("close"), "before", 200, "queued")]
#[case::a_lie(json!("ack_without_commit"), "before", 200, "queued")]
#[case::refused(json!({"refuse": "leased"}), "before", 409, "queued")]
fn faults_meet_a_withdrawal_as_any_other_operation(
    #[case] fault: Value,
    #[case] phase: &str,
    #[case] status: u16,
    #[case] stage: &str,
) {
    let rule = json!({"on": "job.withdraw", "match": {"job": "a"}, "phase": phase, "fault": fault,
        "when": {"times": 1}});
    let rule: Rule = serde_json::from_value(rule).expect("a rule");
    let config = StubConfig {
        rules: vec![rule],
        ..StubConfig::default()
    };
    let stub = start_with(&["a", "b"], config);
    assert_eq!(
        withdraw(&stub, "b", "of-b").status,
        200,
        "the rule is about another job"
    );
    let request = request_bytes(
        "POST",
        "/v1/jobs/a/withdraw",
        &[("idempotency-key", "one")],
        Some("{}"),
    );
    let (bytes, _) = raw(&stub, &request);
    match fault == "close" {
        true => assert!(bytes.is_empty(), "there was an answer"),
        false => assert_eq!(parse(&bytes).status, status),
    }
    assert_eq!(stage_of(&stub, "a"), stage);
    assert_eq!(withdraw(&stub, "a", "one").status, 200);
    assert_eq!(stage_of(&stub, "a"), "withdrawn");
    assert_eq!(stub.counters().mutations["job.withdraw"], 2, "one for each job");
}

const JOBS: usize = 200;
const CLIENTS: usize = 8;

#[test]
fn c12_each_job_is_either_granted_or_withdrawn_while_many_try_both() {
    let names: Vec<_> = (0..JOBS).map(|number| format!("job-{number:03}")).collect();
    let stub = start_with(
        &names.iter().map(String::as_str).collect::<Vec<_>>(),
        StubConfig::default(),
    );
    let start = Barrier::new(2 * CLIENTS);
    let (granted, withdrawn) = std::thread::scope(|scope| {
        let claims = (0..CLIENTS).map(|client| {
            let (stub, start) = (&stub, &start);
            scope.spawn(move || {
                start.wait();
                let claims = std::iter::from_fn(|| {
                    let reply = claim(stub, &format!("factory-{client}"));
                    (reply.status == 200).then(|| held(&reply).job)
                });
                claims.collect::<Vec<_>>()
            })
        });
        let claims: Vec<_> = claims.collect();
        let recalls = (0..CLIENTS).map(|client| {
            let (stub, start, names) = (&stub, &start, &names);
            scope.spawn(move || {
                start.wait();
                // From the last on: the two meet in the middle.
                let mine = names.iter().rev().skip(client).step_by(CLIENTS);
                let taken = mine.filter(|job| withdraw(stub, job, &format!("back-{job}")).status == 200);
                taken.cloned().collect::<Vec<_>>()
            })
        });
        let recalls: Vec<_> = recalls.collect();
        let all = |threads: Vec<std::thread::ScopedJoinHandle<'_, Vec<String>>>| -> Vec<String> {
            let ended = threads
                .into_iter()
                .map(|thread| thread.join().expect("the client ends"));
            ended.flatten().collect()
        };
        (all(claims), all(recalls))
    });
    assert!(!granted.is_empty() && !withdrawn.is_empty());
    let mut both = [granted.clone(), withdrawn.clone()].concat();
    both.sort();
    assert_eq!(both, names, "each job is in one of the two, once");
    stub.fence().expect("no connection is left");
    let mutations = stub.counters().mutations;
    assert_eq!(mutations["claim"], granted.len() as u64);
    assert_eq!(mutations["job.withdraw"], withdrawn.len() as u64);
}
