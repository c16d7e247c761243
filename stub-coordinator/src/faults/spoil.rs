//! What becomes of an answer under a fault: other words, broken words, or none.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use serde_json::{Map, Value, json};

use super::answer::WireAnswer;
use super::malformed::malformed;
use super::pieces::Pieces;
use super::plausible;
use super::socket::Act;
use crate::moment::Moment;
use crate::names::Span;
use crate::operation::Operation;
use crate::script::{Diverge, Fault, StatusFault};
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
        Fault::Malformed(kind) => {
            let (status, body) = body_to_spoil(&base(), scene);
            malformed(*kind, status, body)
        }
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
        Diverge::Without(member) => {
            remove(&mut body, member);
            return WireAnswer::json(status, &body);
        }
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

/// Takes out the member at the end of a path of names with dots between them.
fn remove(target: &mut Value, path: &str) {
    let (within, name) = match path.rsplit_once('.') {
        Some((within, name)) => (
            target.pointer_mut(&format!("/{}", within.replace('.', "/"))),
            name,
        ),
        None => (Some(target), path),
    };
    if let Some(fields) = within.and_then(Value::as_object_mut) {
        fields.remove(name);
    }
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
