//! `/_stub/gates`: which gates there are, and open one.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Response;
use serde_json::json;

use super::{StubExtractor, document, named, problem};
use crate::contract::ids::is_id;

pub(super) async fn gates(State(shared): StubExtractor) -> Response<Body> {
    let gates: Vec<_> = shared
        .gates
        .waiting()
        .into_iter()
        .map(|(name, waiting)| json!({"name": name, "waiting": waiting}))
        .collect();
    document(&json!({"gates": gates}))
}

pub(super) async fn release(
    State(shared): StubExtractor,
    name: Result<Path<String>, PathRejection>,
) -> Response<Body> {
    let name = named(name);
    if !is_id(&name) {
        return problem(
            404,
            "unknown_gate",
            &format!("a gate's name is an id, {name:?} is none"),
        );
    }
    document(&json!({"gate": name, "released": shared.gates.release(&name)}))
}
