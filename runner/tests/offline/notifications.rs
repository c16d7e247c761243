//! `[notify]`: a command of the operator is told what a person may want to know, and whatever it does harms no job.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::engine_breaker::add_jobs;
use crate::queue_fixture::{QueueFixture, ROUTE_ANYTHING};

/// A queue whose command of `[notify]` does this with its standard input.
fn notifying(script: &str, more: &str) -> QueueFixture {
    let fixture = QueueFixture::new();
    fixture.engine("tell", script);
    assert_eq!(fixture.aq(&["init"]).code, 0);
    settings(&fixture, &format!("[notify]\ncommand = \"tell\"\n{more}"));
    fixture
}

fn settings(fixture: &QueueFixture, text: &str) {
    fs::write(fixture.queue("aq.toml"), text).unwrap();
}

/// The objects that the command was told.
fn told(fixture: &QueueFixture) -> Vec<Value> {
    let lines = fixture.lines("told").into_iter();
    lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
}

/// As `EVENT JOB REASON`, in the order of the names.
fn summary(fixture: &QueueFixture) -> Vec<String> {
    let word = |object: &Value, key: &str| object[key].as_str().unwrap_or("-").to_owned();
    let line = |object: Value| ["event", "job", "reason"].map(|key| word(&object, key)).join(" ");
    let mut lines: Vec<String> = told(fixture).into_iter().map(line).collect();
    lines.sort();
    lines
}

const APPEND: &str = "cat >> $FIXTURE/told";

#[test]
fn each_job_that_needs_a_person_is_told_as_one_object_and_no_other_is() {
    let fixture = notifying(APPEND, "");
    fixture.add("fails", "", "echo no; exit 3");
    fixture.add("waits", "review: true", "true");
    fixture.add("rewrites", "", "echo more >> $AQ_QUEUE/building/rewrites.md");
    fixture.add("works", "", "true");
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(
        summary(&fixture),
        [
            "job_failed fails exit_code",
            "job_quarantined rewrites changed_in_work",
            "review_waiting waits -"
        ]
    );
    let objects = told(&fixture);
    let failed = objects.iter().find(|object| object["job"] == "fails").unwrap();
    assert_eq!(failed["engine"], "sh");
    assert_eq!(failed["queue"], fixture.path("queue").to_str().unwrap());
    assert_eq!(
        failed["host"],
        rustix::system::uname().nodename().to_str().unwrap()
    );
    assert!(failed["detail"].as_str().unwrap().contains('3'), "{failed}");
    let at = failed["at"].as_str().unwrap();
    assert!(at.ends_with('Z') && at.contains('T'), "{failed}");
    assert_eq!(failed.get("dropped"), None, "{failed}");
}

#[test]
fn a_file_that_is_no_job_is_told_like_a_job_that_failed() {
    let fixture = notifying(APPEND, "");
    fs::write(fixture.queue("inbox/odd.md"), "---\nengine: [\n---\n").unwrap();
    fixture.aq(&["run", "--drain"]);
    assert_eq!(summary(&fixture), ["job_failed odd job_invalid"]);
}

#[test]
fn a_pause_of_an_engine_is_told_with_its_cause_and_its_end() {
    let fixture = notifying(APPEND, "");
    fixture.engine(
        "claude",
        "[ \"$1\" = auth ] && exit 1\necho 'Invalid API key · Please run /login'; exit 1",
    );
    add_jobs(&fixture, "claude", "", &["a", "b"]);
    fixture.aq(&["run", "--drain"]);
    assert_eq!(summary(&fixture), ["engine_paused - login"]);
    let paused = &told(&fixture)[0];
    assert_eq!(paused["engine"], "claude");
    assert!(
        paused["detail"].as_str().unwrap().contains("Invalid API key"),
        "{paused}"
    );
    assert!(paused["at"].as_str() < paused["until"].as_str(), "{paused}");
}

