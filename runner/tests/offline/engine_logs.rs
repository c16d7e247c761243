//! What people see of an engine that tells events: `aq logs`, and what it has used.

use std::fs;

use serde_json::{Value, json};

use crate::queue_fixture::QueueFixture;
use crate::recorded_engines::recorded_output;

/// A queue in which a job ran with an engine that printed this.
fn with_output(engine: &str, output: &str) -> QueueFixture {
    let fixture = QueueFixture::new();
    fs::write(fixture.path("output"), output).unwrap();
    fixture.engine(engine, "cat $FIXTURE/output");
    add(&fixture, "a", engine);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    fixture
}

fn add(fixture: &QueueFixture, id: &str, engine: &str) {
    let file = fixture.file(id, &format!("engine: {engine}"), "work");
    assert_eq!(fixture.aq(&["add", &file]).code, 0);
}

fn json_of(fixture: &QueueFixture, arguments: &[&str]) -> Value {
    serde_json::from_str(&fixture.aq(arguments).stdout).unwrap()
}

#[test]
fn events_are_shown_as_what_was_said_and_done_and_raw_gives_the_bytes() {
    for (engine, tool, used) in [
        (
            "claude",
            "> Bash  echo from the tool\n",
            "300 tokens in, 14 out, $0.0015",
        ),
        (
            "codex",
            "> shell  /bin/bash -lc 'echo from the tool'\n",
            "240 tokens in, 14 out",
        ),
        (
            "gemini",
            "> run_shell_command  echo from the tool\n",
            "240 tokens in, 14 out",
        ),
        (
            "opencode",
            "> bash  echo from the tool\n",
            "300 tokens in, 14 out, $0.0009",
        ),
    ] {
        let output = recorded_output(engine, "tool");
        let fixture = with_output(engine, &output);
        let shown = fixture.aq(&["logs", "a"]).stdout;
        let expected = format!("{tool}All is done.\nsuccess ({used})\n");
        assert!(shown.ends_with(&expected), "{engine}: {shown}");
        assert!(!shown.contains("\"type\""), "{engine}: {shown}");
        assert_eq!(fixture.aq(&["logs", "--raw", "a"]).stdout, output, "{engine}");
    }
}

#[test]
fn a_failure_and_what_is_no_event_are_shown_too() {
    let fixture = with_output("gemini", &recorded_output("gemini", "refusal"));
    let shown = fixture.aq(&["logs", "a"]).stdout;
    let words = "The model response was blocked due to safety settings.";
    let expected = format!("{words}\nfailure (120 tokens in, 7 out)\n");
    assert!(shown.ends_with(&expected), "{shown}");
    assert!(shown.contains("YOLO mode is enabled."), "{shown}");
    let failed = r#"{"type":"user","message":{"content":[{"type":"tool_result","is_error":true,"content":"no\nsuch file"}]}}"#;
    let fixture = with_output("claude", &format!("{failed}\ntorn {{\n{{\"type\":\"resu"));
    assert_eq!(
        fixture.aq(&["logs", "a"]).stdout,
        "  failed: no such file\ntorn {\n{\"type\":\"resu\n"
    );
}

#[test]
fn parts_of_a_text_are_put_together() {
    let part = |text: &str| {
        let event = json!({"type": "message", "role": "assistant", "content": text, "delta": true});
        format!("{event}\n")
    };
    let call = r#"{"type":"tool_use","tool_name":"read","parameters":{"file_path":"a.txt"}}"#;
    let output = format!(
        "{}{}{call}\n{}",
        part("All is "),
        part("done.\nSo"),
        part(" be it")
    );
    let fixture = with_output("gemini", &output);
    assert_eq!(
        fixture.aq(&["logs", "a"]).stdout,
        "All is done.\nSo\n> read  a.txt\n be it\n"
    );
}

