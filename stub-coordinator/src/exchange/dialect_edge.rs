//! Where a stub that speaks another wire takes requests over from it, and hands answers back to it.

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{Method, Uri};

use crate::contract::operation::{Operation, RouteMatch};
use crate::contract::problem::Problem;
use crate::shared_stub::SharedStub;
use crate::wire_answer::WireAnswer;
use crate::wire_mapping::{DialectRoute, WireRequest};

/// Makes a request of the dialect one of the API; what it is instead where it is no operation of the dialect. A body that
/// could not be read is refused as that.
pub(super) fn translate(
    shared: &SharedStub,
    parts: &mut Parts,
    body: &mut Result<Bytes, Problem>,
) -> Option<RouteMatch<'static>> {
    let mapping = shared.wire.as_deref()?;
    let route = mapping.to_api_request(WireRequest {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers.clone(),
        body: body.as_ref().cloned().unwrap_or_default(),
    });
    let request = match route {
        DialectRoute::Operation(_, request) => request,
        DialectRoute::WrongMethod(allowed) => return Some(RouteMatch::WrongMethod(allowed)),
        DialectRoute::UnknownPath => return Some(RouteMatch::UnknownPath),
    };
    let target = match request.query.is_empty() {
        true => request.path,
        false => format!("{}?{}", request.path, request.query),
    };
    let (Ok(uri), Ok(method)) = (target.parse::<Uri>(), request.method.parse::<Method>()) else {
        return Some(RouteMatch::UnknownPath);
    };
    (parts.uri, parts.method, parts.headers) = (uri, method, request.headers);
    if let Ok(body) = body {
        *body = request.body;
    }
    None
}

/// The answer as the stub's wire has it.
pub(super) fn answer_of(shared: &SharedStub, operation: Option<Operation>, answer: WireAnswer) -> WireAnswer {
    match shared.wire.as_deref() {
        Some(mapping) => mapping.to_dialect_answer(operation, answer),
        None => answer,
    }
}
