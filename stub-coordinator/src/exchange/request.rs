//! Reading a request: its body within bounds, what it says that rules and readers look at, and its first entry in
//! the journal.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::said::Said;
use crate::coordinator::access::Scope;
use crate::coordinator::outcome::Reply;
use crate::ids::JobId;
use crate::journal::exchange::Outcome;
use crate::journal::record::{HeaderLines, Kept, Record};
use crate::moment::Moment;
use crate::operation::{Operation, Recognised};
use crate::routes::Call;
use crate::script::Facts;
use crate::shared::Shared;
use crate::wire::{Problem, encode};

/// The largest body that is taken.
pub(crate) const BODY_LIMIT: usize = 1_048_576;
/// How many times as much of a larger one is read, so that the refusal arrives.
const REST_FACTOR: usize = 16;

/// Reads the body, at most so much of it for at most so long; slower senders are cut off.
pub(crate) async fn read_body(body: Body, most: usize, limit: Duration) -> Result<Bytes, Problem> {
    match tokio::time::timeout(limit, read_all(body, most)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::with_status(
            408,
            "bad_request",
            "the body came too slowly",
        )),
    }
}

async fn read_all(mut body: Body, most: usize) -> Result<Bytes, Problem> {
    let mut kept = Vec::new();
    let mut size = 0_usize;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| Problem::new("bad_request", "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        size = size.saturating_add(data.len());
        if size <= most {
            kept.extend_from_slice(&data);
        } else if size > most.saturating_mul(REST_FACTOR) {
            break;
        }
    }
    if size > most {
        return Err(Problem::new(
            "body_too_large",
            format!("send at most {most} bytes"),
        ));
    }
    Ok(Bytes::from(kept))
}

/// The journal's first entry for a request.
pub(super) fn arrived(shared: &Shared, parts: &Parts, recognised: &Recognised, body: &[u8]) -> Record {
    let (operation, path_id) = match recognised {
        Recognised::Operation(operation, path_id) => (Some(*operation), path_id.as_deref()),
        _ => (None, None),
    };
    let facts = facts_of(operation, path_id, body);
    let scopes = bearer(&parts.headers)
        .map(|token| shared.coordinator().scopes(&token))
        .unwrap_or_default();
    Record {
        seq: 0,
        operation: operation.map(Operation::name),
        method: Box::from(parts.method.as_str()),
        path: Box::from(path_of(parts)),
        factory: facts.factory,
        job: facts.job,
        stage: facts.stage,
        lease: facts.lease,
        token_scopes: scopes.into_iter().map(Scope::name).collect(),
        request_headers: redacted(&parts.headers),
        request_body: Kept::of(body),
        rule: None,
        fault: None,
        handler_answer: None,
        wire_answer: None,
        digests: None,
        mutated: false,
        outcome: Outcome::InFlight,
        arrived: Instant::now(),
        completed: None,
        at: shared.clock.now(),
    }
}

fn path_of(parts: &Parts) -> String {
    match parts.uri.path_and_query() {
        Some(path) if parts.uri.scheme().is_none() => path.as_str().to_owned(),
        _ => parts.uri.to_string(),
    }
}

/// What a request says that rules look at: the id in its path goes before what its body says.
pub(crate) fn facts_of(operation: Option<Operation>, path_id: Option<&str>, body: &[u8]) -> Facts {
    let said = Said::read(body);
    let in_path = |prefix: &str| {
        let named = operation.is_some_and(|operation| operation.route().1.starts_with(prefix));
        path_id.filter(|_| named).map(str::to_owned)
    };
    let submitted = said.id.filter(|_| operation == Some(Operation::JobSubmit));
    Facts {
        factory: in_path("/v1/factories/").or(said.factory),
        job: in_path("/v1/jobs/").or(said.job).or(submitted),
        stage: said.stage,
        lease: in_path("/v1/leases/").or(said.lease),
    }
}

/// What rules look at.
pub(super) fn facts(record: &Record) -> Facts {
    Facts {
        factory: record.factory.clone(),
        job: record.job.clone(),
        stage: record.stage.clone(),
        lease: record.lease.clone(),
    }
}

pub(super) fn call(parts: &Parts, operation: Operation, path_id: Option<String>, body: Bytes) -> Call {
    let text = |name: &str| {
        parts
            .headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Call {
        operation,
        path: parts.uri.path().to_owned(),
        path_id,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        bearer: bearer(&parts.headers),
        key: text("idempotency-key"),
        body,
    }
}

/// The token of `Authorization: Bearer TOKEN`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

/// Headers as evidence; the token never gets into it.
fn redacted(headers: &HeaderMap) -> HeaderLines {
    let shown: Vec<_> = headers
        .iter()
        .map(|(name, value)| match *name == header::AUTHORIZATION {
            true => (name.as_str(), Cow::Borrowed("(redacted)")),
            false => (name.as_str(), String::from_utf8_lossy(value.as_bytes())),
        })
        .collect();
    HeaderLines::of(shown.iter().map(|(name, value)| (*name, value.as_ref())))
}

/// A job as the API shows it.
pub(super) fn job_json(shared: &Shared, id: &JobId) -> Option<Value> {
    let job = shared.coordinator().state().job(id).cloned()?;
    encode(&Reply::Job(job)).1
}

/// The first queued job of another name.
pub(super) fn other_queued_job(shared: &Shared, named: Option<&str>) -> Option<Value> {
    let other = {
        let coordinator = shared.coordinator();
        let queue = coordinator.state().queue();
        queue.in_order().find(|id| Some(id.as_str()) != named).cloned()
    };
    job_json(shared, &other?)
}

/// The moment as HTTP writes it. Most answers share their second with the one before.
pub(crate) fn http_date(now: Moment) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<Option<(i64, HeaderValue)>> = const { RefCell::new(None) };
    }
    let second = now.millis().div_euclid(1_000);
    LAST.with_borrow_mut(|last| match last {
        Some((of, date)) if *of == second => date.clone(),
        _ => {
            let date = written_date(now);
            *last = Some((second, date.clone()));
            date
        }
    })
}

fn written_date(now: Moment) -> HeaderValue {
    let written = jiff::Timestamp::from_millisecond(now.millis())
        .map(|timestamp| timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    HeaderValue::from_str(&written.unwrap_or_default()).expect("a date is plain text")
}