#[test]
fn nothing_in_an_event_steers_the_terminal() {
    let text = "\u{1b}]0;title\u{7}\u{202e}red\r";
    let said = json!({"type": "text", "part": {"text": text}});
    let tool = json!({"type": "tool_use", "part": {"tool": text, "state": {"input": {"command": text}}}});
    let error = json!({"type": "error", "error": {"name": "x", "data": {"message": text}}});
    let fixture = with_output("opencode", &format!("{said}\n{tool}\n{error}\n{text}\n"));
    let shown = fixture.aq(&["logs", "a"]).stdout;
    assert!(
        !shown.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']),
        "{shown:?}"
    );
    assert_eq!(shown.matches("\\u{1b}]0;title").count(), 5, "{shown}");
}

#[test]
fn events_are_followed_to_the_end() {
    let output = recorded_output("claude", "tool");
    let (first, second) = output.split_at(output.find("All is").unwrap());
    for (arguments, expected) in [
        (
            ["logs", "-f", "a"].as_slice(),
            "All is done.\nsuccess (300 tokens in, 14 out, $0.0015)\n",
        ),
        (&["logs", "-f", "--raw", "a"], second),
    ] {
        let fixture = QueueFixture::new();
        fs::write(fixture.path("first"), first).unwrap();
        fs::write(fixture.path("second"), second).unwrap();
        fixture.pipes(&["up", "go"]);
        let script = "cat $FIXTURE/first; echo > $FIXTURE/up; read x < $FIXTURE/go; cat $FIXTURE/second";
        fixture.engine("claude", script);
        add(&fixture, "a", "claude");
        let follower = fixture.start(arguments, &[]);
        let run = fixture.start(&["run", "--drain"], &[]);
        fixture.wait_for("up");
        fixture.release("go");
        assert_eq!(run.end().code, 0);
        let shown = follower.end();
        assert_eq!(shown.code, 0, "{}", shown.stderr);
        assert!(shown.stdout.ends_with(expected), "{}", shown.stdout);
    }
}

#[test]
fn what_an_engine_has_used_is_told_of_the_job_and_of_the_runner() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "go"]);
    fixture.stand_in("claude", "tool", "");
    fixture.stand_in(
        "codex",
        "success",
        "test $AQ_ATTEMPT = 2 || exec cat $FIXTURE/codex.success.out /no/such",
    );
    add(&fixture, "a", "claude");
    let file = fixture.file("b", "engine: codex\nretries: 1\nverify: 'true'", "work");
    assert_eq!(fixture.aq(&["add", &file]).code, 0);
    fixture.add("last", "", "echo > $FIXTURE/up; read x < $FIXTURE/go");
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    let status = json_of(&fixture, &["status", "--json"]);
    let text = fixture.aq(&["status"]).stdout;
    fixture.release("go");
    assert_eq!(run.end().code, 0);
    let used = json!({"inputTokens": 540, "outputTokens": 28, "costMicrousd": 1580});
    assert_eq!(status["runners"][0]["used"], used);
    assert!(text.contains("has used 540 tokens in, 28 out, $0.0015"), "{text}");

    let of_a = json!({"inputTokens": 300, "outputTokens": 14, "costMicrousd": 1580});
    let shown = json_of(&fixture, &["show", "a", "--json"]);
    assert_eq!([&shown["used"], &shown["logsOfAttempts"][0]["used"]], [&of_a; 2]);
    let shown = json_of(&fixture, &["show", "b", "--json"]);
    let once = json!({"inputTokens": 120, "outputTokens": 7});
    assert_eq!(shown["used"], json!({"inputTokens": 240, "outputTokens": 14}));
    assert_eq!(
        [0, 1].map(|attempt| &shown["logsOfAttempts"][attempt]["used"]),
        [&once; 2]
    );
    let text = fixture.aq(&["show", "a"]).stdout;
    assert!(
        text.contains("attempt 1  used 300 tokens in, 14 out, $0.0015"),
        "{text}"
    );
    assert_eq!(
        json_of(&fixture, &["show", "last", "--json"])["used"],
        Value::Null
    );
}
