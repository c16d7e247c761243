//! Files in the inbox that somebody is still writing: O-10.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use rustix::process::Signal;

use crate::coordinator::Coordinator;
use crate::rig::Rig;
use crate::started_command::Running;

/// Goes first, and says which of it ran.
const SLOW: &str = "---\nengine: sh\npriority: 5\n---\necho slow > $RIG/up; echo first >> $RIG/runs\necho second >> $RIG/runs\n";
/// Enough of it for a job.
const HALF: &str = "echo first >> $RIG/runs\n";

fn rig() -> Rig {
    let rig = Rig::new();
    assert_eq!(rig.aq(&["init"]).code, 0);
    rig.pipe("up");
    rig
}

fn cut(at: &str) -> (&'static str, &'static str) {
    SLOW.split_at(SLOW.find(at).unwrap() + at.len())
}

/// A file of the inbox that was begun, and is open.
fn begin(rig: &Rig, name: &str, part: &str) -> File {
    let mut file = File::create(rig.queue("inbox").join(name)).unwrap();
    file.write_all(part.as_bytes()).unwrap();
    file
}

fn finish(mut file: File, rest: &str) {
    file.write_all(rest.as_bytes()).unwrap();
}

/// A job that was put there later is run to its end.
fn run_another(rig: &Rig, id: &str) {
    rig.add(id, "", &format!("echo {id} > $RIG/up"));
    assert_eq!(rig.hear("up"), format!("{id}\n"));
}

fn waits_for(running: &Running, name: &str) {
    running.says(&format!("waiting for {name}, which {} (", std::process::id()));
}

fn end(run: Running) {
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
}

#[test]
fn a_file_counts_when_its_writer_has_closed_it_wherever_the_writer_paused() {
    for at in ["", "---\nengine", "engine: sh\n", "5\n---\n", HALF] {
        let rig = rig();
        let run = rig.start(&["run"], &[]);
        run_another(&rig, "before");
        let (part, rest) = cut(at);
        let file = begin(&rig, "slow.md", part);
        run_another(&rig, "one");
        run_another(&rig, "two");
        assert_eq!(rig.stage("slow"), "inbox", "{at:?}");
        finish(file, rest);
        assert_eq!(rig.hear("up"), "slow\n", "{at:?}");
        run_another(&rig, "after");
        end(run);
        assert_eq!(
            (rig.stage("slow").as_str(), rig.lines("runs")),
            ("shipped", vec!["first".to_owned(), "second".to_owned()]),
            "{at:?}"
        );
    }
}

#[test]
fn a_run_that_would_end_waits_for_a_file_that_is_being_written_and_says_once_for_whom() {
    for until in ["--drain", "--once"] {
        for at in ["", "engine: sh\n", HALF] {
            let rig = rig();
            let (part, rest) = cut(at);
            let file = begin(&rig, "slow.md", part);
            let run = rig.start(&["run", until], &[]);
            waits_for(&run, "slow.md");
            finish(file, rest);
            assert_eq!(rig.hear("up"), "slow\n");
            let done = run.end();
            assert_eq!(
                (done.code, rig.stage("slow").as_str()),
                (0, "shipped"),
                "{done:?}"
            );
            assert_eq!(done.stderr.matches("waiting for").count(), 1, "{}", done.stderr);
            assert_eq!(rig.lines("runs").len(), 2);
        }
    }
}

#[test]
fn a_writer_that_never_closes_its_file_keeps_no_job_back() {
    let rig = rig();
    let file = begin(&rig, "slow.md", SLOW);
    for id in ["a", "b"] {
        rig.add(id, "", &format!("echo {id} >> $RIG/runs"));
    }
    let run = rig.start(&["run", "--drain"], &[]);
    waits_for(&run, "slow.md");
    run.says("b  shipped");
    assert_eq!(rig.lines("runs"), ["a", "b"]);
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
    assert_eq!(rig.stage("slow"), "inbox");
    drop(file);
}

