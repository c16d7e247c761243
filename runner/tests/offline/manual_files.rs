//! Files that people put into the queue folder themselves, and queues that can't be read: O-10, O-13.

use std::fs;

use rustix::process::Signal;

use crate::queue_fixture::QueueFixture;

fn place(fixture: &QueueFixture, name: &str, text: &str) {
    fs::write(fixture.queue("inbox").join(name), text).unwrap();
}

const GOOD: &str = "---\nengine: sh\n---\necho $AQ_JOB_ID >> $FIXTURE/runs\n";

#[test]
fn a_queue_is_made_of_its_inbox_alone() {
    let fixture = QueueFixture::new();
    fs::create_dir_all(fixture.queue("inbox")).unwrap();
    place(&fixture, "a.md", GOOD);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.stage("a"), "shipped");
}

#[test]
fn a_bad_file_goes_to_failed_with_its_reason_and_blocks_nothing() {
    let fixture = QueueFixture::new();
    fs::create_dir_all(fixture.queue("inbox")).unwrap();
    place(&fixture, "a.md", "---\nengine: sh\nreveiw: true\n---\nx\n");
    place(&fixture, "b.md", GOOD);
    place(&fixture, "my job!.md", GOOD);
    place(&fixture, ".hidden.md", GOOD);
    place(&fixture, "notes.txt", GOOD);
    fs::create_dir(fixture.queue("inbox/folder.md")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", fixture.queue("inbox/link.md")).unwrap();
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(fixture.lines("runs"), ["b"]);
    assert_eq!(fixture.reason("a"), "job_invalid");
    assert!(
        fixture.detail("a").contains("a.md:3: `reveiw`"),
        "{}",
        fixture.detail("a")
    );
    let renamed = fs::read_to_string(fixture.queue("failed/my-job-.refused-1.md")).unwrap();
    assert_eq!(renamed, GOOD);
    assert!(fixture.detail("my-job-.refused-1").contains("is no id"));
    assert!(
        fixture.detail("folder").contains("no regular file")
            && fixture.detail("link").contains("it is a link")
    );
    assert!(fixture.queue("inbox/.hidden.md").exists() && fixture.queue("inbox/notes.txt").exists());
}

#[test]
fn a_second_job_of_a_name_is_refused_and_the_first_is_kept() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "echo first >> $FIXTURE/runs");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let first = fs::read(fixture.queue("shipped/a.md")).unwrap();
    place(&fixture, "a.md", GOOD);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("runs"), ["first"]);
    assert_eq!(
        (
            fixture.stage("a").as_str(),
            fs::read(fixture.queue("shipped/a.md")).unwrap()
        ),
        ("shipped", first)
    );
    assert_eq!(fixture.reason("a.refused-1"), "id_taken");
    assert!(fixture.detail("a.refused-1").contains("already in shipped"));
}

#[test]
fn a_job_that_was_moved_back_by_hand_is_a_job_again() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "echo $AQ_ATTEMPT >> $FIXTURE/runs; test $AQ_ATTEMPT = 2");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    fs::rename(fixture.queue("failed/a.md"), fixture.queue("inbox/a.md")).unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.lines("runs")),
        ("shipped", vec!["1".to_owned(), "2".to_owned()])
    );
}

#[test]
fn an_idle_runner_notices_what_is_added_and_what_is_placed() {
    let fixture = QueueFixture::new();
    fs::create_dir_all(fixture.queue("inbox")).unwrap();
    fixture.pipe("up");
    let run = fixture.start(&["run"], &[]);
    fixture.add("first", "", "echo $AQ_JOB_ID > $FIXTURE/up");
    assert_eq!(fixture.wait_for("up"), "first\n");
    place(
        &fixture,
        "second.md",
        "---\nengine: sh\n---\necho $AQ_JOB_ID > $FIXTURE/up\n",
    );
    assert_eq!(fixture.wait_for("up"), "second\n");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
}

#[test]
fn a_missing_queue_is_no_empty_one() {
    let fixture = QueueFixture::new();
    for command in [
        &["list"][..],
        &["run", "--drain"],
        &["status"],
        &["show", "a"],
        &["logs", "a"],
        &["retry", "a"],
    ] {
        let done = fixture.aq(command);
        assert_eq!(done.code, 1, "{command:?}");
        assert!(
            done.stderr.contains("there is no queue at") && done.stderr.contains("aq init"),
            "{}",
            done.stderr
        );
    }
    fs::create_dir(fixture.path("queue")).unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 1);
}

#[test]
fn a_stage_that_can_not_be_read_stops_every_command() {
    for stage in ["inbox", "building", "review"] {
        let fixture = QueueFixture::new();
        fixture.add("a", "", "touch $FIXTURE/started");
        fs::rename(fixture.queue(stage), fixture.path("away")).unwrap();
        fs::write(fixture.queue(stage), "no folder").unwrap();
        for command in [&["run", "--drain"][..], &["list"], &["status"]] {
            let done = fixture.aq(command);
            assert_eq!(done.code, 1, "{stage} {command:?}");
            assert!(
                done.stderr.contains(&format!("queue/{stage}")),
                "{stage}: {}",
                done.stderr
            );
        }
        assert!(!fixture.path("started").exists(), "{stage}");
    }
}

#[test]
fn many_runners_run_each_file_that_was_placed_once() {
    let fixture = QueueFixture::new();
    fs::create_dir_all(fixture.queue("inbox")).unwrap();
    let ids: Vec<String> = (10..40).map(|n| format!("j{n}")).collect();
    ids.iter()
        .for_each(|id| place(&fixture, &format!("{id}.md"), GOOD));
    let runs: Vec<_> = (0..4)
        .map(|_| fixture.start(&["run", "--drain", "--workers", "2"], &[]))
        .collect();
    assert!(runs.into_iter().all(|run| run.end().code == 0));
    let mut runs = fixture.lines("runs");
    runs.sort();
    assert_eq!(runs, ids);
    for id in &ids {
        let history =
            fs::read_to_string(fixture.queue(".state/jobs").join(id).join("history.jsonl")).unwrap();
        let stages: Vec<serde_json::Value> = history
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["stage"].take())
            .collect();
        assert_eq!(stages, ["inbox", "building", "shipped"], "{id}");
    }
}
