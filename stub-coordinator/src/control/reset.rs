//! `/_stub/reset`: put back state, rules or journal.

use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use super::{ControlAnswer, StubExtractor, document, read};
use crate::shared_stub::ResetScope;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetRequest {
    scope: ResetScope,
}

pub(super) async fn reset(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    let ResetRequest { scope } = read(&body)?;
    shared.reset(scope);
    Ok(document(&json!({"reset": scope})))
}
