//! Reading a request: its body within bounds, and what it says that rules, readers and the coordinator look at.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use futures_util::future::poll_immediate;
use serde_json::Value;

use crate::contract::ids::JobId;
use crate::contract::match_fields::RequestFacts;
use crate::contract::operation::Operation;
use crate::contract::problem::Problem;
use crate::contract::scope::Scope;
use crate::contract::timestamp::UtcTimestamp;
use crate::operation_handler::OperationCall;
use crate::shared_stub::SharedStub;
use crate::wire::{BorrowedJson, job_value};

/// The largest body that is taken.
pub(crate) const BODY_LIMIT: usize = 1_048_576;
/// How many times as much of a larger one is read, so that the refusal arrives.
const REST_FACTOR: usize = 16;

/// Reads the body, at most so much of it for at most so long; slower senders are cut off. A body that does not say that
/// it is JSON is refused: a page can send any other type to any server, without asking that first.
pub(crate) async fn read_body<B>(
    headers: &HeaderMap,
    body: B,
    most: usize,
    limit: Duration,
) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let body = read_in_time(body, most, limit).await?;
    match body.is_empty() || is_json(headers) {
        true => Ok(body),
        false => Err(Problem::new(
            "unsupported_media_type",
            "send JSON, and `Content-Type: application/json` with it",
        )),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = |value: &HeaderValue| -> Option<bool> {
        let kind = value.to_str().ok()?.split(';').next()?;
        Some(kind.trim().eq_ignore_ascii_case("application/json"))
    };
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter().peekable();
    kinds.peek().is_some() && kinds.all(|kind| essence(kind) == Some(true))
}

async fn read_in_time<B>(body: B, most: usize, limit: Duration) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut reading = pin!(read_all(body, most));
    // Mostly it came together with the head, and no timer is needed.
    if let Some(read) = poll_immediate(&mut reading).await {
        return read;
    }
    match tokio::time::timeout(limit, reading).await {
        Ok(read) => read,
        Err(_) => Err(Problem::with_status(
            408,
            "bad_request",
            "the body came too slowly",
        )),
    }
}

async fn read_all<B>(mut body: B, most: usize) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    // One piece, mostly, which is then taken as it is.
    let (mut first, mut rest) = (Bytes::new(), Vec::new());
    let mut size = 0_usize;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| Problem::new("bad_request", "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        size = size.saturating_add(data.len());
        if first.is_empty() && size <= most {
            first = data;
        } else if size <= most {
            rest.extend_from_slice(&data);
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
    match rest.is_empty() {
        true => Ok(first),
        false => Ok(Bytes::from([&first[..], &rest].concat())),
    }
}

/// The path as it was sent, with its query; mostly that is all there is of the address.
pub(super) fn path_of(uri: &Uri) -> Cow<'_, str> {
    match uri.path_and_query() {
        Some(path) if uri.scheme().is_none() => Cow::Borrowed(path.as_str()),
        _ => Cow::Owned(uri.to_string()),
    }
}

/// The scopes of a request's token, with a space between two.
pub(super) fn scopes(shared: &SharedStub, headers: &HeaderMap) -> String {
    let scopes = bearer(headers).map(|token| shared.coordinator().scopes(token));
    let names: Vec<_> = scopes.into_iter().flatten().map(Scope::name).collect();
    names.join(" ")
}

/// What a request says that rules look at: the id in its path goes before what its body says.
pub(crate) fn facts_of<'a>(
    operation: Option<Operation>,
    path_id: Option<&'a str>,
    said: &'a BorrowedJson<'_>,
) -> RequestFacts<'a> {
    let in_path = |prefix: &str| {
        let named = operation.is_some_and(|operation| operation.route().1.starts_with(prefix));
        path_id.filter(|_| named)
    };
    let submitted = || {
        said.text("id")
            .filter(|_| operation == Some(Operation::JobSubmit))
    };
    RequestFacts {
        factory: in_path("/v1/factories/").or_else(|| said.text("factoryId")),
        job: in_path("/v1/jobs/")
            .or_else(|| said.text("jobId"))
            .or_else(submitted),
        stage: said.text("stage"),
        lease: in_path("/v1/leases/").or_else(|| said.text("leaseId")),
    }
}

pub(super) fn call<'a>(
    parts: &'a Parts,
    operation: Operation,
    path_id: Option<&'a str>,
    body: &'a [u8],
    said: Result<BorrowedJson<'a>, serde_json::Error>,
) -> OperationCall<'a> {
    let key = parts.headers.get("idempotency-key");
    OperationCall {
        operation,
        path: parts.uri.path(),
        path_id,
        query: parts.uri.query().unwrap_or_default(),
        bearer: bearer(&parts.headers),
        key: key.map(|key| String::from_utf8_lossy(key.as_bytes())),
        body,
        said,
    }
}

/// The token of `Authorization: Bearer TOKEN`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A job as the API shows it.
pub(super) fn job_json(shared: &SharedStub, id: &JobId) -> Option<Value> {
    let job = shared.coordinator().state().job(id).cloned()?;
    Some(job_value(&job))
}

/// The first queued job of another name.
pub(super) fn another_queued_job(shared: &SharedStub, named: Option<&str>) -> Option<Value> {
    let other = {
        let coordinator = shared.coordinator();
        let queue = coordinator.state().queue();
        queue.in_order().find(|id| Some(id.as_str()) != named).cloned()
    };
    job_json(shared, &other?)
}

/// The moment as HTTP writes it. Most answers share their second with the one before.
pub(crate) fn http_date(now: UtcTimestamp) -> HeaderValue {
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

fn written_date(now: UtcTimestamp) -> HeaderValue {
    let written = jiff::Timestamp::from_millisecond(now.millis())
        .map(|timestamp| timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    HeaderValue::from_str(&written.unwrap_or_default()).expect("a date is plain text")
}
