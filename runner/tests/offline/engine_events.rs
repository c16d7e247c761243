//! What engines tell in their events, and where they tell none in their last line: O-12, O-14.

use std::fs;

use serde_json::Value;

use crate::engine_breaker::paused;
use crate::queue_fixture::QueueFixture;
use crate::recorded_engines::{recorded_cases, recorded_output};

const CLAUDE_SUCCESS: &str = r#"{"type":"result","subtype":"success","is_error":false,"result":"Done."}"#;

/// Runs a job with an engine that prints this, and ends with that exit code.
fn run_with(engine: &str, keys: &str, output: &str, exit: i32) -> QueueFixture {
    run_in_zone(engine, keys, output, exit, &[])
}

fn run_in_zone(
    engine: &str,
    keys: &str,
    output: &str,
    exit: i32,
    variables: &[(&str, &str)],
) -> QueueFixture {
    let fixture = QueueFixture::new();
    fs::write(fixture.path("output"), output).unwrap();
    let program = engine.split('\n').next().unwrap();
    fixture.engine(
        program,
        &format!("echo >> $FIXTURE/runs; cat $FIXTURE/output; exit {exit}"),
    );
    if let Some((_, table)) = engine.split_once('\n') {
        fs::create_dir(fixture.queue("")).unwrap();
        fs::write(fixture.queue("aq.toml"), table).unwrap();
    }
    let keys = format!("engine: {program}\n{keys}");
    let file = fixture.file("a", keys.trim(), "work");
    assert_eq!(fixture.aq(&["add", &file]).code, 0);
    fixture.aq_with(variables, &["run", "--drain"]);
    fixture
}

fn end_of(fixture: &QueueFixture) -> (String, String) {
    (fixture.stage("a"), fixture.reason("a"))
}

fn end(stage: &str, reason: &str) -> (String, String) {
    (stage.to_owned(), reason.to_owned())
}

/// How long the engine pauses.
fn pause_s(fixture: &QueueFixture) -> u64 {
    let status: Value = serde_json::from_str(&fixture.aq(&["status", "--json"]).stdout).unwrap();
    status["paused"][0]["leftMs"].as_u64().unwrap() / 1000
}

#[test]
fn each_engine_is_understood_in_each_case_that_was_recorded() {
    for [engine, case, stage, reason] in recorded_cases() {
        if engine == "amp" {
            continue;
        }
        let fixture = QueueFixture::new();
        fixture.stand_in(&engine, &case, "");
        let file = fixture.file(
            "a",
            &format!("engine: {engine}\nship: touch $FIXTURE/shipped"),
            "work",
        );
        assert_eq!(fixture.aq(&["add", &file]).code, 0);
        fixture.aq(&["run", "--drain"]);
        let expected = if reason == "-" { "none" } else { &reason };
        assert_eq!(end_of(&fixture), end(&stage, expected), "{engine} {case}");
        assert_eq!(
            fixture.path("shipped").exists(),
            stage == "shipped",
            "{engine} {case}"
        );
    }
}

