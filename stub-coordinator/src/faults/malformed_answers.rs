//! Answers that break the contract, each in one way.

use axum::body::{Body, Bytes};
use axum::http::header;
use serde_json::{Value, json};

use super::answer_faults::FaultyAnswer;
use super::connection_faults::ConnectionAction;
use super::dribble_and_truncate::TruncatedBody;
use super::wire_answer::{JSON, WireAnswer};
use crate::rules::MalformedFault;

/// Breaks a body in the way asked for.
pub(super) fn malformed(kind: MalformedFault, status: u16, body: Value) -> FaultyAnswer {
    let whole = |answer: WireAnswer| FaultyAnswer {
        answer,
        body: None,
        act: ConnectionAction::Honest,
    };
    match kind {
        MalformedFault::NotJson => {
            let page = Bytes::from_static(b"<html><body><h1>502 Bad Gateway</h1></body></html>\n");
            whole(WireAnswer::bytes(status, JSON, page))
        }
        MalformedFault::Truncated => truncated(status, &body),
        MalformedFault::WrongType => whole(WireAnswer::json(status, &wrong_types(body))),
        MalformedFault::MissingField => whole(WireAnswer::json(status, &missing_field(body))),
        MalformedFault::ExtraField => whole(WireAnswer::json(status, &extra_field(body))),
        MalformedFault::WrongContentType => whole(WireAnswer::bytes(
            status,
            "text/html; charset=utf-8",
            Bytes::from(body.to_string()),
        )),
        MalformedFault::Deep => {
            let nest = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
            let text = format!("{{\"job\":{nest},\"lease\":{nest},\"stage\":{nest}}}");
            whole(WireAnswer::bytes(status, JSON, Bytes::from(text)))
        }
        MalformedFault::Huge => {
            let mut body = body;
            body["padding"] = Value::String("x".repeat(10 * 1_048_576));
            whole(WireAnswer::json(status, &body))
        }
    }
}

/// Says how long the whole body is, sends half of it, and ends.
fn truncated(status: u16, body: &Value) -> FaultyAnswer {
    let whole = Bytes::from(body.to_string());
    let half = whole.slice(..whole.len() / 2);
    let body = Body::new(TruncatedBody::new(half.clone()));
    let answer = WireAnswer::bytes(status, JSON, half).with(header::CONTENT_LENGTH, whole.len().to_string());
    FaultyAnswer {
        answer,
        body: Some(body),
        act: ConnectionAction::Honest,
    }
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
