//! `aq pause` and `aq resume`: no new job, and what runs goes on to its end.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::queue_fixture::QueueFixture;

#[test]
fn a_paused_queue_starts_nothing_says_so_everywhere_and_goes_on_when_it_is_resumed() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    let paused = fixture.aq(&["pause", "--message", "new disk"]);
    assert_eq!(paused.code, 0, "{}", paused.stderr);
    assert!(paused.stdout.contains("aq resume"), "{}", paused.stdout);
    for how in ["--drain", "--once"] {
        let run = fixture.aq(&["run", how]);
        assert_eq!(run.code, 1, "{how}: {}", run.stderr);
        assert!(
            run.stderr.contains("stays where it is: `aq resume`"),
            "{}",
            run.stderr
        );
    }
    assert_eq!(fixture.stage("a"), "inbox");
    let status = fixture.aq(&["status"]).stdout;
    assert!(
        status.contains("paused for") && status.contains("new disk"),
        "{status}"
    );
    let status: Value = serde_json::from_str(&fixture.aq(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["pause"]["message"], "new disk");
    // A second one is the same pause, whatever it says.
    let since = status["pause"]["at"].clone();
    let again: Value = serde_json::from_str(&fixture.aq(&["pause", "--json"]).stdout).unwrap();
    assert_eq!(again["pause"], json!({"at": since, "message": "new disk"}));
    let again: Value =
        serde_json::from_str(&fixture.aq(&["pause", "--message", "old disk", "--json"]).stdout).unwrap();
    assert_eq!(again["pause"], json!({"at": since, "message": "old disk"}));

    assert_eq!(fixture.aq(&["resume"]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.stage("a"), "shipped");
    let status: Value = serde_json::from_str(&fixture.aq(&["status", "--json"]).stdout).unwrap();
    assert!(status["pause"].is_null());
    let again: Value = serde_json::from_str(&fixture.aq(&["resume", "--json"]).stdout).unwrap();
    assert_eq!(again, json!({"pause": null, "was": null, "paused": []}));
    assert!(fixture.aq(&["resume"]).stdout.contains("was not paused"));
}

#[test]
fn a_pause_that_nobody_can_read_is_one_all_the_same() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    assert_eq!(fixture.aq(&["pause"]).code, 0);
    std::fs::write(fixture.queue(".state/pause/queue"), "{\"at\":").unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 1);
    assert_eq!(fixture.stage("a"), "inbox");
    assert_eq!(fixture.aq(&["resume"]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.stage("a"), "shipped");
}

#[test]
fn a_drain_of_a_paused_queue_without_work_has_nothing_to_complain_of() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.aq(&["pause"]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
}

#[test]
fn a_running_runner_ends_what_it_runs_takes_nothing_more_and_notices_the_resumption() {
    let fixture = QueueFixture::new();
    for name in ["up", "go", "second"] {
        fixture.pipe(name);
    }
    fixture.add(
        "a",
        "verify: \"true\"",
        "echo > $FIXTURE/up; read x < $FIXTURE/go",
    );
    fixture.add("b", "", "echo > $FIXTURE/second");
    let run = fixture.start(&["run"], &[]);
    fixture.wait_for("up");
    assert!(fixture.aq(&["pause"]).stdout.contains("1 job that runs"));
    let waiting = fixture.start(&["pause", "--wait", "--json"], &[]);
    fixture.release("go");
    let quiet = waiting.end();
    let quiet: Value = serde_json::from_str(&quiet.stdout).unwrap();
    assert_eq!(quiet["running"], 0);
    assert_eq!([fixture.stage("a"), fixture.stage("b")], ["shipped", "inbox"]);
    assert_eq!(fixture.aq(&["resume"]).code, 0);
    fixture.wait_for("second");
    run.signal(Signal::TERM);
    let done = run.end();
    assert_eq!(done.code, 143);
    assert!(
        done.stderr.contains("paused: ") && done.stderr.contains("resumed"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_paused_factory_claims_nothing_from_the_coordinator() {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let job = json!({"id": "a", "engine": "sh", "body": "true"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let route = coordinator.route();
    assert_eq!(fixture.aq(&["pause"]).code, 0);
    assert_eq!(fixture.aq_with(&route, &["run", "--drain"]).code, 1);
    assert_eq!(coordinator.late(), None);
    assert_eq!(fixture.aq(&["resume"]).code, 0);
    assert_eq!(fixture.aq_with(&route, &["run", "--drain"]).code, 0);
    assert_eq!(
        (coordinator.next().as_str(), fixture.stage("a").as_str()),
        ("claims", "shipped")
    );
}
