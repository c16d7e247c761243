//! `/_stub/state`: all state as one document: taken away, and put back.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use serde_json::json;

use super::{StubExtractor, document, problem, read};
use crate::coordinator::saved_state::SavedState;

pub(super) async fn export(State(shared): StubExtractor) -> Response<Body> {
    document(&shared.save())
}

/// Goes on from a document; where it is none, nothing changes.
pub(super) async fn import(State(shared): StubExtractor, body: Bytes) -> Response<Body> {
    let saved = match read::<SavedState>(&body) {
        Ok(saved) => saved,
        Err(refusal) => return *refusal,
    };
    match shared.restore(saved) {
        Ok(()) => document(&json!({"digest": shared.digest(), "jobs": shared.jobs().len()})),
        Err(error) => problem(422, "invalid_state", &error.to_string()),
    }
}
