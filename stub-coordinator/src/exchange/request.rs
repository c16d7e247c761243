//! Reading a request: its body within bounds, what it says that rules and readers look at, and its first entry in
//! the journal.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde_json::Value;

use crate::coordinator::outcome::Reply;
use crate::ids::JobId;
use crate::journal::exchange::{Exchange, Outcome, evidence_of};
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
pub(super) fn arrived(shared: &Shared, parts: &Parts, recognised: &Recognised, body: &[u8]) -> Exchange {
    let (operation, path_id) = match recognised {
        Recognised::Operation(operation, path_id) => (Some(*operation), path_id.as_deref()),
        _ => (None, None),
    };
    let evidence = evidence_of(body);
    let facts = operation
        .map(|operation| facts_of(operation, path_id, evidence.as_ref()))
        .unwrap_or_else(|| said_in(evidence.as_ref()));
    let scopes = bearer(&parts.headers)
        .map(|token| shared.coordinator().scopes(&token))
        .unwrap_or_default();
    Exchange {
        seq: 0,
        operation: operation.map(|operation| operation.name().to_owned()),
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        factory: facts.factory,
        job: facts.job,
        stage: facts.stage,
        lease: facts.lease,
        token_scopes: scopes.into_iter().map(|scope| scope.name().to_owned()).collect(),
        request_headers: redacted(&parts.headers),
        request_body: evidence,
        rule: None,
        fault: None,
        handler_answer: None,
        wire_answer: None,
        digest_before: String::new(),
        digest_after: String::new(),
        mutated: false,
        outcome: Outcome::InFlight,
        arrived: Instant::now(),
        completed: None,
        at: shared.clock.now().to_string(),
    }
}

/// What a request says that rules look at: the id in its path goes before what its body says.
pub(crate) fn facts_of(operation: Operation, path_id: Option<&str>, body: Option<&Value>) -> Facts {
    let said = said_in(body);
    let in_path = |prefix: &str| {
        path_id
            .filter(|_| operation.route().1.starts_with(prefix))
            .map(str::to_owned)
    };
    let submitted = || {
        let body = body.filter(|_| operation == Operation::JobSubmit)?;
        body.get("id")?.as_str().map(str::to_owned)
    };
    Facts {
        factory: in_path("/v1/factories/").or(said.factory),
        job: in_path("/v1/jobs/").or(said.job).or_else(submitted),
        stage: said.stage,
        lease: in_path("/v1/leases/").or(said.lease),
    }
}

fn said_in(body: Option<&Value>) -> Facts {
    let said = |name: &str| body?.get(name)?.as_str().map(str::to_owned);
    Facts {
        factory: said("factoryId"),
        job: said("jobId"),
        stage: said("stage"),
        lease: said("leaseId"),
    }
}

/// What rules look at.
pub(super) fn facts(exchange: &Exchange) -> Facts {
    Facts {
        factory: exchange.factory.clone(),
        job: exchange.job.clone(),
        stage: exchange.stage.clone(),
        lease: exchange.lease.clone(),
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
fn redacted(headers: &HeaderMap) -> BTreeMap<String, String> {
    let value = |name: &header::HeaderName, value: &header::HeaderValue| {
        if name == header::AUTHORIZATION {
            "(redacted)".to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        }
    };
    headers
        .iter()
        .map(|(name, text)| (name.as_str().to_owned(), value(name, text)))
        .collect()
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

/// The moment as HTTP writes it.
pub(crate) fn http_date(now: Moment) -> String {
    jiff::Timestamp::from_millisecond(now.millis())
        .map(|timestamp| timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .unwrap_or_default()
}
