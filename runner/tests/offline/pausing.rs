//! `aq pause` and `aq resume`: no new job, and what runs goes on to its end.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::rig::Rig;

#[test]
fn a_paused_queue_starts_nothing_says_so_everywhere_and_goes_on_when_it_is_resumed() {
    let rig = Rig::new();
    rig.add("a", "", "true");
    let paused = rig.aq(&["pause", "--message", "new disk"]);
    assert_eq!(paused.code, 0, "{}", paused.stderr);
    assert!(paused.stdout.contains("aq resume"), "{}", paused.stdout);
    for how in ["--drain", "--once"] {
        let run = rig.aq(&["run", how]);
        assert_eq!(run.code, 1, "{how}: {}", run.stderr);
        assert!(
            run.stderr.contains("stays where it is: `aq resume`"),
            "{}",
            run.stderr
        );
    }
    assert_eq!(rig.stage("a"), "inbox");
    let status = rig.aq(&["status"]).stdout;
    assert!(
        status.contains("paused for") && status.contains("new disk"),
        "{status}"
    );
    let status: Value = serde_json::from_str(&rig.aq(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["pause"]["message"], "new disk");
    // A second one is the same pause, whatever it says.
    let since = status["pause"]["at"].clone();
    let again: Value = serde_json::from_str(&rig.aq(&["pause", "--json"]).stdout).unwrap();
    assert_eq!(again["pause"], json!({"at": since, "message": "new disk"}));
    let again: Value =
        serde_json::from_str(&rig.aq(&["pause", "--message", "old disk", "--json"]).stdout).unwrap();
    assert_eq!(again["pause"], json!({"at": since, "message": "old disk"}));

    assert_eq!(rig.aq(&["resume"]).code, 0);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.stage("a"), "shipped");
    let status: Value = serde_json::from_str(&rig.aq(&["status", "--json"]).stdout).unwrap();
    assert!(status["pause"].is_null());
    let again: Value = serde_json::from_str(&rig.aq(&["resume", "--json"]).stdout).unwrap();
    assert_eq!(again, json!({"pause": null, "was": null}));
    assert!(rig.aq(&["resume"]).stdout.contains("was not paused"));
}

#[test]
fn a_pause_that_nobody_can_read_is_one_all_the_same() {
    let rig = Rig::new();
    rig.add("a", "", "true");
    assert_eq!(rig.aq(&["pause"]).code, 0);
    std::fs::write(rig.queue(".state/pause/queue"), "{\"at\":").unwrap();
    assert_eq!(rig.aq(&["run", "--drain"]).code, 1);
    assert_eq!(rig.stage("a"), "inbox");
    assert_eq!(rig.aq(&["resume"]).code, 0);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.stage("a"), "shipped");
}

#[test]
fn a_drain_of_a_paused_queue_without_work_has_nothing_to_complain_of() {
    let rig = Rig::new();
    rig.add("a", "", "true");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.aq(&["pause"]).code, 0);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
}

#[test]
fn a_running_runner_ends_what_it_runs_takes_nothing_more_and_notices_the_resumption() {
    let rig = Rig::new();
    for name in ["up", "go", "second"] {
        rig.pipe(name);
    }
    rig.add("a", "verify: \"true\"", "echo > $RIG/up; read x < $RIG/go");
    rig.add("b", "", "echo > $RIG/second");
    let run = rig.start(&["run"], &[]);
    rig.hear("up");
    assert!(rig.aq(&["pause"]).stdout.contains("1 job that runs"));
    let waiting = rig.start(&["pause", "--wait", "--json"], &[]);
    rig.release("go");
    let quiet = waiting.end();
    let quiet: Value = serde_json::from_str(&quiet.stdout).unwrap();
    assert_eq!(quiet["running"], 0);
    assert_eq!([rig.stage("a"), rig.stage("b")], ["shipped", "inbox"]);
    assert_eq!(rig.aq(&["resume"]).code, 0);
    rig.hear("second");
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
    let rig = Rig::new();
    rig.add("first", "", "true");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let job = json!({"id": "a", "engine": "sh", "body": "true"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let route = coordinator.route();
    assert_eq!(rig.aq(&["pause"]).code, 0);
    assert_eq!(rig.aq_with(&route, &["run", "--drain"]).code, 1);
    assert_eq!(coordinator.late(), None);
    assert_eq!(rig.aq(&["resume"]).code, 0);
    assert_eq!(rig.aq_with(&route, &["run", "--drain"]).code, 0);
    assert_eq!(
        (coordinator.next().as_str(), rig.stage("a").as_str()),
        ("claims", "shipped")
    );
}