#[test]
fn exit_code_0_without_the_event_of_success_ships_nothing() {
    let warning = "(node:1) Warning: x\n";
    let torn = &CLAUDE_SUCCESS[..CLAUDE_SUCCESS.len() - 1];
    let inside = format!(
        r#"{{"type":"user","message":{{"content":"{}"}}}}"#,
        CLAUDE_SUCCESS.replace('"', "\\\"")
    );
    let error = r#"{"type":"result","subtype":"success","is_error":true,"result":"API Error: 500"}"#;
    let cases = [
        ("claude", format!("API Error: 500\n{warning}")),
        ("claude", String::new()),
        ("claude", format!("{error}\n{warning}")),
        ("claude", torn.to_owned()),
        ("claude", inside),
        ("claude", format!("{CLAUDE_SUCCESS}\n{error}\n")),
        ("codex", "ERROR: no such model\ntokens used: 7\n".to_owned()),
        ("codex", r#"{"type":"turn.completed","usage":{}}"#.to_owned()),
        ("gemini", "Loaded cached credentials.\n".to_owned()),
        (
            "gemini",
            r#"{"type":"result","status":"success","stats":{}}"#.to_owned(),
        ),
        ("opencode", "\u{1b}[0m\n> build · m\n".to_owned()),
        (
            "opencode",
            r#"{"type":"step_finish","part":{"reason":"tool-calls"}}"#.to_owned(),
        ),
    ];
    for (engine, output) in cases {
        let fixture = run_with(engine, "ship: touch $FIXTURE/shipped", &output, 0);
        assert_eq!(
            end_of(&fixture),
            end("failed", "engine_error"),
            "{engine}: {output}"
        );
        assert!(!fixture.path("shipped").exists(), "{engine}: {output}");
    }
}

#[test]
fn what_stands_between_the_events_harms_no_success() {
    let long = format!(r#"{{"type":"user","message":"{}"}}"#, "x".repeat(9 << 20));
    let noise = format!("(node:1) Warning: x\n{{torn\n[1]\n{{\"type\":\"new\"}}\n\u{0}\n{long}\n");
    let output = format!("{noise}{CLAUDE_SUCCESS}\n{noise}");
    assert_eq!(
        end_of(&run_with("claude", "", &output, 0)),
        end("shipped", "none")
    );
    // The program was ended after it: nothing but its exit code speaks against it.
    let fixture = run_with("claude", "", CLAUDE_SUCCESS, 3);
    assert_eq!(end_of(&fixture), end("failed", "exit_code"));
    assert_eq!(fixture.detail("a"), "exit 3");
}

#[test]
fn a_failure_has_the_engines_own_words_beside_its_exit_code() {
    let output = recorded_output("claude", "error");
    let fixture = run_with("claude", "", &output, 1);
    assert_eq!(end_of(&fixture), end("failed", "exit_code"));
    let detail = fixture.detail("a");
    assert!(detail.starts_with("exit 1: API Error: 500"), "{detail}");
    let fixture = run_with("claude", "", &recorded_output("claude", "refusal"), 1);
    let detail = fixture.detail("a");
    assert!(detail.starts_with("exit 1: it refuses: "), "{detail}");
}

#[test]
fn an_engine_that_is_not_logged_in_says_so_with_a_code_of_its_own() {
    let text = "Invalid API key · Please run /login\n";
    let cases = [
        ("claude", recorded_output("claude", "login")),
        ("claude", text.to_owned()),
        (
            "codex",
            r#"{"type":"turn.failed","error":{"message":"unexpected status 401 Unauthorized"}}"#.to_owned(),
        ),
        (
            "devin\n[engine.devin]\ncommand = \"devin\"\nlogged_out = [\"log in first\"]\n",
            "Log in first.\n".to_owned(),
        ),
    ];
    for (engine, output) in cases {
        let fixture = run_with(engine, "", &output, 1);
        assert_eq!(
            end_of(&fixture),
            end("inbox", "engine_paused"),
            "{engine}: {output}"
        );
    }
    // What the model says of a login is its work.
    let said = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"Not logged in"}]}}"#;
    let fixture = run_with("claude", "", &format!("{said}\n{CLAUDE_SUCCESS}"), 0);
    assert_eq!(end_of(&fixture), end("shipped", "none"));
}

#[test]
fn words_of_a_limit_in_the_middle_of_an_output_are_an_ordinary_failure() {
    let said = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"usage limit reached"}]}}"#;
    let cases = [
        ("devin", "usage limit reached\nthe test of it failed\n".to_owned()),
        (
            "devin",
            "  usage limit reached\n\n\u{1b}[31mthe end\u{1b}[0m\n\n".to_owned(),
        ),
        ("claude", format!("{said}\nerror: usage limit reached\n")),
    ];
    for (engine, output) in cases {
        let fixture = run_with(engine, "retries: 1", &output, 1);
        assert_eq!(end_of(&fixture), end("failed", "exit_code"), "{output}");
        assert_eq!(fixture.lines("runs").len(), 2, "{output}");
        assert!(paused(&fixture).is_empty(), "{output}");
    }
}

