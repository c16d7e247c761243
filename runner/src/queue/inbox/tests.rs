//! The picture of the inbox that a decision is made on.

use super::*;
use crate::ids::EngineName;

fn id(text: &str) -> JobId {
    JobId::new(text).unwrap()
}

fn names(order: &InboxOrder) -> Vec<&str> {
    order.values().map(|job| job.id.as_str()).collect()
}

#[test]
fn a_picture_touches_no_job_and_stays_as_it_was() {
    let mut inbox = Inbox::default();
    let stamp = FileStamp::of(&std::fs::metadata("/").unwrap());
    for (name, priority) in [("a", 1), ("b", 1), ("c", 2)] {
        let waiting = WaitingJob {
            id: id(name),
            priority,
            sequence: 7,
            lock: None,
            engine: EngineName::new("sh").unwrap(),
            caps: Vec::new(),
            retry_at_ms: None,
        };
        inbox.remember(id(name).file_name().into(), stamp, waiting);
    }
    let picture = inbox.waiting(&BTreeSet::new());
    assert!(picture.values().all(|job| Arc::strong_count(job) == 1));
    inbox.forget_job(&id("b"));
    assert_eq!(names(&picture), ["c", "a", "b"]);
    assert_eq!(names(&inbox.waiting(&[id("c")].into())), ["a"]);
    assert_eq!(names(&inbox.waiting(&BTreeSet::new())), ["c", "a"]);
}
