//! What `aq list`, `aq status`, `aq show` and `aq logs` tell of jobs: the right ones, all of it, and when it is time.

use std::fs;

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::rig::Rig;

fn told(rig: &Rig, arguments: &[&str]) -> Value {
    let done = rig.aq(arguments);
    serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {done:?}"))
}

fn ids(list: &Value) -> Vec<&str> {
    let jobs = list.as_array().unwrap().iter();
    jobs.map(|job| job["id"].as_str().unwrap()).collect()
}

#[test]
fn the_latest_ends_are_listed_and_how_many_more_there_are() {
    let rig = Rig::new();
    rig.add("first", "", "true");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    for number in 0..10 {
        rig.add(&format!("j{number}"), "", "true");
    }
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let list = told(&rig, &["list", "--json"]);
    assert!(ids(&list).len() == 10 && !ids(&list).contains(&"first"), "{list}");
    let text = rig.aq(&["list"]).stdout;
    assert!(text.contains("and 1 more shipped: `aq list --all`"), "{text}");
    let all = told(&rig, &["list", "--all", "--json"]);
    assert!(ids(&all).len() == 11 && ids(&all).contains(&"first"), "{all}");
    assert!(!rig.aq(&["list", "--all"]).stdout.contains("more shipped"));
}

#[test]
fn a_program_is_told_of_a_listed_job_what_a_person_sees() {
    let rig = Rig::new();
    rig.add("a", "retries: 1\nlock: l\npriority: 2", "exit 3");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let mut list = told(&rig, &["list", "--json"]);
    let since = list[0]["since"].take();
    let history = told(&rig, &["show", "a", "--json"])["history"].take();
    assert_eq!(since, history.as_array().unwrap().last().unwrap()["at"]);
    let expected = json!([{"id": "a", "stage": "failed", "engine": "sh", "priority": 2, "lock": "l",
                           "attempts": 2, "since": null, "reason": "exit_code", "detail": "exit 3"}]);
    assert_eq!(list, expected);
}

#[test]
fn a_reason_of_another_version_is_shown_as_it_stands() {
    let rig = Rig::new();
    rig.add("a", "", "exit 3");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let history = rig.queue(".state/jobs/a/history.jsonl");
    let known = std::fs::read_to_string(&history).unwrap();
    let earlier = known.replace(
        r#""reason":"exit_code","detail":"exit 3""#,
        r#""reason":"exit 3: gone""#,
    );
    assert_ne!(earlier, known);
    std::fs::write(&history, earlier).unwrap();
    assert_eq!(rig.reason("a"), "exit 3: gone");
    for command in [&["show", "a"][..], &["list"]] {
        let shown = rig.aq(command);
        assert!(
            shown.code == 0 && shown.stdout.contains("exit 3: gone"),
            "{}",
            shown.stdout
        );
    }
    assert_eq!(rig.aq(&["retry", "a"]).code, 0);
}

#[test]
fn a_job_that_is_verified_runs_as_much_as_one_that_is_built() {
    let rig = Rig::new();
    rig.pipes(&["up", "go"]);
    rig.add("a", "verify: 'echo > $RIG/up; read x < $RIG/go'", "true");
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear("up");
    let running = told(&rig, &["status", "--json"])["running"].take();
    assert_eq!(ids(&running), ["a"]);
    assert_eq!(running[0]["stage"], "testing");
    assert_eq!(told(&rig, &["pause", "--json"])["running"], 1);
    rig.release("go");
    assert_eq!(run.end().code, 0);
}

#[test]
fn each_attempt_has_its_own_log_and_following_one_ends_with_it() {
    let rig = Rig::new();
    rig.pipes(&["up", "go"]);
    rig.add(
        "a",
        "retries: 1",
        "echo attempt $AQ_ATTEMPT; echo > $RIG/up; read x < $RIG/go; exit 3",
    );
    let run = rig.start(&["run", "--drain"], &[]);
    rig.hear("up");
    let follower = rig.start(&["logs", "-f", "--attempt", "1", "a"], &[]);
    rig.release("go");
    // The second attempt runs, and goes on to do so until who follows the first has ended.
    rig.hear("up");
    assert_eq!(follower.end().stdout, "attempt 1\n");
    rig.release("go");
    assert_eq!(run.end().code, 0);
    assert_eq!(rig.aq(&["logs", "a"]).stdout, "attempt 2\n");
    assert_eq!(rig.aq(&["logs", "--attempt", "1", "a"]).stdout, "attempt 1\n");
}

#[test]
fn of_a_job_that_was_never_started_there_is_no_log_and_no_advice_to_look_at_one() {
    let rig = Rig::new();
    rig.add("a", "", "true");
    fs::write(rig.queue("inbox/bad.md"), "no job").unwrap();
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let text = rig.aq(&["show", "bad"]).stdout;
    assert!(text.contains("correct the file and `aq retry bad`"), "{text}");
    assert_eq!(told(&rig, &["show", "bad", "--json"])["logs"], json!([]));
    // This one printed nothing: there is a file, and nothing in it that is worth a line.
    let shown = told(&rig, &["show", "a", "--json"]);
    assert_eq!(shown["logsOfAttempts"], json!([{"attempt": 1, "logs": []}]));
    let logs: Vec<&str> = shown["logs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path.as_str().unwrap())
        .collect();
    assert!(logs.len() == 1 && logs[0].ends_with("engine.out"), "{logs:?}");
    assert!(!rig.aq(&["show", "a"]).stdout.contains("engine.out"));
}

#[test]
fn under_which_lease_a_job_was_done_is_told() {
    let rig = Rig::new();
    rig.add("own", "", "true");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let job = json!({"id": "a", "engine": "sh", "body": "true"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let route = coordinator.route();
    assert_eq!(rig.aq_with(&route, &["run", "--drain"]).code, 0);
    let text = rig.aq(&["show", "a"]).stdout;
    assert!(text.contains("lease-1, fencing token 7"), "{text}");
    assert!(!rig.aq(&["show", "own"]).stdout.contains("LEASE"));
}

#[test]
fn a_completion_script_knows_the_commands_and_asks_for_no_settings() {
    let rig = Rig::new();
    for shell in ["bash", "fish", "zsh"] {
        let script = rig.aq_with(&[("AQ_FLEET", "perhaps")], &["completions", shell]);
        assert_eq!(script.code, 0, "{}", script.stderr);
        for word in ["fleet-shadow-report", "prune", "older-than"] {
            assert!(script.stdout.contains(word), "{shell}: no {word}");
        }
    }
    assert_eq!(rig.aq(&["man", "help"]).code, 1);
}
