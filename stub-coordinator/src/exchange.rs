//! The path of one request through everything: read, journalled, matched, carried out, spoilt, answered.
//!
//! This is where coordinator, script, faults and journal meet, and the only place. The order matters: state is
//! committed and counted before the first wait that a client's leaving could end, and the end of the exchange is
//! written down before the first byte of the answer leaves.

mod request;
mod run;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{Response, header};

use crate::faults::{Act, Handle, WireAnswer};
use crate::journal::record::Arrival;
use crate::operation::{Operation, Recognised};
use crate::shared::Shared;
use crate::wire::{Json, Problem};
use run::Run;

pub(crate) use request::{BODY_LIMIT, bearer, facts_of, http_date, read_body};

/// Answers a request that came by way of the console's or the control API's routes and is neither's.
pub(crate) async fn exchange(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let handle = request.extensions().get::<Handle>().cloned().unwrap_or_default();
    let born = request.extensions().get::<Born>().copied();
    let born = born.unwrap_or_else(|| Born(*shared.life.borrow()));
    converse(&shared, &handle, born, request).await
}

/// Answers one request of the API, unless a reset ends it first.
pub(crate) async fn converse<B>(
    shared: &Arc<Shared>,
    handle: &Handle,
    born: Born,
    request: axum::http::Request<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    handle.begin();
    let mut life = shared.life.subscribe();
    if born.0 != *life.borrow() {
        return late(shared);
    }
    let mut answer = pin!(answer(shared, handle, request));
    // Mostly there is nothing to wait for, and so no time for a reset.
    if let Some(response) = at_once(&mut answer).await {
        return response;
    }
    tokio::select! {
        biased;
        _ = life.changed() => {
            handle.set(Act::Close);
            Response::new(Body::empty())
        }
        response = answer => response,
    }
}

/// What a future comes to, where it does so without waiting.
async fn at_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *future).poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// The life of the stub in which a connection was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Born(pub(crate) u64);

/// Refuses what was begun before a reset and came after it: neither journalled nor counted among the new life's.
fn late(shared: &Shared) -> Response<Body> {
    shared.late.fetch_add(1, Ordering::Relaxed);
    let problem = Problem::with_status(
        410,
        "past_life",
        "the stub was reset since this connection was made; connect again",
    );
    let closing = WireAnswer::problem(&problem).with(header::CONNECTION, "close".to_owned());
    closing.into_response(http_date(shared.clock.now()), None)
}

async fn answer<B>(shared: &Arc<Shared>, handle: &Handle, request: axum::http::Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let (parts, body) = request.into_parts();
    let recognised = Operation::recognise(parts.method.as_str(), parts.uri.path());
    let read = request::read_body(&parts.headers, body, BODY_LIMIT, shared.patience.body).await;
    let body = read.as_deref().unwrap_or_default();
    let said = Json::read(body);
    let (operation, path_id) = match &recognised {
        Recognised::Operation(operation, path_id) => (Some(*operation), path_id.as_deref()),
        _ => (None, None),
    };
    let path = request::path_of(&parts.uri);
    let scopes = request::scopes(shared, &parts.headers);
    let facts = request::facts_of(operation, path_id, said.as_ref().unwrap_or(&Json::Null));
    let now = shared.clock.now();
    let woken = Some(shared.clock.begin());
    // Decided before it is journalled: who waits for the arrival and then disarms the rule finds it fired.
    let fired = match (operation, &read) {
        (Some(operation), Ok(_)) => shared.script.decide(operation, &facts, now),
        _ => None,
    };
    let fault = fired.as_ref().map(|fired| fired.fault.to_string());
    if let Some(fired) = &fired {
        shared.journal.faulted(fired.fault.kind());
    }
    let open = shared.journal.arrive(&Arrival {
        operation: operation.map(Operation::name),
        method: parts.method.as_str(),
        path: &path,
        factory: facts.factory,
        job: facts.job,
        stage: facts.stage,
        lease: facts.lease,
        token_scopes: &scopes,
        headers: &parts.headers,
        body,
        rule: fired.as_ref().map(|fired| fired.rule.as_str()),
        fault: fault.as_deref(),
        arrived: Instant::now(),
        at: now,
    });
    let run = Run {
        shared,
        open,
        handle,
        woken,
    };
    match (&recognised, &read) {
        (Recognised::Operation(operation, path_id), Ok(_)) => {
            let call = request::call(&parts, *operation, path_id.as_deref(), body, said);
            run.carry_out(call, fired).await
        }
        (Recognised::UnknownPath, Ok(_)) => {
            run.refuse(&Problem::new("not_found", "this coordinator has no such path"))
        }
        (Recognised::WrongMethod(allowed), Ok(_)) => {
            let problem = Problem::new("method_not_allowed", format!("allowed here: {allowed}"));
            run.refuse(&problem.allowing(allowed))
        }
        (_, Err(problem)) => run.refuse(problem),
    }
}
