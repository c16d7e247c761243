//! The layers in front of the control API: who may use it, and how much may be sent. Pages of other origins never get
//! this far.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::middleware::Next;
use axum::response::IntoResponse;

use super::problem;
use crate::exchange::{BODY_LIMIT, bearer, http_date, read_body};
use crate::faults::ConnectionHandle;
use crate::known_tokens::KnownTokens;
use crate::shared_stub::SharedStub;
use crate::wire_answer::WireAnswer;

/// Where a whole state comes in, which may be large.
const STATE_PATH: &str = "/state";
const STATE_LIMIT: usize = 64 * 1_048_576;

/// Takes a connection out of the count that turns out to be the reader's own.
pub(crate) fn discount(shared: &SharedStub, request: &Request) {
    let handle = request.extensions().get::<ConnectionHandle>();
    if handle.is_some_and(ConnectionHandle::is_first_request) {
        shared.journal.connected_for_control();
    }
}

/// The same as a layer.
pub(crate) async fn discount_connection(
    State(shared): State<Arc<SharedStub>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    discount(&shared, &request);
    next.run(request).await
}

/// Lets a request through that shows a token for control, or refuses it.
pub(crate) async fn authenticate(
    State(tokens): State<KnownTokens>,
    request: Request,
    next: Next,
) -> Response<Body> {
    match tokens.may_control(bearer(request.headers()).unwrap_or_default()) {
        true => next.run(request).await,
        false => problem(
            401,
            "unauthenticated",
            "send `Authorization: Bearer` with the control token or a token of the scope `admin`",
        )
        .into_response(),
    }
}

/// Reads the body of a request within bounds of size and time, or refuses it.
pub(crate) async fn limit_body(
    State(shared): State<Arc<SharedStub>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let most = match parts.uri.path().ends_with(STATE_PATH) {
        true => STATE_LIMIT,
        false => BODY_LIMIT,
    };
    match read_body(&parts.headers, body, most, shared.limits.body).await {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(problem) => {
            let date = http_date(shared.clock.now());
            WireAnswer::problem(&problem).into_response(date, None)
        }
    }
}
