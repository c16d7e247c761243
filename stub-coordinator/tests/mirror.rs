//! A queue folder followed for a rehearsal: its order, its newcomers, and nothing written to it.

mod common;

use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;

use common::*;
use serde_json::json;
use stub_coordinator::{Stub, StubConfig};

fn queue(jobs: &[(&str, Option<u64>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("inbox")).expect("made");
    for (id, sequence) in jobs {
        if let Some(sequence) = sequence {
            let state = folder.path().join(".state/jobs").join(id);
            fs::create_dir_all(&state).expect("made");
            let lines = format!(
                "{{\"at\":\"x\",\"stage\":\"inbox\",\"sequence\":9999}}\n{{\"stage\":\"inbox\",\"sequence\":{sequence}}}\n{{\"stage\":\"inbox\"}}\n{{\"torn"
            );
            fs::write(state.join("history.jsonl"), lines).expect("written");
        }
        place(folder.path(), id);
    }
    folder
}

/// As a queue does it: written beside, then moved in.
fn place(queue: &Path, id: &str) {
    let scratch = queue.join(format!("{id}.new"));
    fs::write(&scratch, "---\nengine: sh\n---\nDo it.\n").expect("written");
    fs::rename(scratch, queue.join("inbox").join(format!("{id}.md"))).expect("moved");
}

fn ids(stub: &Stub) -> Vec<String> {
    stub.jobs().into_iter().map(|job| job.id).collect()
}

fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => all.extend(tree(&path)),
            false => all.push((path.display().to_string(), fs::read(&path).expect("a file"))),
        }
    }
    all.sort();
    all
}

#[test]
fn jobs_are_submitted_in_the_order_of_the_queue_and_those_without_a_number_last_by_name() {
    let folder = queue(&[
        ("zeta", Some(1)),
        ("alpha", Some(3)),
        ("mid", Some(2)),
        ("b", None),
        ("a", None),
    ]);
    fs::write(folder.path().join("inbox/.hidden.md"), "x").expect("written");
    let before = tree(folder.path());
    let mut stub = start(&[]);
    stub.mirror(folder.path(), |_| ()).expect("followed");
    assert_eq!(ids(&stub), ["zeta", "mid", "alpha", "a", "b"]);
    drop(stub);
    assert_eq!(tree(folder.path()), before, "nothing was written");
}

#[test]
fn what_enters_later_is_submitted_and_what_leaves_is_not_followed() {
    let folder = queue(&[("first", Some(1))]);
    let mut stub = start(&[]);
    stub.mirror(folder.path(), |_| ()).expect("followed");
    // A claim that waits is given what comes in: nothing is polled for.
    let lease = held(&claim(&stub, "f"));
    assert_eq!(lease.job, "first");
    std::thread::scope(|scope| {
        let stub = &stub;
        let waiting = scope.spawn(move || {
            let body = json!({"factoryId": "g", "caps": ["engine:sh"], "waitMs": 20_000});
            post(stub, "/v1/claims", &body)
        });
        place(folder.path(), "second");
        assert_eq!(waiting.join().expect("it ends").json()["job"]["id"], "second");
    });
    fs::rename(
        folder.path().join("inbox/first.md"),
        folder.path().join("first.md"),
    )
    .expect("moved");
    assert_eq!(
        stage_of(&stub, "first"),
        "building",
        "stages are the factories' to report"
    );
}

#[test]
fn a_file_written_in_place_is_submitted_once_it_is_whole() {
    let folder = queue(&[]);
    let mut stub = start(&[]);
    stub.mirror(folder.path(), |_| ()).expect("followed");
    std::thread::scope(|scope| {
        let stub = &stub;
        let waiting = scope.spawn(move || {
            let body = json!({"factoryId": "g", "caps": ["engine:sh"], "waitMs": 20_000});
            post(stub, "/v1/claims", &body)
        });
        let path = folder.path().join("inbox/written.md");
        fs::write(path, "---\nengine: sh\n---\nDo it.\n").expect("written");
        assert_eq!(waiting.join().expect("it ends").json()["job"]["id"], "written");
    });
}

#[test]
fn a_file_that_is_no_job_is_told_of_and_the_others_are_submitted() {
    let folder = queue(&[("good", None)]);
    fs::write(folder.path().join("inbox/bad.md"), "no front matter").expect("written");
    let mut stub = start(&[]);
    let (tell, told) = channel();
    stub.mirror(folder.path(), move |line| {
        // The test may have ended.
        let _ = tell.send(line);
    })
    .expect("followed");
    assert_eq!(ids(&stub), ["good"]);
    let line = told.recv_timeout(TIME_LIMIT).expect("a line");
    assert!(
        line.starts_with("bad is not mirrored: ") && line.contains("front matter"),
        "{line}"
    );
}

/// What a job of the queue may have laid there: a way to a file outside, or something that is never read to its end.
#[test]
fn what_is_no_regular_file_is_told_of_and_neither_followed_nor_waited_for() {
    let folder = queue(&[("good", None)]);
    let outside = folder.path().join("outside.md");
    fs::write(&outside, "---\nengine: sh\n---\nNot for anybody here.\n").expect("written");
    let inbox = folder.path().join("inbox");
    std::os::unix::fs::symlink(&outside, inbox.join("link.md")).expect("a link");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), inbox.join("loose.md")).expect("a link");
    let made = std::process::Command::new("mkfifo")
        .arg(inbox.join("fifo.md"))
        .status();
    assert!(made.expect("mkfifo").success());
    let history = folder.path().join(".state/jobs/good");
    fs::create_dir_all(&history).expect("made");
    std::os::unix::fs::symlink("/dev/zero", history.join("history.jsonl")).expect("a link");
    let mut stub = start(&[]);
    let (tell, told) = channel();
    stub.mirror(folder.path(), move |line| {
        // The test may have ended.
        let _ = tell.send(line);
    })
    .expect("followed");
    assert_eq!(ids(&stub), ["good"]);
    let mut lines: Vec<String> = (0..3)
        .map(|_| told.recv_timeout(TIME_LIMIT).expect("a line"))
        .collect();
    lines.sort();
    for (line, id) in lines.iter().zip(["fifo", "link", "loose"]) {
        let expected = format!("{id} is not mirrored: it is no regular file");
        assert!(line.starts_with(&expected), "{line}");
    }
}

#[test]
fn what_is_no_queue_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stub = start_with(&[], StubConfig::default());
    let error = stub.mirror(folder.path(), |_| ()).expect_err("no inbox");
    assert!(
        error.to_string().contains("give the folder of a queue"),
        "{error}"
    );
}
