//! Whole runs of the harness as its users start it: each outcome once, and what all reports, the exit code and the
//! commands that are printed make of it.

#[path = "runs/built_in_scenarios.rs"]
mod built_in_scenarios;
#[path = "runs/coordinator_command.rs"]
mod coordinator_command;
#[path = "runs/interruption.rs"]
mod interruption;
#[path = "runs/junit_schemas.rs"]
mod junit_schemas;
#[path = "runs/preflight.rs"]
mod preflight;
#[path = "runs/rehearsal.rs"]
mod rehearsal;
#[path = "runs/replay_trust.rs"]
mod replay_trust;
#[path = "runs/report_files.rs"]
mod report_files;
#[path = "runs/strange_scenarios.rs"]
mod strange_scenarios;
#[path = "runs/test_bench.rs"]
mod test_bench;
#[path = "runs/wrong_services.rs"]
mod wrong_services;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quick_junit::Report;
use serde_json::Value;

use test_bench::{BROKEN, FAIL, PASS, TestBench, printed_command, texts};

/// The binary under test.
const HARNESS: &str = env!("CARGO_BIN_EXE_conformance");

const REPORTS: [&str; 6] = ["--events", "e.ndjson", "--junit", "j.xml", "--html", "h.html"];

/// A scenario's id and what it expects.
type NamedScenario<'a> = (&'a str, &'a str);
/// Exit code, passed, failed and broken.
type ExitAndCounts = (i32, u64, u64, u64);

/// What all reports of this run say.
fn agreed(bench: &TestBench, more: &[&str]) -> ExitAndCounts {
    let arguments: Vec<&str> = ["run", "--json"]
        .iter()
        .chain(more)
        .chain(&REPORTS)
        .copied()
        .collect();
    let summary = bench.path("summary.md");
    let mut command = bench.command(&arguments);
    let output = command
        .arg("--github")
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .expect("the harness can be started");
    let (code, stdout, stderr) = texts(&output);
    let code = code.expect("an exit code");
    let json: Value =
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}\n{stdout}\n{stderr}"));
    let number = |key: &str| json[key].as_u64().expect(key);
    assert_eq!(number("exit"), code as u64);
    let ended: Value = bench
        .text("e.ndjson")
        .lines()
        .last()
        .and_then(|line| serde_json::from_str(line).ok())
        .expect("the stream's last event");
    assert_eq!(
        (ended["event"].as_str(), ended["exit"].as_u64()),
        (Some("run-ended"), Some(code as u64))
    );
    let junit = Report::deserialize_from_str(&bench.text("j.xml")).expect("XML");
    assert_eq!(junit.failures as u64, number("failed"), "JUnit");
    assert_eq!(
        junit.failures + junit.errors > 0,
        code != 0,
        "JUnit is red when the run is"
    );
    let page = bench.text("h.html");
    assert!(page.contains(&format!("id=\"exit\">{code}<")), "{page}");
    let (passed, failed, broken) = (number("passed"), number("failed"), number("broken"));
    assert!(page.contains(&format!("data-count=\"fail\">{failed}<")), "{page}");
    let told = fs::read_to_string(&summary).expect("a summary of the step");
    assert!(
        told.contains(&format!("\n{passed} passed, {} failed\n", failed + broken)),
        "{told}"
    );
    assert_eq!(stderr.contains("\n::error "), code != 0, "{stderr}");
    fs::remove_file(&summary).expect("the summary is there");
    (code, passed, failed, broken)
}

