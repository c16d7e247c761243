//! What people do about jobs that the coordinator assigned: T-9, T-13 and T-14.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::rig::Rig;

fn route(coordinator: &Coordinator) -> [(&str, &str); 4] {
    [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_ROUTE", "1"),
        ("AQ_FLEET_URL", &coordinator.url),
        ("AQ_FACTORY_ID", "forge"),
    ]
}

fn reviewed() -> Value {
    json!({"id": "a", "engine": "sh", "body": "echo worked >> $RIG/runs", "review": true,
           "ship": "echo $AQ_JOB_ID $AQ_FENCING_TOKEN >> $RIG/ships"})
}

/// A queue, with a job that is shipped.
fn rig() -> Rig {
    let rig = Rig::new();
    rig.add("first", "", "true");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    rig
}

#[test]
fn an_approved_job_is_shipped_by_the_runner_that_holds_its_lease_after_a_fresh_renewal() {
    let rig = rig();
    let coordinator = Coordinator::with(reviewed(), |_, _| None);
    let running = rig.start(&["run"], &route(&coordinator));
    coordinator.hear("review");
    assert!(rig.lines("ships").is_empty());
    let approved = rig.aq(&["ship", "a"]);
    assert_eq!(approved.code, 0, "{}", approved.stderr);
    assert!(approved.stderr.contains("holds its lease"), "{}", approved.stderr);
    coordinator.hear("renew");
    coordinator.hear("shipped");
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
    assert_eq!(rig.lines("ships"), ["a 7"]);
    assert_eq!(rig.lines("runs"), ["worked"]);
    assert_eq!(rig.stage("a"), "shipped");
}

#[test]
fn without_a_live_lease_nothing_is_approved() {
    let rig = rig();
    let coordinator = Coordinator::with(reviewed(), |_, _| None);
    let running = rig.start(&["run"], &route(&coordinator));
    coordinator.hear("review");
    running.signal(Signal::KILL);
    assert_eq!(running.end().code, 137);
    let refused = rig.aq(&["ship", "a"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("no runner holds its lease"),
        "{}",
        refused.stderr
    );
    assert!(rig.lines("ships").is_empty());
}
