//! What starts when: O-2, and what never blocks what.

use std::fs;

use crate::queue_fixture::QueueFixture;

const NOTE: &str = "echo $AQ_JOB_ID >> $FIXTURE/runs";

#[test]
fn a_higher_priority_goes_first_and_among_equals_the_earlier_one() {
    let fixture = QueueFixture::new();
    // The names say the opposite of the order.
    for (id, priority) in [("z", 0), ("y", 5), ("x", -1), ("w", 5), ("v", 0)] {
        fixture.add(id, &format!("priority: {priority}"), NOTE);
    }
    // And so do the times of the files, where a file that was changed does not have to rest first.
    if cfg!(all(target_os = "linux", not(portable))) {
        let file = fs::File::options().write(true).open(fixture.queue("inbox/v.md"));
        file.unwrap()
            .set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
    }
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("runs"), ["y", "w", "z", "v", "x"]);
}

#[test]
fn files_added_in_one_call_keep_the_order_of_the_call() {
    let fixture = QueueFixture::new();
    let names: Vec<String> = ["c", "a", "b"]
        .iter()
        .map(|id| fixture.file(id, "engine: sh", NOTE))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(fixture.aq(&[&["add"], &names[..]].concat()).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("runs"), ["c", "a", "b"]);
}

#[test]
fn files_placed_by_hand_come_after_what_was_there_and_by_name() {
    let fixture = QueueFixture::new();
    fixture.add("m", "", NOTE);
    for id in ["b", "a"] {
        let name = fixture.file(id, "engine: sh", NOTE);
        fs::copy(
            fixture.path("work").join(&name),
            fixture.queue("inbox").join(&name),
        )
        .unwrap();
    }
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("runs"), ["m", "a", "b"]);
}

#[test]
fn a_job_that_can_not_run_here_blocks_none_and_is_named_at_the_end() {
    let fixture = QueueFixture::new();
    let elsewhere = fixture.file("elsewhere", "engine: no-such-engine\npriority: 9", "x");
    assert_eq!(fixture.aq(&["add", &elsewhere]).code, 0);
    fixture.add("gpu", "caps: [gpu]\npriority: 9", NOTE);
    fixture.add("here", "", NOTE);
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 1);
    assert_eq!(fixture.lines("runs"), ["here"]);
    assert!(
        done.stderr
            .contains("elsewhere stays in the inbox: its engine `no-such-engine`"),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.contains("gpu stays in the inbox: it asks for `caps`"),
        "{}",
        done.stderr
    );
    let done = fixture.aq_with(&[("AQ_FACTORY_CAPS", "linux,gpu")], &["run", "--drain"]);
    assert_eq!((done.code, fixture.stage("gpu")), (1, "shipped".to_owned()));
}

#[test]
fn once_means_one_job() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", NOTE);
    fixture.add("b", "", NOTE);
    assert_eq!(fixture.aq(&["run", "--once"]).code, 0);
    assert_eq!([fixture.stage("a"), fixture.stage("b")], ["shipped", "inbox"]);
    assert_eq!(fixture.aq(&["run", "--once"]).code, 0);
    let done = fixture.aq(&["run", "--once"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "nothing to do\n"));
}

#[test]
fn a_retried_job_goes_to_the_end_and_one_with_retries_back_to_its_place() {
    let fixture = QueueFixture::new();
    fixture.add("a", "retries: 1", &format!("{NOTE}\nexit 1"));
    fixture.add("b", "", NOTE);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("runs"), ["a", "a", "b"]);
    fixture.add("c", "", NOTE);
    assert_eq!(fixture.aq(&["retry", "a"]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("runs")[3..], ["c", "a", "a"]);
}
