//! The commands that only look, their JSON, and exit codes.

use std::fs;

use crate::queue_fixture::QueueFixture;

#[test]
fn wrong_usage_and_wrong_settings_end_with_2_and_do_nothing() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "touch $FIXTURE/started");
    let run = ["run", "--drain"];
    assert_eq!(fixture.aq(&["run", "--drian"]).code, 2);
    assert_eq!(fixture.aq(&["run", "--drain", "--once"]).code, 2);
    assert_eq!(fixture.aq(&["show", "../a"]).code, 2);
    assert_eq!(fixture.aq_with(&[("AQ_FLEET", "perhaps")], &run).code, 2);
    fs::write(fixture.queue("aq.toml"), "[engine.mine]\ncomand = \"x\"\n").unwrap();
    let done = fixture.aq(&run);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("[engine.mine]"), "{}", done.stderr);
    assert_eq!(fixture.stage("a"), "inbox");
    assert!(!fixture.path("started").exists());
}

#[test]
fn help_teaches_by_example_and_ends_with_0() {
    let fixture = QueueFixture::new();
    for command in [
        "add",
        "run",
        "ship",
        "retry",
        "cancel",
        "list",
        "show",
        "logs",
        "status",
        "pause",
        "resume",
        "doctor",
        "prune",
        "fleet-submit",
        "fleet-recall",
        "man",
        "completions",
    ] {
        let done = fixture.aq(&[command, "--help"]);
        assert_eq!(done.code, 0, "{command}");
        assert!(
            done.stdout.contains("Example") && done.stdout.contains("  aq "),
            "{command}: {}",
            done.stdout
        );
    }
}

#[test]
fn list_and_show_say_the_same_to_people_and_to_programs() {
    let fixture = QueueFixture::new();
    fixture.add("low", "", "true");
    fixture.add("high", "priority: 3\nlock: l", "exit 3");
    let list: serde_json::Value = serde_json::from_str(&fixture.aq(&["list", "--json"]).stdout).unwrap();
    let ids: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["high", "low"]);
    assert_eq!((&list[0]["priority"], &list[0]["lock"]), (&3.into(), &"l".into()));
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let text = fixture.aq(&["list"]).stdout;
    let row = text.lines().find(|line| line.contains("high")).unwrap();
    assert!(row.starts_with("failed") && row.ends_with("exit 3"), "{text}");
    assert!(!text.contains('\x1b'));
    let shown: serde_json::Value =
        serde_json::from_str(&fixture.aq(&["show", "--json", "high"]).stdout).unwrap();
    let stages: Vec<&str> = shown["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["inbox", "building", "failed"]);
}

#[test]
fn what_a_command_did_with_a_job_is_told_to_programs_as_well() {
    let fixture = QueueFixture::new();
    fixture.add("a", "review: true", "true");
    fixture.add("b", "", "exit 1");
    let json = |arguments: &[&str]| -> serde_json::Value {
        let done = fixture.aq(arguments);
        serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {done:?}"))
    };
    assert_eq!(
        json(&["run", "--drain", "--json"]),
        serde_json::json!({"stages": {"review": 1, "failed": 1}})
    );
    let told = |id: &str, stage: &str| serde_json::json!({"id": id, "stage": stage});
    let mut shipped = json(&["ship", "--json", "a"]);
    assert!(shipped["approved"].take().is_object());
    assert_eq!(
        shipped,
        serde_json::json!({"id": "a", "stage": "shipped", "approved": null})
    );
    assert_eq!(json(&["retry", "--json", "b"]), told("b", "inbox"));
    assert_eq!(json(&["cancel", "--json", "b"]), told("b", "failed"));
}