#[test]
fn a_second_writer_is_waited_for_as_the_first_was() {
    let rig = rig();
    let run = rig.start(&["run"], &[]);
    run_another(&rig, "before");
    let (part, rest) = cut(HALF);
    let first = begin(&rig, "slow.md", part);
    let second = OpenOptions::new()
        .append(true)
        .open(rig.queue("inbox/slow.md"))
        .unwrap();
    drop(first);
    run_another(&rig, "one");
    run_another(&rig, "two");
    finish(second, rest);
    assert_eq!(rig.hear("up"), "slow\n");
    run_another(&rig, "after");
    end(run);
    assert_eq!(rig.lines("runs"), ["first", "second"]);
}

#[test]
fn a_file_that_is_moved_in_while_it_is_written_waits_for_its_writer() {
    let rig = rig();
    let run = rig.start(&["run"], &[]);
    run_another(&rig, "before");
    let (part, rest) = cut(HALF);
    let file = begin(&rig, ".slow.part", part);
    fs::rename(rig.queue("inbox/.slow.part"), rig.queue("inbox/slow.md")).unwrap();
    run_another(&rig, "one");
    run_another(&rig, "two");
    finish(file, rest);
    assert_eq!(rig.hear("up"), "slow\n");
    end(run);
}

#[test]
fn a_job_that_is_written_anew_is_not_started_by_halves() {
    // Before a runner looks, and while the one that has looked is busy.
    for busy in [false, true] {
        let rig = rig();
        rig.pipe("go");
        rig.add("first", "priority: 9", "echo first > $RIG/up; read x < $RIG/go");
        let old = rig.file("slow", "engine: sh\npriority: 5", "echo old >> $RIG/runs");
        assert_eq!(rig.aq(&["add", &old]).code, 0);
        let (part, rest) = cut(HALF);
        let (run, file) = if busy {
            let run = rig.start(&["run", "--drain"], &[]);
            assert_eq!(rig.hear("up"), "first\n");
            (run, begin(&rig, "slow.md", part))
        } else {
            let file = begin(&rig, "slow.md", part);
            let run = rig.start(&["run", "--drain"], &[]);
            assert_eq!(rig.hear("up"), "first\n");
            (run, file)
        };
        rig.add("one", "", "echo one > $RIG/up");
        rig.release("go");
        assert_eq!(rig.hear("up"), "one\n");
        waits_for(&run, "slow.md");
        finish(file, rest);
        assert_eq!(rig.hear("up"), "slow\n");
        assert_eq!(run.end().code, 0);
        assert_eq!(rig.lines("runs"), ["first", "second"], "{busy}");
    }
}

#[test]
fn a_job_that_is_mended_while_it_is_retried_runs_as_it_is_mended() {
    let rig = rig();
    rig.add("slow", "", "exit 1");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let (part, rest) = cut(HALF);
    let mut file = File::create(rig.queue("failed/slow.md")).unwrap();
    file.write_all(part.as_bytes()).unwrap();
    assert_eq!(rig.aq(&["retry", "slow"]).code, 0);
    let run = rig.start(&["run", "--drain"], &[]);
    waits_for(&run, "slow.md");
    finish(file, rest);
    assert_eq!(rig.hear("up"), "slow\n");
    assert_eq!(run.end().code, 0);
    assert_eq!(rig.lines("runs"), ["first", "second"]);
}

#[test]
fn what_is_linked_into_the_inbox_counts_at_once() {
    for kept in [true, false] {
        let rig = rig();
        let run = rig.start(&["run"], &[]);
        run_another(&rig, "before");
        let made = rig.path("made");
        fs::write(&made, SLOW).unwrap();
        // Before it was linked, which a file that is made and linked within one tick of the clock does not show.
        let file = OpenOptions::new().append(true).open(&made).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        drop(file);
        fs::hard_link(&made, rig.queue("inbox/slow.md")).unwrap();
        if !kept {
            fs::remove_file(&made).unwrap();
        }
        assert_eq!(rig.hear("up"), "slow\n", "{kept}");
        end(run);
    }
}

