//! `/_stub/state`: all state as one document: taken away, and put back.

use axum::body::Bytes;
use axum::extract::State;
use serde_json::json;

use super::{ControlAnswer, StubExtractor, document, problem, read};

pub(super) async fn export(State(shared): StubExtractor) -> ControlAnswer {
    Ok(document(&shared.save()))
}

/// Goes on from a document; where it is none, nothing changes.
pub(super) async fn import(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    let restored = shared.restore(read(&body)?);
    restored.map_err(|error| problem(422, "invalid_state", error.to_string()))?;
    Ok(document(
        &json!({"digest": shared.digest(), "jobs": shared.jobs().len()}),
    ))
}
