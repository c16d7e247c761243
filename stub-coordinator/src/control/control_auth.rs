//! Who may pull the levers: the holder of the control token. Pages of other origins never get this far.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::middleware::Next;

use super::problem;
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

/// The same for what everybody may ask.
pub(super) async fn discount_layer(
    State(shared): State<Arc<SharedStub>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    discount(&shared, &request);
    next.run(request).await
}

/// Lets a request through, or refuses it.
pub(super) async fn check(
    State((tokens, shared)): State<(KnownTokens, Arc<SharedStub>)>,
    request: Request,
    next: Next,
) -> Response<Body> {
    discount(&shared, &request);
    let (parts, body) = request.into_parts();
    if !tokens.may_control(crate::exchange::bearer(&parts.headers).unwrap_or_default()) {
        return problem(
            401,
            "unauthenticated",
            "send `Authorization: Bearer` with the control token or a token of the scope `admin`",
        );
    }
    let most = match parts.uri.path().ends_with(STATE_PATH) {
        true => STATE_LIMIT,
        false => crate::exchange::BODY_LIMIT,
    };
    match crate::exchange::read_body(&parts.headers, body, most, shared.patience.body).await {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(problem) => {
            let date = crate::exchange::http_date(shared.clock.now());
            WireAnswer::problem(&problem).into_response(date, None)
        }
    }
}
