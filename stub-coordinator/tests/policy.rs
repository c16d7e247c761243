//! What the stub says of its policy and version (C-33): on every answer, until it is told to say something else.

mod common;

use common::program::{refusal, write};
use common::*;
use rstest::rstest;
use serde_json::{Value, json};
use stub_coordinator::{
    PolicyStatement, ResetScope, Rule, Scope, Stub, StubConfig, TokenGrant, read_scenario,
};

fn telling(policy: Option<&str>, config: StubConfig) -> Stub {
    let policy = policy.map(|policy| PolicyStatement::parse(policy).expect("a policy"));
    start_with(&["a"], StubConfig { policy, ..config })
}

fn header(reply: &Reply) -> Option<String> {
    reply.header("coordinator-policy")
}

/// What `Coordinator-Policy` says now, and what health does.
fn told(stub: &Stub) -> (Option<String>, Value, Value) {
    let health = get(stub, "/v1/health");
    let body = health.json();
    (header(&health), body["policy"].clone(), body["version"].clone())
}

#[rstest]
#[case::health("GET", "/v1/health", "", 200)]
#[case::a_claim("POST", "/v1/claims", r#"{"factoryId":"f","caps":["engine:sh"]}"#, 200)]
#[case::nothing("POST", "/v1/claims", r#"{"factoryId":"f","caps":[]}"#, 204)]
#[case::a_dry_run("POST", "/v1/shadow/claims", r#"{"factoryId":"f","caps":[],"shadow":1}"#, 204)]
#[case::half("POST", "/v1/claims", "{", 400)]
#[case::a_wrong_shape("POST", "/v1/claims", "{}", 422)]
#[case::unknown("GET", "/v1/jobs/b", "", 404)]
#[case::no_path("GET", "/v1/nothing", "", 404)]
#[case::another_method("DELETE", "/v1/jobs", "", 405)]
fn c33_every_answer_tells_the_policy(
    #[case] method: &str,
    #[case] path: &str,
    #[case] body: &str,
    #[case] status: u16,
) {
    for (policy, wanted) in [(Some("fifo@1.4"), Some("fifo;version=\"1.4\"")), (None, None)] {
        let stub = telling(policy, StubConfig::default());
        let body = Some(body).filter(|body| !body.is_empty());
        let reply = parse(&raw(&stub, &request_bytes(method, path, &[], body)).0);
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(header(&reply).as_deref(), wanted);
    }
}

#[test]
fn c33_strangers_those_of_a_past_life_and_those_who_meet_a_fault_are_told_as_well() {
    let token = TokenGrant {
        token: "a-token".to_owned(),
        scopes: vec![Scope::Admin],
    };
    let config = StubConfig {
        tokens: vec![token],
        ..StubConfig::default()
    };
    let stub = telling(Some("fifo@1"), config);
    let wanted = Some("fifo;version=\"1\"".to_owned());
    let stranger = get(&stub, "/v1/jobs");
    assert_eq!((stranger.status, header(&stranger)), (401, wanted.clone()));
    let page = send(
        &stub,
        "GET",
        "/v1/health",
        &[("origin", "http://example.org")],
        None,
    );
    assert_eq!((page.status, header(&page)), (403, wanted.clone()));
    let rule = json!({"on": "health", "fault": {"status": 503}});
    stub.arm(serde_json::from_value::<Rule>(rule).expect("a rule"))
        .expect("armed");
    let refused = get(&stub, "/v1/health");
    assert_eq!((refused.status, header(&refused)), (503, wanted));
}

