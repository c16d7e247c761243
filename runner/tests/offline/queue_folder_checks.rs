//! Folders that can't carry a queue, and disks that are full: nothing is run, nothing is lost, and the message helps.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::process::Signal;

use crate::queue_fixture::QueueFixture;
use crate::started_command::StartedCommand;

#[test]
fn a_stage_that_is_a_link_is_refused_at_the_start() {
    for stage in ["building", "testing", "review", "shipped", "failed", "quarantine"] {
        let fixture = QueueFixture::new();
        // On another file system, where there is one for certain.
        let elsewhere = match cfg!(target_os = "linux") {
            true => tempfile::tempdir_in("/dev/shm").unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        fixture.add("a", "", "touch $FIXTURE/started");
        fs::remove_dir(fixture.queue(stage)).unwrap();
        symlink(elsewhere.path(), fixture.queue(stage)).unwrap();
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(done.code, 2, "{stage}");
        let place = format!("queue/{stage} is a link");
        assert!(done.stderr.contains(&place), "{}", done.stderr);
        assert_eq!(fixture.stage("a"), "inbox");
        assert!(!fixture.path("started").exists());
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}

/// `aq` as on a disk without space: files can be made, but none can grow beyond half a kilobyte.
fn start_on_a_full_disk<'a>(fixture: &'a QueueFixture, arguments: &str) -> StartedCommand<'a> {
    let script = format!(
        "#!/bin/sh\ntrap '' XFSZ\nulimit -f 1\nexec {} {arguments}\n",
        env!("CARGO_BIN_EXE_aq")
    );
    let path = fixture.path("bin/full");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fixture.program(&path, &[], &[])
}

#[test]
fn on_a_full_disk_nothing_is_added_and_later_it_can_be() {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "true");
    let name = fixture.file("a", "engine: sh", &"true\n".repeat(200));
    let done = start_on_a_full_disk(&fixture, &format!("add {name}")).end();
    assert_eq!(done.code, 1);
    assert!(
        done.stderr.contains("can't write") && done.stderr.contains("free space"),
        "{}",
        done.stderr
    );
    assert_eq!([fixture.stage("first"), fixture.stage("a")], ["inbox", "nowhere"]);
    assert_eq!(fs::read_dir(fixture.queue("inbox")).unwrap().count(), 1);
    assert_eq!(fixture.aq(&["add", &name]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        [fixture.stage("first"), fixture.stage("a")],
        ["shipped", "shipped"]
    );
}

#[test]
fn a_disk_that_is_full_at_a_transition_starts_nothing_and_loses_no_job() {
    let fixture = QueueFixture::new();
    fixture.add(
        "a",
        "verify: test 1\nship: echo >> $FIXTURE/ships",
        "echo $AQ_ATTEMPT >> $FIXTURE/runs",
    );
    fixture.add("b", "", "echo $AQ_ATTEMPT >> $FIXTURE/runs");
    // So long that the next line of it is the one too many.
    let history = fixture.queue(".state/jobs/a/history.jsonl");
    let mut line: serde_json::Value = serde_json::from_str(&fs::read_to_string(&history).unwrap()).unwrap();
    line["reason"] = "x".repeat(500).into();
    fs::write(&history, format!("{line}\n")).unwrap();
    let run = start_on_a_full_disk(&fixture, "run");
    run.wait_for_message("has reached the limit on its size");
    run.signal(Signal::TERM);
    let done = run.end();
    assert_eq!(done.code, 143, "{}", done.stderr);
    assert!(
        !fixture.path("runs").exists(),
        "nothing starts that is not on record"
    );
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!([fixture.stage("a"), fixture.stage("b")], ["shipped", "shipped"]);
    assert_eq!(
        (fixture.lines("runs"), fixture.lines("ships").len()),
        (vec!["1".to_owned(), "1".to_owned()], 1)
    );
}