#[test]
fn trouble_with_the_coordinator_and_its_end_are_told_once_each() {
    let fixture = notifying(APPEND, "");
    fixture.pipes(&["go"]);
    fixture.add("a", "", "read x < $FIXTURE/go");
    fixture.add("b", "", "true");
    let fails = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let failing = std::sync::Arc::clone(&fails);
    let coordinator = Coordinator::with(Value::Null, move |path, _| {
        let fails = failing.load(std::sync::atomic::Ordering::SeqCst);
        let is_claim = path.ends_with("/claims");
        is_claim.then_some(if fails {
            (503, json!({}))
        } else {
            (204, Value::Null)
        })
    });
    let variables = [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_SHADOW", "1"),
        ("AQ_FLEET_URL", coordinator.url.as_str()),
        ("AQ_FLEET_DRAIN", "20s"),
    ];
    let run = fixture.start(&["run", "--drain"], &variables);
    run.wait_for_message("status-503");
    fails.store(false, std::sync::atomic::Ordering::SeqCst);
    fixture.release("go");
    run.wait_for_message("answers again");
    assert_eq!(run.end().code, 0);
    assert_eq!(
        summary(&fixture),
        ["coordinator_back - -", "coordinator_lost - status-503"]
    );
    assert!(
        told(&fixture)[0]["detail"]
            .as_str()
            .unwrap()
            .contains("shadow.claim")
    );
}

#[test]
fn a_lost_lease_is_told_and_so_is_what_becomes_of_its_job() {
    let fixture = notifying(APPEND, ROUTE_ANYTHING);
    let job = json!({"id": "a", "engine": "sh", "body": "true", "review": true});
    let coordinator = Coordinator::with(job, |path, body| {
        let problem = json!({"type": "urn:x", "title": "Lost", "status": 409, "code": "lease_lost"});
        (path.ends_with("/reports") && body["stage"] == "review").then_some((409, problem))
    });
    let run = fixture.start(&["run"], &coordinator.route());
    coordinator.wait_for("quarantine");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
    assert_eq!(
        summary(&fixture),
        [
            "job_quarantined a lease_lost",
            "lease_lost a lease_lost",
            "review_waiting a -"
        ]
    );
}

#[test]
fn the_command_gets_its_arguments_the_folder_of_the_settings_and_no_token() {
    let fixture = notifying("{ echo \"$1|$2\"; pwd; env; } > $FIXTURE/seen", "");
    settings(&fixture, "[notify]\ncommand = [\"tell\", \"a b\", \"$X\"]\n");
    fixture.add("a", "", "exit 1");
    let token = [("AQ_FLEET_TOKEN", "a-secret"), ("PLAIN", "kept")];
    assert_eq!(fixture.aq_with(&token, &["run", "--drain"]).code, 0);
    let seen = fixture.lines("seen");
    assert_eq!(seen[0], "a b|$X");
    assert_eq!(seen[1], fixture.path("queue").to_str().unwrap());
    assert!(seen.contains(&"PLAIN=kept".to_owned()), "{seen:?}");
    assert!(!seen.iter().any(|line| line.contains("a-secret")), "{seen:?}");
}

