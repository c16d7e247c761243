//! How jobs and runs are ended: O-6, O-7, O-8.

use std::fs;

use rustix::process::Signal;

use crate::rig::Rig;

/// A tree that does not want to end: a child in a session of its own, an orphan, a deaf engine. Each notes its id. The
/// first keeps to itself that its `sleep` was killed a moment before it.
const STUBBORN: &str = "trap '' TERM
setsid sh -c 'trap \"\" TERM; exec 2>/dev/null; echo $$ > $RIG/p1.new; mv $RIG/p1.new $RIG/p1; echo > $RIG/one; while :; do sleep 9 || :; done' &
(sh -c 'echo $$ > $RIG/p2.new; mv $RIG/p2.new $RIG/p2; echo > $RIG/two; exec sleep 1000' &)
echo $$ > $RIG/p3; echo > $RIG/three";

/// Where each of the tree says that it is up, and notes its id.
const UP: [&str; 3] = ["one", "two", "three"];
const NOTES: [&str; 3] = ["p1", "p2", "p3"];

#[test]
fn at_its_time_out_everything_that_a_job_started_is_ended() {
    let rig = Rig::new();
    rig.pipes(&UP);
    rig.add(
        "a",
        "timeout: 5s\nverify: touch $RIG/verified",
        &format!("{STUBBORN}\nwhile :; do sleep 9 || :; done"),
    );
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear_all(&UP);
    assert_eq!(run.end().code, 0);
    assert_eq!(
        (rig.stage("a").as_str(), rig.reason("a").as_str()),
        ("failed", "timeout")
    );
    rig.assert_none_lives(&NOTES);
    assert!(!rig.path("verified").exists());
}

#[test]
fn a_job_without_output_for_too_long_is_ended() {
    let rig = Rig::new();
    rig.add("silent", "idle_timeout: 300ms", "echo once; exec sleep 1000");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        (rig.stage("silent").as_str(), rig.reason("silent").as_str()),
        ("failed", "idle")
    );
}

#[test]
fn what_a_finished_engine_left_running_is_ended() {
    let rig = Rig::new();
    rig.pipes(&UP);
    rig.add("a", "", STUBBORN);
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear_all(&UP);
    assert_eq!((run.end().code, rig.stage("a").as_str()), (0, "shipped"));
    rig.assert_none_lives(&NOTES);
}

#[test]
fn a_signal_puts_the_running_job_back_and_starts_no_other() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 143), (Signal::INT, 130)] {
        let rig = Rig::new();
        rig.pipes(&UP);
        rig.add("a", "", &format!("{STUBBORN}\nwhile :; do sleep 9 || :; done"));
        rig.add("b", "", "touch $RIG/started");
        let run = rig.start(&["run"], &[]);
        rig.hear_all(&UP);
        run.signal(signal);
        let done = run.end();
        assert_eq!((done.code, done.stdout.as_str()), (code, "1 put back\n"));
        assert_eq!([rig.stage("a"), rig.stage("b")], ["inbox", "inbox"]);
        rig.assert_none_lives(&NOTES);
        assert!(!rig.path("started").exists());
    }
}

#[test]
fn a_second_signal_does_not_wait_for_the_grace_period() {
    let rig = Rig::new();
    rig.pipes(&UP);
    rig.add("a", "", &format!("{STUBBORN}\nwhile :; do sleep 9 || :; done"));
    let run = rig.start(&["run"], &[("AQ_GRACE", "1h")]);
    rig.hear_all(&UP);
    // The first one counts. Were both pending at once, the system would hand over this one first, too.
    run.signal(Signal::INT);
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 130);
    assert_eq!(rig.stage("a"), "inbox");
    rig.assert_none_lives(&NOTES);
}

