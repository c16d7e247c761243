//! File systems that tell of no change: a run finds that out at its start, looks every second, and says so.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::queue_fixture::QueueFixture;
use crate::started_command::StartedCommand;

/// What the system answers to who wants to be told, in place of doing it.
const SILENCES: [&str; 3] = [
    // It agrees, and nothing is ever told.
    "inotify_add_watch:retval=1",
    "inotify_init1:error=EMFILE",
    "inotify_add_watch:error=ENOSPC",
];

/// Said, where that can't be brought about.
fn can_be_silenced() -> bool {
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    let can_trace = traced.is_ok_and(|done| done.success());
    if !can_trace {
        eprintln!("skipped: there is no strace here, or it may not trace");
    }
    can_trace
}

/// A command that is told nothing.
fn silenced<'a>(fixture: &'a QueueFixture, silence: &str, words: &[&str]) -> StartedCommand<'a> {
    let log = fixture.path("calls");
    let inject = format!("inject={silence}");
    let traced = [
        "-f",
        "-o",
        log.to_str().unwrap(),
        "-e",
        &inject,
        env!("CARGO_BIN_EXE_aq"),
    ];
    let arguments = [&traced, words].concat();
    fixture.program(Path::new("/usr/bin/strace"), &arguments, &[])
}

/// A run that waits for jobs and is told nothing.
fn silenced_run<'a>(fixture: &'a QueueFixture, silence: &str) -> StartedCommand<'a> {
    fixture.add("first", "", "true");
    let run = silenced(fixture, silence, &["run"]);
    run.wait_for_message("waiting for jobs");
    run
}

#[test]
fn where_the_system_tells_of_no_change_a_run_looks_every_second_and_says_so() {
    if !can_be_silenced() {
        return;
    }
    for silence in SILENCES {
        let fixture = QueueFixture::new();
        fixture.pipe("up");
        let run = silenced_run(&fixture, silence);
        let status = fixture.aq(&["status", "--json"]).stdout;
        let status: Value = serde_json::from_str(&status).unwrap();
        assert_eq!(status["runners"][0]["watch"], "polling", "{silence}: {status}");
        let text = fixture.aq(&["status"]).stdout;
        assert!(
            text.contains("looks at its queue every second"),
            "{silence}: {text}"
        );
        let file = "---\nengine: sh\n---\necho > $FIXTURE/up\n";
        fs::write(fixture.queue("inbox/.b"), file).unwrap();
        fs::rename(fixture.queue("inbox/.b"), fixture.queue("inbox/b.md")).unwrap();
        fixture.wait_for("up");
        let pid = status["runners"][0]["pid"].as_i64().unwrap();
        let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        run.end();
    }
}

#[test]
fn where_the_system_tells_of_no_change_a_run_notices_that_its_queue_is_away() {
    if !can_be_silenced() {
        return;
    }
    for silence in SILENCES {
        let fixture = QueueFixture::new();
        let run = silenced_run(&fixture, silence);
        fs::rename(fixture.path("queue"), fixture.path("queue.away")).unwrap();
        let done = run.end();
        assert_eq!(done.code, 1, "{silence}: {}", done.stderr);
        assert!(
            done.stderr.contains("was moved away"),
            "{silence}: {}",
            done.stderr
        );
    }
}

#[test]
fn a_job_is_followed_without_a_word_from_the_system_too() {
    if !can_be_silenced() {
        return;
    }
    for silence in ["inotify_init1:error=EMFILE", "inotify_add_watch:error=ENOSPC"] {
        let fixture = QueueFixture::new();
        fixture.add("a", "", "echo told");
        assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
        let followed = silenced(&fixture, silence, &["logs", "-f", "a"]).end();
        assert_eq!(
            (followed.code, followed.stdout.as_str()),
            (0, "told\n"),
            "{}",
            followed.stderr
        );
    }
}

#[test]
fn the_file_that_proves_it_is_gone_afterwards() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fs::read_dir(fixture.queue(".state/cancel")).unwrap().count(), 0);
}
