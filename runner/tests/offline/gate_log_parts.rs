//! `fleet-shadow-report --gate` on a log of several parts: rotated, moved aside or pruned.

use std::fs;

use serde_json::Value;

use crate::gate::over_two_days;
use crate::queue_fixture::QueueFixture;

/// What a run in shadow mode adds that nobody answers, and how its log is kept.
fn observe(fixture: &QueueFixture, id: &str) {
    fixture.add(id, "", "true");
    let shadow = [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_SHADOW", "1"),
        ("AQ_FLEET_URL", "http://127.0.0.1:1"),
    ];
    let done = fixture.aq_with(&shadow, &["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

fn gate(fixture: &QueueFixture) -> (i32, Value) {
    let done = fixture.aq(&["fleet-shadow-report", "--gate", "--json"]);
    (done.code, serde_json::from_str(&done.stdout).unwrap())
}

#[test]
fn a_log_that_is_rotated_is_judged_as_one_and_one_that_is_moved_aside_is_not_judged_any_more() {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    fs::write(
        fixture.queue("aq.toml"),
        "[log]\nshadow_size = \"1KiB\"\nshadow_age = \"0\"\n",
    )
    .unwrap();
    let log = fixture.queue(".state/fleet-shadow.log");
    // The harmful answer keeps all of it from being pruned.
    fs::write(&log, over_two_days(1000).disagree("unknown", 1).text).unwrap();
    for id in ["a", "b", "c"] {
        observe(&fixture, id);
    }
    assert!(fs::metadata(&log).unwrap().len() < 2048);
    let (code, report) = gate(&fixture);
    assert_eq!(
        (code, &report["gate"]["verdict"]),
        (1, &"hold".into()),
        "{report}"
    );
    assert_eq!(
        (&report["agreement"]["agree"], &report["prunedParts"]),
        (&1000.into(), &0.into())
    );
    fs::rename(&log, fixture.path("aside")).unwrap();
    observe(&fixture, "d");
    let (code, report) = gate(&fixture);
    assert_eq!((code, &report["agreement"]["of"]), (3, &0.into()), "{report}");
}

#[test]
fn what_was_pruned_is_told_where_it_is_missing() {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    fs::write(
        fixture.queue("aq.toml"),
        "[log]\nshadow_size = \"1KiB\"\nshadow_age = \"0s\"\n",
    )
    .unwrap();
    fs::write(fixture.queue(".state/fleet-shadow.log"), over_two_days(449).text).unwrap();
    assert_eq!(gate(&fixture).0, 0);
    observe(&fixture, "a");
    let (code, report) = gate(&fixture);
    assert_eq!(
        (code, &report["gate"]["verdict"]),
        (3, &"inconclusive".into()),
        "{report}"
    );
    assert!(report["prunedParts"].as_u64().unwrap() > 0, "{report}");
    let told = fixture.aq(&["fleet-shadow-report", "--gate"]);
    assert!(
        told.stdout.contains("of the oldest parts of the log"),
        "{}",
        told.stdout
    );
}

#[test]
fn a_log_is_read_by_its_bare_name() {
    let fixture = QueueFixture::new();
    fs::write(fixture.path("work/forge-1.log"), over_two_days(449).text).unwrap();
    let done = fixture.aq(&["fleet-shadow-report", "--gate", "forge-1.log"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[test]
fn settings_of_the_log_that_make_no_sense_stop_the_command() {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    for line in [
        "shadow_size = 5",
        "shadow_size = \"0KiB\"",
        "shadow_age = \"soon\"",
        "shadow_sice = \"1MiB\"",
    ] {
        fs::write(fixture.queue("aq.toml"), format!("[log]\n{line}\n")).unwrap();
        let done = fixture.aq(&["status"]);
        assert_eq!(done.code, 2, "{line}: {}", done.stderr);
        assert!(done.stderr.contains("aq.toml:2"), "{line}: {}", done.stderr);
    }
}
