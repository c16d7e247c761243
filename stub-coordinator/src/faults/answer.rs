//! An answer as it goes over the wire: status, headers, bytes.

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::wire::Problem;

pub(crate) const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Bytes,
}

impl WireAnswer {
    pub(crate) fn empty(status: u16) -> WireAnswer {
        WireAnswer {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> WireAnswer {
        WireAnswer::bytes(status, JSON, Bytes::from(body.to_string()))
    }

    pub(crate) fn bytes(status: u16, content_type: &str, body: Bytes) -> WireAnswer {
        WireAnswer {
            status,
            headers: vec![(header::CONTENT_TYPE, content_type.to_owned())],
            body,
        }
    }

    pub(crate) fn problem(problem: &Problem) -> WireAnswer {
        let body = serde_json::to_vec(problem).expect("a problem holds strings and a number");
        let mut answer = WireAnswer::bytes(problem.status, PROBLEM, Bytes::from(body));
        if let Some(methods) = problem.allow {
            answer.headers.push((header::ALLOW, methods.to_owned()));
        }
        if problem.status == 413 {
            // What is left of the body was not read: the connection can't go on.
            answer.headers.push((header::CONNECTION, "close".to_owned()));
        }
        answer
    }

    pub(crate) fn with(mut self, name: HeaderName, value: String) -> WireAnswer {
        self.headers.push((name, value));
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
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response.headers_mut().insert(header::DATE, date);
        response
    }
}
