//! What the stub can be told: rules, presets, gates, clock, reset.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Response;
use serde::Deserialize;
use serde_json::json;

use super::{document, named, problem, read};
use crate::clock::ClockKind;
use crate::contract::ids::{RuleId, is_id};
use crate::contract::signed_duration::SignedDuration;
use crate::rules::{self, PRESETS, Rule, RuleError};
use crate::shared_stub::{ResetScope, SharedStub};

type StubExtractor = State<Arc<SharedStub>>;

pub(super) async fn presets() -> Response<Body> {
    let presets: Vec<_> = PRESETS
        .iter()
        .map(|(name, about)| {
            let rules = rules::preset(name).unwrap_or_default();
            json!({"name": name, "about": about, "rules": rules})
        })
        .collect();
    document(&json!({"presets": presets}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PresetChoice {
    name: String,
}

/// Replaces all rules by those of a preset.
pub(super) async fn preset(State(shared): StubExtractor, body: Bytes) -> Response<Body> {
    let choice = match read::<PresetChoice>(&body) {
        Ok(choice) => choice,
        Err(refusal) => return *refusal,
    };
    match rules::preset(&choice.name) {
        Ok(rules) => replaced(&shared, rules),
        Err(error) => problem(422, "invalid_field", &error),
    }
}

pub(super) async fn rules(State(shared): StubExtractor) -> Response<Body> {
    document(&json!({"rules": shared.script.rules()}))
}

pub(super) async fn arm(State(shared): StubExtractor, body: Bytes) -> Response<Body> {
    match read::<Rule>(&body) {
        Err(refusal) => *refusal,
        Ok(rule) => match shared.arm(rule) {
            Ok(id) => {
                let armed = shared.script.rules().into_iter().find(|status| status.id == id);
                document(&json!({"id": id, "behind": armed.map(|status| status.behind)}))
            }
            Err(error) => refused(&error),
        },
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleList {
    rules: Vec<Rule>,
}

/// Replaces all rules; where one of them can't be armed, nothing changes.
pub(super) async fn replace(State(shared): StubExtractor, body: Bytes) -> Response<Body> {
    match read::<RuleList>(&body) {
        Ok(list) => replaced(&shared, list.rules),
        Err(refusal) => *refusal,
    }
}

pub(super) async fn disarm_all(State(shared): StubExtractor) -> Response<Body> {
    replaced(&shared, Vec::new())
}

pub(super) async fn disarm(
    State(shared): StubExtractor,
    id: Result<Path<String>, PathRejection>,
) -> Response<Body> {
    let id = named(id);
    let disarmed = RuleId::parse(&id).is_ok_and(|id| shared.disarm(&id));
    match disarmed {
        true => document(&json!({"disarmed": id})),
        false => problem(404, "unknown_rule", &format!("no rule `{id}` is armed")),
    }
}

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

fn replaced(shared: &SharedStub, rules: Vec<Rule>) -> Response<Body> {
    match shared.replace_rules(rules) {
        Ok(rules) => document(&json!({"rules": rules})),
        Err(error) => refused(&error),
    }
}

fn refused(error: &RuleError) -> Response<Body> {
    problem(422, "invalid_rule", &error.to_string())
}
