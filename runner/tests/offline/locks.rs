//! One lock, one job at a time: O-5.

use rustix::process::{Pid, Signal, kill_process};

use crate::rig::Rig;

const NOTE: &str = "echo $AQ_JOB_ID >> $RIG/runs";

/// Two jobs with one lock; the first waits to be released. A third, without the lock, tells when it runs.
fn two_and_one(rig: &Rig) {
    rig.pipe("up");
    rig.pipe("go");
    rig.pipe("free");
    let first =
        "echo first starts >> $RIG/runs; echo > $RIG/up; read x < $RIG/go; echo first ends >> $RIG/runs";
    rig.add("first", "lock: l", first);
    rig.add("second", "lock: l", "echo second starts >> $RIG/runs");
    rig.add("third", "", "echo third >> $RIG/runs; echo > $RIG/free");
}

/// The third has told that it runs before the first is released, so it was held up by neither.
fn assert_one_after_the_other(rig: &Rig) {
    let mut runs = rig.lines("runs");
    runs.retain(|line| line != "third");
    assert_eq!(runs, ["first starts", "first ends", "second starts"]);
}

#[test]
fn two_workers_never_run_two_jobs_with_one_lock() {
    let rig = Rig::new();
    two_and_one(&rig);
    let run = rig.start(&["run", "--drain", "--workers", "3"], &[]);
    rig.hear("up");
    rig.hear("free");
    rig.release("go");
    assert_eq!(run.end().code, 0);
    assert_one_after_the_other(&rig);
}

#[test]
fn two_runners_on_one_queue_respect_each_others_locks_and_wait_for_them() {
    let rig = Rig::new();
    two_and_one(&rig);
    let one = rig.start(&["run", "--once"], &[]);
    rig.hear("up");
    let other = rig.start(&["run", "--drain"], &[]);
    rig.hear("free");
    rig.release("go");
    assert_eq!([one.end().code, other.end().code], [0, 0]);
    assert_one_after_the_other(&rig);
    assert_eq!(
        ["first", "second", "third"].map(|id| rig.stage(id)),
        ["shipped", "shipped", "shipped"]
    );
}

#[test]
fn a_job_in_review_holds_neither_lock_nor_worker() {
    let rig = Rig::new();
    rig.add("a", "lock: l\nreview: true", NOTE);
    rig.add("b", "lock: l", NOTE);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!([rig.stage("a"), rig.stage("b")], ["review", "shipped"]);
}

#[test]
fn shipping_by_a_person_takes_the_lock_too() {
    let rig = Rig::new();
    rig.add("a", "lock: l\nreview: true\nship: 'true'", NOTE);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    rig.pipe("up");
    rig.pipe("go");
    rig.add("b", "lock: l", "echo > $RIG/up; read x < $RIG/go");
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear("up");
    assert_eq!(
        (rig.aq(&["ship", "a"]).code, rig.stage("a").as_str()),
        (1, "review")
    );
    rig.release("go");
    assert_eq!(run.end().code, 0);
    assert_eq!(
        (rig.aq(&["ship", "a"]).code, rig.stage("a").as_str()),
        (0, "shipped")
    );
}

#[test]
fn many_runners_share_a_queue_and_run_each_job_once() {
    let rig = Rig::new();
    let names: Vec<String> = (0..30)
        .map(|n| rig.file(&format!("j{n}"), "engine: sh\nretries: 0", NOTE))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(rig.aq(&[&["add"], &names[..]].concat()).code, 0);
    let runs: Vec<_> = (0..4)
        .map(|_| rig.start(&["run", "--drain", "--workers", "2"], &[]))
        .collect();
    assert!(runs.into_iter().all(|run| run.end().code == 0));
    let mut runs = rig.lines("runs");
    runs.sort();
    let mut expected: Vec<String> = (0..30).map(|n| format!("j{n}")).collect();
    expected.sort();
    assert_eq!(runs, expected);
}

#[test]
fn a_lock_outlives_a_supervisor_that_was_killed_as_long_as_anything_of_its_job_lives() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.pipe("go");
    rig.pipe("free");
    let orphan =
        "trap '' TERM; (read x < $RIG/go; echo orphan ends >> $RIG/runs) & echo $PPID > $RIG/up; wait";
    rig.add("first", "lock: l", orphan);
    rig.add("second", "lock: l", "echo second starts >> $RIG/runs");
    rig.add("third", "", "echo > $RIG/free");
    // The runner asks what is left to end, and is not heard; for KILL it is not late enough.
    let run = rig.start(&["run", "--drain"], &[("AQ_GRACE", "1h")]);
    let supervisor = rig.hear("up").trim().parse().unwrap();
    kill_process(Pid::from_raw(supervisor).unwrap(), Signal::KILL).unwrap();
    rig.hear("free");
    assert_eq!(
        (rig.stage("first").as_str(), rig.stage("second").as_str()),
        ("building", "inbox")
    );
    rig.release("go");
    assert_eq!(run.end().code, 0);
    assert_eq!(rig.lines("runs"), ["orphan ends", "second starts"]);
    assert_eq!(
        (rig.stage("first").as_str(), rig.reason("first").as_str()),
        ("failed", "interrupted")
    );
}
