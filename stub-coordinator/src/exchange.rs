//! The path of one request through everything: read, journalled, matched, carried out, corrupted, answered.
//!
//! This is where coordinator, rules, faults and journal meet, and the only place. The order matters: state is
//! committed and counted before the first wait that a client's leaving could end, and the end of the exchange is
//! written down before the first byte of the answer leaves.

mod dialect_edge;
mod exchange_run;
mod fault_wait;
mod read_request;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{Response, header};
use futures_util::future::poll_immediate;

use crate::contract::operation::{Operation, RouteMatch};
use crate::contract::problem::Problem;
use crate::faults::{ConnectionAction, ConnectionHandle};
use crate::journal::exchange_record::RequestArrival;
use crate::shared_stub::SharedStub;
use crate::wire::BorrowedJson;
use crate::wire_answer::WireAnswer;
use exchange_run::ExchangeRun;

pub(crate) use read_request::{BODY_LIMIT, bearer, facts_of, http_date, read_body};

/// Answers a request that came by way of the console's or the control API's routes and is neither's.
pub(crate) async fn exchange(State(shared): State<Arc<SharedStub>>, request: Request) -> Response<Body> {
    let handle = request
        .extensions()
        .get::<ConnectionHandle>()
        .cloned()
        .unwrap_or_default();
    let connection_epoch = request.extensions().get::<ConnectionEpoch>().copied();
    let connection_epoch = connection_epoch.unwrap_or_else(|| ConnectionEpoch(*shared.epoch.borrow()));
    serve_request(&shared, &handle, connection_epoch, request).await
}

/// Answers one request of the API, unless a reset ends it first.
pub(crate) async fn serve_request<B>(
    shared: &Arc<SharedStub>,
    handle: &ConnectionHandle,
    connection_epoch: ConnectionEpoch,
    request: axum::http::Request<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    handle.begin();
    let mut epoch = shared.epoch.subscribe();
    if connection_epoch.0 != *epoch.borrow() {
        return late(shared);
    }
    let mut answer = pin!(answer(shared, handle, request));
    // Mostly there is nothing to wait for, and so no time for a reset.
    if let Some(response) = poll_immediate(&mut answer).await {
        return response;
    }
    tokio::select! {
        biased;
        _ = epoch.changed() => {
            handle.set(ConnectionAction::Close);
            Response::new(Body::empty())
        }
        response = answer => response,
    }
}

/// The life of the stub in which a connection was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionEpoch(pub(crate) u64);

/// Refuses what was begun before a reset and came after it: neither journalled nor counted among the new life's.
fn late(shared: &SharedStub) -> Response<Body> {
    shared.late.fetch_add(1, Ordering::Relaxed);
    let problem = Problem::with_status(
        410,
        "past_life",
        "the stub was reset since this connection was made; connect again",
    );
    let closing = WireAnswer::problem(&problem).with(header::CONNECTION, "close".to_owned());
    let closing = closing.telling(shared.policy.header());
    let closing = dialect_edge::answer_of(shared, None, closing);
    closing.into_response(http_date(shared.clock.now()), None)
}

async fn answer<B>(
    shared: &Arc<SharedStub>,
    handle: &ConnectionHandle,
    request: axum::http::Request<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let (mut parts, body) = request.into_parts();
    let mut read = read_request::read_body(&parts.headers, body, BODY_LIMIT, shared.limits.body).await;
    let recognised = dialect_edge::translate(shared, &mut parts, &mut read)
        .unwrap_or_else(|| Operation::recognise(parts.method.as_str(), parts.uri.path()));
    let body = read.as_deref().unwrap_or_default();
    let said = BorrowedJson::read(body);
    let (operation, path_id) = match &recognised {
        RouteMatch::Operation(operation, path_id) => (Some(*operation), path_id.as_deref()),
        _ => (None, None),
    };
    let path = read_request::path_of(&parts.uri);
    let scopes = read_request::scopes(shared, &parts.headers);
    let facts = read_request::facts_of(operation, path_id, said.as_ref().unwrap_or(&BorrowedJson::Null));
    let now = shared.clock.now();
    let woken = Some(shared.clock.begin());
    // Decided before it is journalled: who waits for the arrival and then disarms the rule finds it fired.
    let fired = match (operation, &read) {
        (Some(operation), Ok(_)) => shared.rule_engine.decide(operation, &facts, now),
        _ => None,
    };
    let fault = fired.as_ref().map(|fired| fired.fault.to_string());
    if let Some(fired) = &fired {
        shared.journal.faulted(fired.fault.kind());
    }
    let open = shared.journal.arrive(&RequestArrival {
        operation: operation.map(Operation::name),
        method: parts.method.as_str(),
        path: &path,
        facts,
        token_scopes: &scopes,
        headers: &parts.headers,
        body,
        rule: fired.as_ref().map(|fired| fired.rule.as_str()),
        fault: fault.as_deref(),
        arrived: Instant::now(),
        at: now,
    });
    let run = ExchangeRun {
        shared,
        open,
        operation,
        handle,
        woken,
    };
    match (&recognised, &read) {
        (RouteMatch::Operation(operation, path_id), Ok(_)) => {
            let call = read_request::call(&parts, *operation, path_id.as_deref(), body, said);
            run.execute(call, fired).await
        }
        (RouteMatch::UnknownPath, Ok(_)) => {
            run.refuse(&Problem::new("not_found", "this coordinator has no such path"))
        }
        (RouteMatch::WrongMethod(allowed), Ok(_)) => {
            let problem = Problem::new("method_not_allowed", format!("allowed here: {allowed}"));
            run.refuse(&problem.allowing(allowed))
        }
        (_, Err(problem)) => run.refuse(problem),
    }
}
