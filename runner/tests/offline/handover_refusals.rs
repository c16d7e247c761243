//! Hand-overs that are refused, or that nobody answers: F-14.

use std::fs;

use serde_json::json;

use crate::handover::{RUNS, fleet, locally_run, outcomes, waiting};

#[test]
fn a_submission_whose_answer_is_lost_leaves_a_job_that_nobody_starts_here_and_goes_on_under_its_key() {
    let (fixture, coordinator) = waiting();
    coordinator.kept().lost.insert("submit");
    let done = fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.stdout.contains("aq fleet-submit --inbox"), "{}", done.stdout);
    assert_eq!(fixture.stage("a"), "inbox");
    assert!(locally_run(&fixture).is_empty());
    let cancelled = fixture.aq(&["cancel", "a"]);
    assert!(
        cancelled.code == 1 && cancelled.stderr.contains("is being handed"),
        "{cancelled:?}"
    );
    assert!(fixture.aq(&["doctor"]).stdout.contains("is being handed"));

    coordinator.kept().lost.clear();
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    assert_eq!(fixture.stage("a"), "nowhere");
    let kept = coordinator.kept();
    let keys = kept.keys("submit a");
    assert!(
        keys.len() > 1 && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
}

#[test]
fn a_refusal_puts_a_job_back_unless_an_earlier_request_may_have_had_its_effect() {
    let (fixture, coordinator) = waiting();
    coordinator
        .kept()
        .refused
        .insert("submit", (422, "invalid_field"));
    let done = fleet(&fixture, &coordinator, &["fleet-submit", "--inbox", "--json"]);
    assert_eq!((done.code, outcomes(&done)[0].1.as_str()), (1, "refused"));
    assert_eq!(fs::read_dir(fixture.queue(".state/handed")).unwrap().count(), 0);

    coordinator.kept().refused.clear();
    coordinator.kept().lost.insert("submit");
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        3
    );
    // The token was taken away meanwhile: that says nothing about the job.
    coordinator.kept().lost.clear();
    coordinator
        .kept()
        .refused
        .insert("submit", (403, "insufficient_scope"));
    coordinator
        .kept()
        .refused
        .insert("get", (403, "insufficient_scope"));
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        3
    );
    assert!(locally_run(&fixture).is_empty());
    coordinator.kept().refused.remove("get");
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    assert_eq!(
        (fixture.stage("a").as_str(), coordinator.kept().stage("a")),
        ("nowhere", "queued")
    );
}

#[test]
fn another_job_of_that_name_is_told_and_the_same_one_is_taken_for_handed_over() {
    let (fixture, coordinator) = waiting();
    let theirs = json!({"id": "a", "engine": "sh", "body": "another\n"});
    coordinator
        .kept()
        .jobs
        .insert("a".into(), ("queued".into(), theirs));
    let done = fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]);
    assert_eq!(done.code, 1);
    assert!(
        done.stdout.contains("another job of that name"),
        "{}",
        done.stdout
    );
    assert_eq!(fixture.stage("a"), "inbox");

    let same = json!({"id": "a", "engine": "sh", "body": format!("{RUNS}\n")});
    coordinator
        .kept()
        .jobs
        .insert("a".into(), ("queued".into(), same));
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    assert_eq!(fixture.stage("a"), "nowhere");
}

#[test]
fn a_token_that_may_not_submit_is_tried_once_and_named_with_what_to_do() {
    let (fixture, coordinator) = waiting();
    fixture.add("b", "", RUNS);
    coordinator
        .kept()
        .refused
        .insert("submit", (403, "insufficient_scope"));
    let done = fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]);
    assert!(
        done.code == 1 && done.stdout.contains("--fleet-token-file"),
        "{done:?}"
    );
    assert!(done.stdout.contains("b  not tried"), "{}", done.stdout);
    assert_eq!(coordinator.kept().requests.len(), 1);
    assert_eq!(locally_run(&fixture), ["a", "b"]);
}
