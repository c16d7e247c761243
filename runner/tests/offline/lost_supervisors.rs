//! What is left when not the runner alone is killed: the supervisor too, or it alone; and what can't be proven: O-7.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::observed_process::is_alive;
use crate::queue_fixture::QueueFixture;

/// A tree that nobody looks after once its supervisor is killed: a deaf engine, a child in a session of its own, an
/// orphan without an environment that keeps its descriptors, one that closed them all. The second attempt looks whether
/// any of them is alive.
const TREE: &str = "if test $AQ_ATTEMPT = 2; then
  for p in p1 p2 p3 p4; do grep -q 'State:.[^Z]' /proc/$(cat $FIXTURE/$p)/status && echo $p lives >> $FIXTURE/overlaps; done
  exit 0
fi
trap '' TERM
setsid sh -c 'trap \"\" TERM; echo $$ > $FIXTURE/p1; echo > $FIXTURE/one; while :; do sleep 9 || :; done' &
(env -i FIXTURE=$FIXTURE sh -c 'echo $$ > $FIXTURE/p2; echo > $FIXTURE/two; exec sleep 1000' &)
setsid sh -c '(echo > /dev/null; exec sleep 1000) >/dev/null 2>&1 </dev/null 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&- & echo $! > $FIXTURE/p4; echo > $FIXTURE/four'
echo $$ > $FIXTURE/p3; echo $PPID > $FIXTURE/three
while :; do sleep 9 || :; done";

/// Starts the tree; returns the run and the process id of the supervisor.
fn start<'a>(
    fixture: &'a QueueFixture,
    arguments: &[&str],
) -> (crate::started_command::StartedCommand<'a>, String) {
    fixture.pipes(&["one", "two", "three", "four"]);
    fixture.add("a", "retries: 1\nlock: l", TREE);
    let run = fixture.start(arguments, &[]);
    fixture.wait_for_all(&["one", "two", "four"]);
    let supervisor = fixture.wait_for("three").trim().to_owned();
    (run, supervisor)
}

fn signal(pid: &str, signal: Signal) {
    kill_process(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), signal).unwrap();
}

fn assert_nothing_lives(fixture: &QueueFixture) {
    fixture.assert_none_lives(&["p1", "p2", "p3", "p4"]);
    assert_eq!(fixture.lines("overlaps"), Vec::<String>::new());
}

#[test]
fn when_runner_and_supervisor_are_killed_the_next_run_ends_what_is_left_before_it_takes_the_job_up() {
    let fixture = QueueFixture::new();
    let (run, supervisor) = start(&fixture, &["run", "--drain"]);
    run.signal(Signal::KILL);
    signal(&supervisor, Signal::KILL);
    assert_eq!(run.end().code, 137);
    let alive = fs::read_to_string(fixture.path("p3")).unwrap();
    assert!(is_alive(&alive), "nobody ended it");
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, fixture.stage("a").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    assert_nothing_lives(&fixture);
}

#[test]
fn a_runner_whose_supervisor_is_killed_ends_what_is_left_and_takes_the_job_up_itself() {
    let fixture = QueueFixture::new();
    let (run, supervisor) = start(&fixture, &["run", "--drain"]);
    signal(&supervisor, Signal::KILL);
    let done = run.end();
    assert_eq!(
        (done.code, fixture.stage("a").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    assert_nothing_lives(&fixture);
}

#[test]
fn a_run_of_one_job_or_one_that_was_told_to_stop_waits_for_the_end_of_what_a_lost_supervisor_left() {
    for stop in [false, true] {
        let fixture = QueueFixture::new();
        let (run, supervisor) = start(&fixture, &["run", "--once"]);
        signal(&supervisor, Signal::KILL);
        if stop {
            run.signal(Signal::TERM);
        }
        let done = run.end();
        assert_eq!(done.code, if stop { 143 } else { 0 });
        assert_eq!(fixture.stage("a"), "inbox", "{}", done.stderr);
        assert_nothing_lives(&fixture);
    }
}

#[test]
fn a_ship_command_that_lost_its_supervisor_is_ended_and_never_run_again() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add(
        "a",
        "retries: 3\nship: echo >> $FIXTURE/runs; echo $$ > $FIXTURE/ship; echo $PPID > $FIXTURE/up; exec sleep 1000",
        "true",
    );
    let run = fixture.start(&["run", "--drain"], &[]);
    let supervisor = fixture.wait_for("up");
    signal(&supervisor, Signal::KILL);
    assert_eq!(run.end().code, 0);
    fixture.assert_ship_unknown();
    fixture.assert_none_lives(&["ship"]);
}

#[test]
fn a_signal_that_is_sent_to_every_process_leaves_no_job_without_a_supervisor() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.pipe("go");
    fixture.add("a", "", "echo $PPID > $FIXTURE/up; read x < $FIXTURE/go");
    let run = fixture.start(&["run", "--drain"], &[]);
    let supervisor = fixture.wait_for("up");
    for broadcast in [Signal::TERM, Signal::INT, Signal::HUP] {
        signal(&supervisor, broadcast);
    }
    fixture.release("go");
    assert_eq!((run.end().code, fixture.stage("a").as_str()), (0, "shipped"));
}

