//! Files of other users in the inbox (O-19): none of them is run, whoever names it.

use std::fs;
use std::os::unix::fs::chown;

use rustix::process::geteuid;
use serde_json::json;

use crate::coordinator::Coordinator;
use crate::queue_fixture::QueueFixture;
use crate::queue_ownership::set_mode;

pub const JOB: &str = "---\nengine: sh\n---\necho $AQ_JOB_ID >> $FIXTURE/runs\n";

#[test]
fn a_file_of_another_user_in_the_inbox_is_set_aside_and_not_run() {
    let fixture = QueueFixture::new();
    fs::create_dir_all(fixture.queue("inbox")).unwrap();
    let place = |name: &str| {
        let path = fixture.queue("inbox").join(name);
        fs::write(&path, JOB).unwrap();
        path
    };
    set_mode(&place("open.md"), 0o666);
    place("own.md");
    let other = geteuid().as_raw() + 4321;
    let theirs = place("theirs.md");
    let is_theirs = chown(&theirs, Some(other), None).is_ok();
    if !is_theirs {
        fs::remove_file(&theirs).unwrap();
    }
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, fixture.lines("runs")),
        (0, vec!["own".to_owned()]),
        "{}",
        done.stderr
    );
    assert_eq!(fixture.reason("open"), "foreign_file");
    assert!(
        fixture
            .detail("open")
            .starts_with("everyone on this host can write to it")
    );
    if is_theirs {
        let (reason, detail) = (fixture.reason("theirs"), fixture.detail("theirs"));
        assert_eq!(reason, "foreign_file");
        assert!(
            detail.starts_with(&format!("it belongs to uid {other}")),
            "{detail}"
        );
        assert!(
            done.stderr.contains("theirs  failed: foreign_file"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn a_file_of_another_user_is_not_run_because_the_coordinator_names_it_either() {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let path = fixture.queue("inbox/a.md");
    fs::write(&path, JOB).unwrap();
    set_mode(&path, 0o666);
    let coordinator = Coordinator::with(
        json!({"id": "a", "engine": "sh", "body": "echo theirs >> $FIXTURE/runs"}),
        |_, _| None,
    );
    let run = fixture.start(&["run"], &coordinator.route());
    coordinator.wait_for("release");
    run.signal(rustix::process::Signal::TERM);
    run.end();
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.lines("runs").len()),
        ("inbox", 0)
    );
}
