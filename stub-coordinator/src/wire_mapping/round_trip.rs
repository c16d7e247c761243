//! Whether a mapping loses anything: every example of the API document goes to the dialect and comes back.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::WireMapping;
use super::dialect_message::{DialectRoute, WireRequest};
use super::message_moves::MessageMoves;
use super::message_place::{MessageArea, MessageLeaf, MessagePlace, leaves_of};
use super::operation_mapping::OperationMapping;
use crate::contract::api_document::API_DOCUMENT;
use crate::contract::query_string::pairs_of;
use crate::contract::timestamp::UtcTimestamp;
use crate::wire_answer::{JSON, WireAnswer};

/// What was found out about a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundTripReport {
    /// How many examples came back as they were.
    pub same: usize,
    /// What did not, a sentence each.
    pub different: Vec<String>,
    /// Refusals that the dialect can't tell apart, a sentence each: no fault of the mapping.
    pub merged: Vec<String>,
    /// The operations that the dialect does not have.
    pub missing: Vec<&'static str>,
}

/// Takes every example of the API document to the dialect and back.
pub fn check_wire_mapping(mapping: &WireMapping) -> RoundTripReport {
    let document: Value = serde_json::from_str(API_DOCUMENT).unwrap_or_default();
    let mut check = RoundTripCheck {
        mapping,
        document: &document,
        report: RoundTripReport {
            same: 0,
            different: Vec::new(),
            merged: Vec::new(),
            missing: mapping.missing_operations(),
        },
    };
    for operation in &mapping.operations {
        check.requests(operation);
        check.answers(operation);
    }
    check.report
}

struct RoundTripCheck<'a> {
    mapping: &'a WireMapping,
    document: &'a Value,
    report: RoundTripReport,
}

impl RoundTripCheck<'_> {
    fn described(&self, operation: &OperationMapping) -> &Value {
        let (method, path) = operation.operation.route();
        &self.document["paths"][path][method.to_ascii_lowercase()]
    }

    fn requests(&mut self, operation: &OperationMapping) {
        let described = self.described(operation);
        let mut examples: Vec<(String, Value)> = examples(&described["requestBody"]["content"][JSON]);
        if examples.is_empty() {
            examples.push(("without a body".to_owned(), Value::Null));
        }
        let parameters = described["parameters"].as_array().cloned().unwrap_or_default();
        for (name, body) in examples {
            let name = format!("{}: request `{name}`", operation.operation.name());
            let request = self.request(operation, &parameters, &body);
            let (lost, came) =
                match request.and_then(|request| Ok((self.round(operation, &request)?, request))) {
                    Ok((back, request)) => (
                        request_leaves(&request, &operation.request),
                        request_leaves(&back, &operation.request),
                    ),
                    Err(error) => {
                        self.report.different.push(format!("{name}: {error}"));
                        continue;
                    }
                };
            self.compare(&name, &lost, &came);
        }
    }

    fn request(
        &self,
        operation: &OperationMapping,
        parameters: &[Value],
        body: &Value,
    ) -> Result<WireRequest, String> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_static("Bearer an-example-token"),
        );
        let mut query = Vec::new();
        let mut path_value = None;
        for parameter in parameters {
            let parameter = self.resolved(parameter);
            let example = example_of(self.resolved(&parameter["schema"]), parameter);
            match (parameter["in"].as_str(), parameter["name"].as_str()) {
                (Some("path"), _) => path_value = Some(example),
                (Some("query"), Some(name)) => query.push(format!("{name}={example}")),
                (Some("header"), Some(name)) => {
                    if let (Ok(name), Ok(value)) = (super::header(name), HeaderValue::try_from(example)) {
                        headers.insert(name, value);
                    }
                }
                _ => {}
            }
        }
        let body = match body {
            Value::Null => Bytes::new(),
            body => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
                Bytes::from(body.to_string())
            }
        };
        Ok(WireRequest {
            method: operation.operation.route().0.to_owned(),
            path: operation.api_path.filled(|_| path_value.clone())?,
            query: query.join("&"),
            headers,
            body,
        })
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let target = value["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
        target
            .and_then(|pointer| self.document.pointer(pointer))
            .unwrap_or(value)
    }

    fn round(&self, operation: &OperationMapping, request: &WireRequest) -> Result<WireRequest, String> {
        let there = self.mapping.to_dialect_request(operation.operation, request)?;
        let told = format!("{} {}", there.method, there.path);
        match self.mapping.to_api_request(there) {
            DialectRoute::Operation(back, request) if back == operation.operation => Ok(request),
            DialectRoute::Operation(back, _) => Err(format!("`{told}` comes back as `{}`", back.name())),
            DialectRoute::WrongMethod(_) | DialectRoute::UnknownPath => {
                Err(format!("`{told}` comes back as no operation"))
            }
        }
    }

    fn answers(&mut self, operation: &OperationMapping) {
        let responses = self.described(operation)["responses"].as_object().cloned();
        for (status, response) in responses.into_iter().flatten() {
            let Ok(status) = status.parse::<u16>() else {
                continue;
            };
            let response = self.resolved(&response).clone();
            let content = response["content"].as_object().cloned().unwrap_or_default();
            if content.is_empty() && status < 300 {
                self.answer(operation, "without a body", &WireAnswer::empty(status));
            }
            for (content_type, described) in content {
                for (name, body) in examples(&described) {
                    let mut answer = WireAnswer::json(status, &body);
                    if let Ok(content_type) = HeaderValue::try_from(&content_type) {
                        answer.headers.insert(header::CONTENT_TYPE, content_type);
                    }
                    self.answer(operation, &name, &answer);
                }
            }
        }
    }

    fn answer(&mut self, operation: &OperationMapping, name: &str, answer: &WireAnswer) {
        let name = format!(
            "{}: answer {} `{name}`",
            operation.operation.name(),
            answer.status
        );
        let there = self
            .mapping
            .to_dialect_answer(Some(operation.operation), answer.clone());
        let told = (there.status, there.value());
        let back = self.mapping.to_api_answer(operation.operation, there);
        let body = answer.value().unwrap_or_default();
        if answer.status < 400 {
            let moves = &operation.answer;
            let leaves = |answer: &WireAnswer| {
                let mut leaves = told_leaves(answer.value().as_ref(), moves);
                leaves.insert(format!("status {}", answer.status));
                leaves
            };
            return self.compare(&name, &leaves(answer), &leaves(&back));
        }
        let code = back.value().unwrap_or_default()["code"].clone();
        if back.status == answer.status && code == body["code"] {
            self.report.same += 1;
        } else if back.status == answer.status || told == self.told_as(operation, &code, back.status) {
            let text = format!(
                "{name} can't be told from `{}`",
                code.as_str().unwrap_or_default()
            );
            self.report.merged.push(text);
        } else {
            let text = format!("{name} comes back as {} {code}", back.status);
            self.report.different.push(text);
        }
    }

    /// What the dialect says for this refusal.
    fn told_as(&self, operation: &OperationMapping, code: &Value, status: u16) -> (u16, Option<Value>) {
        let answer = WireAnswer::json(status, &json!({"code": code}));
        let there = self.mapping.to_dialect_answer(Some(operation.operation), answer);
        (there.status, there.value())
    }

    fn compare(&mut self, name: &str, went: &BTreeSet<String>, came: &BTreeSet<String>) {
        let lost = went
            .difference(came)
            .map(|leaf| format!("{name}: {leaf} is lost"));
        let new = came
            .difference(went)
            .map(|leaf| format!("{name}: {leaf} comes up"));
        let before = self.report.different.len();
        self.report.different.extend(lost.chain(new));
        if self.report.different.len() == before {
            self.report.same += 1;
        }
    }
}

