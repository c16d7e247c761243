//! Jobs that are handed to the coordinator and taken back: F-14 to F-16. At any moment one of the two may start a job.

use std::fs;

use serde_json::{Value, json};

use crate::handing_coordinator::HandingCoordinator;
use crate::queue_fixture::QueueFixture;
use crate::started_command::CompletedCommand;

pub const RUNS: &str = "echo $AQ_JOB_ID >> $FIXTURE/runs";

pub fn start() -> (QueueFixture, HandingCoordinator) {
    (QueueFixture::new(), HandingCoordinator::start(Value::Null))
}

/// A queue with one job, and a coordinator.
pub fn waiting() -> (QueueFixture, HandingCoordinator) {
    let (fixture, coordinator) = start();
    fixture.add("a", "", RUNS);
    (fixture, coordinator)
}

pub fn fleet(fixture: &QueueFixture, coordinator: &HandingCoordinator, words: &[&str]) -> CompletedCommand {
    fixture.aq_with(&coordinator.coordinator.route(), words)
}

pub fn outcomes(done: &CompletedCommand) -> Vec<(String, String)> {
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let jobs = told["jobs"].as_array().unwrap().iter();
    jobs.map(|job| (text(&job["id"]), text(&job["outcome"])))
        .collect()
}

/// What a run without the coordinator starts.
pub fn locally_run(fixture: &QueueFixture) -> Vec<String> {
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    fixture.lines("runs")
}

