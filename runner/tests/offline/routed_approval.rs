//! The approval of a job that the coordinator assigned, and its shipping under the lease: T-9, T-13 and T-14.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::{Coordinator, WAIT_MAX};
use crate::routed::{fixture, lose, told_by_next_run};
use crate::routed_outbox::outbox;

pub fn reviewed() -> Value {
    json!({"id": "a", "engine": "sh", "body": "echo worked >> $FIXTURE/runs", "review": true,
           "ship": "echo $AQ_JOB_ID $AQ_FENCING_TOKEN >> $FIXTURE/ships"})
}

#[test]
fn an_approved_job_is_shipped_by_the_runner_that_holds_its_lease_after_a_fresh_renewal() {
    let fixture = fixture();
    let coordinator = Coordinator::with(reviewed(), |_, _| None);
    let running = fixture.start(&["run"], &coordinator.route());
    coordinator.wait_for("review");
    assert!(fixture.lines("ships").is_empty());
    let approved = fixture.aq(&["ship", "a"]);
    assert_eq!(approved.code, 0, "{}", approved.stderr);
    assert!(approved.stderr.contains("holds its lease"), "{}", approved.stderr);
    coordinator.wait_for("renew");
    coordinator.wait_for("shipped");
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
    assert_eq!(fixture.lines("ships"), ["a 7"]);
    assert_eq!(fixture.lines("runs"), ["worked"]);
    assert_eq!(fixture.stage("a"), "shipped");
}

#[test]
fn without_a_live_lease_nothing_is_approved() {
    let fixture = fixture();
    let coordinator = Coordinator::with(reviewed(), |_, _| None);
    let running = fixture.start(&["run"], &coordinator.route());
    coordinator.wait_for("review");
    running.signal(Signal::KILL);
    assert_eq!(running.end().code, 137);
    let refused = fixture.aq(&["ship", "a"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("no runner holds its lease"),
        "{}",
        refused.stderr
    );
    assert!(fixture.lines("ships").is_empty());
    // Nor does it wait for a person for ever: whoever runs next clears it away.
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let found = (fixture.stage("a"), fixture.reason("a"));
    assert_eq!(found, ("quarantine".into(), "lease_released".into()));
}

#[test]
fn an_approval_is_for_what_was_reviewed_and_for_no_later_attempt() {
    let fixture = fixture();
    fixture.pipes(&["up", "go"]);
    let job = json!({"id": "a", "engine": "sh", "body": "echo worked >> $FIXTURE/runs", "review": true, "retries": 1,
                     "ship": "echo >> $FIXTURE/ships; echo > $FIXTURE/up; read x < $FIXTURE/go; exit 1"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = fixture.start(&["run"], &coordinator.route());
    coordinator.wait_for("review");
    assert_eq!(fixture.aq(&["ship", "a"]).code, 0);
    fixture.wait_for("up");
    // A second time, while it is being shipped.
    fixture.aq(&["ship", "a"]);
    fixture.release("go");
    coordinator.wait_for("review");
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
    assert_eq!(
        (fixture.lines("runs").len(), fixture.lines("ships").len()),
        (2, 1)
    );
    let given_back = "lease_released";
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.reason("a").as_str()),
        ("quarantine", given_back)
    );
}

#[test]
fn of_an_approved_job_whose_shipping_was_cut_off_the_coordinator_is_told_so_that_nobody_ships_it_again() {
    let fixture = fixture();
    fixture.pipe("up");
    let mut job = reviewed();
    job["ship"] = json!("echo >> $FIXTURE/ships; echo > $FIXTURE/up; exec sleep 1000");
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = fixture.start(&["run"], &coordinator.route());
    coordinator.wait_for("review");
    assert_eq!(fixture.aq(&["ship", "a"]).code, 0);
    fixture.wait_for("up");
    lose(&fixture, running);
    assert_eq!(told_by_next_run(&fixture, &coordinator), ["quarantine"]);
    assert_eq!(fixture.reason("a"), "ship_unknown");
    assert_eq!((fixture.stage("a").as_str(), outbox(&fixture)), ("quarantine", 0));
    assert_eq!(fixture.lines("ships").len(), 1);
}

#[test]
fn a_run_waits_for_the_end_of_an_earlier_ones_shipping_before_it_judges_the_job() {
    let fixture = fixture();
    fixture.pipes(&["up", "go"]);
    let mut job = reviewed();
    job["ship"] = json!("trap '' TERM; echo > $FIXTURE/up; read x < $FIXTURE/go");
    let coordinator = Coordinator::with(job, |_, _| None);
    let mut variables = coordinator.route().to_vec();
    variables.push(("AQ_GRACE", "1h"));
    let running = fixture.start(&["run"], &variables);
    coordinator.wait_for("review");
    assert_eq!(fixture.aq(&["ship", "a"]).code, 0);
    fixture.wait_for("up");
    running.signal(Signal::KILL);
    running.end();
    while coordinator.late().is_some() {}
    let next = fixture.start(&["run", "--drain"], &variables);
    // It has looked at what was left behind when it asks for work.
    coordinator.wait_for("claims");
    fixture.release("go");
    assert_eq!(next.end().code, 0);
    coordinator.wait_for("quarantine");
    let found = (fixture.stage("a"), fixture.reason("a"));
    assert_eq!(found, ("quarantine".into(), "ship_unknown".into()));
}

#[test]
fn a_routed_job_in_review_does_not_keep_its_lock_from_others() {
    let fixture = fixture();
    let mut job = reviewed();
    job["lock"] = json!("l");
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = fixture.start(&["run"], &coordinator.route());
    coordinator.wait_for("review");
    fixture.add("b", "lock: l", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!([fixture.stage("a"), fixture.stage("b")], ["review", "shipped"]);
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
}

#[test]
fn an_approval_publishes_nothing_once_the_lease_is_lost() {
    // Of the report that it waits for a person, or of the renewal before `ship`.
    for (refused, approve) in [("/reports", false), ("/renew", true)] {
        let fixture = fixture();
        let coordinator = Coordinator::with(reviewed(), move |path, body| {
            let is_it = path.ends_with(refused) && (approve || body["stage"] == "review");
            let problem = json!({"type": "urn:x", "title": "Lost", "status": 409, "code": "lease_lost"});
            is_it.then_some((409, problem))
        });
        let running = fixture.start(&["run"], &coordinator.route());
        coordinator.wait_for("review");
        if approve {
            assert_eq!(fixture.aq(&["ship", "a"]).code, 0);
        }
        coordinator.wait_for("quarantine");
        running.signal(Signal::TERM);
        assert_eq!(running.end().code, 143);
        assert_eq!(
            (fixture.stage("a").as_str(), outbox(&fixture)),
            ("quarantine", 0),
            "{refused}"
        );
        assert_eq!(fixture.reason("a"), "lease_lost");
        assert!(fixture.lines("ships").is_empty());
    }
}

#[test]
fn a_job_that_is_cancelled_while_the_renewal_before_its_shipping_is_out_is_not_shipped() {
    let fixture = fixture();
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
    let running = fixture.start(&["run"], &coordinator.route());
    question.recv_timeout(WAIT_MAX).unwrap();
    assert_eq!(fixture.aq(&["cancel", "a"]).code, 0);
    coordinator.wait_for("failed");
    drop(answer);
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
    let found = (
        fixture.stage("a"),
        fixture.reason("a"),
        fixture.lines("ships").len(),
    );
    assert_eq!(found, ("failed".into(), "cancelled".into(), 0));
}
