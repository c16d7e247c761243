//! Who may pull the levers: the holder of the control token, and never a page in somebody's browser.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, header};
use axum::middleware::Next;

use super::problem;
use crate::coordinator::access::Scope;
use crate::faults::{Handle, WireAnswer};
use crate::shared::Shared;

/// Where a whole state comes in, which may be large.
const STATE_PATH: &str = "/state";
const STATE_LIMIT: usize = 64 * 1_048_576;

#[derive(Clone)]
pub(super) struct Guard {
    token: Option<Arc<str>>,
    shared: Arc<Shared>,
}

impl Guard {
    pub(super) fn new(token: Option<&str>, shared: &Arc<Shared>) -> Guard {
        Guard {
            token: token.map(Arc::from),
            shared: Arc::clone(shared),
        }
    }

    /// Whoever knows the control token, or a token of the scope `admin`. Where nobody has a token, everybody: the stub
    /// then listens on loopback alone.
    fn lets_in(&self, sent: &str) -> bool {
        let coordinator = self.shared.coordinator();
        match &self.token {
            Some(token) if equal_in_constant_time(sent.as_bytes(), token.as_bytes()) => true,
            None if coordinator.is_open() => true,
            // Found by a keyed hash, which tells nothing of how near a guess was.
            _ => coordinator.scopes(sent).contains(&Scope::Admin),
        }
    }
}

/// Takes a connection out of the count that turns out to be the reader's own.
pub(crate) fn discount(shared: &Shared, request: &Request) {
    let handle = request.extensions().get::<Handle>();
    if handle.is_some_and(Handle::is_first_request) {
        shared.journal.connected_for_control();
    }
}

/// The same for what everybody may ask.
pub(super) async fn discounted(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    discount(&shared, &request);
    next.run(request).await
}

/// Lets a request through, or refuses it.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response<Body> {
    discount(&guard.shared, &request);
    let headers = request.headers();
    if !comes_from_here(headers) {
        return problem(
            403,
            "foreign_origin",
            "the control API is not for pages of other origins",
        );
    }
    if !guard.lets_in(crate::exchange::bearer(headers).unwrap_or_default()) {
        return problem(
            401,
            "unauthenticated",
            "send `Authorization: Bearer` with the control token or a token of the scope `admin`",
        );
    }
    let (parts, body) = request.into_parts();
    let most = match parts.uri.path().ends_with(STATE_PATH) {
        true => STATE_LIMIT,
        false => crate::exchange::BODY_LIMIT,
    };
    match crate::exchange::read_body(body, most, guard.shared.patience.body).await {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(problem) => {
            let date = crate::exchange::http_date(guard.shared.clock.now());
            WireAnswer::problem(&problem).into_response(date, None)
        }
    }
}

/// A page of another origin, or one whose name was made to point here, is refused: its `Origin` or `Host` tells.
fn comes_from_here(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let host_is_an_address = bare == "localhost" || bare.parse::<IpAddr>().is_ok();
    let same_origin = text(header::ORIGIN).is_none_or(|origin| origin == format!("http://{host}"));
    (host_is_an_address || headers.contains_key(header::AUTHORIZATION)) && same_origin
}

/// Takes the same time wherever the two differ; only their lengths tell.
fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .fold(0_u8, |different, (left, right)| different | (left ^ right))
            == 0
}
