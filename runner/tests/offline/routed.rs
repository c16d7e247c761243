//! What people do about jobs that the coordinator assigned: T-9, T-13 and T-14.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::coordinator::{Coordinator, WAIT_MAX};
use crate::observed_process::is_alive;
use crate::queue_fixture::{QueueFixture, ROUTE_ANYTHING};
use crate::routed_outbox::announced;
use crate::started_command::StartedCommand;

/// A queue, with a job that is shipped.
pub fn fixture() -> QueueFixture {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    fixture
}

#[test]
fn a_leased_job_whose_supervisor_is_lost_is_killed_without_grace_and_kept_in_quarantine() {
    let fixture = fixture();
    for name in ["one", "two"] {
        fixture.pipe(name);
    }
    let tree = "trap 'echo term >> $FIXTURE/terms' TERM; echo started >> $FIXTURE/runs
setsid sh -c 'trap \"echo term >> $FIXTURE/terms\" TERM; echo $$ > $FIXTURE/two; while :; do read x < $FIXTURE/none; done' &
echo $$ $PPID > $FIXTURE/one; while :; do read x < $FIXTURE/none; done";
    fixture.pipe("none");
    let job = json!({"id": "a", "engine": "sh", "body": tree, "retries": 3});
    let coordinator = Coordinator::with(job, |_, _| None);
    let mut variables = coordinator.route().to_vec();
    // A grace would be waited for longer than any test.
    variables.push(("AQ_GRACE", "1h"));
    let running = fixture.start(&["run"], &variables);
    let child = fixture.wait_for("two");
    let told = fixture.wait_for("one");
    let (engine, supervisor) = told.trim().split_once(' ').unwrap();
    let supervisor = Pid::from_raw(supervisor.parse().unwrap()).unwrap();
    kill_process(supervisor, Signal::KILL).unwrap();
    coordinator.wait_for("quarantine");
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.reason("a").as_str()),
        ("quarantine", "supervisor_lost")
    );
    assert!(!is_alive(engine) && !is_alive(&child));
    assert_eq!(fixture.lines("terms"), Vec::<String>::new());
    running.signal(Signal::TERM);
    let ended = running.end();
    assert_eq!(
        (ended.code, ended.stderr.contains("be proven")),
        (143, false),
        "{ended:?}"
    );
    assert_eq!(fixture.lines("runs"), ["started"]);
    assert_eq!(fixture.aq_with(&variables, &["run", "--drain"]).code, 0);
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.lines("runs").len()),
        ("quarantine", 1)
    );
}

#[test]
fn a_leased_job_of_which_something_may_be_alive_is_not_given_back_for_others_to_start() {
    let fixture = fixture();
    fixture.pipe("up");
    let job = json!({"id": "a", "engine": "sh", "body": "echo > $FIXTURE/up; exec sleep 1000"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let run = fixture.start(&["run"], &coordinator.route());
    fixture.wait_for("up");
    run.signal(Signal::KILL);
    run.end();
    // Once its supervisor has let go of it, a stranger holds the job's lock.
    let _stranger = fixture.job_lock("a");
    while coordinator.late().is_some() {}
    fixture.aq_with(&coordinator.route(), &["run", "--drain"]);
    assert_eq!(fixture.stage("a"), "quarantine");
    let mut told: Vec<String> = std::iter::from_fn(|| coordinator.late()).collect();
    told.retain(|what| what != "claims");
    assert_eq!(told, ["quarantine"]);
}

/// What is told of the job by a routed `aq run --drain`.
pub fn told_by_next_run(fixture: &QueueFixture, coordinator: &Coordinator) -> Vec<String> {
    while coordinator.late().is_some() {}
    assert_eq!(fixture.aq_with(&coordinator.route(), &["run", "--drain"]).code, 0);
    let told = std::iter::from_fn(|| coordinator.late());
    told.filter(|what| what != "claims").collect()
}

/// Kills the runner, and waits until its supervisor has let go of the job.
pub fn lose(fixture: &QueueFixture, running: StartedCommand) {
    running.signal(Signal::KILL);
    running.end();
    drop(fixture.job_lock("a"));
}

/// What runs until it is told to go on, in its first attempt.
pub const WAITS: &str =
    "echo $AQ_ATTEMPT >> $FIXTURE/runs; test $AQ_ATTEMPT = 1 || exit 0; echo > $FIXTURE/up; exec sleep 1000";

/// A job of this queue that the coordinator assigned, and that runs.
pub fn assigned<'a>(fixture: &'a QueueFixture, coordinator: &Coordinator) -> StartedCommand<'a> {
    fixture.pipe("up");
    fixture.add("a", "retries: 5", WAITS);
    let running = fixture.start(&["run"], &coordinator.route());
    fixture.wait_for("up");
    running
}

pub fn assigns() -> Coordinator {
    let theirs = json!({"id": "a", "engine": "sh", "body": "echo theirs >> $FIXTURE/runs"});
    Coordinator::with(theirs, |_, _| None)
}

#[test]
fn a_job_of_this_queue_lies_in_it_again_when_its_lease_is_given_back() {
    let (fixture, coordinator) = (fixture(), assigns());
    let running = assigned(&fixture, &coordinator);
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
    coordinator.wait_for("release");
    assert_eq!(fixture.stage("a"), "inbox");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.stage("a"), "shipped");
    assert_eq!(fixture.lines("runs"), ["1", "2"]);
}

