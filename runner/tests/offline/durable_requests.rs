//! What a person asked for outlives whoever was killed while carrying it out: it is done, or it is not, and never half.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::queue_fixture::QueueFixture;

#[test]
fn a_running_job_that_was_cancelled_does_not_come_back_when_its_runner_is_killed() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add(
        "a",
        "retries: 5",
        "echo >> $FIXTURE/runs; echo > $FIXTURE/up; exec sleep 1000",
    );
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    run.signal(Signal::STOP);
    let cancelled = fixture.aq(&["cancel", "a"]);
    assert_eq!(cancelled.code, 0, "{}", cancelled.stderr);
    run.signal(Signal::KILL);
    run.end();
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(
        (
            done.code,
            fixture.stage("a").as_str(),
            fixture.reason("a").as_str()
        ),
        (0, "failed", "cancelled"),
        "{}",
        done.stderr
    );
    assert_eq!(fixture.lines("runs").len(), 1);

    // It was a wish about that attempt alone.
    fixture.engine("sh", "exit 0");
    assert_eq!(fixture.aq(&["retry", "a"]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.stage("a"), "shipped");
}

#[test]
fn a_job_that_was_cancelled_while_its_engine_came_to_its_end_is_not_published() {
    let fixture = QueueFixture::new();
    for name in ["up", "go", "done"] {
        fixture.pipe(name);
    }
    fixture.add(
        "a",
        "ship: echo >> $FIXTURE/published",
        "echo > $FIXTURE/up; read x < $FIXTURE/go; echo > $FIXTURE/done",
    );
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    run.signal(Signal::STOP);
    fixture.release("go");
    fixture.wait_for("done");
    assert_eq!(fixture.aq(&["cancel", "a"]).code, 0);
    run.signal(Signal::CONT);
    assert_eq!(run.end().code, 0);
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.reason("a").as_str()),
        ("failed", "cancelled")
    );
    assert_eq!(fixture.lines("published").len(), 0);
}

/// The queue folder once a pruning was killed after it took the file away.
fn half_pruned(fixture: &QueueFixture) {
    fixture.add("a", "", "echo much");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let names = fixture.queue(".state/pruned/shipped");
    fs::create_dir_all(&names).unwrap();
    fs::write(names.join("a"), "").unwrap();
    let going = fixture.queue(".state/pruned/going");
    fs::create_dir_all(&going).unwrap();
    fs::rename(fixture.queue("shipped/a.md"), going.join("a")).unwrap();
}

#[test]
fn a_pruning_that_was_killed_is_finished_by_the_next_one() {
    let fixture = QueueFixture::new();
    half_pruned(&fixture);
    assert_eq!(fixture.aq(&["show", "a"]).code, 1);
    assert_eq!(fixture.aq(&["prune", "--keep", "1"]).code, 0);
    assert!(!fixture.queue(".state/jobs/a").exists());
    assert!(!fixture.queue(".state/pruned/going/a").exists());
    assert!(fixture.queue(".state/pruned/shipped/a").exists());
}

#[test]
fn a_new_job_has_nothing_of_the_one_whose_pruning_was_killed() {
    let fixture = QueueFixture::new();
    half_pruned(&fixture);
    fixture.add("a", "", "true");
    let shown: Value = serde_json::from_str(&fixture.aq(&["show", "a", "--json"]).stdout).unwrap();
    assert_eq!(shown["history"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.aq(&["prune", "--older-than", "1h"]).code, 0);
    let shown: Value = serde_json::from_str(&fixture.aq(&["show", "a", "--json"]).stdout).unwrap();
    assert_eq!(
        (&shown["stage"], &shown["attempts"]),
        (&"shipped".into(), &1.into())
    );
}

#[test]
fn a_file_that_was_put_back_by_hand_keeps_its_history_when_the_pruning_is_finished() {
    let fixture = QueueFixture::new();
    half_pruned(&fixture);
    fs::copy(
        fixture.queue(".state/pruned/going/a"),
        fixture.queue("inbox/a.md"),
    )
    .unwrap();
    assert_eq!(fixture.aq(&["prune", "--keep", "1"]).code, 0);
    assert!(!fixture.queue(".state/pruned/going/a").exists());
    let shown: Value = serde_json::from_str(&fixture.aq(&["show", "a", "--json"]).stdout).unwrap();
    assert_eq!(
        (&shown["stage"], &shown["attempts"]),
        (&"inbox".into(), &1.into())
    );
}
