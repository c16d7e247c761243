//! `/_stub/policy`: what the stub says of its policy and version, and say something else.

use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlAnswer, StubExtractor, document, invalid_field, read};
use crate::contract::policy_statement::PolicyStatement;
use crate::shared_stub::SharedStub;

pub(super) async fn policy(State(shared): StubExtractor) -> ControlAnswer {
    Ok(document(&told(&shared)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyRequest {
    policy: String,
    version: Option<String>,
}

pub(super) async fn tell(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    let PolicyRequest { policy, version } = read(&body)?;
    let policy = PolicyStatement::new(&policy, version.as_deref());
    let policy = policy.map_err(|error| invalid_field(error.to_string()))?;
    shared.policy.set(Some(policy));
    Ok(document(&told(&shared)))
}

pub(super) async fn tell_none(State(shared): StubExtractor) -> ControlAnswer {
    shared.policy.set(None);
    Ok(document(&told(&shared)))
}

fn told(shared: &SharedStub) -> Value {
    let policy = shared.policy.get();
    json!({
        "policy": policy.as_ref().map(PolicyStatement::policy),
        "version": policy.as_ref().map(PolicyStatement::version),
        "header": policy.as_ref().map(PolicyStatement::header),
    })
}
