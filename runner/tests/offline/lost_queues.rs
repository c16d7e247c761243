//! A queue whose folder is cleaned away, moved or replaced, and one that version control leaves alone.

use std::fs;

use std::process::Command;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::Signal;

use crate::queue_fixture::QueueFixture;

/// In the folder that jobs work in, as it is by default.
fn in_a_repository() -> QueueFixture {
    let fixture = QueueFixture::new();
    let made = Command::new("git")
        .args(["init", "-q"])
        .arg(fixture.path("work"))
        .status();
    assert!(made.unwrap().success());
    fixture
}

fn aq(fixture: &QueueFixture, arguments: &[&str]) -> crate::started_command::CompletedCommand {
    fixture.aq_with(&[("AQ_QUEUE", "queue"), ("HOME", "/nowhere")], arguments)
}

const GIT: &str = "git -c user.name=a -c user.email=a@example.org";

#[test]
fn a_job_that_cleans_up_the_repository_around_its_queue_leaves_the_queue_alone() {
    for clean in [
        "add -A && GIT stash -u -q",
        "clean -fdq",
        "stash -u -q; GIT clean -fdq; GIT add -A",
    ] {
        let fixture = in_a_repository();
        let clean = format!("{GIT} {}", clean.replace("GIT", GIT));
        for (id, body) in [
            (
                "a",
                format!("{GIT} commit -q --allow-empty -m first\ntouch rest\n{clean}\n"),
            ),
            ("b", "true".to_owned()),
        ] {
            let file = fixture.path(&format!("{id}.md"));
            fs::write(&file, format!("---\nengine: sh\n---\n{body}\n")).unwrap();
            let added = aq(&fixture, &["add", file.to_str().unwrap()]);
            assert_eq!(added.code, 0);
            assert!(
                added.stderr.contains("lies in the folder that a job works in"),
                "{}",
                added.stderr
            );
        }
        let checked = aq(&fixture, &["doctor"]).stdout;
        assert!(
            checked.contains("lies in the folder that a job works in"),
            "{checked}"
        );
        let done = aq(&fixture, &["run", "--drain"]);
        let shipped = fs::read_dir(fixture.path("work/queue/shipped")).map_or(0, Iterator::count);
        assert_eq!((done.code, shipped), (0, 2), "{clean}: {}", done.stderr);
    }
}

#[test]
fn what_somebody_wrote_for_version_control_stays() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    assert_eq!(fs::read_to_string(fixture.queue(".gitignore")).unwrap(), "*\n");
    fs::write(fixture.queue(".gitignore"), "!aq.toml\n").unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        fs::read_to_string(fixture.queue(".gitignore")).unwrap(),
        "!aq.toml\n"
    );
}

/// What is done to the folder, and the words that a person is told.
const LOSSES: [(&str, &str); 5] = [
    // The run may write a file into a folder that is just removed: then this ends in failure, and the rest is gone.
    ("rm -rf $QUEUE || true", "was removed"),
    ("rm -rf $QUEUE/* || true", "was removed"),
    ("mv $QUEUE $QUEUE.away", "was moved away"),
    (
        "cp -a $QUEUE $QUEUE.new; mv $QUEUE $QUEUE.away; mv $QUEUE.new $QUEUE",
        "start `aq run` again",
    ),
    ("rm -rf $QUEUE/inbox", "was removed"),
];

fn lose(fixture: &QueueFixture, how: &str) {
    let done = Command::new("sh")
        .args(["-c", how])
        .env("QUEUE", fixture.path("queue"))
        .status();
    assert!(done.unwrap().success());
}

#[test]
fn a_run_that_waits_notices_at_once_what_became_of_its_queue() {
    for (how, words) in LOSSES {
        let fixture = QueueFixture::new();
        fixture.add("a", "", "true");
        let run = fixture.start(&["run"], &[]);
        run.wait_for_message("waiting for jobs");
        lose(&fixture, how);
        let done = run.end();
        assert_eq!(done.code, 1, "{how}: {}", done.stderr);
        assert!(done.stderr.contains(words), "{how}: {}", done.stderr);
        assert!(!done.stderr.contains("file system"), "{how}: {}", done.stderr);
    }
}

#[test]
fn a_run_at_work_ends_what_runs_and_says_what_became_of_its_queue() {
    for (how, words) in LOSSES {
        let fixture = QueueFixture::new();
        fixture.pipe("up");
        fixture.add(
            "a",
            "",
            "echo $$ > $FIXTURE/pid; echo > $FIXTURE/up; exec sleep 1000",
        );
        let run = fixture.start(&["run", "--drain"], &[]);
        fixture.wait_for("up");
        lose(&fixture, how);
        let done = run.end();
        assert_eq!(done.code, 1, "{how}: {}", done.stderr);
        assert!(done.stderr.contains(words), "{how}: {}", done.stderr);
        assert!(!done.stderr.contains("file system"), "{how}: {}", done.stderr);
        fixture.assert_none_lives(&["pid"]);
        if fixture.path("queue.away").exists() {
            assert!(
                fixture.path("queue.away/inbox/a.md").exists(),
                "{how}: {}",
                done.stderr
            );
        }
    }
}

#[test]
fn a_job_that_removes_its_own_queue_is_told_of_in_true_words() {
    let fixture = QueueFixture::new();
    for id in ["a", "b"] {
        fixture.add(id, "", "rm -rf $AQ_QUEUE");
    }
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("was removed"), "{}", done.stderr);
    assert!(!done.stderr.contains("file system"), "{}", done.stderr);
}

#[test]
fn a_folder_that_another_took_the_place_of_is_watched() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add("a", "", "true");
    let run = fixture.start(&["run"], &[]);
    run.wait_for_message("waiting for jobs");
    let (inbox, other) = (fixture.queue("inbox"), fixture.path("other"));
    fs::create_dir(&other).unwrap();
    // In one step, so that there is an inbox whenever somebody looks.
    renameat_with(CWD, &other, CWD, &inbox, RenameFlags::EXCHANGE).unwrap();
    fixture.add("b", "", "echo > $FIXTURE/up");
    fixture.wait_for("up");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
}
