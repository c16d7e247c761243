//! A host that has no queue yet: who makes one, and who must not.

use std::fs;

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::queue_fixture::QueueFixture;

const STAGES: [&str; 7] = [
    "inbox",
    "building",
    "testing",
    "review",
    "shipped",
    "failed",
    "quarantine",
];

#[test]
fn init_makes_a_queue_and_leaves_one_that_is_there_as_it_is() {
    let fixture = QueueFixture::new();
    let made = fixture.aq(&["init"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.stdout.contains("made the queue at"), "{}", made.stdout);
    assert!(STAGES.iter().all(|stage| fixture.queue(stage).is_dir()));
    let list = fixture.aq(&["list"]);
    assert_eq!((list.code, list.stdout.contains("no jobs")), (0, true));
    fixture.add("a", "", "echo ran >> $FIXTURE/runs");
    fs::remove_dir(fixture.queue("testing")).unwrap();
    for expected in [json!(["testing"]), json!([])] {
        let told = fixture.aq(&["init", "--json"]);
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(told["made"], expected);
        assert_eq!(told["queue"], fixture.path("queue").to_str().unwrap());
    }
    let again = fixture.aq(&["init"]);
    assert!(again.stdout.contains("nothing was made"), "{}", again.stdout);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("runs"), ["ran"]);
}

#[test]
fn init_replaces_nothing_that_is_in_its_way() {
    for name in ["queue", "queue/inbox", "queue/shipped", "queue/.state"] {
        let fixture = QueueFixture::new();
        fs::create_dir_all(fixture.path(name).parent().unwrap()).unwrap();
        fs::write(fixture.path(name), "what was here").unwrap();
        let done = fixture.aq(&["init"]);
        assert_eq!(done.code, 1, "{name}");
        assert!(done.stderr.contains("queue"), "{name}: {}", done.stderr);
        assert_eq!(fs::read_to_string(fixture.path(name)).unwrap(), "what was here");
    }
}

#[test]
fn a_fresh_host_works_for_its_coordinator_at_once() {
    // There is nothing, or a folder for a queue.
    for prepared in [false, true] {
        let fixture = QueueFixture::new();
        // Nobody has allowed anything: what is no shell may be named all the same.
        fixture.stand_in("claude", "success", "echo ran >> $FIXTURE/runs");
        if prepared {
            fs::create_dir(fixture.path("queue")).unwrap();
            fs::write(fixture.path("queue/aq.toml"), "").unwrap();
        }
        let job = json!({"id": "a", "engine": "claude", "body": "Do it."});
        let coordinator = Coordinator::with(job, |_, _| None);
        let done = fixture.aq_with(&coordinator.route(), &["run", "--drain"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(done.stderr.contains("there was no queue at"), "{}", done.stderr);
        assert_eq!(
            (fixture.stage("a").as_str(), fixture.lines("runs").len()),
            ("shipped", 1)
        );
    }
}

#[test]
fn no_run_makes_a_queue_unless_all_its_work_comes_from_a_coordinator() {
    let coordinator = Coordinator::with(json!({}), |_, _| None);
    let url = coordinator.url.as_str();
    // The variables, and the exit code.
    let cases: [(&[(&str, &str)], i32); 7] = [
        (&[], 1),
        (
            &[("AQ_FLEET", "0"), ("AQ_FLEET_ROUTE", "1"), ("AQ_FLEET_URL", url)],
            1,
        ),
        (&[("AQ_FLEET", "1"), ("AQ_FLEET_URL", url)], 1),
        (
            &[("AQ_FLEET", "1"), ("AQ_FLEET_SHADOW", "1"), ("AQ_FLEET_URL", url)],
            1,
        ),
        (&[("AQ_FLEET", "1"), ("AQ_FLEET_ROUTE", "1")], 2),
        (
            &[
                ("AQ_FLEET", "1"),
                ("AQ_FLEET_ROUTE", "yes"),
                ("AQ_FLEET_URL", url),
            ],
            2,
        ),
        (
            &[
                ("AQ_FLEET", "1"),
                ("AQ_FLEET_ROUTE", "1"),
                ("AQ_FLEET_URL", url),
                ("AQ_FLEET_TOKEN_FILE", "none"),
            ],
            2,
        ),
    ];
    for (variables, code) in cases {
        let fixture = QueueFixture::new();
        let done = fixture.aq_with(variables, &["run", "--drain"]);
        assert_eq!(done.code, code, "{variables:?}: {}", done.stderr);
        if code == 1 {
            let told = done.stderr.contains("there is no queue at") && done.stderr.contains("aq init");
            assert!(told, "{variables:?}: {}", done.stderr);
        }
        assert!(!fixture.path("queue").exists(), "{variables:?}");
    }
}

#[test]
fn a_routed_run_replaces_no_queue_that_it_can_not_read() {
    let coordinator = Coordinator::with(json!({}), |_, _| None);
    for name in ["queue", "queue/inbox", "queue/shipped"] {
        let fixture = QueueFixture::new();
        fs::create_dir_all(fixture.path(name).parent().unwrap()).unwrap();
        fs::write(fixture.path(name), "what was here").unwrap();
        let done = fixture.aq_with(&coordinator.route(), &["run", "--drain"]);
        assert_eq!(done.code, 1, "{name}: {}", done.stderr);
        assert_eq!(fs::read_to_string(fixture.path(name)).unwrap(), "what was here");
    }
    assert_eq!(coordinator.late(), None, "nobody was asked for work");
}
