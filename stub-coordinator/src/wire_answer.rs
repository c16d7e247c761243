//! An answer as it goes over the wire: status, headers, bytes.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::contract::problem::Problem;

pub(crate) const JSON: &str = "application/json";
/// Policy and version of the coordinator (C-33).
const POLICY: HeaderName = HeaderName::from_static("coordinator-policy");
const PROBLEM: &str = "application/problem+json";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireAnswer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl WireAnswer {
    pub(crate) fn empty(status: u16) -> WireAnswer {
        WireAnswer {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> WireAnswer {
        WireAnswer::bytes(status, JSON, Bytes::from(body.to_string()))
    }

    pub(crate) fn bytes(status: u16, content_type: &'static str, body: Bytes) -> WireAnswer {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        WireAnswer {
            status,
            headers,
            body,
        }
    }

    pub(crate) fn problem(problem: &Problem) -> WireAnswer {
        let body = serde_json::to_vec(problem).expect("a problem holds strings and a number");
        let mut answer = WireAnswer::bytes(problem.status, PROBLEM, Bytes::from(body));
        if let Some(methods) = problem.allow {
            let methods = HeaderValue::from_static(methods);
            answer.headers.insert(header::ALLOW, methods);
        }
        if problem.status == 413 {
            // What is left of the body was not read: the connection can't go on.
            let close = HeaderValue::from_static("close");
            answer.headers.insert(header::CONNECTION, close);
        }
        answer
    }

    /// The answer with one header more, where the value can stand in a header.
    pub(crate) fn with(mut self, name: HeaderName, value: String) -> WireAnswer {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The answer with what is told of policy and version, where that is told.
    pub(crate) fn telling(mut self, policy: Option<HeaderValue>) -> WireAnswer {
        if let Some(policy) = policy {
            self.headers.insert(POLICY, policy);
        }
        self
    }

    /// The body as JSON, where it is JSON.
    pub(crate) fn value(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The response, with the body as given: whole, or in pieces.
    pub(crate) fn into_response(self, date: HeaderValue, body: Option<Body>) -> Response<Body> {
        let mut response = Response::new(body.unwrap_or_else(|| Body::from(self.body)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(header::DATE, date);
        response
    }
}