#[test]
fn an_interruption_uses_up_no_retry() {
    let rig = Rig::new();
    rig.pipe("up");
    // Interrupted, then failed, then good: one retry is enough for that.
    let script = "case $AQ_ATTEMPT in 1) echo > $RIG/up; exec sleep 1000;; 2) exit 1;; esac";
    rig.add("a", "retries: 1", script);
    let run = rig.start(&["run"], &[]);
    rig.hear("up");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.stage("a"), "shipped");
}

#[test]
fn a_ship_command_that_was_interrupted_is_never_run_again() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.add(
        "a",
        "retries: 3\nship: echo >> $RIG/runs; echo > $RIG/up; exec sleep 1000",
        "true",
    );
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear("up");
    run.signal(Signal::KILL);
    run.end();
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    rig.assert_ship_unknown();
}

#[test]
fn after_a_killed_runner_the_job_is_taken_up_again_once_nothing_of_it_lives() {
    let rig = Rig::new();
    rig.pipes(&UP);
    let second =
        "for p in p1 p2 p3; do kill -0 $(cat $RIG/$p) && echo $p lives >> $RIG/overlaps; done; exit 0";
    let script =
        format!("if test $AQ_ATTEMPT = 2; then\n{second}\nfi\n{STUBBORN}\nwhile :; do sleep 9 || :; done");
    rig.add("a", "retries: 1\nlock: l", &script);
    let run = rig.start(&["run", "--drain"], &[("AQ_GRACE", "1s")]);
    rig.hear_all(&UP);
    run.signal(Signal::KILL);
    assert_eq!(run.end().code, 137);
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, rig.stage("a").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    assert_eq!(rig.lines("overlaps"), Vec::<String>::new());
    rig.assert_none_lives(&NOTES);
}

#[test]
fn after_a_killed_runner_a_job_without_retries_has_failed() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.add("a", "", "echo > $RIG/up; exec sleep 1000");
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear("up");
    run.signal(Signal::KILL);
    run.end();
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        (rig.stage("a").as_str(), rig.reason("a").as_str()),
        ("failed", "interrupted")
    );
}

#[test]
fn a_change_that_a_crash_cut_in_two_is_finished() {
    let rig = Rig::new();
    for (id, announced) in [("a", "shipped"), ("b", "failed"), ("c", "inbox")] {
        rig.add(id, "", "echo $AQ_JOB_ID >> $RIG/runs");
        // As if the runner had been killed after it announced the move and before it made it.
        fs::rename(
            rig.queue("inbox").join(format!("{id}.md")),
            rig.queue("building").join(format!("{id}.md")),
        )
        .unwrap();
        let history = rig.queue(".state/jobs").join(id).join("history.jsonl");
        let at = "2026-01-01T00:00:00Z";
        let line =
            format!(r#"{{"at":"{at}","stage":"{announced}","attempt":1,"spent":1,"reason":"exit_code"}}"#);
        let text = fs::read_to_string(&history).unwrap();
        fs::write(&history, format!("{text}{line}\n{{\"at\":\"torn")).unwrap();
    }
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        ["a", "b", "c"].map(|id| rig.stage(id)),
        ["shipped", "failed", "shipped"]
    );
    assert_eq!(rig.lines("runs"), ["c"]);
}

#[test]
fn a_running_job_is_cancelled_by_its_runner_and_a_waiting_one_at_once() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.add("a", "retries: 5", "echo > $RIG/up; exec sleep 1000");
    rig.add("b", "", "touch $RIG/started");
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear("up");
    assert_eq!(
        (rig.aq(&["cancel", "b"]).code, rig.stage("b").as_str()),
        (0, "failed")
    );
    assert_eq!(rig.aq(&["cancel", "a"]).code, 0);
    assert_eq!(run.end().code, 0);
    for id in ["a", "b"] {
        assert_eq!(
            (rig.stage(id).as_str(), rig.reason(id).as_str()),
            ("failed", "cancelled"),
            "{id}"
        );
    }
    assert!(!rig.path("started").exists());
    assert_eq!(rig.aq(&["cancel", "a"]).code, 1);
}

