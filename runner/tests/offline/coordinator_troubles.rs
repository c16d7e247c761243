//! What people are told of a coordinator that does not do what they need of it.

use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::{Coordinator, WAIT_MAX};
use crate::queue_fixture::QueueFixture;

/// Answers what any coordinator does, and dry runs with this status.
fn with_dry_run(status: u16, body: Value) -> Coordinator {
    Coordinator::with(Value::Null, move |path, _| match path {
        "/v1/health" => Some((200, json!({"status": "ok"}))),
        "/v1/shadow/claims" => Some((status, body.clone())),
        path if path.contains("/release") => Some((200, json!({}))),
        _ => Some((200, json!({"jobs": []}))),
    })
}

fn findings(fixture: &QueueFixture, variables: &[(&str, &str)]) -> (i32, Vec<Value>) {
    let done = fixture.aq_with(variables, &["doctor", "--json"]);
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    (done.code, told["findings"].as_array().unwrap().clone())
}

fn is_told(findings: &[Value], level: &str, text: &str) -> bool {
    findings
        .iter()
        .any(|found| found["level"] == level && found["text"].as_str().unwrap().contains(text))
}

#[test]
fn a_missing_dry_run_is_told_by_doctor_and_by_fleet_status() {
    let leased = json!({"dryRun": false, "job": {"id": "x"}, "lease": {"id": "lease-9", "fencingToken": 9}});
    for (status, body, level, text, support) in [
        (
            404,
            Value::Null,
            "fail",
            "dry-run-unsupported",
            "dry-run-unsupported",
        ),
        (
            501,
            Value::Null,
            "fail",
            "dry-run-unsupported",
            "dry-run-unsupported",
        ),
        (
            200,
            leased,
            "fail",
            "dry-run-not-honoured",
            "dry-run-not-honoured",
        ),
        (204, Value::Null, "ok", "it answers dry runs", "answered"),
    ] {
        let fixture = QueueFixture::new();
        assert_eq!(fixture.aq(&["init"]).code, 0);
        let coordinator = with_dry_run(status, body);
        let url = coordinator.url.as_str();
        let shadow = [("AQ_FLEET", "1"), ("AQ_FLEET_SHADOW", "1"), ("AQ_FLEET_URL", url)];
        let (code, found) = findings(&fixture, &shadow);
        assert!(is_told(&found, level, text), "{status}: {found:?}");
        assert_eq!(code, i32::from(level == "fail"), "{status}");
        let contact = fixture.aq_with(&shadow, &["fleet-status", "--json"]);
        let contact: Value = serde_json::from_str(&contact.stdout).unwrap();
        assert_eq!(contact["coordinator"]["dryRun"], support, "{status}");
        let shown = fixture.aq_with(&shadow, &["fleet-status"]).stdout;
        assert_eq!(shown.contains(text), level == "fail", "{status}: {shown}");
        // Where nothing is compared, none is asked for.
        let (_, found) = findings(
            &fixture,
            &shadow[..1]
                .iter()
                .chain(&shadow[2..])
                .copied()
                .collect::<Vec<_>>(),
        );
        assert!(!is_told(&found, level, text), "{status}: {found:?}");
    }
}

#[test]
fn the_gate_says_that_a_dry_run_is_missing() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    let coordinator = with_dry_run(404, Value::Null);
    let variables = [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_SHADOW", "1"),
        ("AQ_FLEET_URL", coordinator.url.as_str()),
    ];
    assert_eq!(fixture.aq_with(&variables, &["run", "--drain"]).code, 0);
    let log = fs::read_to_string(fixture.queue(".state/fleet-shadow.log")).unwrap();
    assert!(log.contains("dry-run-unsupported"), "{log}");
    let gate = fixture.aq(&["fleet-shadow-report", "--gate"]);
    let first = gate
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("gate "))
        .nth(1);
    let is_told = first
        .is_some_and(|line| line.contains("no comparison is possible: the coordinator had no dry run for "));
    assert!(gate.code == 3 && is_told, "{}", gate.stdout);
}

#[test]
fn the_advice_about_a_coordinator_depends_on_how_far_a_call_came() {
    let token = [("AQ_FLEET_TOKEN", "sesame")];
    for (health, status, with_token, level, text) in [
        (500, 200, false, "fail", "it runs and has trouble of its own"),
        (503, 200, true, "fail", "it runs and has trouble of its own"),
        (404, 200, false, "fail", "is AQ_FLEET_URL right?"),
        (200, 403, true, "fail", "look at the token and its scopes"),
        (200, 500, true, "fail", "it runs and has trouble of its own"),
        (200, 200, true, "ok", "it takes the token"),
        (200, 200, false, "ok", "it asks for no token"),
    ] {
        let fixture = QueueFixture::new();
        assert_eq!(fixture.aq(&["init"]).code, 0);
        let coordinator = Coordinator::with(Value::Null, move |path, _| match path {
            "/v1/health" => Some((health, json!({"status": "ok"}))),
            _ => Some((status, json!({"jobs": []}))),
        });
        let fleet = [("AQ_FLEET", "1"), ("AQ_FLEET_URL", coordinator.url.as_str())];
        let variables = [&fleet[..], if with_token { &token } else { &[] }].concat();
        let (_, found) = findings(&fixture, &variables);
        let advised = found
            .iter()
            .any(|found| found["next"].as_str().is_some_and(|next| next.contains(text)));
        assert!(
            advised || is_told(&found, level, text),
            "{health} {status}: {found:?}"
        );
        assert!(
            with_token || !is_told(&found, "ok", "takes the token"),
            "{found:?}"
        );
    }
}

