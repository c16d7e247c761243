//! `/_stub/clock`: what time it is, and advance a manual clock.

use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use super::{ControlAnswer, StubExtractor, document, invalid_field, problem, read};
use crate::clock::ClockKind;
use crate::contract::signed_duration::SignedDuration;

pub(super) async fn clock(State(shared): StubExtractor) -> ControlAnswer {
    Ok(document(
        &json!({"kind": shared.clock.kind(), "now": shared.clock.now()}),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvanceRequest {
    advance: SignedDuration,
}

pub(super) async fn advance(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    let by = read::<AdvanceRequest>(&body)?.advance.forward();
    let by = by.ok_or_else(|| invalid_field("time does not run back; `advance` must not be negative"))?;
    if shared.clock.kind() == ClockKind::Real {
        let detail = "the clock is the real one; start the stub with a manual clock to move it";
        return Err(problem(409, "real_clock", detail));
    }
    let due = shared.advance(by).await;
    Ok(document(&json!({"now": shared.clock.now(), "due": due})))
}
