//! A `ttlMs` that no lease can be kept by (clause T-2): nothing is started under it, and no answer makes the runner send
//! renewals without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::queue_fixture::QueueFixture;

fn job(body: &str) -> Value {
    json!({"id": "a", "engine": "sh", "body": body, "ship": "echo >> $FIXTURE/ships"})
}

fn lease(ttl: &Value) -> Value {
    json!({"id": "lease-1", "jobId": "a", "factoryId": "forge", "fencingToken": 7, "ttlMs": ttl})
}

/// What nothing can be run under, by claim: too short, and no whole number.
fn unusable() -> Vec<Value> {
    let mut lives = vec![
        json!(0),
        json!(1),
        json!(999),
        json!(-5),
        json!(60_000.5),
        json!(1e30),
    ];
    lives.extend([json!("60000"), json!([60_000]), Value::Null]);
    lives
}

#[test]
fn a_lease_that_lives_too_short_or_no_time_at_all_is_given_back_and_asked_for_again() {
    for ttl in unusable() {
        let fixture = QueueFixture::new();
        assert_eq!(fixture.aq(&["init"]).code, 0);
        let job = job("echo a >> $FIXTURE/runs");
        let granted = AtomicU32::new(0);
        let told = ttl.clone();
        let coordinator = Coordinator::with(job.clone(), move |path, _| {
            let first = path.ends_with("/claims") && granted.fetch_add(1, Ordering::SeqCst) == 0;
            first.then(|| (200, json!({"job": job, "lease": lease(&told)})))
        });
        let run = fixture.start(&["run", "--drain"], &coordinator.route());
        for what in ["claims", "release", "claims"] {
            assert_eq!(coordinator.next(), what, "ttlMs {ttl}");
        }
        let done = run.end();
        assert_eq!(
            (done.code, fixture.stage("a").as_str()),
            (0, "shipped"),
            "{}",
            done.stderr
        );
        assert_eq!(fixture.lines("runs").len(), 1);
        assert!(done.stderr.contains("ttlMs"), "{}", done.stderr);
    }
}

#[test]
fn a_renewal_for_too_short_a_time_is_the_loss_of_the_lease() {
    for ttl in [0, 1, 999] {
        let fixture = QueueFixture::new();
        assert_eq!(fixture.aq(&["init"]).code, 0);
        let renewals = Arc::new(AtomicU32::new(0));
        let (counted, job) = (
            Arc::clone(&renewals),
            job("echo $$ > $FIXTURE/pid; exec sleep 1000"),
        );
        let coordinator = Coordinator::with(job.clone(), move |path, _| {
            if path.ends_with("/renew") {
                counted.fetch_add(1, Ordering::SeqCst);
                return Some((200, json!({"lease": lease(&json!(ttl))})));
            }
            let claims = path.ends_with("/claims") && counted.load(Ordering::SeqCst) == 0;
            claims.then(|| (200, json!({"job": job, "lease": lease(&json!(3_000))})))
        });
        let run = fixture.start(&["run", "--once"], &coordinator.route());
        coordinator.wait_for("quarantine");
        let done = run.end();
        assert_eq!(renewals.load(Ordering::SeqCst), 1, "ttlMs {ttl}: {}", done.stderr);
        assert_eq!(fixture.stage("a"), "quarantine", "{}", done.stderr);
        assert!(fixture.detail("a").contains("ttlMs"), "{}", fixture.detail("a"));
        assert_eq!(fixture.lines("ships").len(), 0);
        fixture.assert_none_lives(&["pid"]);
    }
}

#[test]
fn a_renewal_for_no_time_at_all_renews_nothing_and_is_tried_again_in_its_time() {
    for ttl in [json!("60000"), json!(-1), json!(1e30)] {
        let fixture = QueueFixture::new();
        assert_eq!(fixture.aq(&["init"]).code, 0);
        let renewals = Arc::new(AtomicU32::new(0));
        fixture.pipe("go");
        let (counted, job) = (Arc::clone(&renewals), job("read x < $FIXTURE/go"));
        let odd = ttl.clone();
        let coordinator = Coordinator::with(job.clone(), move |path, _| {
            if path.ends_with("/renew") {
                let ttl = match counted.fetch_add(1, Ordering::SeqCst) {
                    0 => odd.clone(),
                    _ => json!(60_000),
                };
                return Some((200, json!({"lease": lease(&ttl)})));
            }
            let claims = path.ends_with("/claims") && counted.load(Ordering::SeqCst) == 0;
            claims.then(|| (200, json!({"job": job, "lease": lease(&json!(3_000))})))
        });
        let run = fixture.start(&["run", "--once"], &coordinator.route());
        coordinator.wait_for("renew");
        coordinator.wait_for("renew");
        fixture.release("go");
        let done = run.end();
        assert_eq!(
            (done.code, fixture.stage("a").as_str()),
            (0, "shipped"),
            "{}",
            done.stderr
        );
        // The one that confirms the lease for `ship` is the third.
        assert_eq!(renewals.load(Ordering::SeqCst), 3, "ttlMs {ttl}: {}", done.stderr);
    }
}

#[test]
fn a_lease_for_ever_is_kept_like_any_other() {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    let job = job("true");
    let granted = AtomicU32::new(0);
    let coordinator = Coordinator::with(job.clone(), move |path, _| {
        let first = path.ends_with("/claims") && granted.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| (200, json!({"job": job, "lease": lease(&json!(u64::MAX))})))
    });
    let done = fixture.aq_with(&coordinator.route(), &["run", "--drain"]);
    assert_eq!(
        (done.code, fixture.stage("a").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
}