#[test]
fn c33_the_policy_is_replaced_while_it_runs_and_nothing_real_changes() {
    let stub = telling(Some("fifo@1"), StubConfig::default());
    let (digest, counters) = (stub.digest(), stub.counters());
    assert_eq!(
        told(&stub),
        (Some("fifo;version=\"1\"".to_owned()), json!("fifo"), json!("1"))
    );
    let set = json!({"policy": "fair", "version": "2"});
    let reply = send(&stub, "PUT", "/_stub/policy", &[], Some(&set));
    assert_eq!(reply.json()["header"], "fair;version=\"2\"");
    assert_eq!(
        told(&stub),
        (Some("fair;version=\"2\"".to_owned()), json!("fair"), json!("2"))
    );
    assert_eq!(
        stub.policy().map(|policy| policy.to_string()).as_deref(),
        Some("fair@2")
    );
    let own = json!({"policy": "fair"});
    let reply = send(&stub, "PUT", "/_stub/policy", &[], Some(&own));
    assert_eq!(reply.json()["version"], env!("CARGO_PKG_VERSION"));
    for wrong in [
        json!({"policy": "a b"}),
        json!({"policy": "fair", "version": ""}),
        json!({"version": "2"}),
        json!({"policy": "fair", "verson": "2"}),
    ] {
        assert_eq!(
            send(&stub, "PUT", "/_stub/policy", &[], Some(&wrong)).status,
            422,
            "{wrong}"
        );
    }
    let reply = send(&stub, "DELETE", "/_stub/policy", &[], None);
    assert_eq!(
        reply.json(),
        json!({"policy": null, "version": null, "header": null})
    );
    assert_eq!(told(&stub), (None, Value::Null, Value::Null));
    assert_eq!(
        (stub.digest(), stub.counters().mutations_total()),
        (digest, counters.mutations_total())
    );
}

#[test]
fn a_reset_of_all_brings_the_policy_of_the_start_back_and_a_restart_does_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = || StubConfig {
        state: Some(folder.path().join("state.json")),
        ..StubConfig::default()
    };
    let stub = telling(Some("fifo@1"), kept());
    let other = || PolicyStatement::parse("fair@2").ok();
    stub.set_policy(other());
    stub.reset(ResetScope::State);
    assert_eq!(stub.policy(), other());
    stub.reset(ResetScope::All);
    assert_eq!(told(&stub).0.as_deref(), Some("fifo;version=\"1\""));
    stub.set_policy(other());
    drop(stub);
    assert_eq!(
        told(&telling(Some("fifo@1"), kept())).0.as_deref(),
        Some("fifo;version=\"1\"")
    );
}

#[test]
fn one_answer_tells_another_policy_under_a_fault_and_is_the_honest_one_otherwise() {
    for (policy, wanted) in [("fair@2", Some("fair;version=\"2\"")), ("", None)] {
        let stub = telling(Some("fifo@1"), StubConfig::default());
        let rule = json!({"on": "claim", "when": {"times": 1}, "fault": {"policy": policy}});
        stub.arm(serde_json::from_value::<Rule>(rule).expect("a rule"))
            .expect("armed");
        let granted = claim(&stub, "f");
        assert_eq!((granted.status, header(&granted).as_deref()), (200, wanted));
        assert_eq!(held(&granted).release(&stub).status, 200);
        assert_eq!(header(&claim(&stub, "f")).as_deref(), Some("fifo;version=\"1\""));
        assert_eq!(stub.counters().faults["policy"], 1);
    }
    let rule = json!({"on": "claim", "fault": {"policy": "1st"}});
    let rule = serde_json::from_value::<Rule>(rule).expect("a rule");
    let error = start(&[]).arm(rule).expect_err("it is no policy").to_string();
    assert!(error.contains("NAME@VERSION"), "{error}");
}

#[test]
fn a_scenario_names_the_policy_of_its_coordinator() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |policy: &str| {
        let text = format!("[coordinator]\npolicy = \"{policy}\"\n");
        write(folder.path(), "scenario.toml", &text)
    };
    let config = read_scenario(file("fair@2").as_ref()).expect("a scenario");
    assert_eq!(
        config.policy.map(|policy| policy.to_string()).as_deref(),
        Some("fair@2")
    );
    let said = refusal(&["--scenario", &file("1st")]);
    assert!(said.contains("NAME@VERSION"), "{said}");
    let said = refusal(&["--policy", "fifo@"]);
    assert!(said.contains("NAME@VERSION"), "{said}");
}
