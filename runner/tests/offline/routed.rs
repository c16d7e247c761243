//! What people do about jobs that the coordinator assigned: T-9, T-13 and T-14.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::coordinator::{Coordinator, PATIENCE};
use crate::rig::{ROUTE_ANYTHING, Rig};
use crate::routed_outbox::announced;
use crate::started_command::{Running, is_alive};

/// A queue, with a job that is shipped.
pub fn rig() -> Rig {
    let rig = Rig::new();
    rig.add("first", "", "true");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    rig
}

#[test]
fn a_leased_job_whose_supervisor_is_lost_is_killed_without_grace_and_kept_in_quarantine() {
    let rig = rig();
    for name in ["one", "two"] {
        rig.pipe(name);
    }
    let tree = "trap 'echo term >> $RIG/terms' TERM; echo started >> $RIG/runs
setsid sh -c 'trap \"echo term >> $RIG/terms\" TERM; echo $$ > $RIG/two; while :; do read x < $RIG/none; done' &
echo $$ $PPID > $RIG/one; while :; do read x < $RIG/none; done";
    rig.pipe("none");
    let job = json!({"id": "a", "engine": "sh", "body": tree, "retries": 3});
    let coordinator = Coordinator::with(job, |_, _| None);
    let mut variables = coordinator.route().to_vec();
    // A grace would be waited for longer than any test.
    variables.push(("AQ_GRACE", "1h"));
    let running = rig.start(&["run"], &variables);
    let child = rig.hear("two");
    let told = rig.hear("one");
    let (engine, supervisor) = told.trim().split_once(' ').unwrap();
    let supervisor = Pid::from_raw(supervisor.parse().unwrap()).unwrap();
    kill_process(supervisor, Signal::KILL).unwrap();
    coordinator.hear("quarantine");
    assert_eq!(
        (rig.stage("a").as_str(), rig.reason("a").as_str()),
        ("quarantine", "supervisor_lost")
    );
    assert!(!is_alive(engine) && !is_alive(&child));
    assert_eq!(rig.lines("terms"), Vec::<String>::new());
    running.signal(Signal::TERM);
    let ended = running.end();
    assert_eq!(
        (ended.code, ended.stderr.contains("be proven")),
        (143, false),
        "{ended:?}"
    );
    assert_eq!(rig.lines("runs"), ["started"]);
    assert_eq!(rig.aq_with(&variables, &["run", "--drain"]).code, 0);
    assert_eq!(
        (rig.stage("a").as_str(), rig.lines("runs").len()),
        ("quarantine", 1)
    );
}

#[test]
fn a_leased_job_of_which_something_may_be_alive_is_not_given_back_for_others_to_start() {
    let rig = rig();
    rig.pipe("up");
    let job = json!({"id": "a", "engine": "sh", "body": "echo > $RIG/up; exec sleep 1000"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let run = rig.start(&["run"], &coordinator.route());
    rig.hear("up");
    run.signal(Signal::KILL);
    run.end();
    // Once its supervisor has let go of it, a stranger holds the job's lock.
    let _stranger = rig.job_lock("a");
    while coordinator.late().is_some() {}
    rig.aq_with(&coordinator.route(), &["run", "--drain"]);
    assert_eq!(rig.stage("a"), "quarantine");
    let mut told: Vec<String> = std::iter::from_fn(|| coordinator.late()).collect();
    told.retain(|what| what != "claims");
    assert_eq!(told, ["quarantine"]);
}

/// What is told of the job by a routed `aq run --drain`.
pub fn told_by_next_run(rig: &Rig, coordinator: &Coordinator) -> Vec<String> {
    while coordinator.late().is_some() {}
    assert_eq!(rig.aq_with(&coordinator.route(), &["run", "--drain"]).code, 0);
    let told = std::iter::from_fn(|| coordinator.late());
    told.filter(|what| what != "claims").collect()
}

/// Kills the runner, and waits until its supervisor has let go of the job.
pub fn lose(rig: &Rig, running: Running) {
    running.signal(Signal::KILL);
    running.end();
    drop(rig.job_lock("a"));
}

/// What runs until it is told to go on, in its first attempt.
pub const WAITS: &str =
    "echo $AQ_ATTEMPT >> $RIG/runs; test $AQ_ATTEMPT = 1 || exit 0; echo > $RIG/up; exec sleep 1000";

/// A job of this queue that the coordinator assigned, and that runs.
pub fn assigned<'a>(rig: &'a Rig, coordinator: &Coordinator) -> Running<'a> {
    rig.pipe("up");
    rig.add("a", "retries: 5", WAITS);
    let running = rig.start(&["run"], &coordinator.route());
    rig.hear("up");
    running
}

pub fn assigns() -> Coordinator {
    let theirs = json!({"id": "a", "engine": "sh", "body": "echo theirs >> $RIG/runs"});
    Coordinator::with(theirs, |_, _| None)
}

#[test]
fn a_job_of_this_queue_lies_in_it_again_when_its_lease_is_given_back() {
    let (rig, coordinator) = (rig(), assigns());
    let running = assigned(&rig, &coordinator);
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
    coordinator.hear("release");
    assert_eq!(rig.stage("a"), "inbox");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.stage("a"), "shipped");
    assert_eq!(rig.lines("runs"), ["1", "2"]);
}

