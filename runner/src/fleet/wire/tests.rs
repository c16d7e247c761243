//! Every example of the API document, for the operations that the runner uses, through these types.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;

fn document() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/coordinator-api.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn operation(id: &str) -> Value {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let found = paths
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .find(|operation| operation["operationId"] == id);
    found
        .unwrap_or_else(|| panic!("the document has no operation {id}"))
        .clone()
}

/// All examples below `content`, whatever their media type; at least one.
fn examples(content: &Value) -> Vec<Value> {
    let found: Vec<Value> = content
        .as_object()
        .unwrap()
        .values()
        .flat_map(|media| media["examples"].as_object().unwrap().values())
        .map(|example| example["value"].clone())
        .collect();
    assert!(!found.is_empty());
    found
}

/// Reads each example request into the type and writes it again: the same JSON, nothing lost, nothing added.
fn requests<T: DeserializeOwned + Serialize>(id: &str) {
    for example in examples(&operation(id)["requestBody"]["content"]) {
        let read: T = serde_json::from_value(example.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), example, "{id}");
    }
}

fn answers<T: DeserializeOwned>(id: &str, status: &str) -> Vec<(T, Value)> {
    examples(&operation(id)["responses"][status]["content"])
        .into_iter()
        .map(|example| (serde_json::from_value(example.clone()).unwrap(), example))
        .collect()
}

#[test]
fn requests_are_written_as_the_document_shows_them() {
    requests::<ClaimRequest>("claim");
    requests::<LeaseHolder>("lease.renew");
    requests::<LeaseHolder>("lease.release");
    requests::<ReportRequest>("job.report");
    requests::<QuarantineRequest>("job.quarantine");
    requests::<ShadowClaimRequest>("shadow.claim");
    requests::<ShadowReportRequest>("shadow.report");
}

#[test]
fn a_claim_is_read_whole() {
    for (answer, example) in answers::<ClaimAnswer>("claim", "200") {
        let mut job = example["job"].clone();
        let own = ["stage", "submittedAt", "attempts", "quarantines"];
        job.as_object_mut()
            .unwrap()
            .retain(|key, _| !own.contains(&key.as_str()));
        assert_eq!(serde_json::to_value(&answer.job).unwrap(), job);
        let mut lease = example["lease"].clone();
        lease
            .as_object_mut()
            .unwrap()
            .retain(|key, _| key != "expiresAt" && key != "factoryId");
        assert_eq!(serde_json::to_value(&answer.lease).unwrap(), lease);
    }
}

#[test]
fn the_other_answers_are_read() {
    for (answer, example) in answers::<RenewAnswer>("lease.renew", "200") {
        assert_eq!(
            answer.lease.fencing_token,
            example["lease"]["fencingToken"].as_u64().unwrap()
        );
        assert_eq!(answer.lease.ttl_ms, example["lease"]["ttlMs"]);
    }
    for (id, status) in [
        ("lease.release", "200"),
        ("job.report", "202"),
        ("job.quarantine", "202"),
    ] {
        for (answer, example) in answers::<StageAnswer>(id, status) {
            assert_eq!(answer.stage, example["stage"].as_str().unwrap(), "{id}");
            assert!(
                stage_of_wire_name(&answer.stage).is_some(),
                "{id}: {}",
                answer.stage
            );
        }
    }
    for (answer, example) in answers::<ShadowClaimAnswer>("shadow.claim", "200") {
        assert!(answer.dry_run);
        assert_eq!(answer.job.id, example["job"]["id"].as_str().unwrap());
    }
    for (answer, example) in answers::<ShadowReportAnswer>("shadow.report", "202") {
        assert_eq!(answer.accepted, example["accepted"].as_bool().unwrap());
        assert_eq!(answer.stage, example["stage"].as_str().unwrap());
    }
    for (answer, _) in answers::<HealthAnswer>("health", "200") {
        assert_eq!(answer.status, "ok");
    }
    for (answer, _) in answers::<Value>("job.list", "200") {
        assert!(answer["jobs"].is_array());
    }
}

#[test]
fn each_problem_of_the_operations_used_is_read() {
    let document = document();
    let mut seen = 0;
    for id in [
        "claim",
        "lease.renew",
        "lease.release",
        "job.report",
        "job.quarantine",
        "shadow.claim",
        "shadow.report",
        "health",
        "job.list",
    ] {
        let operation = operation(id);
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = match response["$ref"].as_str() {
                Some(reference) => {
                    &document["components"]["responses"][reference.rsplit('/').next().unwrap()]
                }
                None => response,
            };
            let Some(media) = response["content"].get("application/problem+json") else {
                continue;
            };
            for example in media["examples"].as_object().unwrap().values() {
                let problem: ProblemDetails = serde_json::from_value(example["value"].clone()).unwrap();
                assert_eq!(
                    problem.code,
                    example["value"]["code"].as_str().unwrap(),
                    "{id} {status}"
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 9);
}

#[test]
fn the_document_knows_the_stages_by_the_same_words() {
    let document = document();
    let words = document["components"]["schemas"]["Stage"]["enum"]
        .as_array()
        .unwrap();
    // What was withdrawn is in no stage of a queue.
    let words = words.iter().filter(|word| **word != "withdrawn");
    let stages: Vec<Option<Stage>> = words
        .map(|word| stage_of_wire_name(word.as_str().unwrap()))
        .collect();
    assert_eq!(stages, Stage::ALL.map(Some));
    assert_eq!(stage_of_wire_name("inbox"), None);
}

#[test]
fn an_instant_has_three_decimals_and_a_z() {
    let at = Timestamp::from_millisecond(1_772_443_845_250).unwrap();
    assert_eq!(instant(at), "2026-03-02T09:30:45.250Z");
    assert_eq!(instant(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
}
