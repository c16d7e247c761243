//! How jobs and runs are ended: O-6, O-7, O-8.

use std::fs;

use rustix::process::Signal;

use crate::queue_fixture::QueueFixture;

/// A tree that does not want to end: a child in a session of its own, an orphan, a deaf engine. Each notes its id. The
/// first keeps to itself that its `sleep` was killed a moment before it.
const STUBBORN: &str = "trap '' TERM
setsid sh -c 'trap \"\" TERM; exec 2>/dev/null; echo $$ > $FIXTURE/p1.new; mv $FIXTURE/p1.new $FIXTURE/p1; echo > $FIXTURE/one; while :; do sleep 9 || :; done' &
(sh -c 'echo $$ > $FIXTURE/p2.new; mv $FIXTURE/p2.new $FIXTURE/p2; echo > $FIXTURE/two; exec sleep 1000' &)
echo $$ > $FIXTURE/p3; echo > $FIXTURE/three";

/// Where each of the tree says that it is up, and notes its id.
const UP: [&str; 3] = ["one", "two", "three"];
const NOTES: [&str; 3] = ["p1", "p2", "p3"];

#[test]
fn at_its_time_out_everything_that_a_job_started_is_ended() {
    let fixture = QueueFixture::new();
    fixture.pipes(&UP);
    fixture.add(
        "a",
        "timeout: 5s\nverify: touch $FIXTURE/verified",
        &format!("{STUBBORN}\nwhile :; do sleep 9 || :; done"),
    );
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for_all(&UP);
    assert_eq!(run.end().code, 0);
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.reason("a").as_str()),
        ("failed", "timeout")
    );
    fixture.assert_none_lives(&NOTES);
    assert!(!fixture.path("verified").exists());
}

#[test]
fn a_job_without_output_for_too_long_is_ended() {
    let fixture = QueueFixture::new();
    fixture.add("silent", "idle_timeout: 300ms", "echo once; exec sleep 1000");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        (
            fixture.stage("silent").as_str(),
            fixture.reason("silent").as_str()
        ),
        ("failed", "idle")
    );
}

#[test]
fn what_a_finished_engine_left_running_is_ended() {
    let fixture = QueueFixture::new();
    fixture.pipes(&UP);
    fixture.add("a", "", STUBBORN);
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for_all(&UP);
    assert_eq!((run.end().code, fixture.stage("a").as_str()), (0, "shipped"));
    fixture.assert_none_lives(&NOTES);
}

/// What daemons do to be nobody's child, and in no group and session of their parents.
#[test]
fn an_orphan_that_forked_twice_into_a_session_of_its_own_is_ended_with_its_job() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "on"]);
    let daemon = "echo $$ > $FIXTURE/daemon; echo > $FIXTURE/up; exec sleep 1000";
    fixture.engine("daemon", daemon);
    fixture.engine("daemonize", "nohup daemon </dev/null >/dev/null 2>&1 &");
    fixture.add("a", "", "(setsid daemonize &)\nread x < $FIXTURE/on");
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    fixture.release("on");
    assert_eq!((run.end().code, fixture.stage("a").as_str()), (0, "shipped"));
    fixture.assert_none_lives(&["daemon"]);
}

#[test]
fn a_signal_puts_the_running_job_back_and_starts_no_other() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 143), (Signal::INT, 130)] {
        let fixture = QueueFixture::new();
        fixture.pipes(&UP);
        fixture.add("a", "", &format!("{STUBBORN}\nwhile :; do sleep 9 || :; done"));
        fixture.add("b", "", "touch $FIXTURE/started");
        let run = fixture.start(&["run"], &[]);
        fixture.wait_for_all(&UP);
        run.signal(signal);
        let done = run.end();
        assert_eq!((done.code, done.stdout.as_str()), (code, "1 put back\n"));
        assert_eq!([fixture.stage("a"), fixture.stage("b")], ["inbox", "inbox"]);
        fixture.assert_none_lives(&NOTES);
        assert!(!fixture.path("started").exists());
    }
}