#[test]
fn a_job_of_this_queue_that_was_assigned_is_not_run_without_its_lease_after_a_crash() {
    let (fixture, coordinator) = (fixture(), assigns());
    let running = assigned(&fixture, &coordinator);
    lose(&fixture, running);
    assert_eq!(told_by_next_run(&fixture, &coordinator), ["release"]);
    let found = (fixture.stage("a"), fixture.reason("a"));
    assert_eq!(found, ("quarantine".into(), "lease_released".into()));
    assert_eq!(fixture.lines("runs"), ["1"]);
}

#[test]
fn a_second_attempt_under_a_lease_is_not_run_without_it_after_a_crash_either() {
    let fixture = fixture();
    fixture.pipe("up");
    let body = "echo $AQ_ATTEMPT >> $FIXTURE/runs; test $AQ_ATTEMPT = 2 || exit 1; echo > $FIXTURE/up; exec sleep 1000";
    let job = json!({"id": "a", "engine": "sh", "body": body, "retries": 5});
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = fixture.start(&["run"], &coordinator.route());
    fixture.wait_for("up");
    lose(&fixture, running);
    assert_eq!(told_by_next_run(&fixture, &coordinator), ["release"]);
    assert_eq!(
        (fixture.stage("a"), fixture.lines("runs").len()),
        ("quarantine".into(), 2)
    );
}

#[test]
fn what_was_about_to_be_given_back_does_not_come_into_the_inbox_whoever_is_in_the_way() {
    let fixture = fixture();
    let line = json!({"at": "2026-01-01T00:00:00Z", "stage": "inbox", "attempt": 1, "spent": 0,
                      "reason": "lease_released"});
    let coordinator = announced(&fixture, line);
    let stranger = fixture.job_lock("a");
    assert_eq!(told_by_next_run(&fixture, &coordinator), ["quarantine"]);
    assert_eq!(fixture.stage("a"), "quarantine");
    drop(stranger);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("runs"), ["1"]);
}

#[test]
fn nothing_is_asked_for_while_every_worker_is_busy() {
    let fixture = fixture();
    fixture.pipes(&["up", "go"]);
    let job = json!({"id": "a", "engine": "sh", "body": "echo > $FIXTURE/up; read x < $FIXTURE/go"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = fixture.start(&["run", "--drain"], &coordinator.route());
    fixture.wait_for("up");
    fixture.release("go");
    assert_eq!(running.end().code, 0);
    let told: Vec<String> = std::iter::from_fn(|| coordinator.late()).collect();
    assert_eq!(told, ["claims", "shipped", "claims"]);
}

#[test]
fn on_the_way_back_the_inbox_is_the_source_at_once_and_what_the_last_question_brings_is_given_back() {
    let fixture = fixture();
    fixture.pipes(&["up", "go"]);
    let settings = |route: bool| {
        let scratch = fixture.path("aq.toml");
        let text = format!("[fleet]\nenabled = true\nroute_via_service = {route}\n{ROUTE_ANYTHING}");
        std::fs::write(&scratch, text).unwrap();
        std::fs::rename(scratch, fixture.queue("aq.toml")).unwrap();
    };
    settings(true);
    let (asked, question) = channel();
    let (answer, held) = channel::<()>();
    let held = Mutex::new(held);
    let job = json!({"id": "a", "engine": "sh", "body": "echo theirs >> $FIXTURE/runs"});
    let coordinator = Coordinator::with(job, move |path, _| {
        if !path.ends_with("/claims") {
            return None;
        }
        let is_first = asked.send(()).is_ok();
        let _ = held.lock().unwrap().recv();
        let job = json!({"id": "b", "engine": "sh", "body": "echo b >> $FIXTURE/runs"});
        let lease = json!({"id": "lease-2", "jobId": "b", "fencingToken": 8, "ttlMs": 60_000});
        (!is_first).then_some((200, json!({"job": job, "lease": lease})))
    });
    let variables = [
        ("AQ_FLEET_URL", coordinator.url.as_str()),
        ("AQ_FACTORY_ID", "forge"),
    ];
    let running = fixture.start(&["run"], &variables);
    question.recv_timeout(WAIT_MAX).unwrap();
    let own = "---\nengine: sh\n---\necho own >> $FIXTURE/runs; echo > $FIXTURE/up; read x < $FIXTURE/go\n";
    std::fs::write(fixture.queue("inbox/own.md"), own).unwrap();
    settings(false);
    fixture.wait_for("up");
    drop(answer);
    coordinator.wait_for("release");
    drop(question);
    // And forth again: who asks now is asked for the first time.
    settings(true);
    fixture.release("go");
    coordinator.wait_for("shipped");
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
    assert_eq!(fixture.lines("runs"), ["own", "b"]);
    assert_eq!(
        ["a", "own", "b"].map(|id| fixture.stage(id)),
        ["nowhere", "shipped", "shipped"]
    );
}

#[test]
fn a_wish_to_cancel_that_came_too_late_for_an_attempt_does_not_end_a_later_one() {
    let fixture = fixture();
    fixture.add("own", "", "echo own >> $FIXTURE/runs");
    for id in ["own", "a"] {
        // As if that attempt had ended between the look of `aq cancel` and its wish.
        std::fs::write(fixture.queue(".state/cancel").join(id), "").unwrap();
    }
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let coordinator = Coordinator::with(
        json!({"id": "a", "engine": "sh", "body": "echo a >> $FIXTURE/runs"}),
        |_, _| None,
    );
    assert_eq!(fixture.aq_with(&coordinator.route(), &["run", "--drain"]).code, 0);
    assert_eq!(["own", "a"].map(|id| fixture.stage(id)), ["shipped", "shipped"]);
    assert_eq!(fixture.lines("runs"), ["own", "a"]);
}
