//! The console at `/`: one page that shows what the stub sees and works its controls, by way of the control API alone.
//!
//! The page is self-contained: style and script stand in it, under a nonce of each answer's own, and its content
//! security policy lets it load nothing from anywhere and talk to nobody but this stub. It holds nothing that is
//! worth a token; what it asks of the control API is guarded there.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::get;

use crate::control::discount;
use crate::exchange::exchange;
use crate::shared_stub::SharedStub;

const PAGE: &str = include_str!("console/page.html");
const STYLE: &str = include_str!("console/style.css");
/// In the order in which they build on each other.
const SCRIPTS: [&str; 6] = [
    include_str!("console/dom.js"),
    include_str!("console/control_client.js"),
    include_str!("console/agreement.js"),
    include_str!("console/panels.js"),
    include_str!("console/journal.js"),
    include_str!("console/controls.js"),
];

/// The page's route. Who asks for no page gets the API's answer, and is journalled like everybody else.
pub(crate) fn routes() -> Router<Arc<SharedStub>> {
    Router::new().route("/", get(page_or_answer).fallback(exchange))
}

/// The page's route where there is nothing else to ask for.
pub(crate) fn alone() -> Router<Arc<SharedStub>> {
    Router::new().route("/", get(|| async { page() }))
}

async fn page_or_answer(State(shared): State<Arc<SharedStub>>, request: Request) -> Response<Body> {
    let accept = request.headers().get(header::ACCEPT);
    if !accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
    {
        return exchange(State(shared), request).await;
    }
    discount(&shared, &request);
    page()
}

fn page() -> Response<Body> {
    let Ok(nonce) = crate::random_secrets::draw_token() else {
        let mut response = Response::new(Body::from("the system gives no randomness; try again"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return response;
    };
    let mut response = Response::new(Body::from(document(&nonce)));
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy(&nonce)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn document(nonce: &str) -> String {
    PAGE.replace("{{nonce}}", nonce)
        .replace("{{style}}", STYLE)
        .replace("{{script}}", &SCRIPTS.concat())
}

fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
