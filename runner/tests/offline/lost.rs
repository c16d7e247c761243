//! What is left when not the runner alone is killed: the supervisor too, or it alone; and what can't be proven: O-7.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::rig::Rig;
use crate::started_command::is_alive;

/// A tree that nobody looks after once its supervisor is killed: a deaf engine, a child in a session of its own, an
/// orphan without an environment that keeps its descriptors, one that closed them all. The second attempt looks whether
/// any of them is alive.
const TREE: &str = "if test $AQ_ATTEMPT = 2; then
  for p in p1 p2 p3 p4; do grep -q 'State:.[^Z]' /proc/$(cat $RIG/$p)/status && echo $p lives >> $RIG/overlaps; done
  exit 0
fi
trap '' TERM
setsid sh -c 'trap \"\" TERM; echo $$ > $RIG/p1; echo > $RIG/one; while :; do sleep 9 || :; done' &
(env -i RIG=$RIG sh -c 'echo $$ > $RIG/p2; echo > $RIG/two; exec sleep 1000' &)
setsid sh -c '(echo > /dev/null; exec sleep 1000) >/dev/null 2>&1 </dev/null 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&- & echo $! > $RIG/p4; echo > $RIG/four'
echo $$ > $RIG/p3; echo $PPID > $RIG/three
while :; do sleep 9 || :; done";

/// Starts the tree; returns the run and the process id of the supervisor.
fn start<'a>(rig: &'a Rig, arguments: &[&str]) -> (crate::started_command::Running<'a>, String) {
    rig.pipes(&["one", "two", "three", "four"]);
    rig.add("a", "retries: 1\nlock: l", TREE);
    let run = rig.start(arguments, &[]);
    rig.hear_all(&["one", "two", "four"]);
    let supervisor = rig.hear("three").trim().to_owned();
    (run, supervisor)
}

fn signal(pid: &str, signal: Signal) {
    kill_process(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), signal).unwrap();
}

fn assert_nothing_lives(rig: &Rig) {
    rig.assert_none_lives(&["p1", "p2", "p3", "p4"]);
    assert_eq!(rig.lines("overlaps"), Vec::<String>::new());
}

#[test]
fn when_runner_and_supervisor_are_killed_the_next_run_ends_what_is_left_before_it_takes_the_job_up() {
    let rig = Rig::new();
    let (run, supervisor) = start(&rig, &["run", "--drain"]);
    run.signal(Signal::KILL);
    signal(&supervisor, Signal::KILL);
    assert_eq!(run.end().code, 137);
    let alive = fs::read_to_string(rig.path("p3")).unwrap();
    assert!(is_alive(&alive), "nobody ended it");
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, rig.stage("a").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    assert_nothing_lives(&rig);
}

#[test]
fn a_runner_whose_supervisor_is_killed_ends_what_is_left_and_takes_the_job_up_itself() {
    let rig = Rig::new();
    let (run, supervisor) = start(&rig, &["run", "--drain"]);
    signal(&supervisor, Signal::KILL);
    let done = run.end();
    assert_eq!(
        (done.code, rig.stage("a").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    assert_nothing_lives(&rig);
}

#[test]
fn a_run_of_one_job_or_one_that_was_told_to_stop_waits_for_the_end_of_what_a_lost_supervisor_left() {
    for stop in [false, true] {
        let rig = Rig::new();
        let (run, supervisor) = start(&rig, &["run", "--once"]);
        signal(&supervisor, Signal::KILL);
        if stop {
            run.signal(Signal::TERM);
        }
        let done = run.end();
        assert_eq!(done.code, if stop { 143 } else { 0 });
        assert_eq!(rig.stage("a"), "inbox", "{}", done.stderr);
        assert_nothing_lives(&rig);
    }
}

#[test]
fn a_ship_command_that_lost_its_supervisor_is_ended_and_never_run_again() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.add(
        "a",
        "retries: 3\nship: echo >> $RIG/runs; echo $$ > $RIG/ship; echo $PPID > $RIG/up; exec sleep 1000",
        "true",
    );
    let run = rig.start(&["run", "--drain"], &[]);
    let supervisor = rig.hear("up");
    signal(&supervisor, Signal::KILL);
    assert_eq!(run.end().code, 0);
    rig.assert_ship_unknown();
    rig.assert_none_lives(&["ship"]);
}

#[test]
fn a_signal_that_is_sent_to_every_process_leaves_no_job_without_a_supervisor() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.pipe("go");
    rig.add("a", "", "echo $PPID > $RIG/up; read x < $RIG/go");
    let run = rig.start(&["run", "--drain"], &[]);
    let supervisor = rig.hear("up");
    for broadcast in [Signal::TERM, Signal::INT, Signal::HUP] {
        signal(&supervisor, broadcast);
    }
    rig.release("go");
    assert_eq!((run.end().code, rig.stage("a").as_str()), (0, "shipped"));
}

