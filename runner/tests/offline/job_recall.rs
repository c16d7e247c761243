//! Jobs that are taken back from the coordinator: F-15.

use std::fs;

use serde_json::{Value, json};

use crate::handing_coordinator::HandingCoordinator;
use crate::handover::{RUNS, fleet, locally_run, outcomes, start, waiting};

#[test]
fn a_recall_whose_answer_is_lost_leaves_a_job_that_nobody_starts_here_and_goes_on_under_its_key() {
    let (fixture, coordinator) = waiting();
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    coordinator.kept().lost.insert("withdraw");
    let done = fleet(&fixture, &coordinator, &["fleet-recall", "a"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert_eq!(coordinator.kept().stage("a"), "withdrawn");
    assert!(locally_run(&fixture).is_empty());
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    assert_eq!(coordinator.kept().keys("submit a").len(), 1);

    coordinator.kept().lost.clear();
    assert_eq!(fleet(&fixture, &coordinator, &["fleet-recall", "--all"]).code, 0);
    assert_eq!(locally_run(&fixture), ["a"]);
    let kept = coordinator.kept();
    let keys = kept.keys("withdraw a");
    assert!(
        keys.len() > 1 && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
}

#[test]
fn a_job_that_somebody_works_on_stays_and_one_that_ended_there_is_not_run_again() {
    let (fixture, coordinator) = start();
    for id in ["held", "done", "free"] {
        fixture.add(id, "", RUNS);
    }
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    coordinator.kept().set_stage("held", "building");
    coordinator.kept().set_stage("done", "failed");
    let done = fleet(&fixture, &coordinator, &["fleet-recall", "--all", "--json"]);
    assert_eq!(done.code, 1);
    let told: Vec<String> = outcomes(&done).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(told, ["finished", "recalled", "held"]);
    assert_eq!(
        (fixture.stage("held"), fixture.stage("done")),
        ("nowhere".into(), "failed".into())
    );
    assert_eq!(fixture.reason("done"), "finished_elsewhere");
    assert_eq!(locally_run(&fixture), ["free"]);
    assert_eq!(fixture.aq(&["retry", "done"]).code, 0);
    assert_eq!(locally_run(&fixture), ["free", "done"]);

    coordinator.kept().set_stage("held", "queued");
    assert_eq!(fleet(&fixture, &coordinator, &["fleet-recall", "held"]).code, 0);
    assert_eq!(fixture.stage("held"), "inbox");
}

#[test]
fn what_never_arrived_comes_back_and_what_somebody_else_withdrew_takes_a_word() {
    let (fixture, coordinator) = start();
    for id in ["lost", "theirs"] {
        fixture.add(id, "", RUNS);
    }
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    coordinator.kept().jobs.remove("lost");
    coordinator.kept().set_stage("theirs", "withdrawn");
    let done = fleet(&fixture, &coordinator, &["fleet-recall", "--all"]);
    assert_eq!(done.code, 1);
    assert!(done.stdout.contains("--withdrawn"), "{}", done.stdout);
    assert_eq!(
        (fixture.stage("lost"), fixture.stage("theirs")),
        ("inbox".into(), "nowhere".into())
    );
    let done = fleet(&fixture, &coordinator, &["fleet-recall", "--withdrawn", "theirs"]);
    assert_eq!((done.code, fixture.stage("theirs")), (0, "inbox".into()));
}

#[test]
fn a_coordinator_without_withdrawals_keeps_its_jobs_and_so_does_one_at_another_address() {
    let (fixture, coordinator) = waiting();
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    coordinator.kept().refused.insert("withdraw", (404, "not_found"));
    let done = fleet(&fixture, &coordinator, &["fleet-recall", "a"]);
    assert!(
        done.code == 1 && done.stdout.contains("no `job.withdraw`"),
        "{done:?}"
    );

    let other = HandingCoordinator::start(Value::Null);
    let done = fleet(&fixture, &other, &["fleet-recall", "a"]);
    assert!(done.code == 1 && done.stdout.contains("--moved"), "{done:?}");
    assert!(locally_run(&fixture).is_empty());
    // The other one is said to be the same, and knows no such job.
    assert_eq!(fleet(&fixture, &other, &["fleet-recall", "--moved", "a"]).code, 0);
    assert_eq!(locally_run(&fixture), ["a"]);
}

#[test]
fn a_job_that_this_queue_did_not_hand_over_is_taken_as_route_allows() {
    let (fixture, coordinator) = start();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    let theirs = json!({"id": "far", "engine": "sh", "body": RUNS});
    coordinator
        .kept()
        .jobs
        .insert("far".into(), ("queued".into(), theirs));
    fs::write(fixture.queue("aq.toml"), "").unwrap();
    let done = fleet(&fixture, &coordinator, &["fleet-recall", "far"]);
    assert!(
        done.code == 1 && done.stdout.contains("allow_engines"),
        "{done:?}"
    );
    assert_eq!(coordinator.kept().stage("far"), "queued");
    fs::write(fixture.queue("aq.toml"), "[route]\nallow_engines = [\"sh\"]\n").unwrap();
    assert_eq!(fleet(&fixture, &coordinator, &["fleet-recall", "far"]).code, 0);
    assert_eq!(coordinator.kept().stage("far"), "withdrawn");
    assert_eq!(locally_run(&fixture), ["far"]);
}
