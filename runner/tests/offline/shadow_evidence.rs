//! What a person asks of the evidence in shadow logs, and says about it.

use std::fs;

use serde_json::{Value, json};

use crate::queue_fixture::QueueFixture;

const FIRST: &str = "00000000000000aa";
const SECOND: &str = "00000000000000bb";

/// A comparison; `reason` none: both named the same job.
fn line(at: &str, decision: &str, factory: &str, epoch: &str, reason: Option<&str>) -> String {
    let verdict = if reason.is_some() { "DIVERGE" } else { "AGREE" };
    let value = json!({
        "ts": at, "event": "comparison", "decision": decision, "localJob": "a", "coordJob": "b", "verdict": verdict,
        "reason": reason, "factory": factory, "epoch": epoch, "engine": "sh", "lock": false,
        "candidates": [{"id": "a", "priority": 5, "sequence": 1}, {"id": "b", "priority": 0, "sequence": 2}],
        "coordCandidates": [{"id": "b", "priority": 9, "submittedAt": "2026-05-01T08:00:00Z"}],
    });
    format!("{value}\n")
}

fn with_log(log: &str) -> QueueFixture {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    fs::write(fixture.queue(".state/fleet-shadow.log"), log).unwrap();
    fixture
}

fn report(fixture: &QueueFixture, more: &[&str]) -> Value {
    let done = fixture.aq(&[&["fleet-shadow-report", "--json"], more].concat());
    serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{}{}", done.stdout, done.stderr))
}

#[test]
fn one_decision_is_explained_by_the_first_key_that_differs() {
    let fixture = with_log(&line(
        "2026-05-01T10:00:00Z",
        "d-1",
        "forge-1",
        FIRST,
        Some("order"),
    ));
    let done = fixture.aq(&["fleet-shadow-explain", "d-1"]);
    let difference = "the priority of b: 9 at the coordinator, 0 here";
    assert!(
        done.code == 0 && done.stdout.contains(difference),
        "{}",
        done.stdout
    );
    let done = fixture.aq(&["fleet-shadow-explain", "d-1", "--json"]);
    let found: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        (
            &found["local"][1]["id"],
            &found["coordinator"][0]["id"],
            &found["difference"]
        ),
        (&json!("b"), &json!("b"), &json!(difference))
    );
    let done = fixture.aq(&["fleet-shadow-explain", "d-2"]);
    assert!(
        done.code == 1 && done.stderr.contains("no decision d-2"),
        "{}",
        done.stderr
    );
}

#[test]
fn only_what_is_in_the_log_and_disagrees_can_be_acknowledged() {
    let fixture = with_log(
        &[
            line("2026-05-01T10:00:00Z", "harm", "forge-1", FIRST, Some("finished")),
            line("2026-05-01T10:00:01Z", "fine", "forge-1", FIRST, None),
        ]
        .concat(),
    );
    for (decision, word) in [("fine", "agrees"), ("nowhere", "has no decision nowhere")] {
        let done = fixture.aq(&["fleet-shadow-ack", decision, "--reason", "why"]);
        assert!(done.code == 1 && done.stderr.contains(word), "{}", done.stderr);
    }
    assert_eq!(
        fixture.aq(&["fleet-shadow-ack", "harm"]).code,
        2,
        "without a reason"
    );
    assert_eq!(fixture.aq(&["fleet-shadow-ack", "harm", "--reason", ""]).code, 2);
    assert_eq!(report(&fixture, &[])["harmful"], 1);
    let over = [
        "fleet-shadow-ack",
        "harm",
        "--reason",
        "why",
        "--until",
        "2026-05-02",
    ];
    assert_eq!(fixture.aq(&over).code, 0);
    let found = report(&fixture, &[]);
    assert_eq!(
        (&found["harmful"], &found["acknowledged"]),
        (&json!(1), &json!(0)),
        "it is over"
    );
    assert_eq!(
        fixture.aq(&["fleet-shadow-ack", "harm", "--reason", "why"]).code,
        0
    );
    let found = report(&fixture, &[]);
    assert_eq!(
        (
            &found["harmful"],
            &found["acknowledged"],
            &found["acknowledgements"][0]["reason"]
        ),
        (&json!(0), &json!(1), &json!("why"))
    );
    assert_eq!(found["agreement"]["agree"], 1);
}

