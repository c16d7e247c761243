//! Questions: has this arrived so often, in this order, and which rule would fire on that. None of them changes
//! anything.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{document, problem, read};
use crate::exchange::facts_of;
use crate::journal::exchange::Match;
use crate::moment::Moment;
use crate::operation::{Operation, Recognised};
use crate::script::{Facts, Script};
use crate::shared::Shared;
use crate::wire::Json;

type Stub = State<Arc<Shared>>;

/// How many of the exchanges meant have to have arrived: exactly `count`, or from `at_least` to `at_most`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    #[serde(default, rename = "match")]
    what: Match,
    #[serde(default)]
    count: Option<usize>,
    #[serde(default)]
    at_least: Option<usize>,
    #[serde(default)]
    at_most: Option<usize>,
}

pub(super) async fn verify(State(shared): Stub, body: Bytes) -> Response<Body> {
    let amount = match read::<Amount>(&body) {
        Ok(amount) => amount,
        Err(refusal) => return *refusal,
    };
    if let Err(refusal) = known(&amount.what) {
        return *refusal;
    }
    let (least, most) = match (amount.count, amount.at_least, amount.at_most) {
        (Some(count), None, None) => (count, Some(count)),
        (None, least, most) if least.is_some() || most.is_some() => (least.unwrap_or(0), most),
        _ => {
            return problem(
                422,
                "invalid_field",
                "say how many: `count`, or `at_least` and `at_most`",
            );
        }
    };
    document(&shared.journal.verify(&amount.what, least, most))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    sequence: Vec<Match>,
}

pub(super) async fn verify_sequence(State(shared): Stub, body: Bytes) -> Response<Body> {
    match read::<Order>(&body) {
        Ok(order) if order.sequence.is_empty() => problem(
            422,
            "invalid_field",
            "`sequence` is empty; a sequence of nothing proves nothing",
        ),
        Ok(order) => match order.sequence.iter().try_for_each(known) {
            Ok(()) => document(&shared.journal.verify_sequence(&order.sequence)),
            Err(refusal) => *refusal,
        },
        Err(refusal) => *refusal,
    }
}

/// A request that is not sent: its operation and what it would say, or its method, path and body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Thought {
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

pub(super) async fn explain(State(shared): Stub, body: Bytes) -> Response<Body> {
    let thought = match read::<Thought>(&body) {
        Ok(thought) => thought,
        Err(refusal) => return *refusal,
    };
    match thought.answer(&shared.script, shared.clock.now()) {
        Err(why) => problem(422, "invalid_field", &why),
        Ok(answer) => document(&answer),
    }
}

impl Thought {
    fn answer(&self, script: &Script, now: Moment) -> Result<Value, String> {
        let explained = |operation: Operation, facts: &Facts<'_>| {
            let rules = script.explain(operation, facts, now);
            let fires = rules.iter().find(|rule| rule.fires).map(|rule| &rule.id);
            json!({"operation": operation.name(), "fires": fires, "rules": rules})
        };
        match (&self.operation, &self.path) {
            (Some(name), None) => {
                let facts = Facts {
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
                    Recognised::Operation(operation, path_id) => {
                        let body = self.body.as_ref().map(ToString::to_string).unwrap_or_default();
                        let said = Json::read(body.as_bytes()).unwrap_or(Json::Null);
                        let facts = facts_of(Some(operation), path_id.as_deref(), &said);
                        Ok(explained(operation, &facts))
                    }
                    Recognised::WrongMethod(allowed) => Err(format!("{path} takes {allowed}")),
                    Recognised::UnknownPath => Err(format!("{path} is no path of the API")),
                }
            }
            _ => Err("say which request: its `operation`, or its `method` and `path`".to_owned()),
        }
    }
}

/// Refuses to look for an operation that nobody could have asked for: *none arrived* would prove nothing.
pub(super) fn known(what: &Match) -> Result<(), Box<Response<Body>>> {
    match what.operation.as_deref().map(Operation::or_hint) {
        Some(Err(why)) => Err(Box::new(problem(422, "invalid_field", &why))),
        _ => Ok(()),
    }
}