#[test]
fn a_second_signal_does_not_wait_for_the_grace_period() {
    let fixture = QueueFixture::new();
    fixture.pipes(&UP);
    fixture.add("a", "", &format!("{STUBBORN}\nwhile :; do sleep 9 || :; done"));
    let run = fixture.start(&["run"], &[("AQ_GRACE", "1h")]);
    fixture.wait_for_all(&UP);
    // The first one counts. Were both pending at once, the system would hand over this one first, too.
    run.signal(Signal::INT);
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 130);
    assert_eq!(fixture.stage("a"), "inbox");
    fixture.assert_none_lives(&NOTES);
}

#[test]
fn an_interruption_uses_up_no_retry() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    // Interrupted, then failed, then good: one retry is enough for that.
    let script = "case $AQ_ATTEMPT in 1) echo > $FIXTURE/up; exec sleep 1000;; 2) exit 1;; esac";
    fixture.add("a", "retries: 1", script);
    let run = fixture.start(&["run"], &[]);
    fixture.wait_for("up");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.stage("a"), "shipped");
}

#[test]
fn a_ship_command_that_was_interrupted_is_never_run_again() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add(
        "a",
        "retries: 3\nship: echo >> $FIXTURE/runs; echo > $FIXTURE/up; exec sleep 1000",
        "true",
    );
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    run.signal(Signal::KILL);
    run.end();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    fixture.assert_ship_unknown();
}

#[test]
fn after_a_killed_runner_the_job_is_taken_up_again_once_nothing_of_it_lives() {
    let fixture = QueueFixture::new();
    fixture.pipes(&UP);
    // One that has ended and that nobody has collected gets signals too.
    let second = "for p in p1 p2 p3; do
pid=$(cat $FIXTURE/$p)
kill -0 $pid && ! grep -qs ') Z ' /proc/$pid/stat && echo $p lives >> $FIXTURE/overlaps
done; exit 0";
    let script =
        format!("if test $AQ_ATTEMPT = 2; then\n{second}\nfi\n{STUBBORN}\nwhile :; do sleep 9 || :; done");
    fixture.add("a", "retries: 1\nlock: l", &script);
    let run = fixture.start(&["run", "--drain"], &[("AQ_GRACE", "1s")]);
    fixture.wait_for_all(&UP);
    run.signal(Signal::KILL);
    assert_eq!(run.end().code, 137);
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, fixture.stage("a").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    assert_eq!(fixture.lines("overlaps"), Vec::<String>::new());
    fixture.assert_none_lives(&NOTES);
}

#[test]
fn after_a_killed_runner_a_job_without_retries_has_failed() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add("a", "", "echo > $FIXTURE/up; exec sleep 1000");
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    run.signal(Signal::KILL);
    run.end();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.reason("a").as_str()),
        ("failed", "interrupted")
    );
}

#[test]
fn a_change_that_a_crash_cut_in_two_is_finished() {
    let fixture = QueueFixture::new();
    for (id, announced) in [("a", "shipped"), ("b", "failed"), ("c", "inbox")] {
        fixture.add(id, "", "echo $AQ_JOB_ID >> $FIXTURE/runs");
        // As if the runner had been killed after it announced the move and before it made it.
        fs::rename(
            fixture.queue("inbox").join(format!("{id}.md")),
            fixture.queue("building").join(format!("{id}.md")),
        )
        .unwrap();
        let history = fixture.queue(".state/jobs").join(id).join("history.jsonl");
        let at = "2026-01-01T00:00:00Z";
        let line =
            format!(r#"{{"at":"{at}","stage":"{announced}","attempt":1,"spent":1,"reason":"exit_code"}}"#);
        let text = fs::read_to_string(&history).unwrap();
        fs::write(&history, format!("{text}{line}\n{{\"at\":\"torn")).unwrap();
    }
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        ["a", "b", "c"].map(|id| fixture.stage(id)),
        ["shipped", "failed", "shipped"]
    );
    assert_eq!(fixture.lines("runs"), ["c"]);
}