#[test]
fn no_word_of_a_person_is_written_for_a_job_or_where_there_is_no_log() {
    let fixture = QueueFixture::new();
    let restart = ["fleet-shadow-restart", "--reason", "why"];
    let done = fixture.aq(&restart);
    assert!(
        done.code == 1 && done.stderr.contains("no shadow log yet"),
        "{}",
        done.stderr
    );
    let fixture = with_log(&line(
        "2026-05-01T10:00:00Z",
        "harm",
        "forge-1",
        FIRST,
        Some("finished"),
    ));
    let aq = env!("CARGO_BIN_EXE_aq");
    fixture.add(
        "a",
        "",
        &format!("! {aq} fleet-shadow-restart --reason why && ! {aq} fleet-shadow-ack harm --reason why"),
    );
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(report(&fixture, &[])["harmful"], 1);
}

#[test]
fn logs_of_several_factories_are_one_and_a_part_of_them_decides_nothing() {
    let fixture = with_log("");
    let many = |factory: &str, epoch: &str, day: &str| -> String {
        (0..300)
            .map(|count| {
                line(
                    &format!("2026-05-0{day}T10:00:00Z"),
                    &format!("d-{count}"),
                    factory,
                    epoch,
                    None,
                )
            })
            .collect()
    };
    let bad = line("2026-05-01T09:00:00Z", "old", "forge-1", FIRST, Some("finished"));
    fs::write(fixture.path("one.log"), bad + &many("forge-1", SECOND, "1")).unwrap();
    fs::write(fixture.path("two.log"), many("forge-2", FIRST, "3")).unwrap();
    let (one, two) = (fixture.path("one.log"), fixture.path("two.log"));
    let [one, two] = [&one, &two].map(|path| path.to_str().unwrap());
    let gate = |more: &[&str]| {
        fixture
            .aq(&[&["fleet-shadow-report", "--gate", one, two], more].concat())
            .code
    };
    assert_eq!(gate(&[]), 0, "600 decisions of two factories");
    assert_eq!(
        gate(&["--since", "2026-05-01"]),
        3,
        "what is later may be all, and nobody knows"
    );
    assert_eq!(gate(&["--epoch", FIRST]), 1, "the epoch in which it did harm");
    assert_eq!(
        fixture.aq(&["fleet-shadow-report", "--gate", one]).code,
        3,
        "300 are too few"
    );
    let found = report(&fixture, &[one, two]);
    assert_eq!(found["epochs"].as_array().unwrap().len(), 3);
    let missing = fixture.aq(&["fleet-shadow-report", "nowhere.log"]);
    assert!(
        missing.code == 1 && missing.stderr.contains("nowhere.log"),
        "{}",
        missing.stderr
    );
}

#[test]
fn one_kind_of_job_may_be_left_out_and_no_second_one() {
    let fixture = with_log(&line("2026-05-01T10:00:00Z", "d-1", "forge-1", FIRST, None));
    let except = |kind| fixture.aq(&["fleet-shadow-report", "--gate", "--except", kind]);
    assert_eq!(except("engine=sh").code, 3);
    assert_eq!(except("engine=sh").code, 3);
    assert_eq!(
        report(&fixture, &[])["leftOut"].as_array().unwrap().len(),
        1,
        "noted once"
    );
    let done = except("lock=yes");
    assert!(
        done.code == 1 && done.stderr.contains("engine=sh is left out already"),
        "{}",
        done.stderr
    );
    assert_eq!(except("everything").code, 2);
}