/// What a request says, one text for each value.
fn request_leaves(request: &WireRequest, moves: &MessageMoves) -> BTreeSet<String> {
    let body: Option<Value> = serde_json::from_slice(&request.body).ok();
    // A body that may be left out says as much as an empty one.
    let mut leaves = told_leaves(body.as_ref().filter(|body| **body != json!({})), moves);
    leaves.insert(format!("{} {}", request.method, request.path));
    for (name, value) in pairs_of(&request.query) {
        leaves.insert(format!("query:{name} {value}"));
    }
    for (name, value) in &request.headers {
        let place = MessagePlace::named(MessageArea::Header, name.as_str());
        if *name != header::CONTENT_TYPE && !moves.leaves_out(&place) {
            leaves.insert(format!("header:{name} {value:?}"));
        }
    }
    leaves
}

/// What a body says, but for what the dialect leaves out.
fn told_leaves(body: Option<&Value>, moves: &MessageMoves) -> BTreeSet<String> {
    let leaves = body.map(leaves_of).unwrap_or_default();
    let told = leaves.into_iter().filter(|leaf| !moves.leaves_out(&leaf.place));
    told.map(|MessageLeaf { place, value }| format!("{place} {}", to_the_second(value)))
        .collect()
}

/// Instants are compared to the second: a dialect may have no milliseconds.
fn to_the_second(value: Value) -> Value {
    match value.as_str().and_then(UtcTimestamp::parse) {
        Some(instant) => json!(instant.millis().div_euclid(1_000)),
        None => value,
    }
}

/// The examples of a body by their names.
fn examples(described: &Value) -> Vec<(String, Value)> {
    let named = described["examples"].as_object().into_iter().flatten();
    let mut examples: Vec<_> = named
        .map(|(name, example)| (name.clone(), example["value"].clone()))
        .collect();
    if let Some(example) = described.get("example") {
        examples.push(("example".to_owned(), example.clone()));
    }
    examples
}

/// A value for a parameter, as it stands in a path, a query or a header.
fn example_of(schema: &Value, parameter: &Value) -> String {
    let given = parameter.get("example").or_else(|| schema.get("example"));
    let first = || schema["enum"].get(0).or_else(|| schema["examples"].get(0));
    match given.or_else(first) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None if schema["type"] == "integer" => "7".to_owned(),
        None => "example-1".to_owned(),
    }
}