#[test]
fn a_pause_ends_at_the_moment_that_is_meant_and_is_bounded() {
    let now = wall_clock();
    // A minute ago, by the clock of the wall.
    let past = now.minutes_ago(1);
    let cases = [
        (format!("usage limit reached · resets {past} (UTC)"), 0..=60),
        (format!("usage limit reached · resets {past} UTC"), 0..=60),
        (format!("usage limit reached|{}", now.seconds - 30), 0..=60),
        (
            "usage limit reached. Try again in 400 days.".to_owned(),
            43_100..=43_200,
        ),
        (
            format!("usage limit reached|{}", now.seconds + 400 * 86_400),
            691_100..=691_200,
        ),
        ("usage limit reached".to_owned(), 800..=900),
    ];
    for (line, expected) in cases {
        let fixture = run_with("devin", "", &line, 1);
        assert_eq!(end_of(&fixture), end("inbox", "usage_limit"), "{line}");
        let pause = pause_s(&fixture);
        assert!(expected.contains(&pause), "{line}: {pause}");
    }
}

#[test]
fn an_engine_that_does_not_end_after_its_last_event_is_understood_all_the_same() {
    for (case, expected) in [
        ("limit", end("inbox", "usage_limit")),
        ("success", end("failed", "idle")),
    ] {
        let fixture = QueueFixture::new();
        fs::write(fixture.path("output"), recorded_output("claude", case)).unwrap();
        fixture.engine("claude", "cat $FIXTURE/output; exec sleep 1000");
        let file = fixture.file("a", "engine: claude\nidle_timeout: 1s", "work");
        assert_eq!(fixture.aq(&["add", &file]).code, 0);
        fixture.aq(&["run", "--drain"]);
        assert_eq!(end_of(&fixture), expected, "{case}");
    }
}

#[test]
fn a_time_zone_is_known_without_the_hosts_files_and_an_unknown_one_is_told() {
    let now = wall_clock();
    // Tokyo is nine hours ahead, the whole year.
    let soon = now.minutes_ago(-9 * 60 - 120);
    let line = format!("usage limit reached · resets {soon} (Asia/Tokyo)");
    let nowhere = [("TZDIR", "/no/such/folder"), ("TZ", "UTC")];
    let fixture = run_in_zone("devin", "", &line, 1, &nowhere);
    let pause = pause_s(&fixture);
    assert!((7000..=7200).contains(&pause), "{line}: {pause}");
    for zone in ["Mars/Olympus", "XYZ"] {
        let line = format!("usage limit reached · resets {soon} ({zone})");
        let fixture = run_with("devin", "", &line, 1);
        assert!((800..=900).contains(&pause_s(&fixture)), "{zone}");
        let detail = fixture.detail("a");
        assert!(
            detail.contains(&format!("`{zone}` is not known here")),
            "{detail}"
        );
    }
}

#[test]
fn an_engine_of_ones_own_tells_events_in_the_format_that_its_table_names() {
    let table =
        "mine\n[engine.mine]\ncommand = \"mine\"\nevents = \"claude\"\nlimit = [\"out of credits\"]\n";
    let used_up =
        r#"{"type":"result","subtype":"error_during_execution","is_error":true,"error":"Out of credits"}"#;
    assert_eq!(
        end_of(&run_with(table, "", CLAUDE_SUCCESS, 0)),
        end("shipped", "none")
    );
    assert_eq!(
        end_of(&run_with(table, "", "Done.\n", 0)),
        end("failed", "engine_error")
    );
    assert_eq!(
        end_of(&run_with(table, "", used_up, 1)),
        end("inbox", "usage_limit")
    );
}

/// The clock of the wall, for times of day in UTC.
struct WallClock {
    seconds: u64,
}

fn wall_clock() -> WallClock {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    WallClock {
        seconds: since.as_secs(),
    }
}

impl WallClock {
    /// The time of day then, as engines write it.
    fn minutes_ago(&self, minutes: i64) -> String {
        let of_day = (i64::try_from(self.seconds).unwrap() / 60 - minutes).rem_euclid(24 * 60);
        let (hour, minute) = (of_day / 60, of_day % 60);
        let half = if hour < 12 { "am" } else { "pm" };
        format!("{}:{minute:02}{half}", (hour + 11) % 12 + 1)
    }
}
