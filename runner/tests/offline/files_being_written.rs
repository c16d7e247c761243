//! Files in the inbox that somebody is still writing: O-10.

use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use rustix::process::Signal;

use crate::coordinator::Coordinator;
use crate::queue_fixture::QueueFixture;
use crate::slow_writer::SlowWriter;
use crate::started_command::StartedCommand;

/// Goes first, and says which of it ran.
const SLOW: &str = "---\nengine: sh\npriority: 5\n---\necho slow > $FIXTURE/up; echo first >> $FIXTURE/runs\necho second >> $FIXTURE/runs\n";
/// Enough of it for a job.
const HALF: &str = "echo first >> $FIXTURE/runs\n";

fn fixture() -> QueueFixture {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    fixture.pipe("up");
    fixture
}

fn cut(at: &str) -> (&'static str, &'static str) {
    SLOW.split_at(SLOW.find(at).unwrap() + at.len())
}

/// A file of the inbox that was begun, and is open.
fn begin(fixture: &QueueFixture, name: &str, part: &str) -> SlowWriter {
    SlowWriter::begin(fixture.queue("inbox").join(name), part)
}

/// A job that was put there later is run to its end.
fn run_another(fixture: &QueueFixture, id: &str) {
    fixture.add(id, "", &format!("echo {id} > $FIXTURE/up"));
    assert_eq!(fixture.wait_for("up"), format!("{id}\n"));
}

fn waits_for(running: &StartedCommand, name: &str, writer: u32) {
    running.wait_for_message(&format!("waiting for {name}, which {writer} ("));
}

fn end(run: StartedCommand) {
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
}

#[test]
fn a_file_counts_when_its_writer_has_closed_it_wherever_the_writer_paused() {
    for at in ["", "---\nengine", "engine: sh\n", "5\n---\n", HALF] {
        let fixture = fixture();
        let run = fixture.start(&["run"], &[]);
        run_another(&fixture, "before");
        let (part, rest) = cut(at);
        let file = begin(&fixture, "slow.md", part);
        run_another(&fixture, "one");
        run_another(&fixture, "two");
        assert_eq!(fixture.stage("slow"), "inbox", "{at:?}");
        file.finish(rest);
        assert_eq!(fixture.wait_for("up"), "slow\n", "{at:?}");
        run_another(&fixture, "after");
        end(run);
        assert_eq!(
            (fixture.stage("slow").as_str(), fixture.lines("runs")),
            ("shipped", vec!["first".to_owned(), "second".to_owned()]),
            "{at:?}"
        );
    }
}

#[test]
fn a_run_that_would_end_waits_for_a_file_that_is_being_written_and_says_once_for_whom() {
    for until in ["--drain", "--once"] {
        for at in ["", "engine: sh\n", HALF] {
            let fixture = fixture();
            let (part, rest) = cut(at);
            let file = begin(&fixture, "slow.md", part);
            let run = fixture.start(&["run", until], &[]);
            waits_for(&run, "slow.md", file.pid());
            file.finish(rest);
            assert_eq!(fixture.wait_for("up"), "slow\n");
            let done = run.end();
            assert_eq!(
                (done.code, fixture.stage("slow").as_str()),
                (0, "shipped"),
                "{done:?}"
            );
            assert_eq!(done.stderr.matches("waiting for").count(), 1, "{}", done.stderr);
            assert_eq!(fixture.lines("runs").len(), 2);
        }
    }
}

#[test]
fn a_writer_that_never_closes_its_file_keeps_no_job_back() {
    let fixture = fixture();
    let file = begin(&fixture, "slow.md", SLOW);
    for id in ["a", "b"] {
        fixture.add(id, "", &format!("echo {id} >> $FIXTURE/runs"));
    }
    let run = fixture.start(&["run", "--drain"], &[]);
    waits_for(&run, "slow.md", file.pid());
    run.wait_for_message("b  shipped");
    assert_eq!(fixture.lines("runs"), ["a", "b"]);
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
    assert_eq!(fixture.stage("slow"), "inbox");
    drop(file);
}

