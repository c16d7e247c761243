//! What people do about jobs that the coordinator assigned: T-9, T-13 and T-14.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::rig::{Rig, is_alive};

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
    assert_eq!(found, ("quarantine".into(), "interrupted under a lease".into()));
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
        ("quarantine", "supervisor lost")
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
    let stranger = std::fs::File::options()
        .write(true)
        .open(rig.queue(".state/locks/job/a"))
        .unwrap();
    flock(&stranger, FlockOperation::LockExclusive).unwrap();
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

fn outbox(rig: &Rig) -> usize {
    std::fs::read_dir(rig.queue(".state/outbox")).unwrap().count()
}
