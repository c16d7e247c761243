//! The OpenAPI document keeps its own promises: every example in it fits the schema beside it, every operation of
//! the contract is there, and each error it names has an example.

use serde_json::{Value, json};

const OPERATIONS: [&str; 15] = [
    "job.submit",
    "job.list",
    "job.get",
    "factory.enrol",
    "factory.heartbeat",
    "claim",
    "lease.renew",
    "lease.release",
    "job.report",
    "job.quarantine",
    "job.withdraw",
    "shadow.claim",
    "shadow.report",
    "health",
    "openapi",
];

fn document() -> Value {
    serde_json::from_str(include_str!("../../docs/coordinator-api.json")).expect("the document is JSON")
}

/// Every media type object of the document with a name for messages: requests, answers, shared answers.
fn media_types(document: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    walk(document, "", &mut found);
    found
}

fn walk(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    if let Some(object) = value.as_object() {
        if let Some(content) = object.get("content").and_then(Value::as_object) {
            for (media_type, body) in content {
                found.push((format!("{path} {media_type}"), body.clone()));
            }
        }
        for (key, inner) in object {
            walk(inner, &format!("{path}/{key}"), found);
        }
    }
}

fn validator(document: &Value, schema: &Value) -> jsonschema::Validator {
    let mut root = schema.clone();
    root["components"] = document["components"].clone();
    jsonschema::draft202012::new(&root).expect("the schema is one")
}

fn operations(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .values()
        .flat_map(|item| item.as_object().expect("a path item").values())
        .map(|operation| {
            (
                operation["operationId"]
                    .as_str()
                    .expect("an operation id")
                    .to_owned(),
                operation.clone(),
            )
        })
        .collect()
}

#[test]
fn every_example_fits_its_schema() {
    let document = document();
    let mut seen = 0;
    for (place, media_type) in media_types(&document) {
        let validator = validator(&document, &media_type["schema"]);
        let examples = media_type["examples"]
            .as_object()
            .unwrap_or_else(|| panic!("{place} has no examples"));
        assert!(!examples.is_empty(), "{place} has no examples");
        for (name, example) in examples {
            let errors: Vec<_> = validator
                .iter_errors(&example["value"])
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{place} example {name}: {errors:#?}");
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} examples were found");
}

#[test]
fn a_wrong_example_would_be_noticed() {
    let document = document();
    let schema = json!({"$ref": "#/components/schemas/Lease"});
    let lease = json!({"id": "a..b", "jobId": "x", "factoryId": "y", "fencingToken": 0, "ttlMs": 1, "expiresAt": "soon"});
    assert_eq!(validator(&document, &schema).iter_errors(&lease).count(), 3);
}

#[test]
fn the_operations_are_those_of_the_contract() {
    let mut named: Vec<_> = operations(&document()).into_iter().map(|(id, _)| id).collect();
    let mut wanted: Vec<_> = OPERATIONS.iter().map(|id| (*id).to_owned()).collect();
    named.sort();
    wanted.sort();
    assert_eq!(named, wanted);
}

#[test]
fn every_operation_with_a_body_can_be_refused_for_its_shape_and_its_size() {
    for (id, operation) in operations(&document()) {
        if operation.get("requestBody").is_some() {
            for status in ["400", "413", "422"] {
                assert!(
                    operation["responses"].get(status).is_some(),
                    "{id} does not say {status}"
                );
            }
        }
    }
}

#[test]
fn every_problem_example_carries_its_own_status_and_stands_under_its_own_code() {
    let document = document();
    for (place, media_type) in media_types(&document) {
        if !place.ends_with("application/problem+json") {
            continue;
        }
        for (name, example) in media_type["examples"].as_object().expect("examples") {
            assert_eq!(example["value"]["code"].as_str(), Some(name.as_str()), "{place}");
            let status = example["value"]["status"].to_string();
            let shared = place.contains("/components/responses/");
            assert!(
                shared
                    || place.contains(&format!("/responses/{status}/"))
                    || place.contains(&format!("/responses/{status} ")),
                "{place}: {status}"
            );
        }
    }
}
