//! Whole requests and answers, from the dialect to the API and back.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use super::WireMapping;
use super::message_parts::MessageParts;
use super::message_place::{MessageArea, MessageLeaf, MessagePlace, leaves_of};
use super::operation_mapping::OperationMapping;
use crate::contract::operation::Operation;
use crate::contract::query_string::pairs_of;
use crate::wire_answer::{JSON, WireAnswer};

/// A request of either side.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WireRequest {
    pub(crate) method: String,
    /// Without its query.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What a request of the dialect comes to.
#[derive(Debug)]
pub(crate) enum DialectRoute {
    /// The same as a request of the API.
    Operation(Operation, WireRequest),
    /// A path of the dialect under another method; the value of `Allow`.
    WrongMethod(&'static str),
    UnknownPath,
}

impl WireMapping {
    /// A request of the dialect as one of the API.
    pub(crate) fn to_api_request(&self, request: WireRequest) -> DialectRoute {
        let fits = |mapping: &&OperationMapping| mapping.path.values(&request.path).is_some();
        let meant = self
            .operations
            .iter()
            .filter(fits)
            .filter(|mapping| mapping.method == request.method)
            .max_by_key(|mapping| mapping.path.literals());
        let Some(mapping) = meant else {
            let methods: Vec<_> = self
                .operations
                .iter()
                .filter(fits)
                .map(|mapping| mapping.method)
                .collect();
            return match methods[..] {
                [] => DialectRoute::UnknownPath,
                ["GET", "POST"] | ["POST", "GET"] => DialectRoute::WrongMethod("GET, POST"),
                [method, ..] => DialectRoute::WrongMethod(method),
            };
        };
        match self.api_request(mapping, request) {
            Ok(request) => DialectRoute::Operation(mapping.operation, request),
            Err(_) => DialectRoute::UnknownPath,
        }
    }

    fn api_request(&self, mapping: &OperationMapping, request: WireRequest) -> Result<WireRequest, String> {
        let mut headers = request.headers;
        let body = read(&request.body);
        let mut leaves = body.as_ref().map(leaves_of).unwrap_or_default();
        let path = mapping.path.values(&request.path).unwrap_or_default();
        leaves.extend(named(MessageArea::Path, path));
        leaves.extend(named(MessageArea::Query, pairs_of(&request.query)));
        leaves.extend(take_headers(&mut headers, mapping.request.headers(true)));
        let leaves = mapping.request.to_api(&self.names, leaves);
        self.rename_headers(&mut headers, |(ours, theirs)| (theirs, ours));
        self.token_to_api(&mut headers);
        let (method, _) = mapping.operation.route();
        let mut parts = MessageParts::of(leaves);
        parts.put_headers(&mut headers);
        let body = match (&body, mapping.operation.takes_body()) {
            // What is no JSON is refused as that, in the words of the dialect.
            (None, _) if !request.body.is_empty() => request.body,
            (_, true) => {
                headers
                    .entry(header::CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static(JSON));
                Bytes::from(parts.body.take().unwrap_or_else(|| json!({})).to_string())
            }
            (_, false) => Bytes::new(),
        };
        Ok(WireRequest {
            method: method.to_owned(),
            path: mapping.api_path.filled(|name| parts.path_value(name))?,
            query: parts.query(),
            headers,
            body,
        })
    }

    /// A request of the API in the dialect. An error: the dialect has no such operation, or something has no place.
    pub(crate) fn to_dialect_request(
        &self,
        operation: Operation,
        request: &WireRequest,
    ) -> Result<WireRequest, String> {
        let mapping = self
            .operation(operation)
            .ok_or_else(|| format!("the dialect has no `{}`", operation.name()))?;
        let mut headers = request.headers.clone();
        let body = read(&request.body);
        let mut leaves = body.as_ref().map(leaves_of).unwrap_or_default();
        let path = mapping
            .api_path
            .values(&request.path)
            .ok_or_else(|| format!("`{}` is no path of `{}`", request.path, operation.name()))?;
        leaves.extend(named(MessageArea::Path, path));
        leaves.extend(named(MessageArea::Query, pairs_of(&request.query)));
        leaves.extend(take_headers(&mut headers, mapping.request.headers(false)));
        let leaves = mapping.request.to_dialect(&self.names, leaves);
        self.token_to_dialect(&mut headers);
        self.rename_headers(&mut headers, |(ours, theirs)| (ours, theirs));
        let mut parts = MessageParts::of(leaves);
        parts.put_headers(&mut headers);
        let takes_body = !matches!(mapping.method, "GET" | "DELETE");
        let body = match (parts.body.take(), takes_body) {
            (Some(body), true) => {
                headers
                    .entry(header::CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static(JSON));
                Bytes::from(body.to_string())
            }
            (Some(body), false) if body != json!({}) => {
                let method = mapping.method;
                return Err(format!(
                    "`{body}` has no place in a {method}: move it to `query:`"
                ));
            }
            _ => {
                headers.remove(header::CONTENT_TYPE);
                Bytes::new()
            }
        };
        Ok(WireRequest {
            method: mapping.method.to_owned(),
            path: mapping.path.filled(|name| parts.path_value(name))?,
            query: parts.query(),
            headers,
            body,
        })
    }

