//! What a job prints, and its log: O-6, and what `aq logs` shows of it.

use std::fs::File;
use std::io::Read;
#[cfg(target_os = "linux")]
use std::io::Write;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

use crate::queue_fixture::QueueFixture;

/// Runs a job and returns its log.
fn log_of(fixture: &QueueFixture, id: &str, keys: &str, script: &str) -> String {
    fixture.add(id, keys, script);
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    fixture.aq(&["logs", id]).stdout
}

// Its jobs write through /proc.
#[cfg(target_os = "linux")]
#[test]
fn what_a_job_does_to_its_standard_streams_takes_nothing_from_its_log() {
    let fixture = QueueFixture::new();
    let cases = [
        "echo two > /dev/stderr",
        "echo two > /dev/stdout",
        ": > /proc/self/fd/1; echo two",
        ": > /proc/self/fd/2; echo two",
        "truncate -s 0 /proc/self/fd/1 2>/dev/null || echo two",
        "dd if=/dev/null of=/dev/stdout 2>/dev/null; echo two",
        "exec > /dev/stdout; echo two",
        "exec 2>&1 >/dev/null; echo gone; echo two >&2",
        "exec 3>/dev/stderr 2>&-; echo two >&3",
        "sh -c 'echo two > /dev/stderr'",
        "tee /dev/stderr < /dev/null; echo two",
    ];
    for (number, case) in cases.iter().enumerate() {
        let log = log_of(
            &fixture,
            &format!("j{number}"),
            "",
            &format!("echo one\n{case}\necho three >&2 2>/dev/null"),
        );
        let log = log.trim_end_matches("three\n");
        assert_eq!(log, "one\ntwo\n", "{case}");
    }
    // The same of the other two commands.
    let log = log_of(
        &fixture,
        "steps",
        "verify: echo v1; echo v2 > /dev/stderr\nship: echo s1; echo s2 > /dev/stderr",
        "true",
    );
    assert_eq!(log, "v1\nv2\ns1\ns2\n");
}

#[test]
fn what_goes_to_both_streams_is_logged_in_the_order_in_which_it_was_printed() {
    let fixture = QueueFixture::new();
    let script = "n=0; while test $n -lt 300; do n=$((n+1)); echo out $n; echo err $n >&2; done";
    let expected: String = (1..=300).map(|n| format!("out {n}\nerr {n}\n")).collect();
    assert_eq!(log_of(&fixture, "a", "", script), expected);
}

// Its job looks into /proc.
#[cfg(target_os = "linux")]
#[test]
fn a_job_finds_no_descriptor_of_its_log() {
    let fixture = QueueFixture::new();
    let look = "for file in /proc/self/fd/*; do readlink $file || true; done > $FIXTURE/held";
    fixture.add("a", "verify: test -s $FIXTURE/held", look);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.stage("a"), "shipped");
    let held = fixture.lines("held");
    let is_of_log = |path: &String| path.contains("/jobs/") && !path.ends_with("/prompt.md");
    assert!(!held.iter().any(is_of_log), "{held:?}");
}

/// More than a pipe holds at a time, right before the end, however that comes.
#[test]
fn the_last_that_a_command_printed_is_never_lost() {
    let fixture = QueueFixture::new();
    let much = "head -c 300000 /dev/zero";
    let asked =
        format!("exec 2>/dev/null; trap '{much}; exit' TERM; echo up; while :; do sleep 0.1 || :; done");
    let cases = [
        ("ends", "", much.to_owned(), 300_000),
        ("killed", "", format!("{much}; kill -9 $$"), 300_000),
        (
            "leaves",
            "",
            format!(
                "({asked}) &\nwhile ! test -s $FIXTURE/queue/.state/jobs/leaves/attempt-1/engine.out; do :; done"
            ),
            300_003,
        ),
        ("late", "timeout: 1s", asked.clone(), 300_003),
    ];
    for (id, keys, script, bytes) in cases {
        fixture.add(id, keys, &script);
        let done = fixture.start(&["run", "--drain"], &[("AQ_GRACE", "20s")]).end();
        assert_eq!(done.code, 0, "{id}: {}", done.stderr);
        assert_eq!(fixture.aq(&["logs", "--raw", id]).stdout.len(), bytes, "{id}");
    }
    assert_eq!(fixture.reason("late"), "timeout");
}

