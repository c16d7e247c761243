//! Which tokens are accepted, and how mistakes are answered: C-30, C-31.

use serde_json::{Value, json};

use crate::coordinator::assertions::{ProbeResult, ensure, no_answer_error};
use crate::coordinator::probe::{CoordinatorProbe, nonce};

pub fn mistakes_are_told(probe: &CoordinatorProbe) -> ProbeResult {
    let unknown = format!("/v1/jobs/{}", probe.id("nobody-knows"));
    let huge = format!("{{\"factoryId\":\"{}\"}}", "x".repeat(1 << 20));
    let mistakes = [
        ("POST", "/v1/shadow/claims", "{", 400),
        ("POST", "/v1/shadow/claims", "{\"factoryId\":7}", 422),
        ("POST", "/v1/shadow/claims", &huge, 413),
        ("DELETE", "/v1/shadow/claims", "", 405),
        ("GET", unknown.as_str(), "", 404),
    ];
    for (method, path, body, status) in mistakes {
        let answer = probe.client.send(method, path, None, body);
        let answer = answer.map_err(no_answer_error)?;
        let problem =
            answer.content_type.starts_with("application/problem+json") && answer.body["code"].is_string();
        ensure(answer.status == status && problem, || {
            format!(
                "{method} {path} was answered {} {}, not {status} with a problem",
                answer.status, answer.body
            )
        })?;
    }
    let health = probe.get("/v1/health")?;
    health.must_be(200, "after that, health")
}

pub fn what_is_not_there_is_told(probe: &CoordinatorProbe) -> ProbeResult {
    let (factory, nobody) = (probe.id("factory"), probe.id("nobody-knows"));
    let fenced = json!({"factoryId": factory, "fencingToken": 1});
    let report = json!({"factoryId": factory, "leaseId": nobody, "fencingToken": 1, "stage": "testing",
        "at": format!("{:.3}", jiff::Timestamp::now())});
    for (path, body) in [
        (format!("/v1/leases/{nobody}/renew"), &fenced),
        (format!("/v1/leases/{nobody}/release"), &fenced),
        (format!("/v1/jobs/{nobody}/reports"), &report),
        (format!("/v1/jobs/{nobody}/withdraw"), &json!({})),
        (
            format!("/v1/factories/{nobody}/heartbeat"),
            &json!({"running": []}),
        ),
    ] {
        let answer = probe.expect(&path, body, 404)?;
        ensure(
            answer.content_type.starts_with("application/problem+json"),
            || format!("POST {path} was answered 404 as {}", answer.content_type),
        )?;
    }
    probe
        .expect("/v1/claims", &json!({"factoryId": 7}), 422)
        .map(drop)
}

pub fn tokens_are_asked_for(probe: &CoordinatorProbe) -> ProbeResult {
    let stranger = format!("stranger-{}", nonce());
    for token in [None, Some(stranger.as_str())] {
        let client = probe.client.with_token(token);
        let which = token.map_or("no token", |_| "an unknown token");
        for (path, body) in mutating(probe) {
            let answer = client.post(&path, &body).map_err(no_answer_error)?;
            answer.must_be(401, &format!("POST {path} with {which}"))?;
        }
    }
    Ok(())
}

pub fn a_watching_token_changes_nothing(probe: &CoordinatorProbe) -> ProbeResult {
    for (path, body) in mutating(probe) {
        let answer = probe.post(&path, &body)?;
        answer.must_be(403, &format!("POST {path}"))?;
    }
    Ok(())
}

/// Requests that would change something, on nothing that exists: harmless where they are let through.
fn mutating(probe: &CoordinatorProbe) -> Vec<(String, Value)> {
    let (factory, nobody) = (probe.id("factory"), probe.id("nobody-knows"));
    let fenced = json!({"factoryId": factory, "fencingToken": 1});
    vec![
        ("/v1/claims".into(), json!({"factoryId": factory, "caps": []})),
        (format!("/v1/leases/{nobody}/renew"), fenced.clone()),
        (format!("/v1/leases/{nobody}/release"), fenced),
        (
            format!("/v1/jobs/{nobody}/quarantine"),
            json!({"factoryId": factory, "reason": "lease_lost"}),
        ),
        (format!("/v1/jobs/{nobody}/withdraw"), json!({})),
    ]
}
