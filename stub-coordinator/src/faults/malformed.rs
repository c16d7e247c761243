//! `malformed`: an answer that breaks the contract, each in one way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header;
use hyper::body::Frame;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::fault_behavior::{FaultBehavior, HandlerPlan, TableFault};
use super::fault_syntax::{hint, table_schema, text};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::wire_answer::{JSON, WireAnswer};

/// In which way an answer is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// All ways, with their names.
    pub const ALL: [(MalformedFault, &'static str); 8] = [
        (MalformedFault::NotJson, "not_json"),
        (MalformedFault::Truncated, "truncated"),
        (MalformedFault::WrongType, "wrong_type"),
        (MalformedFault::MissingField, "missing_field"),
        (MalformedFault::ExtraField, "extra_field"),
        (MalformedFault::WrongContentType, "wrong_content_type"),
        (MalformedFault::Deep, "deep"),
        (MalformedFault::Huge, "huge"),
    ];

    /// The name it is written by.
    pub fn name(self) -> &'static str {
        MalformedFault::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("not_json", |(_, name)| name)
    }
}

impl TableFault for MalformedFault {
    const NAME: &'static str = "malformed";

    fn read(value: Value, _rest: &mut Map<String, Value>) -> Result<MalformedFault, String> {
        let name = text(Self::NAME, value)?;
        let names = || MalformedFault::ALL.iter().map(|(_, name)| *name);
        MalformedFault::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(kind, _)| *kind)
            .ok_or_else(|| format!("no answer is malformed as `{name}`{}", hint(&name, names())))
    }

    fn written(&self) -> Value {
        json!({"malformed": self.name()})
    }

    fn schema(_generator: &mut SchemaGenerator) -> Value {
        let names = MalformedFault::ALL.map(|(_, name)| name);
        table_schema(&json!({"malformed": {"enum": names}}), Self::NAME)
    }

    fn cases() -> Vec<SelfCheckCase> {
        MalformedFault::ALL
            .map(|(_, name)| SelfCheckCase::anywhere(json!({"malformed": name})))
            .into()
    }
}

impl FaultBehavior for MalformedFault {
    fn plan(&self, operation: Operation) -> HandlerPlan {
        HandlerPlan::without_effect(operation)
    }

    fn corrupt(&self, answer: WireAnswer, context: &FaultContext<'_>) -> FaultyAnswer {
        let (status, body) = context.body_to_corrupt(&answer);
        malformed(*self, status, body)
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

/// Says how long the whole body is, sends half of it, and ends.
fn truncated(status: u16, body: &Value) -> FaultyAnswer {
    let whole = Bytes::from(body.to_string());
    let half = whole.slice(..whole.len() / 2);
    let body = Body::new(TruncatedBody::new(half.clone()));
    let answer = WireAnswer::bytes(status, JSON, half).with(header::CONTENT_LENGTH, whole.len().to_string());
    FaultyAnswer::with_body(answer, body)
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

/// Sends what it has, waits until that is out, and breaks off.
struct TruncatedBody {
    half: Option<Bytes>,
    polls_to_flush: u8,
}

impl TruncatedBody {
    fn new(half: Bytes) -> TruncatedBody {
        // A body that is not ready makes the connection flush what it has; once would do.
        TruncatedBody {
            half: Some(half),
            polls_to_flush: 2,
        }
    }
}

impl HttpBody for TruncatedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if self.polls_to_flush > 0 {
            self.polls_to_flush -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::BrokenPipe))))
    }
}
