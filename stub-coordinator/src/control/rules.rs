//! `/_stub/rules`, `/_stub/presets`: arm a rule, disarm it, replace all of them.

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Response;
use serde::Deserialize;
use serde_json::json;

use super::{StubExtractor, document, named, problem, read};
use crate::contract::ids::RuleId;
use crate::rules::{self, PRESETS, Rule, RuleError};
use crate::shared_stub::SharedStub;

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
    document(&json!({"rules": shared.rule_engine.rules()}))
}

pub(super) async fn arm(State(shared): StubExtractor, body: Bytes) -> Response<Body> {
    match read::<Rule>(&body) {
        Err(refusal) => *refusal,
        Ok(rule) => match shared.arm(rule) {
            Ok(id) => {
                let armed = shared
                    .rule_engine
                    .rules()
                    .into_iter()
                    .find(|status| status.id == id);
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

fn replaced(shared: &SharedStub, rules: Vec<Rule>) -> Response<Body> {
    match shared.replace_rules(rules) {
        Ok(rules) => document(&json!({"rules": rules})),
        Err(error) => refused(&error),
    }
}

fn refused(error: &RuleError) -> Response<Body> {
    problem(422, "invalid_rule", &error.to_string())
}