/// A job with a lock, interrupted by the end of its runner, and another with the same lock.
fn interrupted(fixture: &QueueFixture) {
    fixture.pipe("up");
    fixture.add(
        "a",
        "retries: 1\nlock: l",
        "echo $AQ_JOB_ID >> $FIXTURE/runs; test $AQ_ATTEMPT = 1 || exit 0
echo > $FIXTURE/up; exec sleep 1000",
    );
    fixture.add("b", "lock: l", "echo $AQ_JOB_ID >> $FIXTURE/runs");
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    run.signal(Signal::KILL);
    run.end();
}

#[test]
fn a_job_whose_lock_is_held_by_a_stranger_goes_to_quarantine_and_keeps_the_lock_it_names() {
    let fixture = QueueFixture::new();
    fixture.add(
        "reviewed",
        "lock: l\nreview: true\nship: 'echo reviewed >> $FIXTURE/ships'",
        "true",
    );
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    interrupted(&fixture);
    let stranger = fixture.job_lock("a");
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert_eq!([fixture.stage("a"), fixture.stage("b")], ["quarantine", "inbox"]);
    assert_eq!(fixture.reason("a"), "orphan_unproven");
    let detail = fixture.detail("a");
    // Elsewhere no program is told who holds a lock.
    let holder = match cfg!(all(target_os = "linux", not(portable))) {
        true => format!("process {} (", std::process::id()),
        false => String::from("does not show which process"),
    };
    assert!(detail.contains(&holder), "{detail}");
    assert!(
        detail.contains("aq retry a") && detail.contains("aq cancel a"),
        "{detail}"
    );
    assert!(
        done.stderr.contains("its lock `l` is kept by a"),
        "{}",
        done.stderr
    );
    let refused = fixture.aq(&["retry", "a"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("still alive"),
        "{}",
        refused.stderr
    );
    drop(stranger);
    // Free for the system, and yet kept until a person says what is to become of the job.
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 1);
    assert_eq!(fixture.lines("runs"), ["a"]);
    let ship = || {
        (
            fixture.aq(&["ship", "reviewed"]).code,
            fixture.lines("ships").len(),
        )
    };
    assert_eq!(ship(), (1, 0));
    assert_eq!(fixture.aq(&["retry", "a"]).code, 0);
    assert_eq!(ship(), (0, 1));
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("runs"), ["a", "b", "a"]);
}

#[test]
fn an_end_that_was_announced_counts_whoever_holds_the_lock_of_the_job() {
    let fixture = QueueFixture::new();
    interrupted(&fixture);
    let _stranger = fixture.job_lock("a");
    let history = fixture.queue(".state/jobs/a/history.jsonl");
    let known = fs::read_to_string(&history).unwrap();
    let line = r#"{"at":"2026-01-01T00:00:00Z","stage":"shipped","attempt":1,"spent":1}"#;
    fs::write(&history, format!("{known}{line}\n")).unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!([fixture.stage("a"), fixture.stage("b")], ["shipped", "shipped"]);
    assert_eq!(fixture.lines("runs"), ["a", "b"]);
}

