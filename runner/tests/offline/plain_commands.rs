//! What people type every day, in ways that were not thought of first.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::queue_fixture::QueueFixture;

#[test]
fn several_jobs_are_retried_and_cancelled_at_once_and_one_that_can_not_be_keeps_no_other_back() {
    let fixture = QueueFixture::new();
    ["a", "b"].iter().for_each(|id| fixture.add(id, "", "exit 1"));
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let done = fixture.aq(&["retry", "a", "nobody", "b"]);
    assert_eq!(
        (done.code, done.stdout.lines().count()),
        (1, 2),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("nobody"), "{}", done.stderr);
    assert_eq!(["a", "b"].map(|id| fixture.stage(id)), ["inbox", "inbox"]);

    let done = fixture.aq(&["cancel", "--json", "b", "a"]);
    let ids: Vec<Value> = done
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((done.code, ids.len()), (0, 2), "{}", done.stderr);
    assert_eq!(
        (&ids[0]["id"], &ids[1]["stage"]),
        (&Value::from("b"), &Value::from("failed"))
    );
    // A name that is none is wrong usage, and nothing is done.
    assert_eq!(fixture.aq(&["retry", "a", "../b"]).code, 2);
    assert_eq!(fixture.stage("a"), "failed");
    assert_eq!(fixture.aq(&["retry"]).code, 2);
}

/// Runs `aq` with standard output on a full device.
fn onto_full_device(fixture: &QueueFixture, arguments: &str) -> (i32, String) {
    let script = format!("exec {} {arguments} >/dev/full", env!("CARGO_BIN_EXE_aq"));
    let done = fixture.program(Path::new("/bin/sh"), &["-c", &script], &[]).end();
    (done.code, done.stderr)
}

#[test]
fn what_is_done_is_done_although_it_can_not_be_printed() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let fixture = QueueFixture::new();
    fixture.file("a", "engine: sh", "exit 1");
    for arguments in [
        "add a.md",
        "add --json a.md",
        "cancel a",
        "retry a",
        "pause",
        "resume",
        "init",
    ] {
        let name = fixture.file("a", "engine: sh", "exit 1");
        if arguments.starts_with("add") && fixture.stage("a") != "nowhere" {
            fs::remove_file(fixture.queue("inbox").join(name)).unwrap();
        }
        let (code, told) = onto_full_device(&fixture, arguments);
        assert_eq!(code, 0, "{arguments}: {told}");
        assert!(told.contains("done all the same"), "{arguments}: {told}");
    }
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    // All that is asked for is removed, and not only what could be told.
    fixture.add("b", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(onto_full_device(&fixture, "prune a b").0, 0);
    assert_eq!(["a", "b"].map(|id| fixture.stage(id)), ["nowhere", "nowhere"]);
    // What is only there to be read has failed.
    assert_eq!(onto_full_device(&fixture, "list").0, 1);
}

#[test]
fn whoever_adds_to_another_queue_than_usual_is_told_that_it_is_new() {
    let fixture = QueueFixture::new();
    let work = fixture.path("work");
    fs::create_dir_all(work.join("below/it")).unwrap();
    let name = fixture.file("a", "engine: sh\ncwd: /tmp", "true");
    fs::copy(work.join(&name), work.join("below/it/a.md")).unwrap();
    let add = |folder: &str| {
        let script = format!(
            "unset AQ_QUEUE; cd {folder} && exec {} add a.md",
            env!("CARGO_BIN_EXE_aq")
        );
        fixture.program(Path::new("/bin/sh"), &["-c", &script], &[]).end()
    };
    let first = add(".");
    let place = work.join("queue").display().to_string();
    let is_told = first.code == 0
        && first
            .stderr
            .contains(&format!("there was no queue at {place}: it was made;"));
    assert!(is_told, "{}", first.stderr);
    let second = add("below/it");
    let is_told = second
        .stderr
        .contains(&format!("below/it/queue: it was made; another one is at {place}"));
    assert!(second.code == 0 && is_told, "{}", second.stderr);
    // One that is there is no news.
    fs::rename(work.join("a.md"), work.join("b.md")).unwrap();
    assert!(
        !fixture
            .aq(&["--queue", &place, "add", "b.md"])
            .stderr
            .contains("no queue")
    );
}

#[test]
fn what_waits_for_the_end_of_all_jobs_inside_one_waits_for_the_others() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up", "go"]);
    fixture.add(
        "other",
        "",
        "echo > $FIXTURE/up; read x < $FIXTURE/go; echo other >> $FIXTURE/ends",
    );
    let aq = env!("CARGO_BIN_EXE_aq");
    fixture.add(
        "own",
        "",
        &format!("{aq} pause --wait --inside-job > $FIXTURE/told; echo own >> $FIXTURE/ends"),
    );
    let run = fixture.start(&["run", "--workers", "2"], &[]);
    fixture.wait_for("up");
    run.wait_for_message("paused:");
    fixture.release("go");
    run.wait_for_message("own  shipped");
    run.signal(rustix::process::Signal::TERM);
    run.end();
    assert_eq!(fixture.lines("ends"), ["other", "own"]);
    assert!(
        fixture
            .lines("told")
            .concat()
            .contains("nothing but this job runs")
    );
}

