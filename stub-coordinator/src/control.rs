//! The control API under `/_stub/`: over HTTP exactly what the library handle offers in process. Its requests are
//! never faulted, journalled or counted.

mod clock;
pub(crate) mod control_auth;
mod event_stream;
mod explain;
mod gates;
mod journal;
mod metrics;
mod policy;
mod reset;
mod rules;
mod state;
mod status;
mod verify;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::routing::{any, delete, get, post};
use serde::Serialize;
use serde_json::{Value, json};

use crate::contract::name_hint::with_hint;
use crate::shared_stub::SharedStub;
pub(crate) use control_auth::discount;

/// How a request gets at the stub that it is for.
type StubExtractor = State<Arc<SharedStub>>;
/// A name in a request's path.
type PathName = Result<Path<String>, PathRejection>;
/// What stands behind the `?` of a request.
type QueryOf<T> = Result<Query<T>, QueryRejection>;

/// The routes under `/_stub/` that are not open to everybody.
pub(crate) fn routes() -> Router<Arc<SharedStub>> {
    Router::new()
        .merge(event_stream::routes())
        .route("/health", get(status::health))
        .route("/counters", get(status::counters))
        .route("/digest", get(status::digest))
        .route("/jobs", get(status::jobs))
        .route("/journal", get(journal::journal))
        .route("/journal/count", post(journal::count))
        .route("/journal/wait", post(journal::wait))
        .route("/journal/verify", post(verify::verify))
        .route("/journal/verify-sequence", post(verify::verify_sequence))
        .route("/explain", post(explain::explain))
        .route("/metrics", get(metrics::metrics))
        .route("/unexpected", get(journal::unexpected))
        .route("/violations", get(journal::violations))
        .route("/presets", get(rules::presets))
        .route("/preset", post(rules::preset))
        .route(
            "/rules",
            get(rules::rules)
                .post(rules::arm)
                .put(rules::replace)
                .delete(rules::disarm_all),
        )
        .route("/rules/{id}", delete(rules::disarm))
        .route("/gates", get(gates::gates))
        .route("/gates/{name}/release", post(gates::release))
        .route("/clock", get(clock::clock).post(clock::advance))
        .route(
            "/policy",
            get(policy::policy).put(policy::tell).delete(policy::tell_none),
        )
        .route("/state", get(state::export).put(state::import))
        .route("/reset", post(reset::reset))
        .route("/openapi.json", get(openapi))
        .fallback(lost)
        .method_not_allowed_fallback(other_methods)
}

/// The one route under `/_stub/` that is.
pub(crate) fn identity_routes() -> Router<Arc<SharedStub>> {
    Router::new().route("/identity", get(status::identity).fallback(other_methods))
}

/// The routes beside `/_stub/`, just as guarded: metrics, where those who collect them look, and the bare name with a
/// slash behind it, which a nest leaves out and which would be the API's then.
pub(crate) fn routes_beside() -> Router<Arc<SharedStub>> {
    Router::new()
        .route("/_stub/", any(lost))
        .route("/metrics", get(metrics::metrics))
}

async fn other_methods() -> ControlProblem {
    problem(405, "method_not_allowed", "the path has other methods")
}

async fn lost() -> ControlProblem {
    problem(404, "not_found", "the control API has no such path")
}

/// At the control API's own address an answer comes once what was asked for is so; at the API's, an outage would wait for
/// the end of the very connection that asks for it.
pub(crate) async fn after_listening_settled(
    State(shared): StubExtractor,
    request: Request,
    next: Next,
) -> Response<Body> {
    let answer = next.run(request).await;
    shared.until_listening_settled().await;
    answer
}

/// What is said at the control API's own address to whoever looks for the API there.
pub(crate) async fn control_only_not_found(State(shared): StubExtractor) -> ControlProblem {
    let detail = match shared.places.get() {
        Some(places) => format!(
            "only control is here, under /_stub/; the API is at {}",
            places.url()
        ),
        None => "only control is here, under /_stub/".to_owned(),
    };
    problem(404, "not_found", detail)
}

/// The control API's own description, served as it is checked in.
const DOCUMENT: &str = include_str!("../../docs/stub-control.json");

async fn openapi() -> Response<Body> {
    respond(200, "application/json", DOCUMENT.to_owned())
}

/// A document of the control API.
fn document(body: &impl Serialize) -> Response<Body> {
    respond(
        200,
        "application/json",
        serde_json::to_string(body).unwrap_or_default(),
    )
}

/// A refusal of the control API.
pub(crate) struct ControlProblem {
    status: u16,
    code: &'static str,
    detail: String,
}

/// What a request of the control API comes to.
type ControlAnswer = Result<Response<Body>, ControlProblem>;

impl IntoResponse for ControlProblem {
    fn into_response(self) -> Response<Body> {
        let ControlProblem { status, code, detail } = self;
        let body = json!({"type": format!("urn:stub:problem:{code}"), "title": detail, "status": status,
                          "code": code, "detail": detail});
        respond(status, "application/problem+json", body.to_string())
    }
}

fn problem(status: u16, code: &'static str, detail: impl Into<String>) -> ControlProblem {
    let detail = detail.into();
    ControlProblem { status, code, detail }
}

/// The refusal of a request that can be read and makes no sense.
fn invalid_field(detail: impl Into<String>) -> ControlProblem {
    problem(422, "invalid_field", detail)
}

fn respond(status: u16, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(content_type),
    );
    response
}

/// A name in a control request's path. One that is no text is nobody's.
fn named(path: PathName) -> String {
    path.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(name)| name)
}

/// What a control request asks for behind its `?`, or what is wrong with that.
fn asked<T>(query: QueryOf<T>) -> Result<T, ControlProblem> {
    query
        .map(|Query(query)| query)
        .map_err(|rejection| invalid_field(rejection.body_text()))
}

/// Reads a control request's body, saying what is wrong with it.
fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ControlProblem> {
    let body = if body.is_empty() { b"{}" } else { body };
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| problem(400, "malformed_json", format!("{error}; send one JSON object")))?;
    serde_json::from_value(value).map_err(|error| invalid_field(with_hint(&error.to_string())))
}
