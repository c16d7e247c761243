//! The lane as the run loop sees it: values go in, lines come out, and the coordinator saw what it saw.

mod odd_answers;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::*;
use crate::shadow::test_coordinator::{RecordedRequest, TestCoordinator, decision, id, settings};

const LONG: Duration = Duration::from_secs(30);

fn queue() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(".state")).unwrap();
    for stage in Stage::ALL {
        fs::create_dir(folder.path().join(stage.folder())).unwrap();
    }
    folder
}

fn start(settings: &Settings) -> ShadowLane {
    ShadowLane::start(settings, &HealthReporter::default()).unwrap()
}

fn place(queue: &Path, job: &str, stage: Stage) {
    fs::write(
        queue.join(stage.folder()).join(format!("{job}.md")),
        "---\nengine: sh\n---\ntrue\n",
    )
    .unwrap();
}

fn moved(job: &str, stage: Stage) -> StageTransition {
    StageTransition { job: id(job), stage }
}

fn log(queue: &Path) -> Vec<Value> {
    let text = fs::read_to_string(crate::shadow::log::path_in(queue)).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Each line as `event local coord verdict-or-reason-or-kind`, dashes for none.
fn briefly(queue: &Path) -> Vec<String> {
    let word = |line: &Value, keys: &[&str]| {
        let found = keys.iter().find_map(|key| line[key].as_str());
        found.unwrap_or("-").to_owned()
    };
    log(queue)
        .iter()
        .map(|line| {
            let [event, local, coord] = ["event", "localJob", "coordJob"].map(|key| word(line, &[key]));
            format!(
                "{event} {local} {coord} {}",
                word(line, &["verdict", "reason", "kind"])
            )
        })
        .collect()
}

fn offer(job: &str) -> Option<(u16, String)> {
    Some((200, format!(r#"{{"dryRun":true,"job":{{"id":"{job}"}}}}"#)))
}

/// The honest answer to a report.
fn noted(seen: &RecordedRequest) -> Option<(u16, String)> {
    let stage = seen.body["stage"].as_str().unwrap();
    Some((
        202,
        format!(r#"{{"shadow":1,"accepted":true,"stage":"{stage}","realStage":"queued"}}"#),
    ))
}

fn is_claim(seen: &RecordedRequest) -> bool {
    seen.path.ends_with("/claims")
}

#[test]
fn decisions_and_transitions_go_out_in_their_order_and_each_decision_has_one_line() {
    let queue = queue();
    let coordinator = TestCoordinator::start(|seen| {
        if is_claim(seen) {
            offer("alpha")
        } else {
            noted(seen)
        }
    });
    let lane = start(&settings(queue.path(), &coordinator.url));
    lane.decided(decision(Some("alpha"), &["alpha", "beta"]));
    for stage in [Stage::Building, Stage::Testing, Stage::Shipped] {
        lane.moved(moved("alpha", stage));
    }
    lane.decided(decision(Some("beta"), &["beta"]));
    lane.finish(LONG);
    assert_eq!(
        coordinator.briefly(),
        [
            "claim",
            "alpha building",
            "alpha testing",
            "alpha shipped",
            "claim"
        ]
    );
    assert_eq!(
        briefly(queue.path()),
        ["comparison alpha alpha AGREE", "comparison beta alpha DIVERGE"]
    );
    let lines = log(queue.path());
    assert_eq!(lines[1]["reason"], "unknown");
    assert!(lines[0]["decision"].is_string() && lines[0]["decision"] != lines[1]["decision"]);
}

#[test]
fn a_claim_tells_nothing_of_the_local_decision() {
    let queue = queue();
    let coordinator = TestCoordinator::start(|_| offer("alpha"));
    for local in [Some("alpha"), Some("beta"), None] {
        let lane = start(&settings(queue.path(), &coordinator.url));
        lane.decided(decision(local, &["alpha", "beta"]));
        lane.finish(LONG);
    }
    let seen = coordinator.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|request| *request == seen[0]), "{seen:?}");
}

#[test]
fn no_other_mode_makes_a_connection_or_a_line() {
    let queue = queue();
    let coordinator = TestCoordinator::start(|_| offer("alpha"));
    for mode in [Mode::Offline, Mode::Local, Mode::Route] {
        let mut settings = settings(queue.path(), &coordinator.url);
        settings.mode = mode;
        assert!(ShadowLane::start(&settings, &HealthReporter::default()).is_none());
        mirror(&settings, &id("alpha"), Stage::Shipped);
    }
    assert!(coordinator.seen().is_empty() && log(queue.path()).is_empty());
}

#[test]
fn a_hanging_coordinator_costs_the_limit_at_the_end_and_every_decision_keeps_its_line() {
    let queue = queue();
    let coordinator = TestCoordinator::start(|_| None);
    let lane = start(&settings(queue.path(), &coordinator.url));
    for name in ["a", "b", "c"] {
        lane.decided(decision(Some(name), &["a", "b", "c"]));
        lane.moved(moved(name, Stage::Building));
    }
    lane.finish(Duration::ZERO);
    assert_eq!(
        briefly(queue.path()),
        ["skipped a - exit", "skipped b - exit", "skipped c - exit"]
    );
}

#[test]
fn decisions_that_do_not_fit_are_counted_while_the_coordinator_hangs() {
    let queue = queue();
    let coordinator = TestCoordinator::start(|_| None);
    let lane = start(&settings(queue.path(), &coordinator.url));
    const DECISIONS: usize = 3000;
    for _ in 0..DECISIONS {
        lane.decided(decision(Some("a"), &["a"]));
    }
    lane.finish(Duration::ZERO);
    // On a busy host a question may have been given up before the end, which is an error and no decision that is skipped.
    let counted: u64 = log(queue.path())
        .iter()
        .filter(|line| line["event"] == "skipped" || line["event"] == "shadow-error")
        .map(|line| line["decisions"].as_u64().unwrap_or(1))
        .sum();
    assert_eq!(counted, DECISIONS as u64);
}

#[test]
fn an_unanswered_report_is_a_gap_until_it_is_answered_and_then_the_last_stage_has_won() {
    let queue = queue();
    let healthy = std::sync::Arc::new(AtomicBool::new(false));
    let theirs = std::sync::Arc::clone(&healthy);
    let coordinator = TestCoordinator::start(move |seen| match is_claim(seen) {
        true => offer("alpha"),
        false if theirs.load(Ordering::SeqCst) => noted(seen),
        false => Some((500, String::new())),
    });
    let settings = settings(queue.path(), &coordinator.url);
    let lane = start(&settings);
    lane.decided(decision(Some("alpha"), &["alpha"]));
    lane.moved(moved("alpha", Stage::Building));
    lane.moved(moved("alpha", Stage::Shipped));
    lane.decided(decision(Some("beta"), &["beta"]));
    lane.finish(LONG);
    assert_eq!(
        briefly(queue.path()),
        [
            "comparison alpha alpha AGREE",
            "shadow-error alpha - status-500",
            "shadow-error alpha - status-500",
            "shadow-error alpha - status-500",
            "skipped beta - view_gap",
        ]
    );
    let errors = log(queue.path());
    assert!(errors[1]["decision"].is_null() && errors[1]["operation"] == "shadow.report");

    // A later process knows from the folders, and says the last stage alone, before anything else.
    place(queue.path(), "alpha", Stage::Shipped);
    healthy.store(true, Ordering::SeqCst);
    let before = coordinator.seen().len();
    let lane = start(&settings);
    lane.decided(decision(Some("beta"), &["beta"]));
    lane.finish(LONG);
    assert_eq!(coordinator.briefly()[before..], ["alpha shipped", "claim"]);

    // What was answered is not repeated by the one after that.
    let before = coordinator.seen().len();
    let lane = start(&settings);
    lane.decided(decision(None, &[]));
    lane.finish(LONG);
    assert_eq!(coordinator.briefly()[before..], ["claim"]);
}

#[test]
fn a_job_that_came_back_to_the_inbox_unheard_is_reported_before_it_is_decided_on() {
    let queue = queue();
    let coordinator = TestCoordinator::start(|seen| {
        if is_claim(seen) {
            offer("alpha")
        } else {
            noted(seen)
        }
    });
    let settings = settings(queue.path(), &coordinator.url);
    ReportLedger::new(&settings).note(ReportState::Answered, &id("alpha"), Stage::Building);
    place(queue.path(), "alpha", Stage::Inbox);
    let lane = start(&settings);
    lane.decided(decision(Some("alpha"), &["alpha"]));
    lane.moved(moved("alpha", Stage::Building));
    lane.finish(LONG);
    assert_eq!(coordinator.briefly(), ["alpha queued", "claim", "alpha building"]);
}

#[test]
fn what_a_command_could_not_deliver_is_a_gap_for_the_runner_that_goes_on() {
    let queue = queue();
    let coordinator = TestCoordinator::start(|seen| {
        if is_claim(seen) {
            offer("alpha")
        } else {
            noted(seen)
        }
    });
    let running = settings(queue.path(), &coordinator.url);
    let lane = start(&running);
    place(queue.path(), "old", Stage::Inbox);
    ReportLedger::new(&running).note(ReportState::Unanswered, &id("old"), Stage::Inbox);
    lane.decided(decision(Some("alpha"), &["alpha"]));
    lane.finish(LONG);
    assert_eq!(coordinator.briefly(), ["old queued", "claim"]);
}
