//! `/_stub/explain`: which rule would fire on a request, and why not the others. Nothing is changed.

use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlAnswer, StubExtractor, document, invalid_field, read};
use crate::contract::operation::{Operation, RouteMatch};
use crate::contract::timestamp::UtcTimestamp;
use crate::exchange::facts_of;
use crate::rules::{RequestFacts, RuleEngine};
use crate::wire::BorrowedJson;

/// A request that is not sent: its operation and what it would say, or its method, path and body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainRequest {
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    factory: Option<String>,
    #[serde(default)]
    job: Option<String>,
    #[serde(default)]
    stage: Option<String>,
    #[serde(default)]
    lease: Option<String>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    body: Option<Value>,
}

pub(super) async fn explain(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    let explain_query: ExplainRequest = read(&body)?;
    let answer = explain_query.answer(&shared.rule_engine, shared.clock.now());
    Ok(document(&answer.map_err(invalid_field)?))
}

impl ExplainRequest {
    fn answer(&self, rule_engine: &RuleEngine, now: UtcTimestamp) -> Result<Value, String> {
        let explained = |operation: Operation, facts: &RequestFacts<'_>| {
            let rules = rule_engine.explain(operation, facts, now);
            let fires = rules.iter().find(|rule| rule.fires).map(|rule| &rule.id);
            json!({"operation": operation.name(), "fires": fires, "rules": rules})
        };
        match (&self.operation, &self.path) {
            (Some(name), None) => {
                let facts = RequestFacts {
                    factory: self.factory.as_deref(),
                    job: self.job.as_deref(),
                    stage: self.stage.as_deref(),
                    lease: self.lease.as_deref(),
                };
                Ok(explained(Operation::or_hint(name)?, &facts))
            }
            (None, Some(path)) => {
                let method = self.method.as_deref().unwrap_or("POST");
                let path = path.split('?').next().unwrap_or_default();
                match Operation::recognise(method, path) {
                    RouteMatch::Operation(operation, path_id) => {
                        let body = self.body.as_ref().map(ToString::to_string).unwrap_or_default();
                        let said = BorrowedJson::read(body.as_bytes()).unwrap_or(BorrowedJson::Null);
                        let facts = facts_of(Some(operation), path_id.as_deref(), &said);
                        Ok(explained(operation, &facts))
                    }
                    RouteMatch::WrongMethod(allowed) => Err(format!("{path} takes {allowed}")),
                    RouteMatch::UnknownPath => Err(format!("{path} is no path of the API")),
                }
            }
            _ => Err("say which request: its `operation`, or its `method` and `path`".to_owned()),
        }
    }
}
