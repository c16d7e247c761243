//! What people do about jobs that the coordinator assigned: T-9, T-13 and T-14.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::coordinator::{Coordinator, PATIENCE};
use crate::rig::{ROUTE_ANYTHING, Rig, Running, is_alive};

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

#[test]
fn a_final_report_that_got_no_answer_is_delivered_first_by_the_next_run_under_the_same_key() {
    let rig = rig();
    let job = json!({"id": "a", "engine": "sh", "body": "echo worked >> $RIG/runs"});
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
    let running = rig.start(&["run"], &variables);
    coordinator.hear("shipped");
    running.signal(Signal::TERM);
    let ended = running.end();
    assert_eq!(ended.code, 143);
    assert!(ended.stderr.contains("wait in the outbox"), "{}", ended.stderr);
    assert_eq!((rig.stage("a").as_str(), outbox(&rig)), ("shipped", 1));
    let spared = rig.aq(&["prune", "a"]);
    assert_eq!((spared.code, rig.stage("a").as_str()), (1, "shipped"));
    assert!(spared.stdout.contains("was not told"), "{}", spared.stdout);

    down.store(false, Ordering::SeqCst);
    while let Some(late) = coordinator.late() {
        assert_ne!(late, "claims");
    }
    let first = keys.lock().unwrap().clone();
    assert_eq!(rig.aq_with(&variables, &["run", "--drain"]).code, 0);
    assert_eq!(
        (coordinator.next(), coordinator.next()),
        ("shipped".into(), "claims".into())
    );
    let all = keys.lock().unwrap().clone();
    assert_eq!(all.len(), first.len() + 1);
    assert!(all.iter().all(|key| *key == all[0]), "{all:?}");
    assert_eq!(outbox(&rig), 0);
    assert_eq!(rig.lines("runs"), ["worked"]);

    assert_eq!(rig.aq_with(&variables, &["run", "--drain"]).code, 0);
    assert_eq!(keys.lock().unwrap().len(), all.len(), "delivered once");
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

/// What is told of the job by a routed `aq run --drain`.
fn told_by_next_run(rig: &Rig, coordinator: &Coordinator) -> Vec<String> {
    while coordinator.late().is_some() {}
    assert_eq!(rig.aq_with(&coordinator.route(), &["run", "--drain"]).code, 0);
    let told = std::iter::from_fn(|| coordinator.late());
    told.filter(|what| what != "claims").collect()
}

/// Kills the runner, and waits until its supervisor has let go of the job.
fn lose(rig: &Rig, running: Running) {
    running.signal(Signal::KILL);
    running.end();
    drop(rig.job_lock("a"));
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

/// What runs until it is told to go on, in its first attempt.
const WAITS: &str =
    "echo $AQ_ATTEMPT >> $RIG/runs; test $AQ_ATTEMPT = 1 || exit 0; echo > $RIG/up; exec sleep 1000";

/// A job of this queue that the coordinator assigned, and that runs.
fn assigned<'a>(rig: &'a Rig, coordinator: &Coordinator) -> Running<'a> {
    rig.pipe("up");
    rig.add("a", "retries: 5", WAITS);
    let running = rig.start(&["run"], &coordinator.route());
    rig.hear("up");
    running
}

fn assigns() -> Coordinator {
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

/// A job under a lease, and its runner killed after it had written this line to the job's history.
fn announced(rig: &Rig, line: Value) -> Coordinator {
    rig.pipe("up");
    let job = json!({"id": "a", "engine": "sh", "body": WAITS, "retries": 5});
    let coordinator = Coordinator::with(job, |_, _| None);
    let running = rig.start(&["run"], &coordinator.route());
    rig.hear("up");
    lose(rig, running);
    let path = rig.queue(".state/jobs/a/history.jsonl");
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
        let rig = rig();
        let line =
            json!({"at": "2026-01-01T00:00:00Z", "stage": stage, "attempt": 1, "spent": 1, "reason": reason});
        let coordinator = announced(&rig, line);
        assert_eq!(told_by_next_run(&rig, &coordinator), [told], "{reason}");
        assert_eq!((rig.stage("a").as_str(), outbox(&rig)), (stage, 0), "{reason}");
        assert_eq!(rig.lines("runs"), ["1"]);
    }
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

#[test]
fn a_final_report_that_a_credential_kept_back_is_sent_again_when_the_coordinator_has_answered() {
    let rig = rig();
    let job = json!({"id": "a", "engine": "sh", "body": "echo worked >> $RIG/runs"});
    let refused = AtomicBool::new(false);
    let coordinator = Coordinator::with(job, move |_, body| {
        let first = body["stage"] == "shipped" && !refused.swap(true, Ordering::SeqCst);
        let problem = json!({"type": "urn:x", "title": "No", "status": 403, "code": "insufficient_scope"});
        first.then_some((403, problem))
    });
    assert_eq!(rig.aq_with(&coordinator.route(), &["run", "--drain"]).code, 0);
    let told: Vec<String> = std::iter::from_fn(|| coordinator.late()).collect();
    assert_eq!(told, ["claims", "shipped", "claims", "shipped", "claims"]);
    assert_eq!((outbox(&rig), rig.lines("runs").len()), (0, 1));
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

fn outbox(rig: &Rig) -> usize {
    std::fs::read_dir(rig.queue(".state/outbox")).unwrap().count()
}
