//! Everything that stands in front of a handler, from the outside in. Read here what a request passes before it is
//! answered:
//!
//! 1. the connection: how many there are (`server`), how long a head may take and how large it may be;
//! 2. the guard: whose page asks, and by which name ([`OriginGuard`]), on both ports, for every path;
//! 3. for control alone: the connection is taken out of the count, the token is checked, the body is read in bounds.
//!
//! The operations of the API have no more layers than the guard. Their tokens and bodies are settled inside the exchange,
//! because what is refused there is evidence and is journalled.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tower::ServiceBuilder;

use crate::control::control_auth::{authenticate, discount_connection, limit_body};
use crate::known_tokens::KnownTokens;
use crate::origin_guard::{GuardedService, OriginGuard};
use crate::shared_stub::SharedStub;
use crate::{console, control, exchange};

/// The largest head, in bytes.
const HEAD_LIMIT: usize = 65_536;

/// A connection that cuts off who sends its head too slowly, or too large a one.
pub(crate) fn limited_connection(head_limit: Duration) -> http1::Builder {
    let mut connection = http1::Builder::new();
    connection
        .timer(TokioTimer::new())
        .header_read_timeout(head_limit)
        .max_buf_size(HEAD_LIMIT);
    connection
}

/// A service behind the guard, for a connection that came in at this address.
pub(crate) fn guarded<S>(
    guard: &OriginGuard,
    local: io::Result<SocketAddr>,
    service: S,
) -> GuardedService<S> {
    ServiceBuilder::new().layer(guard.at(local)).service(service)
}

/// What is served: at the API's address the control API and the API itself for all that is not under `/_stub/`; at the
/// control API's own address that alone.
pub(crate) struct StubServices {
    pub(crate) tokens: KnownTokens,
    pub(crate) api: Router,
    pub(crate) control: Router,
}

impl StubServices {
    pub(crate) fn new(shared: &Arc<SharedStub>, control_token: Option<&str>) -> StubServices {
        let tokens = KnownTokens::new(control_token, shared);
        let control = control_behind_layers(&tokens, shared);
        let api = control
            .clone()
            .merge(console::routes())
            .fallback(exchange::exchange);
        let settled = from_fn_with_state(Arc::clone(shared), control::after_listening_settled);
        let control = control
            .layer(settled)
            .merge(console::alone())
            .fallback(control::control_only_not_found);
        StubServices {
            tokens,
            api: api.with_state(Arc::clone(shared)),
            control: control.with_state(Arc::clone(shared)),
        }
    }
}

/// The control API: open where nobody has a token, else for those who administer. Who asks who the stub is has not yet
/// said who it is itself, and to whom it does depends on the answer, so that is open to everybody.
fn control_behind_layers(tokens: &KnownTokens, shared: &Arc<SharedStub>) -> Router<Arc<SharedStub>> {
    let discounted = || from_fn_with_state(Arc::clone(shared), discount_connection);
    let protected = || {
        ServiceBuilder::new()
            .layer(discounted())
            .layer(from_fn_with_state(tokens.clone(), authenticate))
            .layer(from_fn_with_state(Arc::clone(shared), limit_body))
    };
    let identity = control::identity_routes().layer(discounted());
    Router::new()
        .nest("/_stub", control::routes().layer(protected()).merge(identity))
        .merge(control::routes_beside().layer(protected()))
}
