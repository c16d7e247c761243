//! The lane against coordinators that refuse, err, offer what they must not, or can't be heard.

use super::*;

#[test]
fn a_coordinator_without_a_dry_run_is_noted_once_and_asked_no_more() {
    for status in [404, 405, 501] {
        let queue = queue();
        let coordinator = TestCoordinator::start(move |seen| match is_claim(seen) {
            true => Some((status, String::from("{}"))),
            false => noted(seen),
        });
        let lane = start(&settings(queue.path(), &coordinator.url));
        for name in ["a", "b"] {
            lane.decided(decision(Some(name), &[name]));
            lane.moved(moved(name, Stage::Shipped));
        }
        lane.finish(LONG);
        assert_eq!(
            briefly(queue.path()),
            [
                "dry-run-unsupported - - -",
                "skipped a - unsupported",
                "skipped b - unsupported"
            ]
        );
        assert_eq!(coordinator.briefly(), ["claim", "a shipped", "b shipped"]);
    }
}

#[test]
fn a_lease_that_nobody_asked_for_is_released_once_and_no_more_is_asked() {
    for (release, lines) in [
        (
            200,
            vec![
                "dry-run-not-honoured - a -",
                "skipped a - stopped",
                "skipped b - stopped",
            ],
        ),
        (
            403,
            vec![
                "dry-run-not-honoured - a -",
                "lease-leaked - a -",
                "skipped a - stopped",
                "skipped b - stopped",
            ],
        ),
    ] {
        let queue = queue();
        let coordinator = TestCoordinator::start(move |seen| match is_claim(seen) {
            true => Some((
                200,
                String::from(r#"{"dryRun":true,"job":{"id":"a"},"lease":{"id":"lease-9","fencingToken":4}}"#),
            )),
            false => Some((release, String::from(r#"{"stage":"queued"}"#))),
        });
        let lane = start(&settings(queue.path(), &coordinator.url));
        lane.decided(decision(Some("a"), &["a"]));
        lane.decided(decision(Some("b"), &["b"]));
        lane.finish(LONG);
        assert_eq!(briefly(queue.path()), lines);
        assert_eq!(coordinator.briefly(), ["claim", "/v1/leases/lease-9/release"]);
        assert_eq!(log(queue.path())[0]["lease"], "lease-9");
        assert_eq!(coordinator.seen()[1].body["fencingToken"], 4);
    }
}

#[test]
fn an_error_is_the_outcome_of_its_decision_and_is_not_retried() {
    let queue = queue();
    let coordinator = TestCoordinator::start(|seen| {
        if is_claim(seen) {
            Some((503, String::new()))
        } else {
            noted(seen)
        }
    });
    let lane = start(&settings(queue.path(), &coordinator.url));
    lane.decided(decision(Some("a"), &["a"]));
    lane.finish(LONG);
    assert_eq!(coordinator.briefly(), ["claim"]);
    assert_eq!(briefly(queue.path()), ["shadow-error a - status-503"]);
    let line = &log(queue.path())[0];
    assert!(line["decision"].is_string() && line["operation"] == "shadow.claim" && line["status"] == 503);
}

#[test]
fn an_idle_offer_is_logged_again_only_after_a_pick_or_when_it_changes() {
    let queue = queue();
    let offers = std::sync::Mutex::new(["x", "x", "y", "a", "y"].into_iter());
    let coordinator = TestCoordinator::start(move |seen| match is_claim(seen) {
        true => offer(offers.lock().unwrap().next().unwrap()),
        false => noted(seen),
    });
    let lane = start(&settings(queue.path(), &coordinator.url));
    for local in [None, None, None, Some("a"), None] {
        lane.decided(decision(local, &["a"]));
    }
    lane.finish(LONG);
    assert_eq!(
        briefly(queue.path()),
        [
            "comparison - x LOCAL_EMPTY",
            "comparison - y LOCAL_EMPTY",
            "comparison a a AGREE",
            "comparison - y LOCAL_EMPTY",
        ]
    );
}

#[test]
fn neither_side_naming_a_job_is_no_line() {
    let queue = queue();
    let coordinator = TestCoordinator::start(|_| Some((204, String::new())));
    let lane = start(&settings(queue.path(), &coordinator.url));
    lane.decided(decision(None, &[]));
    lane.decided(decision(Some("a"), &["a"]));
    lane.finish(LONG);
    assert_eq!(briefly(queue.path()), ["comparison a - COORD_EMPTY"]);
}

#[test]
fn an_odd_answer_to_a_report_is_noted_and_changes_nothing() {
    let queue = queue();
    let coordinator = TestCoordinator::start(|seen| match is_claim(seen) {
        true => offer("a"),
        false => Some((
            202,
            String::from(
                r#"{"shadow":1,"accepted":false,"stage":"failed","realStage":"failed","action":"stop"}"#,
            ),
        )),
    });
    let lane = start(&settings(queue.path(), &coordinator.url));
    lane.moved(moved("a", Stage::Building));
    lane.decided(decision(Some("a"), &["a"]));
    lane.finish(LONG);
    assert_eq!(
        briefly(queue.path()),
        ["report-divergence a - -", "comparison a a AGREE"]
    );
}

#[test]
fn a_hostile_offer_stays_one_line_of_text() {
    let queue = queue();
    let coordinator =
        TestCoordinator::start(|_| offer("../../etc\\n{\\\"verdict\\\":\\\"AGREE\\\"}\\u001b[2J"));
    let lane = start(&settings(queue.path(), &coordinator.url));
    lane.decided(decision(Some("a"), &["a"]));
    lane.finish(LONG);
    let lines = log(queue.path());
    assert_eq!((lines.len(), &lines[0]["reason"]), (1, &Value::from("invalid")));
    assert_eq!(
        lines[0]["coordJob"],
        "../../etc\\n{\\\"verdict\\\":\\\"AGREE\\\"}\\u{1b}[2J"
    );
}

#[test]
fn a_command_mirrors_its_own_transition() {
    let queue = queue();
    let coordinator = TestCoordinator::start(noted);
    let settings = settings(queue.path(), &coordinator.url);
    mirror(&settings, &id("b"), Stage::Failed);
    assert_eq!(coordinator.briefly(), ["b failed"]);
    assert!(log(queue.path()).is_empty());
    assert_eq!(
        ReportLedger::new(&settings).load()[&id("b")].state,
        ReportState::Answered
    );
}

#[test]
fn a_command_that_is_not_heard_says_so_and_leaves_its_report_for_later() {
    let queue = queue();
    let coordinator = TestCoordinator::start(|_| None);
    let mut settings = settings(queue.path(), &coordinator.url);
    settings.fleet.drain.value = Duration::from_millis(50);
    mirror(&settings, &id("a"), Stage::Inbox);
    assert_eq!(briefly(queue.path()), ["shadow-error a - timeout"]);
    assert_eq!(
        ReportLedger::new(&settings).load()[&id("a")].state,
        ReportState::Unanswered
    );
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let queue = queue();
    std::os::unix::fs::symlink("/dev/full", crate::shadow::log::path_in(queue.path())).unwrap();
    let coordinator = TestCoordinator::start(|seen| if is_claim(seen) { offer("a") } else { noted(seen) });
    let lane = start(&settings(queue.path(), &coordinator.url));
    lane.decided(decision(Some("a"), &["a"]));
    lane.moved(moved("a", Stage::Shipped));
    lane.finish(LONG);
    assert_eq!(coordinator.briefly(), ["claim", "a shipped"]);
}

#[test]
fn what_the_coordinator_never_heard_of_it_could_not_choose_whatever_else_moves_meanwhile() {
    let folder = queue();
    place(folder.path(), "b", Stage::Inbox);
    let coordinator = TestCoordinator::start(|seen| match (is_claim(seen), seen.body["jobId"].as_str()) {
        (true, _) => offer("b"),
        (false, Some("a")) => Some((
            404,
            String::from(r#"{"code":"unknown_job","title":"no such job"}"#),
        )),
        (false, _) => noted(seen),
    });
    let lane = start(&settings(folder.path(), &coordinator.url));
    lane.decided(decision(Some("a"), &["a", "b"]));
    // Of another worker.
    lane.moved(moved("c", Stage::Testing));
    lane.moved(moved("a", Stage::Building));
    lane.finish(LONG);
    let reasons: Vec<Value> = log(folder.path())
        .iter()
        .filter(|line| line["verdict"] == "DIVERGE")
        .map(|line| line["reason"].clone())
        .collect();
    assert_eq!(reasons, ["not_mirrored"]);
}
