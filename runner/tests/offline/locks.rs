//! One lock, one job at a time: O-5.

use rustix::process::{Pid, Signal, kill_process};

use crate::queue_fixture::QueueFixture;

const NOTE: &str = "echo $AQ_JOB_ID >> $FIXTURE/runs";

/// Two jobs with one lock; the first waits to be released. A third, without the lock, tells when it runs.
fn two_and_one(fixture: &QueueFixture) {
    fixture.pipe("up");
    fixture.pipe("go");
    fixture.pipe("free");
    let first = "echo first starts >> $FIXTURE/runs; echo > $FIXTURE/up; read x < $FIXTURE/go; echo first ends >> $FIXTURE/runs";
    fixture.add("first", "lock: l", first);
    fixture.add("second", "lock: l", "echo second starts >> $FIXTURE/runs");
    fixture.add("third", "", "echo third >> $FIXTURE/runs; echo > $FIXTURE/free");
}

/// The third has told that it runs before the first is released, so it was held up by neither.
fn assert_one_after_the_other(fixture: &QueueFixture) {
    let mut runs = fixture.lines("runs");
    runs.retain(|line| line != "third");
    assert_eq!(runs, ["first starts", "first ends", "second starts"]);
}

#[test]
fn two_workers_never_run_two_jobs_with_one_lock() {
    let fixture = QueueFixture::new();
    two_and_one(&fixture);
    let run = fixture.start(&["run", "--drain", "--workers", "3"], &[]);
    fixture.wait_for("up");
    fixture.wait_for("free");
    fixture.release("go");
    assert_eq!(run.end().code, 0);
    assert_one_after_the_other(&fixture);
}

#[test]
fn two_runners_on_one_queue_respect_each_others_locks_and_wait_for_them() {
    let fixture = QueueFixture::new();
    two_and_one(&fixture);
    let one = fixture.start(&["run", "--once"], &[]);
    fixture.wait_for("up");
    let other = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("free");
    fixture.release("go");
    assert_eq!([one.end().code, other.end().code], [0, 0]);
    assert_one_after_the_other(&fixture);
    assert_eq!(
        ["first", "second", "third"].map(|id| fixture.stage(id)),
        ["shipped", "shipped", "shipped"]
    );
}

#[test]
fn a_job_in_review_holds_neither_lock_nor_worker() {
    let fixture = QueueFixture::new();
    fixture.add("a", "lock: l\nreview: true", NOTE);
    fixture.add("b", "lock: l", NOTE);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!([fixture.stage("a"), fixture.stage("b")], ["review", "shipped"]);
}

#[test]
fn shipping_by_a_person_takes_the_lock_too() {
    let fixture = QueueFixture::new();
    fixture.add("a", "lock: l\nreview: true\nship: 'true'", NOTE);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    fixture.pipe("up");
    fixture.pipe("go");
    fixture.add("b", "lock: l", "echo > $FIXTURE/up; read x < $FIXTURE/go");
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    assert_eq!(
        (fixture.aq(&["ship", "a"]).code, fixture.stage("a").as_str()),
        (1, "review")
    );
    fixture.release("go");
    assert_eq!(run.end().code, 0);
    assert_eq!(
        (fixture.aq(&["ship", "a"]).code, fixture.stage("a").as_str()),
        (0, "shipped")
    );
}

#[test]
fn many_runners_share_a_queue_and_run_each_job_once() {
    let fixture = QueueFixture::new();
    let names: Vec<String> = (0..30)
        .map(|n| fixture.file(&format!("j{n}"), "engine: sh\nretries: 0", NOTE))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(fixture.aq(&[&["add"], &names[..]].concat()).code, 0);
    let runs: Vec<_> = (0..4)
        .map(|_| fixture.start(&["run", "--drain", "--workers", "2"], &[]))
        .collect();
    assert!(runs.into_iter().all(|run| run.end().code == 0));
    let mut runs = fixture.lines("runs");
    runs.sort();
    let mut expected: Vec<String> = (0..30).map(|n| format!("j{n}")).collect();
    expected.sort();
    assert_eq!(runs, expected);
}

#[test]
fn a_lock_outlives_a_supervisor_that_was_killed_as_long_as_anything_of_its_job_lives() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.pipe("go");
    fixture.pipe("free");
    let orphan = "trap '' TERM; (read x < $FIXTURE/go; echo orphan ends >> $FIXTURE/runs) & echo $PPID > $FIXTURE/up; wait";
    fixture.add("first", "lock: l", orphan);
    fixture.add("second", "lock: l", "echo second starts >> $FIXTURE/runs");
    fixture.add("third", "", "echo > $FIXTURE/free");
    // The runner asks what is left to end, and is not heard; for KILL it is not late enough.
    let run = fixture.start(&["run", "--drain"], &[("AQ_GRACE", "1h")]);
    let supervisor = fixture.wait_for("up").trim().parse().unwrap();
    kill_process(Pid::from_raw(supervisor).unwrap(), Signal::KILL).unwrap();
    fixture.wait_for("free");
    assert_eq!(
        (fixture.stage("first").as_str(), fixture.stage("second").as_str()),
        ("building", "inbox")
    );
    fixture.release("go");
    assert_eq!(run.end().code, 0);
    assert_eq!(fixture.lines("runs"), ["orphan ends", "second starts"]);
    assert_eq!(
        (fixture.stage("first").as_str(), fixture.reason("first").as_str()),
        ("failed", "interrupted")
    );
}