#[test]
fn a_job_of_this_queue_that_was_assigned_is_not_run_without_its_lease_after_a_crash() {
    let (rig, coordinator) = (rig(), assigns());
    let running = assigned(&rig, &coordinator);
    lose(&rig, running);
    assert_eq!(told_by_next_run(&rig, &coordinator), ["release"]);
    let found = (rig.stage("a"), rig.reason("a"));
    assert_eq!(found, ("quarantine".into(), "lease_released".into()));
    assert_eq!(rig.lines("runs"), ["1"]);
}

#[test]
fn a_second_attempt_under_a_lease_is_not_run_without_it_after_a_crash_either() {
    let rig = rig();
    rig.pipe("up");
    let body =
        "echo $AQ_ATTEMPT >> $RIG/runs; test $AQ_ATTEMPT = 2 || exit 1; echo > $RIG/up; exec sleep 1000";
    let job = json!({"id": "a", "engine": "sh", "body": body, "retries": 5});
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = rig.start(&["run"], &coordinator.route());
    rig.hear("up");
    lose(&rig, running);
    assert_eq!(told_by_next_run(&rig, &coordinator), ["release"]);
    assert_eq!(
        (rig.stage("a"), rig.lines("runs").len()),
        ("quarantine".into(), 2)
    );
}

#[test]
fn what_was_about_to_be_given_back_does_not_come_into_the_inbox_whoever_is_in_the_way() {
    let rig = rig();
    let line = json!({"at": "2026-01-01T00:00:00Z", "stage": "inbox", "attempt": 1, "spent": 0,
                      "reason": "lease_released"});
    let coordinator = announced(&rig, line);
    let stranger = rig.job_lock("a");
    assert_eq!(told_by_next_run(&rig, &coordinator), ["quarantine"]);
    assert_eq!(rig.stage("a"), "quarantine");
    drop(stranger);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.lines("runs"), ["1"]);
}

#[test]
fn nothing_is_asked_for_while_every_worker_is_busy() {
    let rig = rig();
    rig.pipes(&["up", "go"]);
    let job = json!({"id": "a", "engine": "sh", "body": "echo > $RIG/up; read x < $RIG/go"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = rig.start(&["run", "--drain"], &coordinator.route());
    rig.hear("up");
    rig.release("go");
    assert_eq!(running.end().code, 0);
    let told: Vec<String> = std::iter::from_fn(|| coordinator.late()).collect();
    assert_eq!(told, ["claims", "shipped", "claims"]);
}

#[test]
fn on_the_way_back_the_inbox_is_the_source_at_once_and_what_the_last_question_brings_is_given_back() {
    let rig = rig();
    rig.pipes(&["up", "go"]);
    let settings = |route: bool| {
        let scratch = rig.path("aq.toml");
        let text = format!("[fleet]\nenabled = true\nroute_via_service = {route}\n{ROUTE_ANYTHING}");
        std::fs::write(&scratch, text).unwrap();
        std::fs::rename(scratch, rig.queue("aq.toml")).unwrap();
    };
    settings(true);
    let (asked, question) = channel();
    let (answer, held) = channel::<()>();
    let held = Mutex::new(held);
    let job = json!({"id": "a", "engine": "sh", "body": "echo theirs >> $RIG/runs"});
    let coordinator = Coordinator::with(job, move |path, _| {
        if !path.ends_with("/claims") {
            return None;
        }
        let is_first = asked.send(()).is_ok();
        let _ = held.lock().unwrap().recv();
        let job = json!({"id": "b", "engine": "sh", "body": "echo b >> $RIG/runs"});
        let lease = json!({"id": "lease-2", "jobId": "b", "fencingToken": 8, "ttlMs": 60_000});
        (!is_first).then_some((200, json!({"job": job, "lease": lease})))
    });
    let variables = [
        ("AQ_FLEET_URL", coordinator.url.as_str()),
        ("AQ_FACTORY_ID", "forge"),
    ];
    let running = rig.start(&["run"], &variables);
    question.recv_timeout(PATIENCE).unwrap();
    let own = "---\nengine: sh\n---\necho own >> $RIG/runs; echo > $RIG/up; read x < $RIG/go\n";
    std::fs::write(rig.queue("inbox/own.md"), own).unwrap();
    settings(false);
    rig.hear("up");
    drop(answer);
    coordinator.hear("release");
    drop(question);
    // And forth again: who asks now is asked for the first time.
    settings(true);
    rig.release("go");
    coordinator.hear("shipped");
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
    assert_eq!(rig.lines("runs"), ["own", "b"]);
    assert_eq!(
        ["a", "own", "b"].map(|id| rig.stage(id)),
        ["nowhere", "shipped", "shipped"]
    );
}

#[test]
fn a_wish_to_cancel_that_came_too_late_for_an_attempt_does_not_end_a_later_one() {
    let rig = rig();
    rig.add("own", "", "echo own >> $RIG/runs");
    for id in ["own", "a"] {
        // As if that attempt had ended between the look of `aq cancel` and its wish.
        std::fs::write(rig.queue(".state/cancel").join(id), "").unwrap();
    }
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let coordinator = Coordinator::with(
        json!({"id": "a", "engine": "sh", "body": "echo a >> $RIG/runs"}),
        |_, _| None,
    );
    assert_eq!(rig.aq_with(&coordinator.route(), &["run", "--drain"]).code, 0);
    assert_eq!(["own", "a"].map(|id| rig.stage(id)), ["shipped", "shipped"]);
    assert_eq!(rig.lines("runs"), ["own", "a"]);
}
