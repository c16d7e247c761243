//! A path with a link in it means the same as the one without, as `/tmp` and `/private/tmp` do on a Mac.

use std::fs;
use std::os::unix::fs::symlink;

use crate::queue_fixture::QueueFixture;

/// The queue of a fixture by another name.
fn linked() -> (QueueFixture, String) {
    let fixture = QueueFixture::new();
    symlink(fixture.path(""), fixture.path("link")).unwrap();
    let queue = fixture.path("link/queue").to_str().unwrap().to_owned();
    (fixture, queue)
}

#[test]
fn a_queue_that_is_named_by_a_link_is_the_same_queue() {
    let (fixture, queue) = linked();
    let by_link = [("AQ_QUEUE", queue.as_str())];
    let file = fixture.file("a", "engine: sh", "echo ran > $FIXTURE/ran");
    let added = fixture.aq_with(&by_link, &["add", &file]);
    assert_eq!(added.code, 0, "{added:?}");
    assert_eq!(fixture.stage("a"), "inbox");
    assert_eq!(fixture.aq_with(&by_link, &["run", "--once"]).code, 0);
    assert_eq!(fixture.stage("a"), "shipped");
    assert_eq!(fixture.lines("ran"), ["ran"]);
}

#[test]
fn a_job_is_kept_out_of_its_own_queue_by_whatever_name_it_calls_it() {
    let (fixture, queue) = linked();
    let file = fixture.file("b", "engine: sh", "true");
    let aq = env!("CARGO_BIN_EXE_aq");
    let add = format!("set +e; AQ_QUEUE={queue} {aq} add {file}; echo $? > $FIXTURE/code");
    fixture.add("a", "", &add);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("code"), ["2"]);
}

#[test]
fn a_queue_in_the_folder_of_a_job_is_warned_of_whichever_of_the_two_is_named_by_a_link() {
    let (fixture, queue) = linked();
    let real_queue = fixture.path("queue").to_str().unwrap().to_owned();
    for (id, queue, folder) in [
        ("a", &queue, fixture.path("")),
        ("b", &real_queue, fixture.path("link")),
    ] {
        let keys = format!("engine: sh\ncwd: {}", folder.display());
        let file = fixture.file(id, &keys, "true");
        let added = fixture.aq_with(&[("AQ_QUEUE", queue)], &["add", &file]);
        assert_eq!(added.code, 0, "{added:?}");
        let is_warned = added.stderr.contains("lies in the folder that a job works in");
        assert!(is_warned, "{added:?}");
    }
    assert!(fs::exists(fixture.queue("inbox/b.md")).unwrap());
}
