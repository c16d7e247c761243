//! Whole runs of the harness as its users start it: each outcome once, and what all reports, the exit code and the
//! commands that are printed make of it.

#[path = "runs/replay_trust.rs"]
mod replay_trust;
#[path = "runs/outputs.rs"]
mod report_writer;
#[path = "runs/strange_scenarios.rs"]
mod strange_scenarios;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use quick_junit::Report;
use serde_json::Value;
use tempfile::TempDir;

/// A folder with scenarios of one command each, and a runner that is a script.
struct TestBench {
    folder: TempDir,
}

/// What a scenario expects decides how it comes out, as the runner always exits 0.
const PASS: &str = "exit = 0\n";
const FAIL: &str = "exit = 3\n";
const BROKEN: &str = "[[step]]\nonce = { ship = \"alpha\" }\ndo = \"kill\"\n";

impl TestBench {
    fn new(runner: &str, scenarios: &[(&str, &str)], profile: &str) -> TestBench {
        let folder = tempfile::tempdir().expect("a folder");
        let bench = TestBench { folder };
        for (id, expect) in scenarios {
            bench.scenario(id, "F-1", expect);
        }
        bench.runner(runner);
        let text = format!(
            "name = \"a script\"\ncommand = [\"sh\", \"{}\"]\n{profile}",
            bench.path("runner.sh").display()
        );
        fs::write(bench.path("profile.toml"), text).expect("a profile");
        bench
    }

