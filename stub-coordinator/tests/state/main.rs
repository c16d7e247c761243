//! Rehearsals that last: state that is taken away, put back, and kept across restarts.

#[path = "../common/mod.rs"]
mod common;
mod state_file;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use common::*;
use serde_json::{Value, json};
use stub_coordinator::{ClockKind, Scope, Stub, StubConfig, TokenGrant};

/// A stub in the middle of things: work under way, done, given back; a factory; a shadow view; an answer remembered.
fn busy(config: StubConfig) -> Stub {
    let stub = start_with(&["a", "b", "c", "d"], config);
    assert_eq!(held(&claim(&stub, "f")).report(&stub, "shipped").status, 202);
    assert_eq!(held(&claim(&stub, "f")).release(&stub).status, 200);
    let keyed = keyed_claim(&stub);
    assert_eq!(keyed.status, 200, "{keyed:?}");
    let enrolled = post(
        &stub,
        "/v1/factories",
        &json!({"factoryId": "f", "caps": ["engine:sh"], "version": "1"}),
    );
    assert_eq!(enrolled.status, 201);
    assert_eq!(shadow_report(&stub, "watcher", "c", "building").status, 202);
    stub
}

fn keyed_claim(stub: &Stub) -> Reply {
    let body = json!({"factoryId": "g", "caps": ["engine:sh"]});
    send(
        stub,
        "POST",
        "/v1/claims",
        &[("idempotency-key", "once")],
        Some(&body),
    )
}

fn kept_in(path: &Path) -> StubConfig {
    StubConfig {
        state: Some(path.to_owned()),
        ..StubConfig::default()
    }
}

/// Why no stub starts, with all its reasons.
fn refusal(config: StubConfig) -> String {
    let error = Stub::start(config).err().expect("refused");
    let mut told = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(source) = next {
        told.push_str(&format!(": {source}"));
        next = source.source();
    }
    told
}

/// What a stub that goes on from `before` has to be like.
fn goes_on(stub: &Stub, digest: &str, keyed: &Reply) {
    assert_eq!(stub.digest(), digest);
    let again = keyed_claim(stub);
    assert_eq!(
        again.json()["lease"],
        keyed.json()["lease"],
        "the remembered answer, not a second lease"
    );
    assert_eq!(held(&again).renew(stub).status, 200, "the lease lives on");
    assert_eq!(
        shadow_claim(stub, "watcher").json()["job"]["id"],
        "d",
        "the view still takes c out"
    );
    let next = held(&claim(stub, "h"));
    assert_eq!(
        (next.job.as_str(), next.lease.as_str(), next.token),
        ("c", "lease-4", 1)
    );
}

#[test]
fn state_is_exported_by_one_stub_and_imported_by_another() {
    let first = busy(StubConfig::default());
    let keyed = keyed_claim(&first);
    let document = get(&first, "/_stub/state");
    assert_eq!(document.status, 200);
    assert_eq!(document.json()["jobs"], first.export_state()["jobs"]);
    let second = start(&["other"]);
    let imported = send(&second, "PUT", "/_stub/state", &[], Some(&document.json()));
    assert_eq!((imported.status, &imported.json()["jobs"]), (200, &json!(4)));
    goes_on(&second, &first.digest(), &keyed);
}

#[test]
fn what_is_imported_is_kept_in_the_state_file_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let source = busy(StubConfig::default());
    let stub = start_with(&[], kept_in(&path));
    stub.import_state(&source.export_state()).expect("a state");
    drop(stub);
    assert_eq!(start_with(&[], kept_in(&path)).digest(), source.digest());
}

#[test]
fn what_is_no_state_is_refused_and_changes_nothing() {
    let stub = busy(StubConfig::default());
    let digest = stub.digest();
    let whole = stub.export_state();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut document = whole.clone();
        change(&mut document);
        document
    };
    for (document, reason) in [
        (json!({}), "missing field"),
        (with(&|document| document["format"] = json!(2)), "format 2"),
        (
            with(&|document| document["jobs"][0]["stage"] = json!("queued")),
            "does not add up",
        ),
        (
            with(&|document| document["jobs"][0]["spec"]["id"] = json!("../x")),
            "is no id",
        ),
        (
            with(&|document| document["extra"] = json!(1)),
            "unknown field `extra`",
        ),
    ] {
        let refused = send(&stub, "PUT", "/_stub/state", &[], Some(&document));
        assert!(
            refused.status == 422 && refused.text.contains(reason),
            "{reason}: {refused:?}"
        );
        assert_eq!(stub.digest(), digest);
    }
}

