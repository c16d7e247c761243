//! What a well-formed answer would look like where the honest one has nothing to corrupt: a 204, or a refusal.

use serde_json::{Value, json};

use crate::contract::operation::Operation;
use crate::contract::timestamp::UtcTimestamp;

/// A job's name that nobody submitted.
pub(super) const UNKNOWN_JOB: &str = "rotate-signing-keys";

/// A successful answer of the operation's shape.
pub(super) fn answer(operation: Operation, now: UtcTimestamp) -> (u16, Value) {
    let lease = json!({
        "id": "lease-1", "jobId": UNKNOWN_JOB, "factoryId": "elsewhere",
        "fencingToken": 1, "ttlMs": 60_000, "expiresAt": now.after_ms(60_000),
    });
    match operation {
        Operation::JobSubmit => (201, job(UNKNOWN_JOB, now)),
        Operation::JobGet => (200, job(UNKNOWN_JOB, now)),
        Operation::JobList => (200, json!({"jobs": [job(UNKNOWN_JOB, now)]})),
        Operation::FactoryEnrol => (
            201,
            json!({"factoryId": "elsewhere", "token": "a-token", "scopes": ["shadow"], "heartbeatMs": 15_000}),
        ),
        Operation::FactoryHeartbeat => (200, json!({"serverTime": now})),
        Operation::Claim => (200, json!({"job": job(UNKNOWN_JOB, now), "lease": lease})),
        Operation::LeaseRenew => (200, json!({"lease": lease})),
        Operation::LeaseRelease => (200, json!({"stage": "queued"})),
        Operation::JobReport => (202, json!({"stage": "building"})),
        Operation::JobQuarantine => (202, json!({"stage": "quarantined", "recorded": true})),
        Operation::JobWithdraw => (200, json!({"stage": "withdrawn"})),
        Operation::ShadowClaim => (200, json!({"dryRun": true, "job": job(UNKNOWN_JOB, now)})),
        Operation::ShadowReport => (
            202,
            json!({"shadow": 1, "accepted": true, "stage": "building", "realStage": "queued"}),
        ),
        Operation::Health => (200, json!({"status": "ok", "serverTime": now})),
        Operation::Openapi => (200, json!({"openapi": "3.1.0", "info": {}, "paths": {}})),
    }
}

/// A job of that name, whatever the name is.
pub(super) fn job(id: &str, now: UtcTimestamp) -> Value {
    json!({
        "id": id, "engine": "sh", "yolo": false, "priority": 0, "caps": [], "review": false, "retries": 0,
        "body": "Rotate the signing keys.", "stage": "queued", "submittedAt": now, "attempts": 0,
    })
}
