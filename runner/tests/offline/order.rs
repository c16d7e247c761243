//! What starts when: O-2, and what never blocks what.

use std::fs;

use crate::rig::Rig;

const NOTE: &str = "echo $AQ_JOB_ID >> $RIG/runs";

#[test]
fn a_higher_priority_goes_first_and_among_equals_the_earlier_one() {
    let rig = Rig::new();
    // The names and the times of the files say the opposite of the order.
    for (id, priority) in [("z", 0), ("y", 5), ("x", -1), ("w", 5), ("v", 0)] {
        rig.add(id, &format!("priority: {priority}"), NOTE);
    }
    let old = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options()
        .write(true)
        .open(rig.queue("inbox/v.md"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.lines("runs"), ["y", "w", "z", "v", "x"]);
}

#[test]
fn files_added_in_one_call_keep_the_order_of_the_call() {
    let rig = Rig::new();
    let names: Vec<String> = ["c", "a", "b"]
        .iter()
        .map(|id| rig.file(id, "engine: sh", NOTE))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(rig.aq(&[&["add"], &names[..]].concat()).code, 0);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.lines("runs"), ["c", "a", "b"]);
}

#[test]
fn files_placed_by_hand_come_after_what_was_there_and_by_name() {
    let rig = Rig::new();
    rig.add("m", "", NOTE);
    for id in ["b", "a"] {
        let name = rig.file(id, "engine: sh", NOTE);
        fs::copy(rig.path("work").join(&name), rig.queue("inbox").join(&name)).unwrap();
    }
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.lines("runs"), ["m", "a", "b"]);
}

#[test]
fn a_job_that_can_not_run_here_blocks_none_and_is_named_at_the_end() {
    let rig = Rig::new();
    let elsewhere = rig.file("elsewhere", "engine: no-such-engine\npriority: 9", "x");
    assert_eq!(rig.aq(&["add", &elsewhere]).code, 0);
    rig.add("gpu", "caps: [gpu]\npriority: 9", NOTE);
    rig.add("here", "", NOTE);
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!(done.code, 1);
    assert_eq!(rig.lines("runs"), ["here"]);
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
    let done = rig.aq_with(&[("AQ_FACTORY_CAPS", "linux,gpu")], &["run", "--drain"]);
    assert_eq!((done.code, rig.stage("gpu")), (1, "shipped".to_owned()));
}

#[test]
fn once_means_one_job() {
    let rig = Rig::new();
    rig.add("a", "", NOTE);
    rig.add("b", "", NOTE);
    assert_eq!(rig.aq(&["run", "--once"]).code, 0);
    assert_eq!([rig.stage("a"), rig.stage("b")], ["shipped", "inbox"]);
    assert_eq!(rig.aq(&["run", "--once"]).code, 0);
    let done = rig.aq(&["run", "--once"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "nothing to do\n"));
}

#[test]
fn a_retried_job_goes_to_the_end_and_one_with_retries_back_to_its_place() {
    let rig = Rig::new();
    rig.add("a", "retries: 1", &format!("{NOTE}\nexit 1"));
    rig.add("b", "", NOTE);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.lines("runs"), ["a", "a", "b"]);
    rig.add("c", "", NOTE);
    assert_eq!(rig.aq(&["retry", "a"]).code, 0);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.lines("runs")[3..], ["c", "a", "a"]);
}
