//! `/_stub/explain`: which rule would fire on a request, and why not the others. Nothing is changed.

use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Value, json};

use super::{ControlAnswer, StubExtractor, document, invalid_field, read};
use crate::contract::match_fields::{RequestFacts, match_fields};
use crate::contract::operation::{Operation, RouteMatch};
use crate::contract::timestamp::UtcTimestamp;
use crate::exchange::facts_of;
use crate::rules::RuleEngine;
use crate::wire::BorrowedJson;

match_fields! {
    /// A request that is not sent: its operation and what it would say, or its method, path and body.
    struct ExplainRequest {
        operation: Option<String>,
        method: Option<String>,
        path: Option<String>,
        body: Option<Value>,
    }
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
            (Some(name), None) => Ok(explained(Operation::or_hint(name)?, &self.facts())),
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
