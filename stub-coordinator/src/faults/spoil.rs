//! What becomes of an answer under a fault: other words, broken words, or none.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use serde_json::{Map, Value, json};

use super::answer::{JSON, WireAnswer};
use super::pieces::{Half, Pieces};
use super::plausible;
use super::socket::Act;
use crate::moment::Moment;
use crate::names::Span;
use crate::operation::Operation;
use crate::script::{Diverge, Fault, Malformed, StatusFault};
use crate::wire::Problem;

/// What goes over the wire in the end.
pub(crate) struct Spoilt {
    /// The answer; where the connection is to end without a whole one, what it would have been.
    pub(crate) answer: WireAnswer,
    /// The body to send instead of the answer's own.
    pub(crate) body: Option<Body>,
    pub(crate) act: Act,
}

/// What the spoiling needs to know.
pub(crate) struct Scene<'a> {
    pub(crate) operation: Operation,
    pub(crate) now: Moment,
    pub(crate) clock: Arc<crate::clock::Clock>,
    /// The job of that name as JSON, where it is held.
    pub(crate) job_named: &'a dyn Fn(&str) -> Option<Value>,
    /// A queued job other than the one of that name.
    pub(crate) other_job: &'a dyn Fn(Option<&str>) -> Option<Value>,
}

/// Spoils the handler's answer, or makes one up where the handler never ran.
pub(crate) fn spoil(fault: &Fault, honest: Option<WireAnswer>, scene: &Scene<'_>) -> Spoilt {
    let whole = |answer: WireAnswer| Spoilt {
        answer,
        body: None,
        act: Act::Honest,
    };
    let base = || honest.clone().unwrap_or_else(|| WireAnswer::empty(204));
    let ended = |act: Act| Spoilt {
        answer: base(),
        body: None,
        act,
    };
    match fault {
        Fault::Empty if scene.operation == Operation::JobList => {
            whole(WireAnswer::json(200, &json!({"jobs": []})))
        }
        Fault::Empty => whole(WireAnswer::empty(204)),
        Fault::Status(status) => whole(status_answer(status)),
        Fault::Refuse(code) => whole(WireAnswer::problem(&Problem::new(
            code,
            "the stub was told to refuse",
        ))),
        Fault::Redirect(place) => whole(WireAnswer::empty(307).with(header::LOCATION, place.clone())),
        Fault::Diverge(diverge) => whole(divergent(diverge, base(), scene)),
        Fault::Malformed(kind) => malformed(*kind, base(), scene),
        Fault::ClockSkew(span) => whole(skewed(base(), *span)),
        Fault::Dribble { chunks, over } => {
            let answer = base();
            let length = answer.body.len().to_string();
            let over = over.forward().unwrap_or_default();
            let pieces = Pieces::new(&answer.body, *chunks, over, Arc::clone(&scene.clock));
            let answer = answer.with(header::CONTENT_LENGTH, length);
            Spoilt {
                answer,
                body: Some(Body::new(pieces)),
                act: Act::Honest,
            }
        }
        Fault::Reset | Fault::Down => ended(Act::Reset),
        Fault::Close | Fault::Hang => ended(Act::Close),
        Fault::Cut(bytes) => ended(Act::Cut(*bytes)),
        Fault::Garbage => ended(Act::Garbage),
        _ => whole(base()),
    }
}

fn status_answer(fault: &StatusFault) -> WireAnswer {
    let status = fault.status;
    let answer = if status >= 400 {
        let code = fault.code.as_deref().unwrap_or_else(|| Problem::code_of(status));
        WireAnswer::problem(&Problem::with_status(
            status,
            code,
            "the stub was told to answer so",
        ))
    } else {
        WireAnswer::empty(status)
    };
    match fault.retry_after {
        Some(time) => {
            let seconds = time.millis().max(0).unsigned_abs().div_ceil(1_000);
            answer.with(header::RETRY_AFTER, seconds.to_string())
        }
        None => answer,
    }
}

/// The honest body, or a plausible one where there is none to spoil.
fn body_to_spoil(honest: &WireAnswer, scene: &Scene<'_>) -> (u16, Value) {
    match honest.value() {
        Some(body) if honest.status < 300 => (honest.status, body),
        _ => plausible::answer(scene.operation, scene.now),
    }
}