#[test]
fn the_manual_has_a_page_for_aq_and_one_for_each_command() {
    let fixture = QueueFixture::new();
    for (command, words) in [(None, "fleet"), (Some("run"), "drain"), (Some("prune"), "keep")] {
        let arguments: Vec<&str> = std::iter::once("man").chain(command).collect();
        let page = fixture.aq(&arguments);
        assert_eq!(page.code, 0, "{}", page.stderr);
        assert!(
            page.stdout.contains(".TH ") && page.stdout.contains(words),
            "{}",
            page.stdout
        );
    }
    let unknown = fixture.aq(&["man", "nothing"]);
    assert!(
        unknown.code == 1 && unknown.stderr.contains("aq --help"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn show_tells_the_whole_history_of_a_job_its_durations_its_logs_and_what_to_do() {
    let fixture = QueueFixture::new();
    fixture.add("a", "retries: 1", "echo attempt $AQ_ATTEMPT; exit 3");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let shown: serde_json::Value =
        serde_json::from_str(&fixture.aq(&["show", "--json", "a"]).stdout).unwrap();
    let lasted = shown["lastedMs"].as_array().unwrap();
    assert_eq!(
        (lasted.len(), lasted.iter().filter(|ms| ms.is_u64()).count()),
        (5, 4)
    );
    let attempts = shown["logsOfAttempts"].as_array().unwrap();
    let log = |attempt: usize| attempts[attempt]["logs"][0]["path"].as_str().unwrap();
    assert_eq!(
        fs::read_to_string(fixture.path("work").join(log(1))).unwrap(),
        "attempt 2\n"
    );
    let text = fixture.aq(&["show", "a"]).stdout;
    for expected in [log(0), log(1), "10 bytes", "exit 3", "aq retry a"] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    assert_eq!(fixture.aq(&["prune", "a"]).code, 0);
    let gone = fixture.aq(&["show", "a"]);
    assert!(
        gone.code == 1 && gone.stderr.contains("was in failed and has been pruned"),
        "{}",
        gone.stderr
    );
}

#[test]
fn instants_have_milliseconds_for_programs_and_seconds_for_people() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    let shown: serde_json::Value =
        serde_json::from_str(&fixture.aq(&["show", "--json", "a"]).stdout).unwrap();
    let at = shown["history"][0]["at"].as_str().unwrap();
    assert_eq!(at.len(), "2026-03-02T09:30:45.250Z".len(), "{at}");
    let people = format!("{} {}Z", &at[..10], &at[11..19]);
    let shown = fixture.aq(&["show", "a"]).stdout;
    assert!(shown.contains(&people), "no {people} in {shown}");
}

#[test]
fn a_job_that_is_not_there_is_told_with_what_to_do() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    for command in ["show", "logs", "ship", "retry", "cancel"] {
        let done = fixture.aq(&[command, "nobody"]);
        assert_eq!(done.code, 1, "{command}");
        assert!(
            done.stderr.contains("no job `nobody`") && done.stderr.contains("aq list"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn status_counts_and_names_the_mode_with_the_origin_of_each_flag() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    fixture.add("b", "", "true");
    assert_eq!(fixture.aq(&["run", "--once"]).code, 0);
    let variables = [("AQ_FLEET_SHADOW", "1")];
    let done = fixture.aq_with(&variables, &["status", "--json", "--route", "1"]);
    let status: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        (&status["stages"]["inbox"], &status["stages"]["shipped"]),
        (&1.into(), &1.into())
    );
    assert_eq!(status["mode"], "offline");
    let flags: Vec<(&str, &str)> = status["flags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| (flag["name"].as_str().unwrap(), flag["value"].as_str().unwrap()))
        .collect();
    assert_eq!(
        flags,
        [
            ("AQ_FLEET", "0"),
            ("AQ_FLEET_ROUTE", "1"),
            ("AQ_FLEET_SHADOW", "1")
        ]
    );
    let text = fixture.aq_with(&variables, &["status", "--route", "1"]).stdout;
    for expected in ["1 inbox", "1 shipped", "--route", "AQ_FLEET is 0", "offline"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn logs_are_printed_and_followed_to_the_end() {
    let fixture = QueueFixture::new();
    fixture.pipe("go");
    fixture.pipe("up");
    fixture.add(
        "a",
        "verify: echo three",
        "echo one; echo > $FIXTURE/up; read x < $FIXTURE/go; echo two >&2",
    );
    assert_eq!(fixture.aq(&["logs", "a"]).code, 1);
    let follower = fixture.start(&["logs", "-f", "a"], &[]);
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    fixture.release("go");
    assert_eq!(run.end().code, 0);
    let done = follower.end();
    assert_eq!((done.code, done.stdout.as_str()), (0, "one\ntwo\nthree\n"));
    assert_eq!(fixture.aq(&["logs", "a"]).stdout, "one\ntwo\nthree\n");
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    let script = format!("{{ {} list; echo $? > code; }} | true", env!("CARGO_BIN_EXE_aq"));
    let done = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(fixture.path("work"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("AQ_QUEUE", fixture.path("queue"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(done.stderr).unwrap(), "");
    assert_eq!(fs::read_to_string(fixture.path("work/code")).unwrap(), "0\n");
}

#[test]
fn what_a_job_file_holds_is_shown_without_steering_the_terminal() {
    let fixture = QueueFixture::new();
    fixture.add("a", "verify: \"true # \\e]0;title\\a\"", "true");
    fs::write(fixture.queue("inbox/b\u{1b}[31m.md"), "x").unwrap();
    let run = fixture.aq(&["run", "--drain"]);
    let outputs = [
        run.stderr,
        fixture.aq(&["show", "a"]).stdout,
        fixture.aq(&["list"]).stdout,
    ];
    for output in outputs {
        assert!(!output.contains('\x1b') && !output.contains('\x07'), "{output:?}");
    }
}
