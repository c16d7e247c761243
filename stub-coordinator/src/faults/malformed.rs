//! `malformed`: an answer that breaks the contract, each in one way.

use std::future::ready;
use std::io;

use axum::body::{Body, Bytes};
use axum::http::header;
use futures_util::stream::{self, StreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fault_behavior::{FaultBehavior, HandlerPlan, TableFault};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::wire_answer::{JSON, WireAnswer};

/// In which way an answer is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MalformedFault {
    /// A body that is no JSON, said to be.
    NotJson,
    /// Half of the body that `Content-Length` promises.
    Truncated,
    /// Fields of the wrong type.
    WrongType,
    /// The field that matters is not there.
    MissingField,
    /// Fields that nobody knows: not a break, clients must take it.
    ExtraField,
    /// The honest body under another media type.
    WrongContentType,
    /// Nested deeper than a reader should follow.
    Deep,
    /// Ten times larger than a client takes.
    Huge,
}

impl MalformedFault {
    /// All ways.
    pub const ALL: [MalformedFault; 8] = [
        MalformedFault::NotJson,
        MalformedFault::Truncated,
        MalformedFault::WrongType,
        MalformedFault::MissingField,
        MalformedFault::ExtraField,
        MalformedFault::WrongContentType,
        MalformedFault::Deep,
        MalformedFault::Huge,
    ];
}

impl TableFault for MalformedFault {
    const FORM: &'static str = "the name of a way to break an answer";
}

impl FaultBehavior for MalformedFault {
    fn plan(&self, operation: Operation) -> HandlerPlan {
        HandlerPlan::without_effect(operation)
    }

    fn corrupt(&self, answer: WireAnswer, context: &FaultContext<'_>) -> FaultyAnswer {
        let (status, body) = context.body_to_corrupt(&answer);
        malformed(*self, status, body)
    }

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        MalformedFault::ALL
            .map(|way| SelfCheckCase::anywhere(json!({"malformed": way})))
            .into()
    }
}

/// Breaks a body in the way asked for.
fn malformed(kind: MalformedFault, status: u16, body: Value) -> FaultyAnswer {
    match kind {
        MalformedFault::NotJson => {
            let page = Bytes::from_static(b"<html><body><h1>502 Bad Gateway</h1></body></html>\n");
            FaultyAnswer::whole(WireAnswer::bytes(status, JSON, page))
        }
        MalformedFault::Truncated => truncated(status, &body),
        MalformedFault::WrongType => FaultyAnswer::whole(WireAnswer::json(status, &wrong_types(body))),
        MalformedFault::MissingField => FaultyAnswer::whole(WireAnswer::json(status, &missing_field(body))),
        MalformedFault::ExtraField => FaultyAnswer::whole(WireAnswer::json(status, &extra_field(body))),
        MalformedFault::WrongContentType => FaultyAnswer::whole(WireAnswer::bytes(
            status,
            "text/html; charset=utf-8",
            Bytes::from(body.to_string()),
        )),
        MalformedFault::Deep => {
            let nest = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
            let text = format!("{{\"job\":{nest},\"lease\":{nest},\"stage\":{nest}}}");
            FaultyAnswer::whole(WireAnswer::bytes(status, JSON, Bytes::from(text)))
        }
        MalformedFault::Huge => {
            let mut body = body;
            body["padding"] = Value::String("x".repeat(10 * 1_048_576));
            FaultyAnswer::whole(WireAnswer::json(status, &body))
        }
    }
}

/// Says how long the whole body is, sends half of it, waits until that is out, and breaks off.
fn truncated(status: u16, body: &Value) -> FaultyAnswer {
    let whole = Bytes::from(body.to_string());
    let half = whole.slice(..whole.len() / 2);
    let sent = stream::once(ready(Ok(half.clone())));
    let breaking = stream::once(async {
        // A body that is not ready makes the connection flush what it has; once would do.
        for _ in 0..2 {
            tokio::task::yield_now().await;
        }
        Err(io::Error::from(io::ErrorKind::BrokenPipe))
    });
    let answer = WireAnswer::bytes(status, JSON, half).with(header::CONTENT_LENGTH, whole.len().to_string());
    FaultyAnswer::with_body(answer, Body::from_stream(sent.chain(breaking)))
}

fn wrong_types(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, wrong_type(value)))
            .collect(),
        other => wrong_type(other),
    }
}

fn wrong_type(value: Value) -> Value {
    match value {
        Value::String(_) => json!(7),
        Value::Number(_) => json!("seven"),
        Value::Bool(_) => json!("yes"),
        Value::Array(_) => json!({}),
        // An object stays one, so that a reader gets as far as the fields that it looks for.
        Value::Object(_) => wrong_types(value),
        Value::Null => json!(0),
    }
}

/// Takes away what the answer is about: the job's id, the lease's id, the stage, or whatever comes first.
fn missing_field(mut body: Value) -> Value {
    let Some(fields) = body.as_object_mut() else {
        return body;
    };
    for inner in ["job", "lease"] {
        if let Some(Value::Object(inner)) = fields.get_mut(inner) {
            inner.remove("id");
            return body;
        }
    }
    let first = ["stage", "id", "jobs"]
        .into_iter()
        .find(|name| fields.contains_key(*name));
    let name = first.map(str::to_owned).or_else(|| fields.keys().next().cloned());
    if let Some(name) = name {
        fields.remove(&name);
    }
    body
}

fn extra_field(mut body: Value) -> Value {
    body["addedInAnotherVersion"] = json!({"note": "clients go on"});
    if let Some(job) = body.get_mut("job").and_then(Value::as_object_mut) {
        job.insert("addedInAnotherVersion".to_owned(), json!([1, 2, 3]));
    }
    body
}