#[test]
fn a_damaged_record_of_processes_sends_the_job_to_quarantine_and_cancelling_it_frees_its_lock() {
    let fixture = QueueFixture::new();
    interrupted(&fixture);
    drop(fixture.job_lock("a"));
    fs::write(fixture.queue(".state/jobs/a/processes.jsonl"), "no record\n").unwrap();
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert_eq!([fixture.stage("a"), fixture.stage("b")], ["quarantine", "inbox"]);
    assert!(
        fixture.detail("a").contains("processes.jsonl is damaged"),
        "{}",
        fixture.detail("a")
    );
    assert_eq!(fixture.aq(&["cancel", "a"]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!([fixture.stage("a"), fixture.stage("b")], ["failed", "shipped"]);
}

#[test]
fn a_process_that_only_got_the_number_of_one_on_record_is_left_alone() {
    for (what, field, value) in [
        ("another start", "start", serde_json::json!(1)),
        ("another boot", "boot", serde_json::json!("another")),
    ] {
        let fixture = QueueFixture::new();
        interrupted(&fixture);
        drop(fixture.job_lock("a"));
        let path = fixture.queue(".state/jobs/a/processes.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        // As if this test were the command: its number, but not its start, or not its boot.
        let forged = text.lines().map(|line| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            if line["who"] == "command" {
                line["identity"]["pid"] = std::process::id().into();
            }
            if line["who"] == "command" || field == "boot" {
                line["identity"][field] = value.clone();
            }
            format!("{line}\n")
        });
        let forged: String = forged.collect();
        fs::write(&path, forged).unwrap();
        assert_eq!(fixture.aq(&["run", "--drain"]).code, 0, "{what}");
        assert_eq!(
            [fixture.stage("a"), fixture.stage("b")],
            ["shipped", "shipped"],
            "{what}"
        );
    }
}

#[test]
fn the_processes_of_a_command_are_on_record_before_it_runs() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.pipe("go");
    fixture.add(
        "a",
        "",
        "echo $$ $PPID $AQ_RUN $(cut -d' ' -f6 /proc/$PPID/stat) > $FIXTURE/up; read x < $FIXTURE/go",
    );
    let run = fixture.start(&["run", "--drain"], &[]);
    let told = fixture.wait_for("up");
    let told: Vec<&str> = told.split_whitespace().collect();
    let text = fs::read_to_string(fixture.queue(".state/jobs/a/processes.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["mark"], told[2]);
    assert_eq!(lines[1]["identity"]["pid"].to_string(), told[1], "{text}");
    // A session of its own: what is typed at the terminal reaches the runner alone.
    assert_eq!(lines[1]["identity"]["session"].to_string(), told[3], "{text}");
    fixture.release("go");
    assert_eq!(run.end().code, 0);
    let text = fs::read_to_string(fixture.queue(".state/jobs/a/processes.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (last["who"].as_str().unwrap(), last["identity"]["pid"].to_string()),
        ("command", told[0].to_owned())
    );
}

#[test]
fn shipping_that_lost_its_runner_and_its_supervisor_is_ended_by_the_next_try_and_not_repeated() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add(
        "a",
        "review: true\nship: echo >> $FIXTURE/runs; echo $$ > $FIXTURE/ship; echo $PPID > $FIXTURE/up; exec sleep 1000",
        "true",
    );
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let ship = fixture.start(&["ship", "a"], &[]);
    let supervisor = fixture.wait_for("up");
    ship.signal(Signal::KILL);
    signal(&supervisor, Signal::KILL);
    ship.end();
    assert_eq!(fixture.aq(&["ship", "a"]).code, 1);
    fixture.assert_none_lives(&["ship"]);
    fixture.assert_ship_unknown();
}

#[test]
fn what_was_published_and_not_yet_moved_is_moved_and_not_published_again() {
    for command in [&["ship", "a"][..], &["run", "--drain"]] {
        let fixture = QueueFixture::new();
        fixture.add("a", "review: true\nship: echo >> $FIXTURE/ships", "true");
        assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
        assert_eq!(fixture.aq(&["ship", "a"]).code, 0);
        // As if it had been killed after it announced the move and before it made it.
        fs::rename(fixture.queue("shipped/a.md"), fixture.queue("review/a.md")).unwrap();
        assert_eq!(fixture.aq(command).code, 0, "{command:?}");
        assert_eq!(
            (fixture.stage("a").as_str(), fixture.lines("ships").len()),
            ("shipped", 1)
        );
    }
}