#[test]
fn a_log_that_is_not_there_is_nowhere_advised_and_said_to_be_none() {
    let fixture = QueueFixture::new();
    fixture.add("a", "cwd: /nowhere/at/all", "true");
    fixture.add("b", "", "echo loud; exit 1");
    let run = fixture.aq(&["run", "--drain"]);
    assert!(
        !run.stderr.contains("aq logs a") && run.stderr.contains("see `aq show a`"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("see `aq logs b`"), "{}", run.stderr);
    assert!(!fixture.aq(&["show", "a"]).stdout.contains("aq logs"));
    let logs = fixture.aq(&["logs", "a"]);
    let is_told = logs
        .stderr
        .contains("attempt 1 of `a` printed nothing; failed not_started");
    assert!(logs.code == 0 && logs.stdout.is_empty() && is_told, "{logs:?}");
    for attempt in ["2", "4"] {
        for follow in [&[][..], &["-f"]] {
            let arguments = [&["logs", "b", "--attempt", attempt], follow].concat();
            let logs = fixture.aq(&arguments);
            let told = format!("`b` had 1 attempt: there is no attempt {attempt}");
            assert!(logs.code == 1 && logs.stderr.contains(&told), "{logs:?}");
        }
    }
    assert_eq!(fixture.aq(&["logs", "b", "--attempt", "0"]).code, 2);
}

#[test]
fn a_missing_file_of_a_credential_stops_only_what_calls_the_coordinator() {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "true");
    let name = fixture.file("a", "engine: sh", "true");
    for variable in ["AQ_FLEET_TOKEN_FILE", "AQ_FLEET_CA"] {
        let variables = [
            ("AQ_FLEET", "1"),
            ("AQ_FLEET_URL", "http://127.0.0.1:9"),
            (variable, "/nowhere/at/all"),
        ];
        let added = fixture.aq_with(&variables, &["add", &name]);
        assert_eq!(added.code, 0, "{variable}: {}", added.stderr);
        for quiet in [
            &["list"][..],
            &["status"],
            &["show", "a"],
            &["pause"],
            &["resume"],
            &["fleet-shadow-report"],
        ] {
            let done = fixture.aq_with(&variables, quiet);
            assert_eq!(done.code, 0, "{variable} {quiet:?}: {}", done.stderr);
        }
        for caller in [
            &["run", "--drain"][..],
            &["cancel", "a"],
            &["fleet-status"],
            &["ship", "a"],
        ] {
            let done = fixture.aq_with(&variables, caller);
            assert_eq!(done.code, 2, "{variable} {caller:?}: {}", done.stderr);
            assert!(done.stderr.contains(variable), "{}", done.stderr);
        }
        fs::remove_file(fixture.queue("inbox").join(&name)).unwrap();
    }
}

#[test]
fn a_switch_that_is_set_to_nothing_is_not_set() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    fs::write(fixture.queue("aq.toml"), "[fleet]\nroute_via_service = true\n").unwrap();
    let status = fixture.aq_with(&[("AQ_FLEET", ""), ("AQ_FLEET_ROUTE", "")], &["status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let flags: Vec<&str> = (0..3)
        .map(|flag| status["flags"][flag]["value"].as_str().unwrap())
        .collect();
    assert_eq!(flags, ["0", "1", "0"]);
    // On the command line nobody leaves it empty for no reason.
    assert_eq!(fixture.aq(&["--fleet", "", "status"]).code, 2);
}

#[test]
fn the_settings_of_the_fleet_are_in_the_help_of_what_is_about_it() {
    let fixture = QueueFixture::new();
    let help = |arguments: &[&str]| fixture.aq(arguments).stdout;
    for about in [
        &["--help"][..],
        &["run", "--help"],
        &["fleet-status", "--help"],
        &["doctor", "--help"],
    ] {
        assert!(help(about).contains("--fleet-url"), "{about:?}");
    }
    for other in ["add", "list", "ship", "logs", "pause", "retry"] {
        let text = help(&[other, "--help"]);
        assert!(
            !text.contains("--fleet-url") && text.contains("--queue"),
            "{text}"
        );
        assert!(
            text.contains("`aq --help` has the settings of the fleet"),
            "{text}"
        );
        assert!(text.contains("Example"), "{text}");
    }
    // They are options of these all the same.
    assert_eq!(fixture.aq(&["init"]).code, 0);
    assert_eq!(fixture.aq(&["list", "--fleet", "0"]).code, 0);
    assert_eq!(fixture.aq(&["list", "--fleet", "maybe"]).code, 2);
}