#[test]
fn every_outcome_comes_out_the_same_in_every_report_and_in_the_exit_code() {
    let known = "[[known_failure]]\nscenario = \"a/known\"\nreason = \"ticket 7\"\nuntil = \"2999-12-31\"\n";
    let late = known.replace("2999", "2001");
    let unsupported = "unsupported = [\"S-7\"]\n";
    let passing = ("a/pass", PASS);
    let cases: [(&[NamedScenario], &str, ExitAndCounts); 9] = [
        (&[passing], "", (0, 1, 0, 0)),
        (&[passing, ("a/fail", FAIL)], "", (1, 1, 1, 0)),
        (&[passing, ("a/broken", BROKEN)], "", (3, 1, 0, 1)),
        (
            &[passing, ("a/fail", FAIL), ("a/broken", BROKEN)],
            "",
            (1, 1, 1, 1),
        ),
        (&[passing, ("a/unreadable", "exits = \"x\"\n")], "", (3, 1, 0, 1)),
        (&[passing, ("a/known", FAIL)], known, (0, 1, 0, 0)),
        (&[passing, ("a/known", PASS)], known, (3, 1, 0, 1)),
        (&[passing, ("a/known", FAIL)], &late, (1, 1, 1, 0)),
        (&[("a/known", FAIL)], known, (3, 0, 0, 0)),
    ];
    for (scenarios, profile, expected) in cases {
        let bench = TestBench::new("exit 0", scenarios, profile);
        assert_eq!(agreed(&bench, &[]), expected, "{scenarios:?} {profile}");
    }
    let bench = TestBench::new("exit 0", &[], unsupported);
    fs::create_dir(bench.path("scenarios")).expect("a folder");
    assert_eq!(agreed(&bench, &[]), (3, 0, 0, 0), "nothing was executed");
    bench.scenario("a/lacking", "S-7", PASS);
    assert_eq!(agreed(&bench, &[]), (3, 0, 0, 0), "nothing was applicable");
    bench.scenario("a/pass", "F-1", PASS);
    assert_eq!(agreed(&bench, &[]), (0, 1, 0, 0), "not applicable beside a pass");
}

#[test]
fn the_command_under_a_failure_runs_it_alone_and_says_whether_it_is_put_right() {
    let bench = TestBench::new("exit 0", &[("a/it's", FAIL), ("a/pass", PASS)], "");
    let (code, output, _) = bench.run(&["run"]);
    assert_eq!(code, Some(1), "{output}");
    let (code, alone, errors) = bench.pasted(printed_command(&output));
    assert_eq!(code, Some(1), "{alone}{errors}");
    assert_eq!(alone.lines().last(), Some("0 passed, 1 failed"), "{alone}");

    let (_, output, _) = bench.run(&["run", "--shuffle", "7", "--events", "e.ndjson"]);
    let command = printed_command(&output);
    let (code, still, _) = bench.pasted(command);
    assert_eq!(
        (code, still.lines().last()),
        (Some(1), Some("still FAIL exit  a/it\\'s")),
        "{still}"
    );
    assert!(still.contains("shuffled by 7"), "{still}");
    bench.runner("exit 4");
    let (code, other, _) = bench.pasted(command);
    assert_eq!(
        (code, other.lines().last()),
        (Some(1), Some("still FAIL exit  a/it\\'s")),
        "{other}"
    );
    bench.runner("kill -SEGV $$");
    let (code, other, _) = bench.pasted(command);
    let expected = "different: was FAIL exit, now FAIL exit no-crash  a/it\\'s";
    assert_eq!((code, other.lines().last()), (Some(1), Some(expected)), "{other}");
    bench.runner("exit 3");
    let (code, fixed, errors) = bench.pasted(command);
    assert_eq!(
        (code, fixed.lines().last()),
        (Some(0), Some("FIXED  a/it\\'s")),
        "{fixed}{errors}"
    );
}

#[test]
fn a_stream_without_a_failure_gives_nothing_to_replay_and_that_is_not_green() {
    let bench = TestBench::new("exit 0", &[("a/pass", PASS)], "");
    bench.run(&["run", "--events", "e.ndjson"]);
    let (code, _, errors) = bench.run(&["replay", "e.ndjson"]);
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("nothing to replay"), "{errors}");
    let (code, _, errors) = bench.run(&["replay", "e.ndjson", "a/other"]);
    assert_eq!(code, Some(2), "{errors}");
}

#[test]
fn fail_fast_begins_nothing_after_a_failure_and_says_what_was_left_out() {
    let scenarios = [("a/1", FAIL), ("a/2", PASS), ("a/3", FAIL)];
    let bench = TestBench::new("echo ran >>\"$(dirname \"$0\")/ran\"; exit 0", &scenarios, "");
    let (code, output, _) = bench.run(&["run", "--jobs", "1", "--fail-fast", "--json"]);
    assert_eq!(code, Some(1), "{output}");
    let report: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(report["scenarios"][0]["id"], "a/1");
    assert!(report["notRun"].as_u64() >= Some(1), "{output}");
    assert!(
        report["objection"]
            .as_str()
            .is_some_and(|text| text.contains("first failure")),
        "{output}"
    );
    let (code, output, _) = bench.run(&["run", "--jobs", "1", "--json"]);
    let report: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(
        (code, report["notRun"].as_u64(), report["failed"].as_u64()),
        (Some(1), Some(0), Some(2))
    );
}

