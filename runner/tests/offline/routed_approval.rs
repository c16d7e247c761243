//! The approval of a job that the coordinator assigned, and its shipping under the lease: T-9, T-13 and T-14.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::{Coordinator, PATIENCE};
use crate::routed::{lose, rig, told_by_next_run};
use crate::routed_outbox::outbox;

pub fn reviewed() -> Value {
    json!({"id": "a", "engine": "sh", "body": "echo worked >> $RIG/runs", "review": true,
           "ship": "echo $AQ_JOB_ID $AQ_FENCING_TOKEN >> $RIG/ships"})
}

#[test]
fn an_approved_job_is_shipped_by_the_runner_that_holds_its_lease_after_a_fresh_renewal() {
    let rig = rig();
    let coordinator = Coordinator::with(reviewed(), |_, _| None);
    let running = rig.start(&["run"], &coordinator.route());
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
    let running = rig.start(&["run"], &coordinator.route());
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
    // Nor does it wait for a person for ever: whoever runs next clears it away.
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let found = (rig.stage("a"), rig.reason("a"));
    assert_eq!(found, ("quarantine".into(), "lease_released".into()));
}

#[test]
fn an_approval_is_for_what_was_reviewed_and_for_no_later_attempt() {
    let rig = rig();
    rig.pipes(&["up", "go"]);
    let job = json!({"id": "a", "engine": "sh", "body": "echo worked >> $RIG/runs", "review": true, "retries": 1,
                     "ship": "echo >> $RIG/ships; echo > $RIG/up; read x < $RIG/go; exit 1"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = rig.start(&["run"], &coordinator.route());
    coordinator.hear("review");
    assert_eq!(rig.aq(&["ship", "a"]).code, 0);
    rig.hear("up");
    // A second time, while it is being shipped.
    rig.aq(&["ship", "a"]);
    rig.release("go");
    coordinator.hear("review");
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
    assert_eq!((rig.lines("runs").len(), rig.lines("ships").len()), (2, 1));
    let given_back = "lease_released";
    assert_eq!(
        (rig.stage("a").as_str(), rig.reason("a").as_str()),
        ("quarantine", given_back)
    );
}

#[test]
fn of_an_approved_job_whose_shipping_was_cut_off_the_coordinator_is_told_so_that_nobody_ships_it_again() {
    let rig = rig();
    rig.pipe("up");
    let mut job = reviewed();
    job["ship"] = json!("echo >> $RIG/ships; echo > $RIG/up; exec sleep 1000");
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = rig.start(&["run"], &coordinator.route());
    coordinator.hear("review");
    assert_eq!(rig.aq(&["ship", "a"]).code, 0);
    rig.hear("up");
    lose(&rig, running);
    assert_eq!(told_by_next_run(&rig, &coordinator), ["quarantine"]);
    assert_eq!(rig.reason("a"), "ship_unknown");
    assert_eq!((rig.stage("a").as_str(), outbox(&rig)), ("quarantine", 0));
    assert_eq!(rig.lines("ships").len(), 1);
}

#[test]
fn a_run_waits_for_the_end_of_an_earlier_ones_shipping_before_it_judges_the_job() {
    let rig = rig();
    rig.pipes(&["up", "go"]);
    let mut job = reviewed();
    job["ship"] = json!("trap '' TERM; echo > $RIG/up; read x < $RIG/go");
    let coordinator = Coordinator::with(job, |_, _| None);
    let mut variables = coordinator.route().to_vec();
    variables.push(("AQ_GRACE", "1h"));
    let running = rig.start(&["run"], &variables);
    coordinator.hear("review");
    assert_eq!(rig.aq(&["ship", "a"]).code, 0);
    rig.hear("up");
    running.signal(Signal::KILL);
    running.end();
    while coordinator.late().is_some() {}
    let next = rig.start(&["run", "--drain"], &variables);
    // It has looked at what was left behind when it asks for work.
    coordinator.hear("claims");
    rig.release("go");
    assert_eq!(next.end().code, 0);
    coordinator.hear("quarantine");
    let found = (rig.stage("a"), rig.reason("a"));
    assert_eq!(found, ("quarantine".into(), "ship_unknown".into()));
}

#[test]
fn a_routed_job_in_review_does_not_keep_its_lock_from_others() {
    let rig = rig();
    let mut job = reviewed();
    job["lock"] = json!("l");
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = rig.start(&["run"], &coordinator.route());
    coordinator.hear("review");
    rig.add("b", "lock: l", "true");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!([rig.stage("a"), rig.stage("b")], ["review", "shipped"]);
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
}

#[test]
fn an_approval_publishes_nothing_once_the_lease_is_lost() {
    // Of the report that it waits for a person, or of the renewal before `ship`.
    for (refused, approve) in [("/reports", false), ("/renew", true)] {
        let rig = rig();
        let coordinator = Coordinator::with(reviewed(), move |path, body| {
            let is_it = path.ends_with(refused) && (approve || body["stage"] == "review");
            let problem = json!({"type": "urn:x", "title": "Lost", "status": 409, "code": "lease_lost"});
            is_it.then_some((409, problem))
        });
        let running = rig.start(&["run"], &coordinator.route());
        coordinator.hear("review");
        if approve {
            assert_eq!(rig.aq(&["ship", "a"]).code, 0);
        }
        coordinator.hear("quarantine");
        running.signal(Signal::TERM);
        assert_eq!(running.end().code, 143);
        assert_eq!(
            (rig.stage("a").as_str(), outbox(&rig)),
            ("quarantine", 0),
            "{refused}"
        );
        assert_eq!(rig.reason("a"), "lease_lost");
        assert!(rig.lines("ships").is_empty());
    }
}

#[test]
fn a_job_that_is_cancelled_while_the_renewal_before_its_shipping_is_out_is_not_shipped() {
    let rig = rig();
    let (asked, question) = channel();
    let (answer, held) = channel::<()>();
    let held = Mutex::new(held);
    let mut job = reviewed();
    job["review"] = json!(false);
    let coordinator = Coordinator::with(job, move |path, _| {
        if path.ends_with("/renew") {
            asked.send(()).unwrap();
            let _ = held.lock().unwrap().recv();
        }
        None
    });
    let running = rig.start(&["run"], &coordinator.route());
    question.recv_timeout(PATIENCE).unwrap();
    assert_eq!(rig.aq(&["cancel", "a"]).code, 0);
    coordinator.hear("failed");
    drop(answer);
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
    let found = (rig.stage("a"), rig.reason("a"), rig.lines("ships").len());
    assert_eq!(found, ("failed".into(), "cancelled".into(), 0));
}
