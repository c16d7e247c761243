//! What a person asked for outlives whoever was killed while carrying it out: it is done, or it is not, and never half.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::rig::Rig;

#[test]
fn a_running_job_that_was_cancelled_does_not_come_back_when_its_runner_is_killed() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.add(
        "a",
        "retries: 5",
        "echo >> $RIG/runs; echo > $RIG/up; exec sleep 1000",
    );
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear("up");
    run.signal(Signal::STOP);
    let cancelled = rig.aq(&["cancel", "a"]);
    assert_eq!(cancelled.code, 0, "{}", cancelled.stderr);
    run.signal(Signal::KILL);
    run.end();
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, rig.stage("a").as_str(), rig.reason("a").as_str()),
        (0, "failed", "cancelled"),
        "{}",
        done.stderr
    );
    assert_eq!(rig.lines("runs").len(), 1);

    // It was a wish about that attempt alone.
    rig.engine("sh", "exit 0");
    assert_eq!(rig.aq(&["retry", "a"]).code, 0);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.stage("a"), "shipped");
}

#[test]
fn a_job_that_was_cancelled_while_its_engine_came_to_its_end_is_not_published() {
    let rig = Rig::new();
    for name in ["up", "go", "done"] {
        rig.pipe(name);
    }
    rig.add(
        "a",
        "ship: echo >> $RIG/published",
        "echo > $RIG/up; read x < $RIG/go; echo > $RIG/done",
    );
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear("up");
    run.signal(Signal::STOP);
    rig.release("go");
    rig.hear("done");
    assert_eq!(rig.aq(&["cancel", "a"]).code, 0);
    run.signal(Signal::CONT);
    assert_eq!(run.end().code, 0);
    assert_eq!(
        (rig.stage("a").as_str(), rig.reason("a").as_str()),
        ("failed", "cancelled")
    );
    assert_eq!(rig.lines("published").len(), 0);
}

/// The queue folder once a pruning was killed after it took the file away.
fn half_pruned(rig: &Rig) {
    rig.add("a", "", "echo much");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let names = rig.queue(".state/pruned/shipped");
    fs::create_dir_all(&names).unwrap();
    fs::write(names.join("a"), "").unwrap();
    let going = rig.queue(".state/pruned/going");
    fs::create_dir_all(&going).unwrap();
    fs::rename(rig.queue("shipped/a.md"), going.join("a")).unwrap();
}

#[test]
fn a_pruning_that_was_killed_is_finished_by_the_next_one() {
    let rig = Rig::new();
    half_pruned(&rig);
    assert_eq!(rig.aq(&["show", "a"]).code, 1);
    assert_eq!(rig.aq(&["prune", "--keep", "1"]).code, 0);
    assert!(!rig.queue(".state/jobs/a").exists());
    assert!(!rig.queue(".state/pruned/going/a").exists());
    assert!(rig.queue(".state/pruned/shipped/a").exists());
}

#[test]
fn a_new_job_has_nothing_of_the_one_whose_pruning_was_killed() {
    let rig = Rig::new();
    half_pruned(&rig);
    rig.add("a", "", "true");
    let shown: Value = serde_json::from_str(&rig.aq(&["show", "a", "--json"]).stdout).unwrap();
    assert_eq!(shown["history"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.aq(&["prune", "--older-than", "1h"]).code, 0);
    let shown: Value = serde_json::from_str(&rig.aq(&["show", "a", "--json"]).stdout).unwrap();
    assert_eq!(
        (&shown["stage"], &shown["attempts"]),
        (&"shipped".into(), &1.into())
    );
}

#[test]
fn a_file_that_was_put_back_by_hand_keeps_its_history_when_the_pruning_is_finished() {
    let rig = Rig::new();
    half_pruned(&rig);
    fs::copy(rig.queue(".state/pruned/going/a"), rig.queue("inbox/a.md")).unwrap();
    assert_eq!(rig.aq(&["prune", "--keep", "1"]).code, 0);
    assert!(!rig.queue(".state/pruned/going/a").exists());
    let shown: Value = serde_json::from_str(&rig.aq(&["show", "a", "--json"]).stdout).unwrap();
    assert_eq!(
        (&shown["stage"], &shown["attempts"]),
        (&"inbox".into(), &1.into())
    );
}
