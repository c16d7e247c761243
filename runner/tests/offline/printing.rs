//! What a job prints, and its log: O-6, and what `aq logs` shows of it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::rig::Rig;

/// Runs a job and returns its log.
fn log_of(rig: &Rig, id: &str, keys: &str, script: &str) -> String {
    rig.add(id, keys, script);
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    rig.aq(&["logs", id]).stdout
}

#[test]
fn what_a_job_does_to_its_standard_streams_takes_nothing_from_its_log() {
    let rig = Rig::new();
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
            &rig,
            &format!("j{number}"),
            "",
            &format!("echo one\n{case}\necho three >&2 2>/dev/null"),
        );
        let log = log.trim_end_matches("three\n");
        assert_eq!(log, "one\ntwo\n", "{case}");
    }
    // The same of the other two commands.
    let log = log_of(
        &rig,
        "steps",
        "verify: echo v1; echo v2 > /dev/stderr\nship: echo s1; echo s2 > /dev/stderr",
        "true",
    );
    assert_eq!(log, "v1\nv2\ns1\ns2\n");
}

#[test]
fn what_goes_to_both_streams_is_logged_in_the_order_in_which_it_was_printed() {
    let rig = Rig::new();
    let script = "n=0; while test $n -lt 300; do n=$((n+1)); echo out $n; echo err $n >&2; done";
    let expected: String = (1..=300).map(|n| format!("out {n}\nerr {n}\n")).collect();
    assert_eq!(log_of(&rig, "a", "", script), expected);
}

#[test]
fn a_job_finds_no_descriptor_of_its_log() {
    let rig = Rig::new();
    let look = "for file in /proc/self/fd/*; do readlink $file || true; done > $RIG/held";
    rig.add("a", "verify: test -s $RIG/held", look);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.stage("a"), "shipped");
    let held = rig.lines("held");
    assert!(!held.iter().any(|path| path.contains(".out")), "{held:?}");
}

/// More than a pipe holds at a time, right before the end, however that comes.
#[test]
fn the_last_that_a_command_printed_is_never_lost() {
    let rig = Rig::new();
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
                "({asked}) &\nwhile ! test -s $RIG/queue/.state/jobs/leaves/attempt-1/engine.out; do :; done"
            ),
            300_003,
        ),
        ("late", "timeout: 1s", asked.clone(), 300_003),
    ];
    for (id, keys, script, bytes) in cases {
        rig.add(id, keys, &script);
        let done = rig.start(&["run", "--drain"], &[("AQ_GRACE", "20s")]).end();
        assert_eq!(done.code, 0, "{id}: {}", done.stderr);
        assert_eq!(rig.aq(&["logs", id]).stdout.len(), bytes, "{id}");
    }
    assert_eq!(rig.reason("late"), "timeout");
}

/// Whoever got hold of the pipe outside of everything that belongs to the job: it is open for ever, and never empty.
#[test]
fn a_job_is_over_although_something_that_escaped_goes_on_to_print() {
    let rig = Rig::new();
    rig.pipes(&["up", "go"]);
    rig.add("a", "", "echo before; echo $$ > $RIG/up; read x < $RIG/go");
    let run = rig.start(&["run", "--drain"], &[]);
    let pid = rig.hear("up");
    let mut escaped = File::options()
        .write(true)
        .open(format!("/proc/{}/fd/1", pid.trim()))
        .unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    let printing = std::thread::spawn(move || {
        while !is_over.load(Ordering::Relaxed) && escaped.write_all(&[b'x'; 4096]).is_ok() {}
    });
    rig.release("go");
    assert_eq!((run.end().code, rig.stage("a").as_str()), (0, "shipped"));
    over.store(true, Ordering::Relaxed);
    printing.join().unwrap();
    assert!(rig.aq(&["logs", "a"]).stdout.starts_with("before\n"));
}

#[test]
fn a_log_that_can_not_be_written_is_no_fault_of_the_job() {
    let rig = Rig::new();
    let much = "head -c 300000 /dev/zero; echo $? > $RIG/told";
    // A limit on files ends whoever writes beyond it by a signal, unless that is asked for as an error.
    rig.add("b", "", much);
    let limited = rig.path("bin/limited");
    fs::write(
        &limited,
        format!(
            "#!/bin/sh\nulimit -f 100\nexec {} run --drain\n",
            env!("CARGO_BIN_EXE_aq")
        ),
    )
    .unwrap();
    fs::set_permissions(&limited, fs::Permissions::from_mode(0o755)).unwrap();
    let done = rig.program(&limited, &[], &[]).end();
    assert_eq!(
        (done.code, rig.stage("b").as_str()),
        (0, "shipped"),
        "{}",
        done.stderr
    );
    assert_eq!(rig.aq(&["logs", "b"]).stdout.len(), 51_200);
}

/// Cut off where it would go on without end.
#[test]
fn a_job_that_prints_its_own_log_does_not_feed_it() {
    let rig = Rig::new();
    let aq = env!("CARGO_BIN_EXE_aq");
    let script = format!("head -c 200000 /dev/zero | tr '\\0' x\n{aq} logs $AQ_JOB_ID | head -c 1000000");
    let log = log_of(&rig, "a", "", &script);
    assert!((200_000..=400_000).contains(&log.len()), "{}", log.len());
    assert_eq!(log, "x".repeat(log.len()));
}

#[test]
fn logs_shows_what_was_there_when_it_was_asked_for() {
    let rig = Rig::new();
    rig.pipes(&["up", "go", "shown"]);
    // The engine has ended, so all of what it printed is in the log; `verify` prints when that is being shown.
    let verify = "verify: echo first; echo > $RIG/up; read x < $RIG/go; echo more";
    rig.add("a", verify, "head -c 300000 /dev/zero | tr '\\0' x");
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear("up");
    let show = format!("exec {} logs a > $RIG/shown", env!("CARGO_BIN_EXE_aq"));
    let logs = rig.program(Path::new("sh"), &["-c", &show], &[]);
    let mut shown = File::open(rig.path("shown")).unwrap();
    shown.read_exact(&mut [0]).unwrap();
    rig.release("go");
    assert_eq!(run.end().code, 0);
    let mut rest = String::new();
    shown.read_to_string(&mut rest).unwrap();
    assert_eq!(logs.end().code, 0);
    let rest = rest.trim_start_matches('x');
    assert!(["", "first\n"].contains(&rest), "{rest}");
    assert!(rig.aq(&["logs", "a"]).stdout.ends_with("xfirst\nmore\n"));
}
