//! `/_stub/reset`: put back state, rules or journal.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use serde::Deserialize;
use serde_json::json;

use super::{StubExtractor, document, read};
use crate::shared_stub::ResetScope;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetRequest {
    scope: ResetScope,
}

pub(super) async fn reset(State(shared): StubExtractor, body: Bytes) -> Response<Body> {
    match read::<ResetRequest>(&body) {
        Ok(reset) => {
            shared.reset(reset.scope);
            document(&json!({"reset": reset.scope}))
        }
        Err(refusal) => *refusal,
    }
}