#[test]
fn what_is_handed_over_runs_here_no_more_and_comes_back_to_its_place() {
    let (fixture, coordinator) = start();
    for (id, keys) in [("b", ""), ("a", ""), ("c", "priority: 3")] {
        fixture.add(id, keys, RUNS);
    }
    let file = fs::read(fixture.queue("inbox/a.md")).unwrap();
    let done = fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.stdout.lines().count(), 3, "{}", done.stdout);
    let requests: Vec<String> = coordinator
        .kept()
        .requests
        .iter()
        .map(|(what, _)| what.clone())
        .collect();
    assert_eq!(requests, ["submit b", "submit a", "submit c"]);
    assert_eq!(fs::read(fixture.queue(".state/handed/a.md")).unwrap(), file);
    assert_eq!(fixture.stage("a"), "nowhere");

    let run = fixture.aq(&["run", "--drain"]);
    assert_eq!((run.code, fixture.lines("runs").len()), (0, 0));
    assert!(
        run.stderr.contains("3 jobs are with the coordinator"),
        "{}",
        run.stderr
    );
    assert_eq!(
        run.stderr.matches("fleet-recall --all").count(),
        1,
        "{}",
        run.stderr
    );

    let again = fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]);
    assert_eq!((again.code, coordinator.kept().requests.len()), (0, 3));
    let done = fleet(&fixture, &coordinator, &["fleet-recall", "--all", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(outcomes(&done)[0], ("a".to_owned(), "recalled".to_owned()));
    assert_eq!(fs::read(fixture.queue("inbox/a.md")).unwrap(), file);
    assert_eq!(coordinator.kept().stage("a"), "withdrawn");
    assert_eq!(fs::read_dir(fixture.queue(".state/handed")).unwrap().count(), 0);
    assert_eq!(locally_run(&fixture), ["c", "b", "a"]);
}

#[test]
fn who_looks_for_a_job_that_was_handed_over_finds_it() {
    let (fixture, coordinator) = waiting();
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    for words in [&["list"][..], &["show", "a"], &["status"]] {
        let done = fixture.aq(words);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(
            done.stdout.contains("aq fleet-recall"),
            "{words:?}: {}",
            done.stdout
        );
    }
    let shown: Value = serde_json::from_str(&fixture.aq(&["show", "a", "--json"]).stdout).unwrap();
    assert_eq!(
        (&shown["stage"], &shown["handover"]["phase"]),
        (&json!("handed"), &json!("handed"))
    );
    let listed: Value = serde_json::from_str(&fixture.aq(&["list", "--json"]).stdout).unwrap();
    assert_eq!(listed[0]["stage"], "handed");
    let status = fleet(&fixture, &coordinator, &["fleet-status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["handed"][0]["id"], "a");
    fixture.file("a", "engine: sh", "true");
    for words in [
        &["add", "a.md"][..],
        &["retry", "a"],
        &["cancel", "a"],
        &["ship", "a"],
        &["prune", "a"],
    ] {
        let done = fixture.aq(words);
        assert_eq!(done.code, 1, "{words:?}: {done:?}");
        assert!(
            done.stderr.contains("handed to the coordinator"),
            "{}",
            done.stderr
        );
    }
    assert_eq!(
        fixture
            .aq(&["doctor"])
            .stdout
            .matches("1 with the coordinator")
            .count(),
        1
    );
}

#[test]
fn a_file_is_handed_over_from_where_it_lies_and_comes_back_to_the_inbox() {
    let (fixture, coordinator) = waiting();
    let file = fixture.file("b", "engine: sh", RUNS);
    let done = fleet(
        &fixture,
        &coordinator,
        &["fleet-submit", &file, "../queue/inbox/a.md"],
    );
    assert_eq!(done.code, 0, "{done:?}");
    assert!(fixture.path("work/b.md").exists());
    assert_eq!(
        (fixture.stage("a"), fixture.stage("b")),
        ("nowhere".into(), "nowhere".into())
    );
    // Again: it is handed over already. Another text under that name is not.
    assert_eq!(fleet(&fixture, &coordinator, &["fleet-submit", &file]).code, 0);
    assert_eq!(coordinator.kept().keys("submit b").len(), 1);
    fixture.file("b", "engine: sh", "another");
    assert_eq!(fleet(&fixture, &coordinator, &["fleet-submit", &file]).code, 1);
    assert_eq!(fleet(&fixture, &coordinator, &["fleet-recall", "b"]).code, 0);
    assert_eq!(locally_run(&fixture), ["b"]);
}

#[test]
fn a_name_that_was_pruned_is_free_for_a_job_that_the_coordinator_assigns_to_this_host() {
    let job = json!({"id": "a", "engine": "sh", "body": RUNS});
    let (fixture, coordinator) = (QueueFixture::new(), HandingCoordinator::start(job));
    fixture.add("a", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.aq(&["prune", "a"]).code, 0);
    fixture.add("a", "", RUNS);
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    assert_eq!(fleet(&fixture, &coordinator, &["run", "--drain"]).code, 0);
    assert_eq!(
        (fixture.stage("a"), fixture.lines("runs")),
        ("shipped".into(), vec!["a".to_owned()])
    );
    // It is this queue's to tell of: nothing is with the coordinator any more.
    let listed: Value = serde_json::from_str(&fixture.aq(&["list", "--json"]).stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let done = fleet(&fixture, &coordinator, &["fleet-recall", "a", "--json"]);
    assert_eq!((done.code, outcomes(&done)[0].1.as_str()), (0, "finished"));
    assert_eq!(fs::read_dir(fixture.queue(".state/handed")).unwrap().count(), 0);
}

#[test]
fn without_the_fleet_or_the_coordinator_nothing_is_touched() {
    let (fixture, coordinator) = waiting();
    for words in [["fleet-submit", "--inbox"], ["fleet-recall", "--all"]] {
        let done = fixture.aq(&words);
        assert!(done.code == 2 && done.stderr.contains("AQ_FLEET=1"), "{done:?}");
    }
    let absent = [("AQ_FLEET", "1"), ("AQ_FLEET_URL", "http://127.0.0.1:1")];
    let done = fixture.aq_with(&absent, &["fleet-submit", "--inbox"]);
    assert!(
        done.code == 1 && done.stderr.contains("nothing was done"),
        "{done:?}"
    );
    assert_eq!(locally_run(&fixture), ["a"]);
    fixture.file("b", "engine: sh", RUNS);
    let added = fleet(&fixture, &coordinator, &["add", "b.md"]);
    assert!(
        added.code == 0 && added.stderr.contains("aq fleet-submit --inbox"),
        "{added:?}"
    );
}

#[test]
fn what_a_crash_cut_off_is_finished_by_the_next_run() {
    let (fixture, coordinator) = waiting();
    let file = fs::read_to_string(fixture.queue("inbox/a.md")).unwrap();
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    // The answer was on record, and the file had not left the inbox yet.
    fs::write(fixture.queue("inbox/a.md"), &file).unwrap();
    assert!(locally_run(&fixture).is_empty());
    assert_eq!(fixture.stage("a"), "nowhere");
    // Another file of that name is not the job, nor taken for it.
    fs::write(fixture.queue("inbox/a.md"), format!("{file}# more\n")).unwrap();
    assert!(locally_run(&fixture).is_empty());
    assert_eq!(fixture.reason("a.refused-1"), "id_taken");
    // It was given back, and its file was not in its place yet.
    let record = fixture.queue(".state/handed/a.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("\"handed\"", "\"returned\"")).unwrap();
    assert_eq!(locally_run(&fixture), ["a"]);
    assert_eq!(fs::read_dir(fixture.queue(".state/handed")).unwrap().count(), 0);
}

#[test]
fn records_that_can_not_be_read_strand_no_job_and_start_none() {
    let (fixture, coordinator) = waiting();
    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    fs::write(fixture.queue(".state/jobs/a/history.jsonl"), "torn\n").unwrap();
    assert_eq!(fleet(&fixture, &coordinator, &["fleet-recall", "a"]).code, 0);
    assert_eq!(fixture.stage("a"), "inbox");
    assert!(fixture.queue(".state/jobs/a/history.damaged-1").exists());

    assert_eq!(
        fleet(&fixture, &coordinator, &["fleet-submit", "--inbox"]).code,
        0
    );
    fs::write(fixture.queue(".state/handed/a.json"), "torn").unwrap();
    for words in [["fleet-recall", "a"], ["fleet-recall", "--all"]] {
        let done = fleet(&fixture, &coordinator, &words);
        assert!(
            done.code == 1 && done.stdout.contains("remove that file"),
            "{done:?}"
        );
    }
    assert!(locally_run(&fixture).is_empty());
}