#[test]
fn what_a_killed_writer_left_counts_as_it_is() {
    for (at, stage) in [("engine: sh\n", "failed"), (HALF, "shipped")] {
        let rig = rig();
        rig.pipe("never");
        let part = cut(at).0.replace("echo slow > $RIG/up; ", "");
        let run = rig.start(&["run"], &[]);
        run_another(&rig, "before");
        fs::write(rig.path("part"), part).unwrap();
        let mut writer = Command::new("sh")
            .args([
                "-c",
                "{ cat part; echo > up; read x < never; } > queue/inbox/slow.md",
            ])
            .current_dir(rig.path(""))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        assert_eq!(rig.hear("up"), "\n");
        run_another(&rig, "one");
        assert_eq!(rig.stage("slow"), "inbox");
        writer.kill().unwrap();
        writer.wait().unwrap();
        run.says(&format!("slow  {stage}"));
        end(run);
        assert_eq!(rig.stage("slow"), stage);
    }
}

#[test]
fn a_file_that_is_still_written_is_not_added() {
    let rig = rig();
    let (part, rest) = cut(HALF);
    let mut file = File::create(rig.path("work/slow.md")).unwrap();
    file.write_all(part.as_bytes()).unwrap();
    let good = rig.file("good", "engine: sh", "true");
    let done = rig.aq(&["add", &good, "slow.md"]);
    assert_eq!(done.code, 1);
    let told = format!("slow.md:1: {} (", std::process::id());
    assert!(
        done.stderr.contains(&told) && done.stderr.contains("is still writing it"),
        "{}",
        done.stderr
    );
    assert_eq!([rig.stage("good"), rig.stage("slow")], ["nowhere", "nowhere"]);
    finish(file, rest);
    assert_eq!(rig.aq(&["add", &good, "slow.md"]).code, 0);
}

#[test]
fn who_looks_at_the_queue_is_told_who_is_writing() {
    let rig = rig();
    rig.engine("claude", "true");
    let file = begin(&rig, "slow.md", "---\nengine: cl");
    let told = format!("{} (", std::process::id());
    for command in [&["list"][..], &["show", "slow"], &["status"], &["doctor"]] {
        let done = rig.aq(command);
        assert!(done.stdout.contains(&told), "{command:?}: {}", done.stdout);
    }
    for (command, pointer) in [
        (&["show", "slow", "--json"][..], "/writer/pid"),
        (&["status", "--json"], "/writers/0/pid"),
    ] {
        let value: serde_json::Value = serde_json::from_str(&rig.aq(command).stdout).unwrap();
        assert_eq!(value.pointer(pointer).unwrap(), std::process::id());
    }
    let doctor = rig.aq(&["doctor"]).stdout;
    assert!(!doctor.contains("the next run moves it to failed"), "{doctor}");
    finish(file, "aude\n---\nwork\n");
    for command in [&["list"][..], &["show", "slow"], &["status"], &["doctor"]] {
        let done = rig.aq(command);
        assert!(!done.stdout.contains(&told), "{command:?}: {}", done.stdout);
    }
}

#[test]
fn a_file_that_is_being_written_is_not_taken_under_a_lease() {
    let rig = rig();
    let job = serde_json::json!({"id": "slow", "engine": "sh", "body": "echo remote >> $RIG/runs"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let (part, rest) = cut(HALF);
    let file = begin(&rig, "slow.md", part);
    let run = rig.start(&["run"], &coordinator.route());
    coordinator.hear("release");
    run.says(&format!("slow: {} (", std::process::id()));
    assert_eq!(rig.stage("slow"), "inbox");
    finish(file, rest);
    end(run);
    assert_eq!(rig.lines("runs"), Vec::<String>::new());
}