/// What the refusal says, and what was done to the document.
type Change<'a> = (&'a str, &'a dyn Fn(&mut Value));

/// The digest tells what was cut or changed by chance; whoever changes it as well finds these refused all the same.
#[test]
fn what_no_coordinator_comes_to_is_refused_whatever_its_digest() {
    let stub = busy(StubConfig::default());
    let digest = stub.digest();
    let whole = stub.export_state();
    let most = 9_007_199_254_740_991_u64;
    let changes: [Change; 9] = [
        ("granted", &|document| document["granted"] = json!(most + 1)),
        ("too far", &|document| {
            document["jobs"][0]["sequence"] = json!(u64::MAX);
        }),
        ("too far", &|document| {
            document["jobs"][0]["fencing_token"] = json!(u64::MAX);
        }),
        ("too far", &|document| {
            document["jobs"][0]["attempts"] = json!(u32::MAX);
        }),
        ("or its place is there twice", &|document| {
            document["jobs"][1]["sequence"] = document["jobs"][0]["sequence"].clone();
        }),
        ("or its place is there twice", &|document| {
            document["jobs"][1]["spec"]["id"] = document["jobs"][0]["spec"]["id"].clone();
        }),
        ("on no job", &|document| {
            document["leases"][0]["job"] = json!("nobody");
        }),
        ("never granted", &|document| {
            document["leases"][0]["number"] = json!(most);
        }),
        ("twice", &|document| {
            let lease = document["leases"][0].clone();
            document["leases"].as_array_mut().expect("leases").push(lease);
        }),
    ];
    for (reason, change) in changes {
        let mut document = whole.clone();
        change(&mut document);
        let refused = send(&stub, "PUT", "/_stub/state", &[], Some(&document));
        assert!(
            refused.status == 422 && refused.text.contains(reason),
            "{reason}: {refused:?}"
        );
        assert_eq!(stub.digest(), digest);
    }
}

#[test]
fn a_clock_moved_as_far_as_it_goes_leaves_a_state_to_go_on_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = || StubConfig {
        clock: ClockKind::Manual,
        ..kept_in(&folder.path().join("state.json"))
    };
    let stub = start_with(&["a"], config());
    stub.advance(Duration::MAX).expect("a manual clock");
    let job = json!({"id": "b", "engine": "sh", "body": "Submitted at the end of time."});
    assert_eq!(post(&stub, "/v1/jobs", &job).status, 201);
    assert_eq!(claim(&stub, "f").status, 200);
    let (digest, now) = (stub.digest(), stub.now());
    drop(stub);
    let again = start_with(&[], config());
    assert_eq!((again.digest(), again.now()), (digest, now));
}

#[test]
fn once_anybody_has_a_token_control_asks_for_one_of_the_scope_admin() {
    let grant = |token: &str, scopes: &[Scope]| TokenGrant {
        token: token.to_owned(),
        scopes: scopes.to_vec(),
    };
    let tokens = vec![
        grant("worker", &[Scope::Shadow, Scope::Work, Scope::Submit]),
        grant("root", &[Scope::Admin]),
    ];
    let stub = start_with(
        &["a"],
        StubConfig {
            tokens,
            ..StubConfig::default()
        },
    );
    let status = |headers: &[(&str, &str)]| send(&stub, "GET", "/_stub/state", headers, None).status;
    assert_eq!(status(&[]), 401);
    assert_eq!(status(&[("authorization", "Bearer worker")]), 401);
    assert_eq!(status(&[("authorization", "Bearer root")]), 200);
    assert_eq!(stub.jobs().len(), 1, "the handle in this process needs none");
}

/// Jobs may be as large as a request; a state is all of them.
#[test]
fn a_state_that_is_larger_than_any_request_of_the_api_is_put_back() {
    let stub = start(&[]);
    for id in ["a", "b", "c"] {
        let job = json!({"id": id, "engine": "sh", "body": "x".repeat(500_000)});
        assert_eq!(post(&stub, "/v1/jobs", &job).status, 201);
    }
    let state = get(&stub, "/_stub/state").json();
    assert!(state.to_string().len() > 1_048_576);
    let other = start(&[]);
    let told = send(&other, "PUT", "/_stub/state", &[], Some(&state));
    assert_eq!((told.status, &told.json()["jobs"]), (200, &json!(3)), "{told:?}");
    assert_eq!(other.digest(), stub.digest());
}
