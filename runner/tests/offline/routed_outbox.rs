//! Final reports that got no answer, and ends that were announced before a crash: T-9.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::queue_fixture::QueueFixture;
use crate::routed::{WAITS, fixture, lose, told_by_next_run};

#[test]
fn a_final_report_that_got_no_answer_is_delivered_first_by_the_next_run_under_the_same_key() {
    let fixture = fixture();
    let job = json!({"id": "a", "engine": "sh", "body": "echo worked >> $FIXTURE/runs"});
    let (down, keys) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
    let (theirs, seen) = (Arc::clone(&down), Arc::clone(&keys));
    let coordinator = Coordinator::with(job, move |_, body| {
        let is_final = body["stage"] == "shipped";
        if is_final {
            seen.lock()
                .unwrap()
                .push(body["key"].as_str().unwrap().to_owned());
        }
        (is_final && theirs.load(Ordering::SeqCst)).then_some((500, Value::Null))
    });
    let mut variables = coordinator.route().to_vec();
    variables.push(("AQ_FLEET_DRAIN", "50ms"));
    let running = fixture.start(&["run"], &variables);
    coordinator.wait_for("shipped");
    running.signal(Signal::TERM);
    let ended = running.end();
    assert_eq!(ended.code, 143);
    assert!(ended.stderr.contains("wait in the outbox"), "{}", ended.stderr);
    assert_eq!((fixture.stage("a").as_str(), outbox(&fixture)), ("shipped", 1));
    let spared = fixture.aq(&["prune", "a"]);
    assert_eq!((spared.code, fixture.stage("a").as_str()), (1, "shipped"));
    assert!(spared.stdout.contains("was not told"), "{}", spared.stdout);

    down.store(false, Ordering::SeqCst);
    while let Some(late) = coordinator.late() {
        assert_ne!(late, "claims");
    }
    let first = keys.lock().unwrap().clone();
    assert_eq!(fixture.aq_with(&variables, &["run", "--drain"]).code, 0);
    assert_eq!(
        (coordinator.next(), coordinator.next()),
        ("shipped".into(), "claims".into())
    );
    let all = keys.lock().unwrap().clone();
    assert_eq!(all.len(), first.len() + 1);
    assert!(all.iter().all(|key| *key == all[0]), "{all:?}");
    assert_eq!(outbox(&fixture), 0);
    assert_eq!(fixture.lines("runs"), ["worked"]);

    assert_eq!(fixture.aq_with(&variables, &["run", "--drain"]).code, 0);
    assert_eq!(keys.lock().unwrap().len(), all.len(), "delivered once");
}

/// A job under a lease, and its runner killed after it had written this line to the job's history.
pub fn announced(fixture: &QueueFixture, line: Value) -> Coordinator {
    fixture.pipe("up");
    let job = json!({"id": "a", "engine": "sh", "body": WAITS, "retries": 5});
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = fixture.start(&["run"], &coordinator.route());
    fixture.wait_for("up");
    lose(fixture, running);
    let path = fixture.queue(".state/jobs/a/history.jsonl");
    let known = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{known}{line}\n")).unwrap();
    coordinator
}

#[test]
fn an_end_that_was_announced_before_a_crash_is_reported_after_it() {
    for (stage, reason, told) in [
        ("shipped", Value::Null, "shipped"),
        ("failed", json!("exit_code"), "failed"),
        ("quarantine", json!("lease_lost"), "quarantine"),
        // Another factory may have it.
        ("quarantine", json!("lease_released"), "release"),
    ] {
        let fixture = fixture();
        let line =
            json!({"at": "2026-01-01T00:00:00Z", "stage": stage, "attempt": 1, "spent": 1, "reason": reason});
        let coordinator = announced(&fixture, line);
        assert_eq!(told_by_next_run(&fixture, &coordinator), [told], "{reason}");
        assert_eq!(
            (fixture.stage("a").as_str(), outbox(&fixture)),
            (stage, 0),
            "{reason}"
        );
        assert_eq!(fixture.lines("runs"), ["1"]);
    }
}

#[test]
fn a_final_report_that_a_credential_kept_back_is_sent_again_when_the_coordinator_has_answered() {
    let fixture = fixture();
    let job = json!({"id": "a", "engine": "sh", "body": "echo worked >> $FIXTURE/runs"});
    let refused = AtomicBool::new(false);
    let coordinator = Coordinator::with(job, move |_, body| {
        let first = body["stage"] == "shipped" && !refused.swap(true, Ordering::SeqCst);
        let problem = json!({"type": "urn:x", "title": "No", "status": 403, "code": "insufficient_scope"});
        first.then_some((403, problem))
    });
    assert_eq!(fixture.aq_with(&coordinator.route(), &["run", "--drain"]).code, 0);
    let told: Vec<String> = std::iter::from_fn(|| coordinator.late()).collect();
    assert_eq!(told, ["claims", "shipped", "claims", "shipped", "claims"]);
    assert_eq!((outbox(&fixture), fixture.lines("runs").len()), (0, 1));
}

pub fn outbox(fixture: &QueueFixture) -> usize {
    std::fs::read_dir(fixture.queue(".state/outbox")).unwrap().count()
}
