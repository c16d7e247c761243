//! Holds every journalled exchange against the OpenAPI document: a request that it does not allow is the
//! runner's fault, an honest answer that it does not allow is the fake's.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};
use stub_coordinator::Exchange;

use super::{CheckFindings, assertion};
use crate::evidence::RunEvidence;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../docs/coordinator-api.json"))
        .expect("the document is JSON; the stub's own tests read it too")
});
/// A validator costs more to build than to use, so each is built once a process.
static VALIDATORS: LazyLock<Mutex<BTreeMap<String, Option<Arc<Validator>>>>> = LazyLock::new(Mutex::default);

pub(super) fn check(seen: &RunEvidence, findings: &mut CheckFindings) {
    let journal = &seen.coordinator.journal;
    let requests: Vec<String> = journal.iter().filter_map(wrong_request).collect();
    assertion("document-requests", findings).none("requests as the document describes them", &requests);
    let answers: Vec<String> = journal.iter().filter_map(wrong_answer).collect();
    assertion("document-answers", findings).none("honest answers as the document describes them", &answers);
}

/// What is wrong with the request of this exchange.
pub fn wrong_request(exchange: &Exchange) -> Option<String> {
    let operation = exchange.operation.as_deref()?;
    let described = operation_of(operation)?.get("requestBody")?;
    let schema = described.pointer("/content/application~1json/schema")?;
    let body = exchange.request_body.as_ref()?;
    let fault = fault(&format!("{operation} request"), schema, body)?;
    Some(format!("#{} {operation}: {fault}; it was {body}", exchange.seq))
}

/// What is wrong with the answer that the fake's own handler gave.
pub fn wrong_answer(exchange: &Exchange) -> Option<String> {
    let operation = exchange.operation.as_deref()?;
    // A semantic fault is the handler's own answer, and the scenario asked for it.
    let changes_state = exchange.fault.as_deref().is_some_and(|fault| {
        super::coordinator_calls::STATE_CHANGING_FAULTS
            .iter()
            .any(|word| fault.contains(word))
    });
    let answer = exchange.handler_answer.as_ref().filter(|_| !changes_state)?;
    let status = answer.status.to_string();
    let violation = |fault: String| {
        Some(format!(
            "#{} {operation} answered {status}: {fault}",
            exchange.seq
        ))
    };
    let Some(described) = operation_of(operation)?
        .pointer(&format!("/responses/{status}"))
        .map(resolved)
    else {
        return violation("the document does not know this status here".into());
    };
    let content = described.get("content").and_then(Value::as_object)?;
    let schema = content
        .values()
        .next()
        .and_then(|content| content.get("schema"))?;
    let Some(body) = answer.body.as_ref() else {
        return violation("there is no body".into());
    };
    violation(fault(&format!("{operation} {status}"), schema, body)?)
}

fn operation_of(id: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object()?;
    let operations = paths
        .values()
        .filter_map(Value::as_object)
        .flat_map(|methods| methods.values());
    operations
        .into_iter()
        .find(|operation| operation["operationId"] == id)
}

/// What a `$ref` within the document points at; anything else as it is.
fn resolved(value: &'static Value) -> &'static Value {
    let pointer = value
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|target| target.strip_prefix('#'));
    pointer
        .and_then(|pointer| DOCUMENT.pointer(pointer))
        .unwrap_or(value)
}

fn fault(key: &str, schema: &Value, body: &Value) -> Option<String> {
    let Some(validator) = validator(key, schema) else {
        return Some("the document's schema for it can't be used".into());
    };
    let errors: Vec<String> = validator
        .iter_errors(body)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .take(3)
        .collect();
    (!errors.is_empty()).then(|| errors.join("; "))
}

fn validator(key: &str, schema: &Value) -> Option<Arc<Validator>> {
    let mut validators = VALIDATORS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = validators.get(key) {
        return known.clone();
    }
    // References in the document are relative to its root, so the root's components come along.
    let root = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
    let built = jsonschema::draft202012::new(&root).ok().map(Arc::new);
    validators.insert(key.to_owned(), built.clone());
    built
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every schema of the document with the examples that stand beside it.
    fn described() -> Vec<(String, &'static Value, Vec<&'static Value>)> {
        let mut all = Vec::new();
        let operations = DOCUMENT["paths"]
            .as_object()
            .expect("paths")
            .values()
            .filter_map(Value::as_object);
        for operation in operations
            .flat_map(|methods| methods.values())
            .filter(|one| one["operationId"].is_string())
        {
            let id = operation["operationId"].as_str().expect("a name");
            let responses = operation["responses"].as_object().expect("responses").iter();
            let bodies = responses.map(|(status, body)| (status.clone(), resolved(body)));
            let request = operation
                .get("requestBody")
                .map(|body| ("request".to_owned(), body));
            for (name, body) in bodies.chain(request) {
                for content in body["content"]
                    .as_object()
                    .into_iter()
                    .flat_map(|types| types.values())
                {
                    let examples = content["examples"]
                        .as_object()
                        .into_iter()
                        .flat_map(|examples| examples.values());
                    let values = examples
                        .filter_map(|example| resolved(example).get("value"))
                        .collect();
                    all.push((format!("{id} {name}"), &content["schema"], values));
                }
            }
        }
        all
    }

    #[test]
    fn every_schema_can_be_used_and_accepts_its_own_examples() {
        let described = described();
        assert!(
            described.len() > 40,
            "only {} bodies are described",
            described.len()
        );
        for (name, schema, examples) in described {
            assert!(validator(&format!("test {name}"), schema).is_some(), "{name}");
            for example in examples {
                assert_eq!(
                    fault(&format!("test {name}"), schema, example),
                    None,
                    "{name}: {example}"
                );
            }
        }
    }

    #[test]
    fn a_body_that_breaks_the_document_is_told_with_its_place() {
        let claim = operation_of("shadow.claim").expect("a shadow claim");
        let schema = claim
            .pointer("/requestBody/content/application~1json/schema")
            .expect("its request");
        let violation = fault(
            "test",
            schema,
            &json!({ "factoryId": "desk", "caps": "linux", "shadow": 1 }),
        );
        assert!(violation.is_some_and(|violation| violation.contains("/caps")));
        assert_eq!(
            fault(
                "test",
                schema,
                &json!({ "factoryId": "desk", "caps": ["linux"], "shadow": 1 })
            ),
            None
        );
    }
}
