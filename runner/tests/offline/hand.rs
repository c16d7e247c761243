//! Files that people put into the queue folder themselves, and queues that can't be read: O-10, O-13.

use std::fs;

use rustix::process::Signal;

use crate::rig::Rig;

fn place(rig: &Rig, name: &str, text: &str) {
    fs::write(rig.queue("inbox").join(name), text).unwrap();
}

const GOOD: &str = "---\nengine: sh\n---\necho $AQ_JOB_ID >> $RIG/runs\n";

#[test]
fn a_queue_is_made_of_its_inbox_alone() {
    let rig = Rig::new();
    fs::create_dir_all(rig.queue("inbox")).unwrap();
    place(&rig, "a.md", GOOD);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.stage("a"), "shipped");
}

#[test]
fn a_bad_file_goes_to_failed_with_its_reason_and_blocks_nothing() {
    let rig = Rig::new();
    fs::create_dir_all(rig.queue("inbox")).unwrap();
    place(&rig, "a.md", "---\nengine: sh\nreveiw: true\n---\nx\n");
    place(&rig, "b.md", GOOD);
    place(&rig, "my job!.md", GOOD);
    place(&rig, ".hidden.md", GOOD);
    place(&rig, "notes.txt", GOOD);
    fs::create_dir(rig.queue("inbox/folder.md")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", rig.queue("inbox/link.md")).unwrap();
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(rig.lines("runs"), ["b"]);
    assert_eq!(rig.reason("a"), "job_invalid");
    assert!(
        rig.detail("a").contains("a.md:3: `reveiw`"),
        "{}",
        rig.detail("a")
    );
    let renamed = fs::read_to_string(rig.queue("failed/my-job-.refused-1.md")).unwrap();
    assert_eq!(renamed, GOOD);
    assert!(rig.detail("my-job-.refused-1").contains("is no id"));
    assert!(rig.detail("folder").contains("no regular file") && rig.detail("link").contains("it is a link"));
    assert!(rig.queue("inbox/.hidden.md").exists() && rig.queue("inbox/notes.txt").exists());
}

#[test]
fn a_second_job_of_a_name_is_refused_and_the_first_is_kept() {
    let rig = Rig::new();
    rig.add("a", "", "echo first >> $RIG/runs");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let first = fs::read(rig.queue("shipped/a.md")).unwrap();
    place(&rig, "a.md", GOOD);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.lines("runs"), ["first"]);
    assert_eq!(
        (
            rig.stage("a").as_str(),
            fs::read(rig.queue("shipped/a.md")).unwrap()
        ),
        ("shipped", first)
    );
    assert_eq!(rig.reason("a.refused-1"), "id_taken");
    assert!(rig.detail("a.refused-1").contains("already in shipped"));
}

#[test]
fn a_job_that_was_moved_back_by_hand_is_a_job_again() {
    let rig = Rig::new();
    rig.add("a", "", "echo $AQ_ATTEMPT >> $RIG/runs; test $AQ_ATTEMPT = 2");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    fs::rename(rig.queue("failed/a.md"), rig.queue("inbox/a.md")).unwrap();
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        (rig.stage("a").as_str(), rig.lines("runs")),
        ("shipped", vec!["1".to_owned(), "2".to_owned()])
    );
}

#[test]
fn an_idle_runner_notices_what_is_added_and_what_is_placed() {
    let rig = Rig::new();
    fs::create_dir_all(rig.queue("inbox")).unwrap();
    rig.pipe("up");
    let run = rig.start(&["run"], &[]);
    rig.add("first", "", "echo $AQ_JOB_ID > $RIG/up");
    assert_eq!(rig.hear("up"), "first\n");
    place(
        &rig,
        "second.md",
        "---\nengine: sh\n---\necho $AQ_JOB_ID > $RIG/up\n",
    );
    assert_eq!(rig.hear("up"), "second\n");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
}

#[test]
fn a_missing_queue_is_no_empty_one() {
    let rig = Rig::new();
    for command in [
        &["list"][..],
        &["run", "--drain"],
        &["status"],
        &["show", "a"],
        &["logs", "a"],
        &["retry", "a"],
    ] {
        let done = rig.aq(command);
        assert_eq!(done.code, 1, "{command:?}");
        assert!(
            done.stderr.contains("there is no queue at") && done.stderr.contains("aq init"),
            "{}",
            done.stderr
        );
    }
    fs::create_dir(rig.path("queue")).unwrap();
    assert_eq!(rig.aq(&["run", "--drain"]).code, 1);
}

#[test]
fn a_stage_that_can_not_be_read_stops_every_command() {
    for stage in ["inbox", "building", "review"] {
        let rig = Rig::new();
        rig.add("a", "", "touch $RIG/started");
        fs::rename(rig.queue(stage), rig.path("away")).unwrap();
        fs::write(rig.queue(stage), "no folder").unwrap();
        for command in [&["run", "--drain"][..], &["list"], &["status"]] {
            let done = rig.aq(command);
            assert_eq!(done.code, 1, "{stage} {command:?}");
            assert!(
                done.stderr.contains(&format!("queue/{stage}")),
                "{stage}: {}",
                done.stderr
            );
        }
        assert!(!rig.path("started").exists(), "{stage}");
    }
}

#[test]
fn a_damaged_history_is_told_and_not_guessed() {
    let rig = Rig::new();
    rig.add("a", "", "touch $RIG/started");
    let history = rig.queue(".state/jobs/a/history.jsonl");
    let text = fs::read_to_string(&history).unwrap();
    fs::write(&history, format!("garbage\n{text}")).unwrap();
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!(done.code, 1);
    assert!(
        done.stderr.contains("history.jsonl is damaged in line 1"),
        "{}",
        done.stderr
    );
    assert!(!rig.path("started").exists());
}

#[test]
fn many_runners_run_each_file_that_was_placed_once() {
    let rig = Rig::new();
    fs::create_dir_all(rig.queue("inbox")).unwrap();
    let ids: Vec<String> = (10..40).map(|n| format!("j{n}")).collect();
    ids.iter().for_each(|id| place(&rig, &format!("{id}.md"), GOOD));
    let runs: Vec<_> = (0..4)
        .map(|_| rig.start(&["run", "--drain", "--workers", "2"], &[]))
        .collect();
    assert!(runs.into_iter().all(|run| run.end().code == 0));
    let mut runs = rig.lines("runs");
    runs.sort();
    assert_eq!(runs, ids);
    for id in &ids {
        let history = fs::read_to_string(rig.queue(".state/jobs").join(id).join("history.jsonl")).unwrap();
        let stages: Vec<serde_json::Value> = history
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["stage"].take())
            .collect();
        assert_eq!(stages, ["inbox", "building", "shipped"], "{id}");
    }
}