#[test]
fn an_engine_that_nobody_asks_for_is_a_note_and_not_in_order() {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    let (code, found) = findings(&fixture, &[]);
    let of = |level: &'static str| found.iter().filter(move |found| found["level"] == level);
    assert!(of("note").any(|found| found["subject"] == "claude"), "{found:?}");
    assert!(
        !of("ok").any(|found| found["text"].as_str().unwrap().contains("not found")),
        "{found:?}"
    );
    assert_eq!(
        (code, of("warn").filter(|found| found["subject"] == "sh").count()),
        (0, 0),
        "{found:?}"
    );
}

#[test]
fn a_routed_run_that_waits_for_an_answer_at_its_end_says_so_and_ends_at_once_at_the_next_signal() {
    for is_answered in [true, false] {
        let fixture = QueueFixture::new();
        assert_eq!(fixture.aq(&["init"]).code, 0);
        let (answer, held) = channel::<()>();
        let (asks, asked) = channel();
        let held = Mutex::new(held);
        let coordinator = Coordinator::with(Value::Null, move |path, _| {
            path.ends_with("/claims").then(|| {
                asks.send(()).unwrap();
                let _ = held.lock().unwrap().recv_timeout(WAIT_MAX);
                (204, Value::Null)
            })
        });
        let variables = [
            &coordinator.route()[..],
            &[("AQ_FLEET_DRAIN", "1m"), ("AQ_FLEET_TIMEOUT", "1m")],
        ]
        .concat();
        let run = fixture.start(&["run"], &variables);
        asked.recv_timeout(WAIT_MAX).unwrap();
        run.signal(Signal::INT);
        run.wait_for_message("ending: what the coordinator was asked");
        match is_answered {
            true => answer.send(()).unwrap(),
            false => run.signal(Signal::INT),
        }
        let done = run.end();
        assert_eq!(done.code, 130, "{}", done.stderr);
        assert_eq!(
            done.stderr.contains("stays leased until its lease runs out"),
            !is_answered,
            "{}",
            done.stderr
        );
    }
}

#[test]
fn a_routed_job_in_quarantine_is_not_advised_to_be_retried() {
    let fixture = QueueFixture::new();
    let job = json!({"id": "a", "engine": "sh", "body": "echo hello"});
    let coordinator = Coordinator::with(job, |path, _| {
        path.contains("/renew").then(|| {
            (
                409,
                json!({"type": "about:blank", "title": "no", "status": 409, "code": "lease_lost"}),
            )
        })
    });
    assert_eq!(fixture.aq(&["init"]).code, 0);
    let script = "[route]\nallow_engines = [\"sh\"]\nallow_commands = \"any\"\n";
    fs::write(fixture.queue("aq.toml"), script).unwrap();
    fixture.aq_with(&coordinator.route(), &["run", "--drain"]);
    for stage in ["quarantine", "failed"] {
        if fixture.stage("a") != stage {
            let from = fixture.queue(&fixture.stage("a")).join("a.md");
            fs::rename(from, fixture.queue(stage).join("a.md")).unwrap();
        }
        let shown = fixture.aq(&["show", "a"]).stdout;
        assert!(
            !shown.contains("aq retry") && shown.contains("add it under another name"),
            "{stage}: {shown}"
        );
        assert_eq!(fixture.aq(&["retry", "a"]).code, 1);
    }
}

#[test]
fn one_is_no_plural() {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    let line = |decision| {
        format!(
            "{{\"ts\":\"2026-03-02T09:30:45.250Z\",\"event\":\"comparison\",\"localJob\":\"a\",\"coordJob\":\"a\",\"verdict\":\"AGREE\",\"decision\":\"{decision}\"}}\n"
        )
    };
    for (lines, told) in [
        (
            line(1),
            [
                "1 of 1 comparison\n",
                "1 of 1 decision compared\n",
                "coverage   100.0 %",
            ],
        ),
        (
            line(1) + &line(2),
            [
                "2 of 2 comparisons\n",
                "2 of 2 decisions compared\n",
                "evidence: 447 more decisions without a disagreement",
            ],
        ),
    ] {
        fs::write(fixture.queue(".state/fleet-shadow.log"), lines).unwrap();
        let report = fixture.aq(&["fleet-shadow-report", "--gate"]).stdout;
        assert!(told.iter().all(|text| report.contains(text)), "{report}");
    }
}