    /// An answer of the API in the dialect. `operation`: none where the request was of no operation.
    pub(crate) fn to_dialect_answer(&self, operation: Option<Operation>, answer: WireAnswer) -> WireAnswer {
        let mapping = operation.and_then(|operation| self.operation(operation));
        let mut answer = answer;
        self.rename_headers(&mut answer.headers, |(ours, theirs)| (ours, theirs));
        let body = read(&answer.body);
        if let (204, Some(nothing)) = (
            answer.status,
            mapping.and_then(|mapping| mapping.nothing.as_ref()),
        ) {
            answer.status = nothing.status;
            return match &nothing.body {
                Some(body) => with_body(answer, JSON, body),
                None => answer,
            };
        }
        // Deliberate garbage stays garbage.
        let Some(body) = body else { return answer };
        if answer.status >= 400 && body["code"].is_string() {
            let refusal = self.refusals.to_dialect(&self.names, answer.status, &body);
            answer.status = refusal.status;
            return with_body(answer, &refusal.content_type, &refusal.body);
        }
        let Some(mapping) = mapping else { return answer };
        if mapping.success.is_some_and(|(_, ours)| ours == answer.status) {
            answer.status = mapping.success.map_or(answer.status, |(theirs, _)| theirs);
        }
        let mut headers = std::mem::take(&mut answer.headers);
        let mut leaves = leaves_of(&body);
        leaves.extend(take_headers(&mut headers, mapping.answer.headers(false)));
        let leaves = mapping.answer.to_dialect(&self.names, leaves);
        answer.headers = headers;
        rebuilt(answer, leaves)
    }

    /// An answer of the dialect as the API's.
    pub(crate) fn to_api_answer(&self, operation: Operation, answer: WireAnswer) -> WireAnswer {
        let mut answer = answer;
        self.rename_headers(&mut answer.headers, |(ours, theirs)| (theirs, ours));
        let Some(mapping) = self.operation(operation) else {
            return answer;
        };
        let body = read(&answer.body);
        let is_nothing = mapping
            .nothing
            .as_ref()
            .is_some_and(|nothing| nothing.status == answer.status && nothing.body == body);
        if is_nothing {
            answer.headers.remove(header::CONTENT_TYPE);
            (answer.status, answer.body) = (204, Bytes::new());
            return answer;
        }
        let Some(body) = body else { return answer };
        if let Some(refusal) = self.refusals.to_api(&self.names, answer.status, &body) {
            answer.status = refusal.status;
            return with_body(answer, &refusal.content_type, &refusal.body);
        }
        if let Some((theirs, ours)) = mapping.success
            && theirs == answer.status
        {
            answer.status = ours;
        }
        let mut headers = std::mem::take(&mut answer.headers);
        let mut leaves = leaves_of(&body);
        leaves.extend(take_headers(&mut headers, mapping.answer.headers(true)));
        let leaves = mapping.answer.to_api(&self.names, leaves);
        answer.headers = headers;
        rebuilt(answer, leaves)
    }

    fn rename_headers<'a>(
        &'a self,
        headers: &mut HeaderMap,
        from_to: impl Fn((&'a HeaderName, &'a HeaderName)) -> (&'a HeaderName, &'a HeaderName),
    ) {
        for (ours, theirs) in &self.headers {
            let (from, to) = from_to((ours, theirs));
            if let Some(value) = headers.remove(from) {
                headers.insert(to, value);
            }
        }
    }

    fn token_to_api(&self, headers: &mut HeaderMap) {
        let value = headers.remove(&self.token.header);
        // A token that stands where this wire has none is none.
        headers.remove(header::AUTHORIZATION);
        let token = value.as_ref().and_then(|value| value.to_str().ok());
        // The name of a scheme counts in any case (RFC 9110, 11.1).
        let token = token.and_then(|text| {
            let (prefix, token) = text.split_at_checked(self.token.prefix.len())?;
            prefix.eq_ignore_ascii_case(&self.token.prefix).then_some(token)
        });
        if let Some(value) = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok()) {
            headers.insert(header::AUTHORIZATION, value);
        }
    }

    fn token_to_dialect(&self, headers: &mut HeaderMap) {
        let value = headers.remove(header::AUTHORIZATION);
        let token = value
            .as_ref()
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let Some(token) = token else { return };
        if let Ok(value) = HeaderValue::try_from(format!("{}{token}", self.token.prefix)) {
            headers.insert(self.token.header.clone(), value);
        }
    }
}

/// The body as JSON, where it is JSON.
fn read(body: &Bytes) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

fn named(area: MessageArea, pairs: Vec<(String, String)>) -> impl Iterator<Item = MessageLeaf> {
    pairs.into_iter().map(move |(name, value)| MessageLeaf {
        place: MessagePlace::named(area, &name),
        value: json!(value),
    })
}

/// Takes the headers out that rules speak of.
fn take_headers<'a>(headers: &mut HeaderMap, names: impl Iterator<Item = &'a str>) -> Vec<MessageLeaf> {
    let mut leaves = Vec::new();
    for name in names {
        let value = headers.remove(name);
        if let Some(text) = value.as_ref().and_then(|value| value.to_str().ok()) {
            leaves.push(MessageLeaf {
                place: MessagePlace::named(MessageArea::Header, name),
                value: json!(text),
            });
        }
    }
    leaves
}

fn with_body(mut answer: WireAnswer, content_type: &str, body: &Value) -> WireAnswer {
    if let Ok(content_type) = HeaderValue::try_from(content_type) {
        answer.headers.insert(header::CONTENT_TYPE, content_type);
    }
    answer.body = Bytes::from(body.to_string());
    answer
}

fn rebuilt(mut answer: WireAnswer, leaves: Vec<MessageLeaf>) -> WireAnswer {
    let mut parts = MessageParts::of(leaves);
    parts.put_headers(&mut answer.headers);
    if let Some(body) = parts.body.take() {
        answer.body = Bytes::from(body.to_string());
    }
    answer
}