#[test]
fn a_command_can_be_a_line_of_the_shell_or_a_file_beside_the_settings() {
    let fixture = notifying("exit 1", "");
    let script = "#!/bin/sh\ncat >> $FIXTURE/told\n";
    fs::write(fixture.queue("tell.sh"), script).unwrap();
    fs::set_permissions(fixture.queue("tell.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    for (number, command) in [
        "\"grep job_failed | cat >> $FIXTURE/told\"",
        "\"./tell.sh\"",
        "[\"./tell.sh\"]",
    ]
    .into_iter()
    .enumerate()
    {
        settings(&fixture, &format!("[notify]\ncommand = {command}\n"));
        fixture.add(&format!("a{number}"), "", "exit 1");
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(told(&fixture).len(), number + 1, "{command}: {}", done.stderr);
        let examined = fixture.aq(&["doctor"]).stdout;
        assert!(examined.contains("ok    notify"), "{examined}");
    }
}

#[test]
fn only_the_events_that_are_named_are_told() {
    let fixture = notifying(APPEND, "events = [\"review_waiting\", \"lease_lost\"]\n");
    fixture.add("fails", "", "exit 3");
    fixture.add("waits", "review: true", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(summary(&fixture), ["review_waiting waits -"]);
}

#[test]
fn a_command_that_fails_is_told_once_and_changes_nothing_else() {
    for (script, command, why) in [
        ("exit 7", "\"tell\"", "tell: it ended with exit code 7"),
        ("kill -9 $$", "[\"tell\"]", "a signal"),
        (
            "exit 0",
            "[\"/no/such/program\"]",
            "/no/such/program: there is no such program",
        ),
        ("exit 0", "\"/no/such/program\"", "exit code 127"),
    ] {
        let fixture = notifying(script, "");
        settings(&fixture, &format!("[notify]\ncommand = {command}\n"));
        for id in ["a", "b", "c"] {
            fixture.add(id, "", "exit 1");
        }
        fixture.add("d", "", "true");
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(done.code, 0, "{done:?}");
        let warnings: Vec<&str> = done
            .stderr
            .lines()
            .filter(|line| line.contains("[notify]"))
            .collect();
        assert!(
            warnings.len() == 1 && warnings[0].contains(why),
            "{why}: {done:?}"
        );
        assert_eq!(fixture.stage("d"), "shipped");
        assert_eq!(done.stdout, "1 shipped, 3 failed\n");
    }
}

#[test]
fn a_command_that_hangs_is_ended_with_all_it_started_and_the_next_object_is_told() {
    let fixture = notifying(
        "if mkdir $FIXTURE/first 2>/dev/null; then echo $$ > $FIXTURE/one; sh -c 'trap \"\" TERM; echo $$ > $FIXTURE/two; \
         while :; do sleep 1000; done' & wait; fi; cat >> $FIXTURE/told",
        "timeout = \"500ms\"\n",
    );
    fixture.add("a", "", "exit 1");
    fixture.add("b", "", "exit 1");
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(summary(&fixture), ["job_failed b exit_code"], "{done:?}");
    assert!(done.stderr.contains("did not end within 0.5s"), "{done:?}");
    fixture.assert_none_lives(&["one", "two"]);
}

#[test]
fn the_end_of_a_run_waits_for_a_command_that_hangs_no_longer_than_a_bound() {
    for stopped in [false, true] {
        let fixture = notifying("echo > $FIXTURE/up; exec sleep 1000", "timeout = \"1h\"\n");
        fixture.pipe("up");
        fixture.add("a", "", "exit 1");
        let run = fixture.start(if stopped { &["run"] } else { &["run", "--drain"] }, &[]);
        fixture.wait_for("up");
        if stopped {
            run.signal(Signal::TERM);
        }
        let done = run.end();
        assert_eq!(done.code, if stopped { 143 } else { 0 }, "{done:?}");
        assert!(
            done.stderr.contains("1 notification was not delivered"),
            "{done:?}"
        );
    }
}

#[test]
fn of_a_flood_the_oldest_are_dropped_and_the_next_object_says_how_many() {
    let fixture = notifying(
        "cat >> $FIXTURE/told; mkdir $FIXTURE/first 2>/dev/null || exit 0; echo > $FIXTURE/up; read x < $FIXTURE/go",
        "",
    );
    fixture.pipes(&["up", "go", "last"]);
    for number in 10..60 {
        fixture.add(&format!("j{number}"), "", "exit 1");
    }
    fixture.add("z", "", "echo > $FIXTURE/last");
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    fixture.wait_for("last");
    fixture.release("go");
    assert_eq!(run.end().code, 0);
    let objects = told(&fixture);
    assert_eq!(objects[0].get("dropped"), None);
    let dropped = objects[1]["dropped"].as_u64().unwrap();
    assert_eq!(objects.len() as u64 + dropped, 50, "{objects:?}");
    assert!(objects[2..].iter().all(|object| object.get("dropped").is_none()));
    assert_eq!(objects.last().unwrap()["job"], "j59");
}

#[test]
fn settings_that_can_not_be_meant_are_refused_with_what_to_write() {
    for (text, hint) in [
        ("events = [\"job_faild\"]\ncommand = \"x\"", "job_failed"),
        ("events = [\"job_failed\"]", "command"),
        ("command = \"\"", "a line for the shell"),
        ("command = []", "a line for the shell"),
        ("command = \"x\"\nargs = [\"y\"]", "args"),
        ("command = \"x\"\ntimeout = \"0s\"", "limit"),
        ("comand = \"x\"", "command"),
    ] {
        let fixture = notifying(APPEND, "");
        settings(&fixture, &format!("[notify]\n{text}\n"));
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(done.code, 2, "{text}: {done:?}");
        assert!(
            done.stderr.contains("aq.toml") && done.stderr.contains(hint),
            "{text}: {done:?}"
        );
    }
}

#[test]
fn doctor_says_whether_the_command_is_there() {
    let fixture = notifying(APPEND, "");
    let done = fixture.aq(&["doctor"]);
    assert!(done.stdout.contains("ok    notify"), "{}", done.stdout);
    settings(&fixture, "[notify]\ncommand = \"no-such-program\"\n");
    let done = fixture.aq(&["doctor"]);
    assert_eq!(done.code, 1);
    assert!(done.stdout.contains("no-such-program"), "{}", done.stdout);
}
