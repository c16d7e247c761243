//! `/_stub/gates`: which gates there are, and open one.

use axum::extract::State;
use serde_json::json;

use super::{ControlAnswer, PathName, StubExtractor, document, named, problem};
use crate::contract::ids::is_id;

pub(super) async fn gates(State(shared): StubExtractor) -> ControlAnswer {
    let gates = shared.gates.waiting().into_iter();
    let gates: Vec<_> = gates
        .map(|(name, waiting)| json!({"name": name, "waiting": waiting}))
        .collect();
    Ok(document(&json!({"gates": gates})))
}

pub(super) async fn release(State(shared): StubExtractor, name: PathName) -> ControlAnswer {
    let name = named(name);
    if !is_id(&name) {
        let detail = format!("a gate's name is an id, {name:?} is none");
        return Err(problem(404, "unknown_gate", detail));
    }
    let released = shared.gates.release(&name);
    Ok(document(&json!({"gate": name, "released": released})))
}
