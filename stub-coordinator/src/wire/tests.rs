//! The worked examples of the OpenAPI document against the stub's own wire types: every request example is read,
//! every answer example is written, and every problem is the one the document shows.

mod answers;

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::contract::ids::{FactoryId, JobId, LeaseId};
use crate::contract::operation::Operation;
use crate::contract::problem::Problem;
use crate::contract::scope::Scope;
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;
use crate::coordinator::commands::{CommandRefusal, CommandReply, CoordinatorCommand};
use crate::coordinator::digest::Digest;
use crate::coordinator::job::{JobRecord, QuarantineRecord};
use crate::coordinator::lease::{Lease, LeaseNumber};

fn document() -> Value {
    serde_json::from_str(crate::contract::api_document::API_DOCUMENT).expect("the document is JSON")
}

fn operation_object(document: &Value, operation: Operation) -> Value {
    let (method, path) = operation.route();
    document["paths"][path][method.to_lowercase()].clone()
}

fn examples(media_types: &Value) -> Vec<(String, Value)> {
    let media_types = media_types.as_object().into_iter().flatten();
    media_types
        .flat_map(|(_, body)| body["examples"].as_object().cloned().unwrap_or_default())
        .map(|(name, example)| (name, example["value"].clone()))
        .collect()
}

fn path_id(operation: Operation) -> Option<&'static str> {
    operation.route().1.contains("{id}").then_some("tidy-changelog")
}

fn read(operation: Operation, body: &[u8], strict: bool) -> Result<Option<CoordinatorCommand>, Problem> {
    read_command(
        operation,
        path_id(operation),
        QueryParameters::new(Vec::new()),
        BorrowedJson::read(body),
        None,
        strict,
    )
}

#[test]
fn every_operation_of_the_document_has_the_route_it_has_here() {
    let document = document();
    for operation in Operation::ALL {
        let object = operation_object(&document, operation);
        assert_eq!(object["operationId"].as_str(), Some(operation.name()));
    }
}

#[test]
fn every_request_example_is_read_though_strict() {
    let document = document();
    let mut seen = 0;
    for operation in Operation::ALL
        .into_iter()
        .filter(|operation| operation.takes_body())
    {
        for (name, example) in examples(&operation_object(&document, operation)["requestBody"]["content"]) {
            let command = read(operation, example.to_string().as_bytes(), true);
            assert!(
                matches!(command, Ok(Some(_))),
                "{} {name}: {command:?}",
                operation.name()
            );
            seen += 1;
        }
    }
    assert!(seen >= 15, "only {seen} examples");
}

#[test]
fn a_request_without_any_one_of_its_required_fields_is_refused_by_that_name() {
    let document = document();
    for operation in Operation::ALL
        .into_iter()
        .filter(|operation| operation.takes_body())
    {
        let object = operation_object(&document, operation);
        let body = &object["requestBody"]["content"]["application/json"];
        let schema = body["schema"]["$ref"]
            .as_str()
            .expect("a reference")
            .trim_start_matches('#');
        let schema = document.pointer(schema).expect("the schema");
        let required = schema.get("required").and_then(Value::as_array);
        assert_eq!(
            required.is_none(),
            operation.body_is_optional(),
            "{}",
            operation.name()
        );
        for field in required.into_iter().flatten() {
            let field = field.as_str().expect("a name");
            for (_, mut example) in examples(&object["requestBody"]["content"]) {
                example.as_object_mut().expect("an object").remove(field);
                let problem = read(operation, example.to_string().as_bytes(), false).expect_err(field);
                let problem = serde_json::to_value(&problem).expect("JSON");
                assert_eq!(problem["code"], "invalid_field", "{} {field}", operation.name());
                assert_eq!(problem["field"], field, "{}", operation.name());
            }
        }
    }
}

#[test]
fn unknown_fields_are_ignored_or_refused_as_told() {
    let body = br#"{"factoryId":"f","caps":[],"capz":[]}"#;
    assert!(read(Operation::Claim, body, false).is_ok());
    let problem =
        serde_json::to_value(read(Operation::Claim, body, true).expect_err("strict")).expect("JSON");
    assert_eq!(
        (&problem["code"], &problem["field"]),
        (&"unknown_field".into(), &"capz".into())
    );
    assert!(
        problem["detail"]
            .as_str()
            .expect("a detail")
            .contains("did you mean `caps`?"),
        "{problem}"
    );
}

#[test]
fn wrong_shapes_are_told_from_no_ids() {
    for (body, code) in [
        (r#"{"factoryId":"../x","caps":[]}"#, "invalid_id"),
        (r#"{"factoryId":"f","caps":["a b"]}"#, "invalid_id"),
        (r#"{"factoryId":7,"caps":[]}"#, "invalid_field"),
        (r#"{"factoryId":"f","caps":null}"#, "invalid_field"),
        (r#"{"factoryId":"f","caps":[],"waitMs":-1}"#, "invalid_field"),
        (r#"{"factoryId":"f","caps":[],"waitMs":1.5}"#, "invalid_field"),
        ("[]", "invalid_field"),
        ("{", "malformed_json"),
        ("", "malformed_json"),
        ("\u{fffd}", "malformed_json"),
    ] {
        let problem = read(Operation::Claim, body.as_bytes(), false).expect_err(body);
        assert_eq!(&*problem.code, code, "{body}");
    }
    assert!(
        read(
            Operation::Claim,
            br#"{"factoryId":"f","caps":[],"waitMs":5.0}"#,
            true
        )
        .is_ok()
    );
}