/// A job with a lock, interrupted by the end of its runner, and another with the same lock.
fn interrupted(rig: &Rig) {
    rig.pipe("up");
    rig.add(
        "a",
        "retries: 1\nlock: l",
        "echo $AQ_JOB_ID >> $RIG/runs; test $AQ_ATTEMPT = 1 || exit 0
echo > $RIG/up; exec sleep 1000",
    );
    rig.add("b", "lock: l", "echo $AQ_JOB_ID >> $RIG/runs");
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear("up");
    run.signal(Signal::KILL);
    run.end();
}

#[test]
fn a_job_whose_lock_is_held_by_a_stranger_goes_to_quarantine_and_keeps_the_lock_it_names() {
    let rig = Rig::new();
    rig.add(
        "reviewed",
        "lock: l\nreview: true\nship: 'echo reviewed >> $RIG/ships'",
        "true",
    );
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    interrupted(&rig);
    let stranger = rig.job_lock("a");
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert_eq!([rig.stage("a"), rig.stage("b")], ["quarantine", "inbox"]);
    assert_eq!(rig.reason("a"), "orphan_unproven");
    let detail = rig.detail("a");
    let own = format!("process {} (", std::process::id());
    assert!(detail.contains(&own), "{detail}");
    assert!(
        detail.contains("aq retry a") && detail.contains("aq cancel a"),
        "{detail}"
    );
    assert!(
        done.stderr.contains("its lock `l` is kept by a"),
        "{}",
        done.stderr
    );
    let refused = rig.aq(&["retry", "a"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("still alive"),
        "{}",
        refused.stderr
    );
    drop(stranger);
    // Free for the system, and yet kept until a person says what is to become of the job.
    assert_eq!(rig.aq(&["run", "--drain"]).code, 1);
    assert_eq!(rig.lines("runs"), ["a"]);
    let ship = || (rig.aq(&["ship", "reviewed"]).code, rig.lines("ships").len());
    assert_eq!(ship(), (1, 0));
    assert_eq!(rig.aq(&["retry", "a"]).code, 0);
    assert_eq!(ship(), (0, 1));
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.lines("runs"), ["a", "b", "a"]);
}

#[test]
fn an_end_that_was_announced_counts_whoever_holds_the_lock_of_the_job() {
    let rig = Rig::new();
    interrupted(&rig);
    let _stranger = rig.job_lock("a");
    let history = rig.queue(".state/jobs/a/history.jsonl");
    let known = fs::read_to_string(&history).unwrap();
    let line = r#"{"at":"2026-01-01T00:00:00Z","stage":"shipped","attempt":1,"spent":1}"#;
    fs::write(&history, format!("{known}{line}\n")).unwrap();
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!([rig.stage("a"), rig.stage("b")], ["shipped", "shipped"]);
    assert_eq!(rig.lines("runs"), ["a", "b"]);
}

