//! What becomes of an answer under a fault: other words, broken words, or none.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use serde_json::{Map, Value, json};

use super::connection_faults::ConnectionAction;
use super::dribble_and_truncate::DribbleBody;
use super::malformed_answers::malformed;
use super::sample_answers;
use super::wire_answer::WireAnswer;
use crate::contract::operation::Operation;
use crate::contract::problem::Problem;
use crate::contract::signed_duration::SignedDuration;
use crate::contract::timestamp::UtcTimestamp;
use crate::rules::{DivergeFault, Fault, StatusFault};

/// What goes over the wire in the end.
pub(crate) struct FaultyAnswer {
    /// The answer; where the connection is to end without a whole one, what it would have been.
    pub(crate) answer: WireAnswer,
    /// The body to send instead of the answer's own.
    pub(crate) body: Option<Body>,
    pub(crate) act: ConnectionAction,
}

/// What the spoiling needs to know.
pub(crate) struct FaultContext<'a> {
    pub(crate) operation: Operation,
    pub(crate) now: UtcTimestamp,
    pub(crate) clock: Arc<crate::clock::Clock>,
    /// The job of that name as JSON, where it is held.
    pub(crate) job_named: &'a dyn Fn(&str) -> Option<Value>,
    /// A queued job other than the one of that name.
    pub(crate) other_job: &'a dyn Fn(Option<&str>) -> Option<Value>,
}

/// Spoils the handler's answer, or makes one up where the handler never ran.
pub(crate) fn spoil(
    fault: &Fault,
    honest: Option<WireAnswer>,
    fault_context: &FaultContext<'_>,
) -> FaultyAnswer {
    let whole = |answer: WireAnswer| FaultyAnswer {
        answer,
        body: None,
        act: ConnectionAction::Honest,
    };
    let base = || honest.clone().unwrap_or_else(|| WireAnswer::empty(204));
    let ended = |act: ConnectionAction| FaultyAnswer {
        answer: base(),
        body: None,
        act,
    };
    match fault {
        Fault::Empty if fault_context.operation == Operation::JobList => {
            whole(WireAnswer::json(200, &json!({"jobs": []})))
        }
        Fault::Empty => whole(WireAnswer::empty(204)),
        Fault::Status(status) => whole(status_answer(status)),
        Fault::Refuse(code) => whole(WireAnswer::problem(&Problem::new(
            code,
            "the stub was told to refuse",
        ))),
        Fault::Redirect(place) => whole(WireAnswer::empty(307).with(header::LOCATION, place.clone())),
        Fault::Diverge(diverge) => whole(divergent(diverge, base(), fault_context)),
        Fault::Malformed(kind) => {
            let (status, body) = body_to_spoil(&base(), fault_context);
            malformed(*kind, status, body)
        }
        Fault::ClockSkew(span) => whole(skewed(base(), *span)),
        Fault::Dribble { chunks, over } => {
            let answer = base();
            let length = answer.body.len().to_string();
            let over = over.forward().unwrap_or_default();
            let pieces = DribbleBody::new(&answer.body, *chunks, over, Arc::clone(&fault_context.clock));
            let answer = answer.with(header::CONTENT_LENGTH, length);
            FaultyAnswer {
                answer,
                body: Some(Body::new(pieces)),
                act: ConnectionAction::Honest,
            }
        }
        Fault::Reset | Fault::Down => ended(ConnectionAction::Reset),
        Fault::Close | Fault::Hang => ended(ConnectionAction::Close),
        Fault::Cut(bytes) => ended(ConnectionAction::Cut(*bytes)),
        Fault::Garbage => ended(ConnectionAction::Garbage),
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
fn body_to_spoil(honest: &WireAnswer, fault_context: &FaultContext<'_>) -> (u16, Value) {
    match honest.value() {
        Some(body) if honest.status < 300 => (honest.status, body),
        _ => sample_answers::answer(fault_context.operation, fault_context.now),
    }
}

fn divergent(diverge: &DivergeFault, honest: WireAnswer, fault_context: &FaultContext<'_>) -> WireAnswer {
    let (status, mut body) = body_to_spoil(&honest, fault_context);
    match diverge {
        DivergeFault::Patch(patch) => merge(&mut body, patch),
        DivergeFault::Without(member) => {
            remove(&mut body, member);
            return WireAnswer::json(status, &body);
        }
        DivergeFault::Otherwise if fault_context.operation == Operation::ShadowReport => {
            let stage = if body["stage"] == "failed" {
                "shipped"
            } else {
                "failed"
            };
            merge(&mut body, &json!({"accepted": false, "stage": stage}));
        }
        DivergeFault::Otherwise => {
            let honest_job = honest
                .value()
                .and_then(|body| body["job"]["id"].as_str().map(str::to_owned));
            let other = (fault_context.other_job)(honest_job.as_deref());
            body["job"] =
                other.unwrap_or_else(|| sample_answers::job(sample_answers::UNKNOWN_JOB, fault_context.now));
        }
        DivergeFault::Job(name) => {
            let known = (fault_context.job_named)(name);
            body["job"] = known.unwrap_or_else(|| sample_answers::job(name, fault_context.now));
        }
    }
    if let Some(lease) = body.get_mut("lease").and_then(Value::as_object_mut)
        && !matches!(diverge, DivergeFault::Patch(_))
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
fn skewed(answer: WireAnswer, span: SignedDuration) -> WireAnswer {
    let Some(mut body) = answer.value() else {
        return answer;
    };
    skew(&mut body, span);
    WireAnswer {
        body: Bytes::from(body.to_string()),
        ..answer
    }
}

fn skew(value: &mut Value, span: SignedDuration) {
    match value {
        Value::String(text) => {
            if let Some(moment) = UtcTimestamp::parse(text) {
                *text = UtcTimestamp::from_millis(moment.millis().saturating_add(span.millis())).to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| skew(item, span)),
        Value::Object(fields) => fields.values_mut().for_each(|field| skew(field, span)),
        _ => {}
    }
}