    fn scenario(&self, id: &str, clause: &str, expect: &str) {
        let path = self.path(&format!("scenarios/{id}.toml"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let text = format!(
            "title = \"t\"\nclauses = [\"{clause}\"]\n[runner]\nargs = [\"run\"]\n\n[expect]\n{expect}"
        );
        fs::write(path, text).expect("a scenario");
    }

    fn runner(&self, script: &str) {
        fs::write(self.path("runner.sh"), script).expect("a script");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The harness in this folder, with the CI around these tests out of its sight.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
        command
            .args(arguments)
            .args(["--scenarios", "scenarios", "--profile", "profile.toml"]);
        self.at_home(&mut command);
        command
    }

    /// Without an option that was not asked for.
    fn alone(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
        command.args(arguments);
        self.at_home(&mut command);
        texts(&command.output().expect("the harness can be started"))
    }

    fn at_home(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for name in [
            "AQ_BIN",
            "CARGO_PKG_NAME",
            "GITHUB_ACTIONS",
            "GITHUB_STEP_SUMMARY",
            "GITHUB_WORKSPACE",
        ] {
            command.env_remove(name);
        }
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        texts(
            &self
                .command(arguments)
                .output()
                .expect("the harness can be started"),
        )
    }

    /// What a person gets who pastes this command.
    fn pasted(&self, text: &str) -> (Option<i32>, String, String) {
        let mut command = Command::new("bash");
        command.args(["-c", text]);
        self.at_home(&mut command);
        texts(&command.output().expect("bash"))
    }
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The line that follows the one which says that it is the command to run a failure alone.
fn printed_command(output: &str) -> &str {
    let mut lines = output.lines();
    lines
        .find(|line| line.starts_with("run it alone"))
        .unwrap_or_else(|| panic!("no command is printed\n{output}"));
    lines.next().expect("a command").trim()
}

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
    let lacks = "lacks = [\"S-7\"]\n";
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
    let bench = TestBench::new("exit 0", &[], lacks);
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
    for name in [
        "list", "coverage", "mutants", "property", "sweep", "steady", "pin", "schema",
    ] {
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
    for (name, option) in [("smoke", "--fail-fast"), ("coverage", "--keep")] {
        let (code, _, errors) = bench.alone(&[name, option]);
        assert_eq!(code, Some(2), "{name} {option}\n{errors}");
    }
    assert!(!bench.path("r").exists() && !bench.path("ran").exists());
}

#[test]
fn a_scenario_that_comes_out_otherwise_is_found_with_the_run_in_which_it_did() {
    // The third run finds what the second left.
    let moody = "n=\"$(dirname \"$0\")/n\"; echo x >>\"$n\"; [ $(wc -l <\"$n\") -lt 3 ]";
    let bench = TestBench::new(moody, &[("a/moody", PASS)], "");
    let (code, output, errors) = bench.run(&["steady", "--runs", "4", "--jobs", "4", "--shuffle", "10"]);
    assert_eq!(code, Some(1), "{output}{errors}");
    assert!(
        output.contains("── a/moody: FAIL exit in run 3, pass in the first"),
        "{output}"
    );
    assert!(
        output.contains("run --jobs 4 --shuffle 13"),
        "the run can be made again\n{output}"
    );
    assert!(output.contains("check `exit`"), "its story is told\n{output}");
    assert_eq!(
        output.lines().last(),
        Some("4 runs of 1 scenarios: 2 outcomes differed")
    );
    let bench = TestBench::new("exit 0", &[("a/pass", PASS)], "");
    let (code, output, _) = bench.run(&["steady", "--runs", "4"]);
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(
        output.lines().last(),
        Some("4 runs of 1 scenarios: no outcome differed")
    );
    let bench = TestBench::new("exit 0", &[("a/fail", FAIL)], "");
    assert_eq!(
        bench.run(&["steady", "--runs", "2"]).0,
        Some(1),
        "steadily wrong is not green"
    );
    assert_eq!(bench.run(&["steady", "--runs", "0"]).0, Some(3), "nor is nothing");
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
            .env("HARNESS", env!("CARGO_BIN_EXE_conformance"))
            .env("PROFILE", "profile.toml")
            .env("SCENARIOS", scenarios)
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
            let expected = "cargo run -p conformance -- run --keep --profile profile.toml b/fail";
            assert_eq!(printed_command(&stdout), expected);
        }
    }
    for report in ["out/junit.xml", "out/report.html", "out/events.ndjson"] {
        assert!(bench.text(report).contains("fail"), "{report}");
    }
}

/// The runner holds a pipe open, and so does whatever it started; it ends when the last of them is gone.
#[test]
fn an_interrupted_run_ends_what_runs_and_writes_every_report() {
    let script = "exec 9>\"$(dirname \"$0\")/pipe\"; (setsid sh -c 'trap \"\" TERM INT; echo up >&9; sleep 604' &) ; sleep 604";
    let bench = TestBench::new(script, &[("a/hangs", PASS), ("b/waits", PASS)], "");
    let pipe = bench.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let arguments: Vec<&str> = ["run", "--jobs", "1"].iter().chain(&REPORTS).copied().collect();
    let scratch = bench.path("scratch");
    fs::create_dir(&scratch).expect("a folder");
    let mut harness = bench
        .command(&arguments)
        .env("TMPDIR", &scratch)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the harness");
    let mut held = fs::File::open(&pipe).expect("the runner opens its end");
    let mut up = [0; 3];
    held.read_exact(&mut up)
        .expect("the runner's child says that it is up");
    interrupt(&harness);
    let mut output = String::new();
    let stdout = harness.stdout.as_mut().expect("a pipe");
    stdout.read_to_string(&mut output).expect("text");
    let status = harness.wait().expect("it ends");
    let mut rest = Vec::new();
    held.read_to_end(&mut rest)
        .expect("the last holder of the pipe is gone");
    assert_eq!(status.code(), Some(130), "{output}");
    assert!(output.contains("interrupted: 0 of 2"), "{output}");
    assert!(bench.text("h.html").contains("interrupted: 0 of 2"));
    let junit = Report::deserialize_from_str(&bench.text("j.xml")).expect("XML");
    assert_eq!(
        (junit.errors, junit.tests),
        (1, 3),
        "two that were not run, and the run itself"
    );
    assert!(bench.text("e.ndjson").contains("\"why\":\"interrupted\""));
    assert_eq!(left_over(bench.folder.path()), Vec::<String>::new());
    let folders = fs::read_dir(&scratch).expect("the folder").count();
    assert_eq!(folders, 0, "the scenario's own folder is gone");
}

#[test]
fn interrupted_smoke_writes_every_report_and_says_what_was_not_run() {
    let script = "[ \"$1\" = run ] || exit 0; echo up >\"$(dirname \"$0\")/pipe\"; sleep 605";
    let bench = TestBench::new(script, &[], "");
    let pipe = bench.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    command.args(["smoke", "--profile", "profile.toml"]).args(REPORTS);
    bench.at_home(&mut command);
    let mut harness = command.stdout(Stdio::null()).spawn().expect("the harness");
    let told = fs::read_to_string(&pipe).expect("the runner says that it is up");
    assert_eq!(told, "up\n");
    assert_eq!(
        left_over(bench.folder.path()),
        Vec::<String>::new(),
        "while it runs"
    );
    interrupt(&harness);
    assert_eq!(harness.wait().expect("it ends").code(), Some(130));
    is_told_everywhere(&bench, "interrupted: 0 of 4");
}

#[test]
fn the_command_under_a_failing_check_of_a_coordinator_makes_that_check_alone() {
    let bench = TestBench::new("exit 0", &[], "");
    let stub = stub_coordinator::Stub::start(stub_coordinator::StubConfig {
        rules: stub_coordinator::preset("5xx").expect("a preset"),
        ..stub_coordinator::StubConfig::default()
    })
    .expect("a stub");
    let url = stub.url();
    let (code, output, errors) = bench.alone(&["coordinator", "coordinator/view", "--url", &url]);
    assert_eq!(code, Some(1), "{output}{errors}");
    let (code, alone, errors) = bench.pasted(printed_command(&output));
    assert_eq!(code, Some(1), "{alone}{errors}");
    assert_eq!(alone.lines().last(), Some("0 passed, 1 failed"), "{alone}");
    assert!(alone.contains("coordinator/view"), "{alone}");
    let (code, _, errors) = bench.alone(&["coordinator", "coordinator/vew", "--url", &url]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains("coordinator/view"),
        "it names what there is: {errors}"
    );
}

#[test]
fn a_coordinator_that_nobody_could_ask_is_called_neither_right_nor_wrong() {
    let bench = TestBench::new("exit 0", &[], "");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let (code, output, errors) = bench.alone(&["coordinator", "--url", &url]);
    assert_eq!(code, Some(3), "{output}{errors}");
    assert!(
        errors.contains(&url) && errors.contains("is it running"),
        "{errors}"
    );

    let stub = stub_coordinator::Stub::start(stub_coordinator::StubConfig {
        tokens: vec![stub_coordinator::TokenGrant {
            token: "watching".into(),
            scopes: vec![stub_coordinator::Scope::Shadow],
        }],
        ..stub_coordinator::StubConfig::default()
    })
    .expect("a stub");
    fs::write(bench.path("token"), "watching\n").expect("a file");
    let url = stub.url();
    let arguments = ["coordinator", "coordinator/view", "--url", &url];
    let (code, output, _) = bench.alone(&[&arguments[..], &["--token-file", "token"]].concat());
    assert_eq!(code, Some(3), "{output}");
    assert!(output.contains("scopes shadow, work and submit"), "{output}");
}

/// The coordinator takes the connection of the first request and never answers.
#[test]
fn an_interrupted_check_of_a_coordinator_writes_every_report() {
    let bench = TestBench::new("exit 0", &[], "");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    command.args(["coordinator", "--url", &url]).args(REPORTS);
    bench.at_home(&mut command);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut harness = command.spawn().expect("the harness");
    drop(listener.accept().expect("a look whether anybody listens"));
    let (mut asked, _) = listener.accept().expect("a request");
    asked.read_exact(&mut [0]).expect("the request begins");
    interrupt(&harness);
    let mut told = BufReader::new(harness.stderr.take().expect("a pipe"));
    let mut line = String::new();
    told.read_line(&mut line)
        .expect("it says that it was interrupted");
    assert!(line.contains("interrupted"), "{line}");
    drop((asked, listener));
    assert_eq!(harness.wait().expect("it ends").code(), Some(130));
    is_told_everywhere(&bench, "interrupted: 0 of ");
}

fn is_told_everywhere(bench: &TestBench, text: &str) {
    assert!(bench.text("h.html").contains(text), "{}", bench.text("h.html"));
    let junit = Report::deserialize_from_str(&bench.text("j.xml")).expect("XML");
    assert_eq!(junit.errors, 1, "the run itself");
    assert!(bench.text("e.ndjson").contains("\"why\":\"interrupted\""));
    assert_eq!(left_over(bench.folder.path()), Vec::<String>::new());
}

/// Drafts of reports that were not renamed into place.
fn left_over(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("the folder").flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".tmp")).collect()
}

fn interrupt(child: &std::process::Child) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().expect("kill");
    assert!(sent.success());
}
