//! The store of jobs is bounded in bytes, and a lease is not shorter than its renewals take.

mod common;

use common::program::{refusal, write};
use common::*;
use serde_json::{Value, json};
use stub_coordinator::{StartError, Stub, StubConfig};

fn small() -> Stub {
    let config = StubConfig {
        job_bytes: 20_000,
        ..StubConfig::default()
    };
    start_with(&["first"], config)
}

fn job(id: &str, field: &str, length: usize) -> Value {
    let mut job = json!({"id": id, "engine": "sh", "body": "true"});
    job[field] = json!("x".repeat(length));
    job
}

#[test]
fn a_submit_beyond_the_room_for_jobs_is_refused_without_effect() {
    for field in ["body", "verify", "ship"] {
        let stub = small();
        let digest = stub.digest();
        let refused = post(&stub, "/v1/jobs", &job("large", field, 20_000));
        assert_eq!(
            (refused.status, &*refused.code()),
            (507, "insufficient_storage"),
            "{field}"
        );
        assert!(refused.text.contains("20000 bytes"), "{refused:?}");
        assert_eq!(stub.digest(), digest);
        assert_eq!(stub.counters().mutations_total(), 0);
        assert_eq!(post(&stub, "/v1/jobs", &job("small", field, 1_000)).status, 201);
        // The fake goes on with the jobs that it has.
        assert_eq!(claim(&stub, "f").status, 200);
    }
}

#[test]
fn many_small_jobs_fill_it_as_a_large_one_does_and_a_reset_makes_room() {
    let stub = small();
    let full = (0..1_000).find(|number| {
        let reply = post(&stub, "/v1/jobs", &job(&format!("j{number}"), "body", 1));
        reply.status == 507
    });
    assert!(full.is_some_and(|count| count > 5), "{full:?}");
    // One that is there already is told so, and is no matter of room.
    assert_eq!(
        post(&stub, "/v1/jobs", &job("first", "body", 1)).code(),
        "job_exists"
    );
    assert_eq!(
        post(&stub, "/_stub/reset", &json!({"scope": "state"})).status,
        200
    );
    assert_eq!(post(&stub, "/v1/jobs", &job("again", "body", 1)).status, 201);
}

#[test]
fn reasons_of_quarantine_count_and_those_without_room_are_answered_and_not_kept() {
    let stub = small();
    for number in 0..40 {
        let detail = format!("{number} {}", "x".repeat(990));
        let body = json!({"factoryId": "f", "reason": "lease_lost", "detail": detail});
        assert_eq!(post(&stub, "/v1/jobs/first/quarantine", &body).status, 202);
    }
    let kept = stub.jobs()[0].quarantines.len();
    assert!((5..20).contains(&kept), "{kept}");
}

#[test]
fn a_state_with_more_jobs_than_there_is_room_for_is_not_taken() {
    let large = start(&["a"]);
    assert_eq!(post(&large, "/v1/jobs", &job("b", "body", 30_000)).status, 201);
    let stub = small();
    let digest = stub.digest();
    let refused = send(&stub, "PUT", "/_stub/state", &[], Some(&large.export_state()));
    assert!(
        refused.status == 422 && refused.text.contains("--job-bytes"),
        "{refused:?}"
    );
    assert_eq!(stub.digest(), digest);
}

#[test]
fn what_it_is_started_with_has_to_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(
        folder.path(),
        "large.md",
        &format!("---\nengine: sh\n---\n{}", "x".repeat(5_000)),
    );
    let said = refusal(&["--job-bytes", "2000", "--jobs", &file]);
    assert!(said.contains("give more by --job-bytes"), "{said}");
}

#[test]
fn a_lease_of_less_than_a_second_is_no_set_up() {
    for lease_ms in [0, 1, 999] {
        let config = StubConfig {
            lease_ms,
            ..StubConfig::default()
        };
        let error = Stub::start(config).err().expect("too short");
        assert!(matches!(error, StartError::Config(_)), "{error:?}");
    }
    let said = refusal(&["--lease", "1ms"]);
    assert!(
        said.contains("a lease of 1 ms is too short; let it live for 1000 ms"),
        "{said}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = write(folder.path(), "short.toml", "[coordinator]\nlease_ms = 1\n");
    let said = refusal(&["--scenario", &scenario]);
    assert!(said.contains("too short"), "{said}");
}
