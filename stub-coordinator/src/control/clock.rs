//! `/_stub/clock`: what time it is, and advance a manual clock.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use serde::Deserialize;
use serde_json::json;

use super::{StubExtractor, document, problem, read};
use crate::clock::ClockKind;
use crate::contract::signed_duration::SignedDuration;

pub(super) async fn clock(State(shared): StubExtractor) -> Response<Body> {
    document(&json!({"kind": shared.clock.kind(), "now": shared.clock.now()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvanceRequest {
    advance: SignedDuration,
}

pub(super) async fn advance(State(shared): StubExtractor, body: Bytes) -> Response<Body> {
    let by = match read::<AdvanceRequest>(&body) {
        Ok(advance) => advance.advance.forward(),
        Err(refusal) => return *refusal,
    };
    match by {
        None => problem(
            422,
            "invalid_field",
            "time does not run back; `advance` must not be negative",
        ),
        Some(_) if shared.clock.kind() == ClockKind::Real => problem(
            409,
            "real_clock",
            "the clock is the real one; start the stub with a manual clock to move it",
        ),
        Some(by) => {
            let due = shared.advance(by).await;
            document(&json!({"now": shared.clock.now(), "due": due}))
        }
    }
}
