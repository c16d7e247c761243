//! `/_stub/rules`, `/_stub/presets`: arm a rule, disarm it, replace all of them.

use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use super::{
    ControlAnswer, ControlProblem, PathName, StubExtractor, document, invalid_field, named, problem, read,
};
use crate::contract::ids::RuleId;
use crate::rules::{self, PRESETS, Rule, RuleError};
use crate::shared_stub::SharedStub;

pub(super) async fn presets() -> ControlAnswer {
    let told = |(name, about): &(&str, &str)| {
        let rules = rules::preset(name).unwrap_or_default();
        json!({"name": name, "about": about, "rules": rules})
    };
    let presets: Vec<_> = PRESETS.iter().map(told).collect();
    Ok(document(&json!({"presets": presets})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PresetChoice {
    name: String,
}

/// Replaces all rules by those of a preset.
pub(super) async fn preset(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    let PresetChoice { name } = read(&body)?;
    replaced(&shared, rules::preset(&name).map_err(invalid_field)?)
}

pub(super) async fn rules(State(shared): StubExtractor) -> ControlAnswer {
    Ok(document(&json!({"rules": shared.rule_engine.rules()})))
}

pub(super) async fn arm(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    let id = shared.arm(read(&body)?).map_err(|error| refused(&error))?;
    let armed = shared.rule_engine.rules().into_iter();
    let behind = armed
        .filter(|status| status.id == id)
        .map(|status| status.behind)
        .next();
    Ok(document(&json!({"id": id, "behind": behind})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleList {
    rules: Vec<Rule>,
}

/// Replaces all rules; where one of them can't be armed, nothing changes.
pub(super) async fn replace(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    replaced(&shared, read::<RuleList>(&body)?.rules)
}

pub(super) async fn disarm_all(State(shared): StubExtractor) -> ControlAnswer {
    replaced(&shared, Vec::new())
}

pub(super) async fn disarm(State(shared): StubExtractor, id: PathName) -> ControlAnswer {
    let id = named(id);
    match RuleId::parse(&id).is_ok_and(|id| shared.disarm(&id)) {
        true => Ok(document(&json!({"disarmed": id}))),
        false => Err(problem(404, "unknown_rule", format!("no rule `{id}` is armed"))),
    }
}

fn replaced(shared: &SharedStub, rules: Vec<Rule>) -> ControlAnswer {
    let rules = shared.replace_rules(rules).map_err(|error| refused(&error))?;
    Ok(document(&json!({"rules": rules})))
}

fn refused(error: &RuleError) -> ControlProblem {
    problem(422, "invalid_rule", error.to_string())
}