/// Whoever got hold of the pipe outside of everything that belongs to the job: it is open for ever, and never empty.
// It opens the pipe of a job through /proc.
#[cfg(target_os = "linux")]
#[test]
fn a_job_is_over_although_something_that_escaped_goes_on_to_print() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "go"]);
    fixture.add(
        "a",
        "",
        "echo before; echo $$ > $FIXTURE/up; read x < $FIXTURE/go",
    );
    let run = fixture.start(&["run", "--drain"], &[]);
    let pid = fixture.wait_for("up");
    let mut escaped = File::options()
        .write(true)
        .open(format!("/proc/{}/fd/1", pid.trim()))
        .unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    let printing = std::thread::spawn(move || {
        while !is_over.load(Ordering::Relaxed) && escaped.write_all(&[b'x'; 4096]).is_ok() {}
    });
    fixture.release("go");
    assert_eq!((run.end().code, fixture.stage("a").as_str()), (0, "shipped"));
    over.store(true, Ordering::Relaxed);
    printing.join().unwrap();
    assert!(fixture.aq(&["logs", "a"]).stdout.starts_with("before\n"));
}

#[test]
fn a_log_that_can_not_be_written_is_no_fault_of_the_job() {
    let fixture = QueueFixture::new();
    let much = "head -c 300000 /dev/zero; echo $? > $FIXTURE/told";
    // A limit on files ends whoever writes beyond it by a signal, unless that is asked for as an error.
    fixture.add("b", "", much);
    let limited = format!("ulimit -f 100; exec {} run --drain", env!("CARGO_BIN_EXE_aq"));
    let done = fixture
        .program(Path::new("/bin/sh"), &["-c", &limited], &[])
        .end();
    assert_eq!(
        (done.code, fixture.stage("b").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    // The limit is one on each file.
    let raw = fixture.aq(&["logs", "--raw", "b"]);
    let missing = raw
        .stderr
        .lines()
        .map(|line| line.split(' ').nth(2).unwrap().parse::<usize>().unwrap());
    assert!(raw.stdout.len() > 51_200 && raw.stdout.bytes().all(|byte| byte == 0));
    // A gap is told by what comes after it. After a loss in the last piece, which a pipe holds whole, nothing comes.
    let told = raw.stdout.len() + missing.sum::<usize>();
    assert!(told <= 300_000 && 300_000 - told < 65_536, "{told}");
}

/// The same of one that prints nothing, in every way that a job can leave it behind.
// It opens the pipe of a job through /proc.
#[cfg(target_os = "linux")]
#[test]
fn a_job_is_over_although_something_that_escaped_holds_its_pipe_open() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "go"]);
    for (id, script) in [
        ("a", ""),
        ("b", "setsid sleep 60 &"),
        // A shell that outlives its child for a moment says on standard error how that ended.
        ("c", "(setsid sh -c 'sleep 60 & setsid sleep 60' 2>/dev/null &)"),
    ] {
        let script = format!("{script}\necho $$ > $FIXTURE/up; read x < $FIXTURE/go; echo last");
        fixture.add(id, "", &script);
        let run = fixture.start(&["run", "--drain"], &[]);
        let pid = fixture.wait_for("up");
        let pipe = format!("/proc/{}/fd/1", pid.trim());
        let escaped = File::options().write(true).open(pipe).unwrap();
        fixture.release("go");
        assert_eq!((run.end().code, fixture.stage(id).as_str()), (0, "shipped"));
        assert_eq!(fixture.aq(&["logs", id]).stdout, "last\n");
        drop(escaped);
    }
}

/// Cut off where it would go on without end.
#[test]
fn a_job_that_prints_its_own_log_does_not_feed_it() {
    let fixture = QueueFixture::new();
    let aq = env!("CARGO_BIN_EXE_aq");
    let script = format!("head -c 200000 /dev/zero | tr '\\0' x\n{aq} logs $AQ_JOB_ID | head -c 1000000");
    let log = log_of(&fixture, "a", "", &script);
    assert!((200_000..=400_000).contains(&log.len()), "{}", log.len());
    assert_eq!(log, "x".repeat(log.len()));
}

#[test]
fn logs_shows_what_was_there_when_it_was_asked_for() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "go", "shown"]);
    // The engine has ended, so all of what it printed is in the log; `verify` prints when that is being shown.
    let verify = "verify: echo first; echo > $FIXTURE/up; read x < $FIXTURE/go; echo more";
    fixture.add("a", verify, "head -c 300000 /dev/zero | tr '\\0' x");
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    let show = format!("exec {} logs a > $FIXTURE/shown", env!("CARGO_BIN_EXE_aq"));
    let logs = fixture.program(Path::new("sh"), &["-c", &show], &[]);
    let mut shown = File::open(fixture.path("shown")).unwrap();
    shown.read_exact(&mut [0]).unwrap();
    fixture.release("go");
    assert_eq!(run.end().code, 0);
    let mut rest = String::new();
    shown.read_to_string(&mut rest).unwrap();
    assert_eq!(logs.end().code, 0);
    let rest = rest.trim_start_matches('x');
    assert!(["", "first\n"].contains(&rest), "{rest}");
    assert!(fixture.aq(&["logs", "a"]).stdout.ends_with("xfirst\nmore\n"));
}