#[test]
fn a_second_writer_is_waited_for_as_the_first_was() {
    let fixture = fixture();
    let run = fixture.start(&["run"], &[]);
    run_another(&fixture, "before");
    let (part, rest) = cut(HALF);
    let first = begin(&fixture, "slow.md", part);
    let second = SlowWriter::append(fixture.queue("inbox/slow.md"));
    drop(first);
    run_another(&fixture, "one");
    run_another(&fixture, "two");
    second.finish(rest);
    assert_eq!(fixture.wait_for("up"), "slow\n");
    run_another(&fixture, "after");
    end(run);
    assert_eq!(fixture.lines("runs"), ["first", "second"]);
}

#[test]
fn a_file_that_is_moved_in_while_it_is_written_waits_for_its_writer() {
    let fixture = fixture();
    let run = fixture.start(&["run"], &[]);
    run_another(&fixture, "before");
    let (part, rest) = cut(HALF);
    let file = begin(&fixture, ".slow.part", part);
    fs::rename(fixture.queue("inbox/.slow.part"), fixture.queue("inbox/slow.md")).unwrap();
    run_another(&fixture, "one");
    run_another(&fixture, "two");
    file.finish(rest);
    assert_eq!(fixture.wait_for("up"), "slow\n");
    end(run);
}

#[test]
fn a_job_that_is_written_anew_is_not_started_by_halves() {
    // Before a runner looks, and while the one that has looked is busy.
    for busy in [false, true] {
        let fixture = fixture();
        fixture.pipe("go");
        fixture.add(
            "first",
            "priority: 9",
            "echo first > $FIXTURE/up; read x < $FIXTURE/go",
        );
        let old = fixture.file("slow", "engine: sh\npriority: 5", "echo old >> $FIXTURE/runs");
        assert_eq!(fixture.aq(&["add", &old]).code, 0);
        let (part, rest) = cut(HALF);
        let (run, file) = if busy {
            let run = fixture.start(&["run", "--drain"], &[]);
            assert_eq!(fixture.wait_for("up"), "first\n");
            (run, begin(&fixture, "slow.md", part))
        } else {
            let file = begin(&fixture, "slow.md", part);
            let run = fixture.start(&["run", "--drain"], &[]);
            assert_eq!(fixture.wait_for("up"), "first\n");
            (run, file)
        };
        fixture.add("one", "", "echo one > $FIXTURE/up");
        fixture.release("go");
        assert_eq!(fixture.wait_for("up"), "one\n");
        waits_for(&run, "slow.md", file.pid());
        file.finish(rest);
        assert_eq!(fixture.wait_for("up"), "slow\n");
        assert_eq!(run.end().code, 0);
        assert_eq!(fixture.lines("runs"), ["first", "second"], "{busy}");
    }
}

#[test]
fn a_job_that_is_mended_while_it_is_retried_runs_as_it_is_mended() {
    let fixture = fixture();
    fixture.add("slow", "", "exit 1");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let (part, rest) = cut(HALF);
    let file = SlowWriter::begin(fixture.queue("failed/slow.md"), part);
    assert_eq!(fixture.aq(&["retry", "slow"]).code, 0);
    let run = fixture.start(&["run", "--drain"], &[]);
    waits_for(&run, "slow.md", file.pid());
    file.finish(rest);
    assert_eq!(fixture.wait_for("up"), "slow\n");
    assert_eq!(run.end().code, 0);
    assert_eq!(fixture.lines("runs"), ["first", "second"]);
}

#[test]
fn what_is_linked_into_the_inbox_counts_at_once() {
    for kept in [true, false] {
        let fixture = fixture();
        let run = fixture.start(&["run"], &[]);
        run_another(&fixture, "before");
        let made = fixture.path("made");
        fs::write(&made, SLOW).unwrap();
        // Before it was linked, which a file that is made and linked within one tick of the clock does not show.
        let file = OpenOptions::new().append(true).open(&made).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        drop(file);
        fs::hard_link(&made, fixture.queue("inbox/slow.md")).unwrap();
        if !kept {
            fs::remove_file(&made).unwrap();
        }
        assert_eq!(fixture.wait_for("up"), "slow\n", "{kept}");
        end(run);
    }
}