#[test]
fn shipping_that_a_person_began_and_a_kill_cut_off_is_not_repeated_either() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.add(
        "a",
        "review: true\nship: echo >> $RIG/runs; echo > $RIG/up; exec sleep 1000",
        "true",
    );
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let ship = rig.start(&["ship", "a"], &[("AQ_GRACE", "0")]);
    rig.hear("up");
    ship.signal(Signal::KILL);
    ship.end();
    // Its supervisor may still be at work; then the answer is "in other hands", and nothing is run all the same.
    assert_eq!(rig.aq(&["ship", "a"]).code, 1);
    assert_eq!(rig.aq(&["ship", "a"]).code, 1);
    assert_eq!(rig.lines("runs").len(), 1);
    assert_ne!(rig.stage("a"), "shipped");
}

#[test]
fn a_tree_that_was_stopped_is_woken_to_hear_that_it_is_to_end() {
    let rig = Rig::new();
    rig.pipe("up");
    // The child stops itself; only awake can it follow TERM and say so.
    let child = "trap 'echo heard > $RIG/heard; exit' TERM; echo > $RIG/up; kill -STOP $$; while :; do sleep 9 || :; done";
    rig.add(
        "a",
        "timeout: 1s",
        &format!("sh -c '{}'", child.replace('\'', "'\\''")),
    );
    let run = rig.start(&["run", "--drain"], &[("AQ_GRACE", "20s")]);
    rig.hear("up");
    assert_eq!(run.end().code, 0);
    assert_eq!(rig.reason("a"), "timeout");
    assert_eq!(rig.lines("heard"), ["heard"]);
}

#[test]
fn an_engine_is_over_when_it_ends_and_not_when_the_last_one_closes_its_output() {
    let rig = Rig::new();
    rig.pipes(&UP);
    // The processes left behind keep the output open and are deaf to TERM: without their end there would be none of it.
    rig.add("a", "timeout: 1h", &format!("echo before\n{STUBBORN}\nexit 3"));
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear_all(&UP);
    assert_eq!(run.end().code, 0);
    assert_eq!(
        (rig.stage("a").as_str(), rig.reason("a").as_str()),
        ("failed", "exit_code")
    );
    assert_eq!(rig.aq(&["logs", "a"]).stdout, "before\n");
    rig.assert_none_lives(&NOTES);
}

/// Process 1 has no default for signals, and is the parent of everybody's orphans.
#[test]
fn as_process_1_it_ends_by_a_signal_and_leaves_no_dead_process_uncollected() {
    let rig = Rig::new();
    rig.pipe("up");
    rig.pipe("gone");
    rig.pipe("collected");
    // Nobody's orphan comes to process 1, and ends when the runner has long taken that place.
    let orphan = "(echo > $RIG/gone) & echo $! > $RIG/orphan";
    let look = "echo > $RIG/up; while test -e /proc/$(cat $RIG/orphan); do :; done; echo > $RIG/collected
exec sleep 1000";
    rig.add("a", "", look);
    let aq = env!("CARGO_BIN_EXE_aq");
    let script = format!(
        "(setsid sh -c '{orphan}' >/dev/null 2>&1 &)\nwhile ! test -s $RIG/orphan; do :; done\nexec {aq} run"
    );
    let words = [
        "--user",
        "--map-root-user",
        "--fork",
        "--pid",
        "--mount-proc",
        "--kill-child",
        "sh",
        "-c",
        &script,
    ];
    let run = rig.program(std::path::Path::new("unshare"), &words, &[]);
    rig.hear("up");
    rig.hear("gone");
    rig.hear("collected");
    let namespace = run.only_child();
    rustix::process::kill_process(namespace, Signal::TERM).unwrap();
    let done = run.end();
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (143, "1 put back\n"),
        "{}",
        done.stderr
    );
    assert_eq!(rig.stage("a"), "inbox");
}