#[test]
fn a_running_job_is_cancelled_by_its_runner_and_a_waiting_one_at_once() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add("a", "retries: 5", "echo > $FIXTURE/up; exec sleep 1000");
    fixture.add("b", "", "touch $FIXTURE/started");
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    assert_eq!(
        (fixture.aq(&["cancel", "b"]).code, fixture.stage("b").as_str()),
        (0, "failed")
    );
    assert_eq!(fixture.aq(&["cancel", "a"]).code, 0);
    assert_eq!(run.end().code, 0);
    for id in ["a", "b"] {
        assert_eq!(
            (fixture.stage(id).as_str(), fixture.reason(id).as_str()),
            ("failed", "cancelled"),
            "{id}"
        );
    }
    assert!(!fixture.path("started").exists());
    assert_eq!(fixture.aq(&["cancel", "a"]).code, 1);
}

#[test]
fn shipping_that_a_person_began_and_a_kill_cut_off_is_not_repeated_either() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add(
        "a",
        "review: true\nship: echo >> $FIXTURE/runs; echo > $FIXTURE/up; exec sleep 1000",
        "true",
    );
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let ship = fixture.start(&["ship", "a"], &[("AQ_GRACE", "0")]);
    fixture.wait_for("up");
    ship.signal(Signal::KILL);
    ship.end();
    // Its supervisor may still be at work; then the answer is "in other hands", and nothing is run all the same.
    assert_eq!(fixture.aq(&["ship", "a"]).code, 1);
    assert_eq!(fixture.aq(&["ship", "a"]).code, 1);
    assert_eq!(fixture.lines("runs").len(), 1);
    assert_ne!(fixture.stage("a"), "shipped");
}

#[test]
fn a_tree_that_was_stopped_is_woken_to_hear_that_it_is_to_end() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    // The child stops itself; only awake can it follow TERM and say so.
    let child = "trap 'echo heard > $FIXTURE/heard; exit' TERM; echo > $FIXTURE/up; kill -STOP $$; while :; do sleep 9 || :; done";
    fixture.add(
        "a",
        "timeout: 1s",
        &format!("sh -c '{}'", child.replace('\'', "'\\''")),
    );
    let run = fixture.start(&["run", "--drain"], &[("AQ_GRACE", "20s")]);
    fixture.wait_for("up");
    assert_eq!(run.end().code, 0);
    assert_eq!(fixture.reason("a"), "timeout");
    assert_eq!(fixture.lines("heard"), ["heard"]);
}

#[test]
fn an_engine_is_over_when_it_ends_and_not_when_the_last_one_closes_its_output() {
    let fixture = QueueFixture::new();
    fixture.pipes(&UP);
    // The processes left behind keep the output open and are deaf to TERM: without their end there would be none of it.
    fixture.add("a", "timeout: 1h", &format!("echo before\n{STUBBORN}\nexit 3"));
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for_all(&UP);
    assert_eq!(run.end().code, 0);
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.reason("a").as_str()),
        ("failed", "exit_code")
    );
    assert_eq!(fixture.aq(&["logs", "a"]).stdout, "before\n");
    fixture.assert_none_lives(&NOTES);
}

/// Process 1 has no default for signals, and is the parent of everybody's orphans.
// Only where orphans can be adopted is anybody's orphan looked for among the children.
#[cfg(all(target_os = "linux", not(portable)))]
#[test]
fn as_process_1_it_ends_by_a_signal_and_leaves_no_dead_process_uncollected() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.pipe("gone");
    fixture.pipe("collected");
    // Nobody's orphan comes to process 1, and ends when the runner has long taken that place.
    let orphan = "(echo > $FIXTURE/gone) & echo $! > $FIXTURE/orphan";
    let look = "echo > $FIXTURE/up; while test -e /proc/$(cat $FIXTURE/orphan); do :; done; echo > $FIXTURE/collected
exec sleep 1000";
    fixture.add("a", "", look);
    let aq = env!("CARGO_BIN_EXE_aq");
    let script = format!(
        "(setsid sh -c '{orphan}' >/dev/null 2>&1 &)\nwhile ! test -s $FIXTURE/orphan; do :; done\nexec {aq} run"
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
    let run = fixture.program(std::path::Path::new("unshare"), &words, &[]);
    fixture.wait_for("up");
    fixture.wait_for("gone");
    fixture.wait_for("collected");
    let namespace = run.only_child();
    rustix::process::kill_process(namespace, Signal::TERM).unwrap();
    let done = run.end();
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (143, "1 put back\n"),
        "{}",
        done.stderr
    );
    assert_eq!(fixture.stage("a"), "inbox");
}