#[test]
fn what_a_killed_writer_left_counts_as_it_is() {
    for (at, stage) in [("engine: sh\n", "failed"), (HALF, "shipped")] {
        let fixture = fixture();
        fixture.pipe("never");
        let part = cut(at).0.replace("echo slow > $FIXTURE/up; ", "");
        let run = fixture.start(&["run"], &[]);
        run_another(&fixture, "before");
        fs::write(fixture.path("part"), part).unwrap();
        let mut writer = Command::new("sh")
            .args([
                "-c",
                "{ cat part; echo > up; read x < never; } > queue/inbox/slow.md",
            ])
            .current_dir(fixture.path(""))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        assert_eq!(fixture.wait_for("up"), "\n");
        run_another(&fixture, "one");
        assert_eq!(fixture.stage("slow"), "inbox");
        writer.kill().unwrap();
        writer.wait().unwrap();
        run.wait_for_message(&format!("slow  {stage}"));
        end(run);
        assert_eq!(fixture.stage("slow"), stage);
    }
}

#[test]
fn a_file_that_is_still_written_is_not_added() {
    let fixture = fixture();
    let (part, rest) = cut(HALF);
    let file = SlowWriter::begin(fixture.path("work/slow.md"), part);
    let good = fixture.file("good", "engine: sh", "true");
    let done = fixture.aq(&["add", &good, "slow.md"]);
    assert_eq!(done.code, 1);
    let told = format!("slow.md:1: {} (", file.pid());
    assert!(
        done.stderr.contains(&told) && done.stderr.contains("is still writing it"),
        "{}",
        done.stderr
    );
    assert_eq!(
        [fixture.stage("good"), fixture.stage("slow")],
        ["nowhere", "nowhere"]
    );
    file.finish(rest);
    assert_eq!(fixture.aq(&["add", &good, "slow.md"]).code, 0);
}

#[test]
fn who_looks_at_the_queue_is_told_who_is_writing() {
    let fixture = fixture();
    fixture.engine("claude", "true");
    let file = begin(&fixture, "slow.md", "---\nengine: cl");
    let told = format!("{} (", file.pid());
    for command in [&["list"][..], &["show", "slow"], &["status"], &["doctor"]] {
        let done = fixture.aq(command);
        assert!(done.stdout.contains(&told), "{command:?}: {}", done.stdout);
    }
    for (command, pointer) in [
        (&["show", "slow", "--json"][..], "/writer/pid"),
        (&["status", "--json"], "/writers/0/pid"),
    ] {
        let value: serde_json::Value = serde_json::from_str(&fixture.aq(command).stdout).unwrap();
        assert_eq!(value.pointer(pointer).unwrap(), file.pid());
    }
    let doctor = fixture.aq(&["doctor"]).stdout;
    assert!(!doctor.contains("the next run moves it to failed"), "{doctor}");
    file.finish("aude\n---\nwork\n");
    for command in [&["list"][..], &["show", "slow"], &["status"], &["doctor"]] {
        let done = fixture.aq(command);
        assert!(!done.stdout.contains(&told), "{command:?}: {}", done.stdout);
    }
}

#[test]
fn a_file_that_is_being_written_is_not_taken_under_a_lease() {
    let fixture = fixture();
    let job = serde_json::json!({"id": "slow", "engine": "sh", "body": "echo remote >> $FIXTURE/runs"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let (part, rest) = cut(HALF);
    let file = begin(&fixture, "slow.md", part);
    let run = fixture.start(&["run"], &coordinator.route());
    coordinator.wait_for("release");
    run.wait_for_message(&format!("slow: {} (", file.pid()));
    assert_eq!(fixture.stage("slow"), "inbox");
    file.finish(rest);
    end(run);
    assert_eq!(fixture.lines("runs"), Vec::<String>::new());
}