/// An option that would do nothing is an expectation that would come to nothing.
#[test]
fn an_option_that_means_nothing_to_a_command_is_refused_and_nothing_is_run() {
    let bench = TestBench::new("touch \"$(dirname \"$0\")/ran\"", &[("a/pass", PASS)], "");
    let reports: [&[&str]; 6] = [
        &["--events", "r"],
        &["--junit", "r"],
        &["--html", "r"],
        &["--github"],
        &["--json"],
        &["--quiet"],
    ];
    for name in ["list", "schema"] {
        for option in reports {
            let output = bench.alone(&[&[name], option].concat());
            let refusal = format!("`{}` does nothing for `conformance {name}`", option[0]);
            assert_eq!(output.0, Some(2), "{name} {option:?}\n{}{}", output.1, output.2);
            assert!(output.2.contains(&refusal), "{}", output.2);
            assert!(
                output.2.contains("`run`"),
                "it says which commands take it: {}",
                output.2
            );
        }
    }
    for (name, option) in [("smoke", "--fail-fast"), ("list", "--keep")] {
        let (code, _, errors) = bench.alone(&[name, option]);
        assert_eq!(code, Some(2), "{name} {option}\n{errors}");
    }
    assert!(!bench.path("r").exists() && !bench.path("ran").exists());
}

/// What the GitHub Action runs, and any other CI can.
#[test]
fn the_script_of_the_action_passes_the_exit_code_on_and_leaves_every_report() {
    let bench = TestBench::new("exit 0", &[("a/pass", PASS), ("b/fail", FAIL)], "");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../.github/actions/conformance/judge"
    );
    for (scenarios, code) in [("a/*", 0), ("a b/f*", 1), ("no/such", 2)] {
        let mut command = Command::new("bash");
        command.arg(script);
        bench.at_home(&mut command);
        let output = command
            .env("HARNESS", HARNESS)
            .env("PROFILE", "profile.toml")
            .env("SCENARIOS", scenarios)
            .env("FOLDER", "scenarios")
            .env("REPORTS", "out")
            .env("GITHUB_OUTPUT", bench.path("output"))
            .output()
            .expect("bash");
        let (exit, stdout, stderr) = texts(&output);
        assert_eq!(exit, Some(code), "{scenarios}\n{stdout}{stderr}");
        assert!(
            bench
                .text("output")
                .ends_with(&format!("exit={code}\nreports=out\n"))
        );
        if code == 1 {
            let expected =
                "cargo run -p conformance -- run --keep --profile profile.toml --scenarios scenarios b/fail";
            assert_eq!(printed_command(&stdout), expected);
        }
    }
    for report in ["out/junit.xml", "out/report.html", "out/events.ndjson"] {
        assert!(bench.text(report).contains("fail"), "{report}");
    }
}

#[test]
fn a_command_of_the_self_test_is_wrong_usage_and_the_message_names_it() {
    let bench = TestBench::new("touch \"$(dirname \"$0\")/ran\"", &[("a/pass", PASS)], "");
    for command in ["coverage", "mutants", "property", "sweep", "steady", "pin"] {
        let (code, output, errors) = bench.alone(&[command, "--jobs", "2"]);
        assert_eq!(code, Some(2), "{output}{errors}");
        let new = format!("cargo run -p conformance-selftest -- {command}");
        assert!(errors.contains(&new), "{errors}");
    }
    assert!(!bench.path("ran").exists());
}

/// The scenarios of this repository.
fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// The harness with a runner that does nothing.
fn conformance(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(HARNESS)
        .args(arguments)
        .env("AQ_BIN", "/bin/true")
        .env_remove("GITHUB_ACTIONS")
        .output()
        .expect("the harness can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_glob_that_names_nothing_is_wrong_usage() {
    let folder = scenarios();
    let (code, _, errors) = conformance(&["--scenarios", &folder.to_string_lossy(), "run", "no/such*"]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("no/such*"), "{errors}");
}

#[test]
fn a_run_that_executed_nothing_is_not_green() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, output, _) = conformance(&["--scenarios", &folder.path().to_string_lossy()]);
    assert_eq!(code, Some(3), "{output}");
}

#[test]
fn a_runner_that_does_nothing_is_not_green_on_the_whole_suite() {
    let folder = scenarios();
    let folder = folder.to_string_lossy();
    let (code, output, _) = conformance(&["--scenarios", &folder, "run", "shadow/agree", "--json"]);
    assert_eq!(code, Some(1), "{output}");
    let report: serde_json::Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(
        (report["failed"].as_u64(), report["exit"].as_u64()),
        (Some(1), Some(1))
    );
}