#[test]
fn a_damaged_record_of_processes_sends_the_job_to_quarantine_and_cancelling_it_frees_its_lock() {
    let rig = Rig::new();
    interrupted(&rig);
    drop(rig.job_lock("a"));
    fs::write(rig.queue(".state/jobs/a/processes.jsonl"), "no record\n").unwrap();
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert_eq!([rig.stage("a"), rig.stage("b")], ["quarantine", "inbox"]);
    assert!(
        rig.detail("a").contains("processes.jsonl is damaged"),
        "{}",
        rig.detail("a")
    );
    assert_eq!(rig.aq(&["cancel", "a"]).code, 0);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!([rig.stage("a"), rig.stage("b")], ["failed", "shipped"]);
}

#[test]
fn a_process_that_only_got_the_number_of_one_on_record_is_left_alone() {
    for (what, field, value) in [
        ("another start", "start", serde_json::json!(1)),
        ("another boot", "boot", serde_json::json!("another")),
    ] {
        let rig = Rig::new();
        interrupted(&rig);
        drop(rig.job_lock("a"));
        let path = rig.queue(".state/jobs/a/processes.jsonl");
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
        assert_eq!(rig.aq(&["run", "--drain"]).code, 0, "{what}");
        assert_eq!([rig.stage("a"), rig.stage("b")], ["shipped", "shipped"], "{what}");
    }
}

#[test]
fn the_processes_of_a_command_are_on_record_before_it_runs() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.pipe("go");
    rig.add(
        "a",
        "",
        "echo $$ $PPID $AQ_RUN $(cut -d' ' -f6 /proc/$PPID/stat) > $RIG/up; read x < $RIG/go",
    );
    let run = rig.start(&["run", "--drain"], &[]);
    let told = rig.hear("up");
    let told: Vec<&str> = told.split_whitespace().collect();
    let text = fs::read_to_string(rig.queue(".state/jobs/a/processes.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["mark"], told[2]);
    assert_eq!(lines[1]["identity"]["pid"].to_string(), told[1], "{text}");
    // A session of its own: what is typed at the terminal reaches the runner alone.
    assert_eq!(lines[1]["identity"]["session"].to_string(), told[3], "{text}");
    rig.release("go");
    assert_eq!(run.end().code, 0);
    let text = fs::read_to_string(rig.queue(".state/jobs/a/processes.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (last["who"].as_str().unwrap(), last["identity"]["pid"].to_string()),
        ("command", told[0].to_owned())
    );
}

#[test]
fn shipping_that_lost_its_runner_and_its_supervisor_is_ended_by_the_next_try_and_not_repeated() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.add(
        "a",
        "review: true\nship: echo >> $RIG/runs; echo $$ > $RIG/ship; echo $PPID > $RIG/up; exec sleep 1000",
        "true",
    );
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let ship = rig.start(&["ship", "a"], &[]);
    let supervisor = rig.hear("up");
    ship.signal(Signal::KILL);
    signal(&supervisor, Signal::KILL);
    ship.end();
    assert_eq!(rig.aq(&["ship", "a"]).code, 1);
    rig.assert_none_lives(&["ship"]);
    rig.assert_ship_unknown();
}

#[test]
fn what_was_published_and_not_yet_moved_is_moved_and_not_published_again() {
    for command in [&["ship", "a"][..], &["run", "--drain"]] {
        let rig = Rig::new();
        rig.add("a", "review: true\nship: echo >> $RIG/ships", "true");
        assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
        assert_eq!(rig.aq(&["ship", "a"]).code, 0);
        // As if it had been killed after it announced the move and before it made it.
        fs::rename(rig.queue("shipped/a.md"), rig.queue("review/a.md")).unwrap();
        assert_eq!(rig.aq(command).code, 0, "{command:?}");
        assert_eq!(
            (rig.stage("a").as_str(), rig.lines("ships").len()),
            ("shipped", 1)
        );
    }
}