fn divergent(diverge: &Diverge, honest: WireAnswer, scene: &Scene<'_>) -> WireAnswer {
    let (status, mut body) = body_to_spoil(&honest, scene);
    match diverge {
        Diverge::Patch(patch) => merge(&mut body, patch),
        Diverge::Otherwise if scene.operation == Operation::ShadowReport => {
            let stage = if body["stage"] == "failed" {
                "shipped"
            } else {
                "failed"
            };
            merge(&mut body, &json!({"accepted": false, "stage": stage}));
        }
        Diverge::Otherwise => {
            let honest_job = honest
                .value()
                .and_then(|body| body["job"]["id"].as_str().map(str::to_owned));
            let other = (scene.other_job)(honest_job.as_deref());
            body["job"] = other.unwrap_or_else(|| plausible::job(plausible::UNKNOWN_JOB, scene.now));
        }
        Diverge::Job(name) => {
            let known = (scene.job_named)(name);
            body["job"] = known.unwrap_or_else(|| plausible::job(name, scene.now));
        }
    }
    if let Some(lease) = body.get_mut("lease").and_then(Value::as_object_mut)
        && !matches!(diverge, Diverge::Patch(_))
    {
        lease.remove("jobId");
    }
    if let Some(job) = body["job"]["id"].as_str().map(str::to_owned)
        && let Some(lease) = body.get_mut("lease").and_then(Value::as_object_mut)
    {
        lease.entry("jobId").or_insert(Value::String(job));
    }
    WireAnswer::json(status, &body)
}

/// JSON merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            value => merge(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

fn malformed(kind: Malformed, honest: WireAnswer, scene: &Scene<'_>) -> Spoilt {
    let (status, body) = body_to_spoil(&honest, scene);
    let whole = |answer: WireAnswer| Spoilt {
        answer,
        body: None,
        act: Act::Honest,
    };
    match kind {
        Malformed::NotJson => {
            let page = Bytes::from_static(b"<html><body><h1>502 Bad Gateway</h1></body></html>\n");
            whole(WireAnswer::bytes(status, JSON, page))
        }
        Malformed::Truncated => truncated(status, &body),
        Malformed::WrongType => whole(WireAnswer::json(status, &wrong_types(body))),
        Malformed::MissingField => whole(WireAnswer::json(status, &missing_field(body))),
        Malformed::ExtraField => whole(WireAnswer::json(status, &extra_field(body))),
        Malformed::WrongContentType => whole(WireAnswer::bytes(
            status,
            "text/html; charset=utf-8",
            Bytes::from(body.to_string()),
        )),
        Malformed::Deep => {
            let nest = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
            let text = format!("{{\"job\":{nest},\"lease\":{nest},\"stage\":{nest}}}");
            whole(WireAnswer::bytes(status, JSON, Bytes::from(text)))
        }
        Malformed::Huge => {
            let mut body = body;
            body["padding"] = Value::String("x".repeat(10 * 1_048_576));
            whole(WireAnswer::json(status, &body))
        }
    }
}

/// Says how long the whole body is, sends half of it, and ends.
fn truncated(status: u16, body: &Value) -> Spoilt {
    let whole = Bytes::from(body.to_string());
    let half = whole.slice(..whole.len() / 2);
    let body = Body::new(Half::new(half.clone()));
    let answer = WireAnswer::bytes(status, JSON, half).with(header::CONTENT_LENGTH, whole.len().to_string());
    Spoilt {
        answer,
        body: Some(body),
        act: Act::Honest,
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

/// Moves every instant of the answer.
fn skewed(answer: WireAnswer, span: Span) -> WireAnswer {
    let Some(mut body) = answer.value() else {
        return answer;
    };
    skew(&mut body, span);
    WireAnswer {
        body: Bytes::from(body.to_string()),
        ..answer
    }
}

fn skew(value: &mut Value, span: Span) {
    match value {
        Value::String(text) => {
            if let Some(moment) = Moment::parse(text) {
                *text = Moment::from_millis(moment.millis().saturating_add(span.millis())).to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| skew(item, span)),
        Value::Object(fields) => fields.values_mut().for_each(|field| skew(field, span)),
        _ => {}
    }
}
