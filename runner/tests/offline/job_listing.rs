//! What `aq list`, `aq status`, `aq show` and `aq logs` tell of jobs: the right ones, all of it, and when it is time.

use std::fs;

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::queue_fixture::QueueFixture;

fn told(fixture: &QueueFixture, arguments: &[&str]) -> Value {
    let done = fixture.aq(arguments);
    serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {done:?}"))
}

fn ids(list: &Value) -> Vec<&str> {
    let jobs = list.as_array().unwrap().iter();
    jobs.map(|job| job["id"].as_str().unwrap()).collect()
}

#[test]
fn the_latest_ends_are_listed_and_how_many_more_there_are() {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    for number in 0..10 {
        fixture.add(&format!("j{number}"), "", "true");
    }
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let list = told(&fixture, &["list", "--json"]);
    assert!(ids(&list).len() == 10 && !ids(&list).contains(&"first"), "{list}");
    let text = fixture.aq(&["list"]).stdout;
    assert!(text.contains("and 1 more shipped: `aq list --all`"), "{text}");
    let all = told(&fixture, &["list", "--all", "--json"]);
    assert!(ids(&all).len() == 11 && ids(&all).contains(&"first"), "{all}");
    assert!(!fixture.aq(&["list", "--all"]).stdout.contains("more shipped"));
}

#[test]
fn a_program_is_told_of_a_listed_job_what_a_person_sees() {
    let fixture = QueueFixture::new();
    fixture.add("a", "retries: 1\nlock: l\npriority: 2", "exit 3");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let mut list = told(&fixture, &["list", "--json"]);
    let since = list[0]["since"].take();
    let history = told(&fixture, &["show", "a", "--json"])["history"].take();
    assert_eq!(since, history.as_array().unwrap().last().unwrap()["at"]);
    let expected = json!([{"id": "a", "stage": "failed", "engine": "sh", "priority": 2, "lock": "l",
                           "attempts": 2, "since": null, "reason": "exit_code", "detail": "exit 3", "retryAt": null}]);
    assert_eq!(list, expected);
}

#[test]
fn a_reason_of_another_version_is_shown_as_it_stands() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "exit 3");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let history = fixture.queue(".state/jobs/a/history.jsonl");
    let known = std::fs::read_to_string(&history).unwrap();
    let earlier = known.replace(
        r#""reason":"exit_code","detail":"exit 3""#,
        r#""reason":"exit 3: gone""#,
    );
    assert_ne!(earlier, known);
    std::fs::write(&history, earlier).unwrap();
    assert_eq!(fixture.reason("a"), "exit 3: gone");
    for command in [&["show", "a"][..], &["list"]] {
        let shown = fixture.aq(command);
        assert!(
            shown.code == 0 && shown.stdout.contains("exit 3: gone"),
            "{}",
            shown.stdout
        );
    }
    assert_eq!(fixture.aq(&["retry", "a"]).code, 0);
}

#[test]
fn a_job_that_is_verified_runs_as_much_as_one_that_is_built() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "go"]);
    fixture.add("a", "verify: 'echo > $FIXTURE/up; read x < $FIXTURE/go'", "true");
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    let running = told(&fixture, &["status", "--json"])["running"].take();
    assert_eq!(ids(&running), ["a"]);
    assert_eq!(running[0]["stage"], "testing");
    assert_eq!(told(&fixture, &["pause", "--json"])["running"], 1);
    fixture.release("go");
    assert_eq!(run.end().code, 0);
}

#[test]
fn each_attempt_has_its_own_log_and_following_one_ends_with_it() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "go"]);
    fixture.add(
        "a",
        "retries: 1",
        "echo attempt $AQ_ATTEMPT; echo > $FIXTURE/up; read x < $FIXTURE/go; exit 3",
    );
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    let follower = fixture.start(&["logs", "-f", "--attempt", "1", "a"], &[]);
    fixture.release("go");
    // The second attempt runs, and goes on to do so until who follows the first has ended.
    fixture.wait_for("up");
    assert_eq!(follower.end().stdout, "attempt 1\n");
    fixture.release("go");
    assert_eq!(run.end().code, 0);
    assert_eq!(fixture.aq(&["logs", "a"]).stdout, "attempt 2\n");
    assert_eq!(fixture.aq(&["logs", "--attempt", "1", "a"]).stdout, "attempt 1\n");
}

#[test]
fn of_a_job_that_was_never_started_there_is_no_log_and_no_advice_to_look_at_one() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    fs::write(fixture.queue("inbox/bad.md"), "no job").unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let text = fixture.aq(&["show", "bad"]).stdout;
    assert!(text.contains("correct the file and `aq retry bad`"), "{text}");
    assert_eq!(told(&fixture, &["show", "bad", "--json"])["logs"], json!([]));
    // This one printed nothing: there is a file, and nothing in it that is worth a line.
    let shown = told(&fixture, &["show", "a", "--json"]);
    assert_eq!(
        shown["logsOfAttempts"],
        json!([{"attempt": 1, "logs": [], "used": null}])
    );
    let logs: Vec<&str> = shown["logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path.as_str().unwrap())
        .collect();
    assert!(logs.len() == 1 && logs[0].ends_with("engine.out"), "{logs:?}");
    assert!(!fixture.aq(&["show", "a"]).stdout.contains("engine.out"));
}

#[test]
fn under_which_lease_a_job_was_done_is_told() {
    let fixture = QueueFixture::new();
    fixture.add("own", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let job = json!({"id": "a", "engine": "sh", "body": "true"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let route = coordinator.route();
    assert_eq!(fixture.aq_with(&route, &["run", "--drain"]).code, 0);
    let text = fixture.aq(&["show", "a"]).stdout;
    assert!(text.contains("lease-1, fencing token 7"), "{text}");
    assert!(!fixture.aq(&["show", "own"]).stdout.contains("LEASE"));
}

#[test]
fn a_completion_script_knows_the_commands_and_asks_for_no_settings() {
    let fixture = QueueFixture::new();
    for shell in ["bash", "fish", "zsh"] {
        let script = fixture.aq_with(&[("AQ_FLEET", "perhaps")], &["completions", shell]);
        assert_eq!(script.code, 0, "{}", script.stderr);
        for word in ["fleet-shadow-report", "prune", "older-than"] {
            assert!(script.stdout.contains(word), "{shell}: no {word}");
        }
    }
    assert_eq!(fixture.aq(&["man", "help"]).code, 1);
}
