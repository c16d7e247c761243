//! `aq prune`: old jobs go as a whole, nothing else goes, and a coordinator does not get them run again.

use std::fs;

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::queue_fixture::QueueFixture;

/// Four jobs, in the order of their ends: two shipped, one failed, one that waits.
fn fixture() -> QueueFixture {
    let fixture = QueueFixture::new();
    for (id, script) in [("one", "echo done"), ("two", "echo done"), ("bad", "exit 1")] {
        fixture.add(id, "", script);
        assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    }
    fixture.add("waits", "", "true");
    fixture
}

fn prune(fixture: &QueueFixture, arguments: &[&str]) -> Vec<String> {
    let mut all = vec!["prune", "--json"];
    all.extend(arguments);
    let done = fixture.aq(&all);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    let pruned = told["pruned"].as_array().unwrap().iter();
    let mut ids: Vec<String> = pruned.map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn old_jobs_go_with_all_that_they_left_and_others_stay() {
    let fixture = fixture();
    assert_eq!(prune(&fixture, &["--older-than", "1h"]), [""; 0]);
    assert_eq!(prune(&fixture, &["--keep", "0", "--older-than", "30d"]), [""; 0]);
    assert_eq!(
        prune(&fixture, &["--keep", "0", "--dry-run"]),
        ["bad", "one", "two"]
    );
    assert_eq!(fixture.stage("one"), "shipped");
    assert_eq!(prune(&fixture, &["--keep", "0"]), ["bad", "one", "two"]);
    for id in ["one", "two", "bad"] {
        assert_eq!(fixture.stage(id), "nowhere");
        assert!(!fixture.queue(&format!(".state/jobs/{id}")).exists());
    }
    assert_eq!(fixture.stage("waits"), "inbox");
    assert!(fixture.queue(".state/jobs/waits").exists());
    assert_eq!(fs::read_dir(fixture.queue(".state/scratch")).unwrap().count(), 0);
}

#[test]
fn the_latest_of_each_stage_are_kept_and_the_age_counts_besides() {
    let fixture = fixture();
    for kept in [
        &["--keep", "2"][..],
        &["--keep", "1", "--older-than", "1h"],
        &["--keep", "2", "--older-than", "1ms"],
    ] {
        assert_eq!(
            prune(&fixture, &[kept, &["--dry-run"]].concat()),
            [""; 0],
            "{kept:?}"
        );
    }
    assert_eq!(prune(&fixture, &["--keep", "1", "--older-than", "1ms"]), ["one"]);
    assert_eq!(
        [fixture.stage("two"), fixture.stage("bad")],
        ["shipped", "failed"]
    );
}

#[test]
fn what_a_pruning_freed_is_all_that_the_job_has_left() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "head -c 100000 /dev/zero");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let told: Value = serde_json::from_str(&fixture.aq(&["prune", "a", "--json"]).stdout).unwrap();
    assert!(told["freedBytes"].as_u64().unwrap() > 100_000, "{told}");
}

#[test]
fn what_is_not_final_or_not_named_is_not_touched() {
    let fixture = fixture();
    fs::rename(
        fixture.queue("shipped/one.md"),
        fixture.queue("quarantine/one.md"),
    )
    .unwrap();
    assert_eq!(prune(&fixture, &["--keep", "0"]), ["bad", "two"]);
    assert_eq!(fixture.stage("one"), "quarantine");
    let refused = fixture.aq(&["prune", "one", "waits"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("aq cancel waits"), "{}", refused.stderr);
    assert_eq!(fixture.stage("one"), "quarantine", "all or nothing");
    assert_eq!(prune(&fixture, &["one"]), ["one"]);
    assert_eq!(fixture.stage("one"), "nowhere");
    assert_eq!(fixture.aq(&["prune"]).code, 2);
    assert_eq!(fixture.aq(&["prune", "--keep", "1", "two"]).code, 2);
    assert_eq!(fixture.aq(&["prune", "--older-than", "soon"]).code, 2);
}

#[test]
fn the_name_of_a_pruned_job_is_free_for_a_new_one() {
    let fixture = fixture();
    assert_eq!(prune(&fixture, &["one"]), ["one"]);
    fixture.add("one", "", "exit 3");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        (fixture.stage("one").as_str(), fixture.reason("one").as_str()),
        ("failed", "exit_code")
    );
    // What is known of a name is its last end.
    assert_eq!(prune(&fixture, &["one"]), ["one"]);
    let gone = fixture.aq(&["show", "one"]).stderr;
    assert!(gone.contains("was in failed and has been pruned"), "{gone}");
}

#[test]
fn a_coordinator_that_still_has_a_pruned_job_is_told_its_stage_and_it_does_not_run_again() {
    let fixture = fixture();
    assert_eq!(prune(&fixture, &["one"]), ["one"]);
    let job = json!({"id": "one", "engine": "sh", "body": "echo again >> $FIXTURE/runs"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let route = coordinator.route();
    let done = fixture.aq_with(&route, &["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    coordinator.wait_for("shipped");
    assert_eq!(fixture.lines("runs"), [""; 0]);
    assert_eq!(fixture.stage("one"), "nowhere");
}

#[test]
fn a_pruning_that_was_cut_off_is_finished_by_the_next() {
    let fixture = fixture();
    // As a crash leaves it between the two removals: the history is gone, the file is there.
    fs::remove_dir_all(fixture.queue(".state/jobs/one")).unwrap();
    assert_eq!(fixture.aq(&["show", "one"]).code, 0);
    assert_eq!(prune(&fixture, &["--keep", "0"]), ["bad", "one", "two"]);
    assert_eq!(fixture.stage("one"), "nowhere");
}
