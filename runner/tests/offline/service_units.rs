//! The units in `docs/`: a service manager can read them, and `aq` takes and does what they say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::queue_fixture::QueueFixture;

const UNITS: [&str; 2] = ["aq.service", "aq-user.service"];

fn docs(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    fs::read_to_string(path).unwrap()
}

/// What a unit says for a key, of each line that has it.
fn values(unit: &str, key: &str) -> Vec<String> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value.to_owned())
        .collect()
}

/// The words of a command behind its program, which has to be `aq`.
fn arguments(command: &str) -> Vec<String> {
    let mut words = command.split(' ').map(str::to_owned);
    assert!(words.next().unwrap().ends_with("/aq"), "{command}");
    words.collect()
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// A run as the service manager starts it, which it ends with this signal; the exit code.
fn started_and_ended(command: &[String], signal: Signal) -> i32 {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    fixture.pipe("up");
    fixture.add("a", "", "echo > $FIXTURE/up; exec sleep 1000");
    let run = fixture.start(&strs(command), &[]);
    fixture.wait_for("up");
    run.signal(signal);
    let code = run.end().code;
    assert_eq!(fixture.stage("a"), "inbox");
    code
}

#[test]
fn aq_takes_what_the_units_start_it_with_and_ends_as_they_expect() {
    for name in UNITS {
        let unit = docs(name);
        let command = arguments(&values(&unit, "ExecStart")[0]);
        let success = &values(&unit, "SuccessExitStatus")[0];
        let success: Vec<i32> = success.split(' ').map(|code| code.parse().unwrap()).collect();
        for signal in [Signal::TERM, Signal::INT] {
            let code = started_and_ended(&command, signal);
            assert!(success.contains(&code), "{name}: {code}");
        }
        let before = values(&unit, "ExecStartPre")[0].replace("$$", "$");
        let before = ["/usr/local/bin/aq", "%h/.local/bin/aq"]
            .iter()
            .fold(before, |before, path| {
                before.replace(path, env!("CARGO_BIN_EXE_aq"))
            });
        let fixture = QueueFixture::new();
        let look = || fixture.program(Path::new("/bin/sh"), &["-c", &before], &[]).end();
        assert_eq!(look().code, 1, "{name}: there is no queue");
        assert_eq!(fixture.aq(&["init"]).code, 0);
        assert_eq!(look().code, 0, "{name}");
        fs::write(fixture.queue("aq.toml"), "graze = 1\n").unwrap();
        assert_eq!(look().code, 0, "{name}: that is for the run to say");
        let refused = fixture.aq(&["run"]).code.to_string();
        assert_eq!(values(&unit, "RestartPreventExitStatus"), [refused], "{name}");
    }
}

#[test]
fn each_variable_of_the_units_is_one_of_the_contract() {
    let contract = docs("runner-contract.md");
    let mut found = 0;
    for name in ["aq.service", "aq-user.service", "agent-queue.aq.plist"] {
        let text = docs(name);
        let is_of_name = |character: char| character.is_ascii_uppercase() || character == '_';
        let words = text.split(|character| !is_of_name(character));
        for variable in words.filter(|word| word.starts_with("AQ_")) {
            found += 1;
            assert!(
                contract.contains(&format!("| `{variable}` |")),
                "{name}: {variable}"
            );
        }
    }
    assert!(found > 5, "{found}");
}

#[test]
fn the_units_leave_a_runner_the_time_that_its_end_takes() {
    // grace, what was sent KILL, the coordinator, `[notify]`, the figures
    let longest = 10 + 5 + 5 + 5 + 1;
    for name in UNITS {
        let limit = values(&docs(name), "TimeoutStopSec")[0].clone();
        let limit: u32 = limit.strip_suffix('s').unwrap().parse().unwrap();
        assert!(limit > longest, "{name}: {limit}");
    }
}

#[test]
fn both_units_of_systemd_agree_but_for_whose_they_are() {
    let [system, user] = UNITS.map(docs);
    for key in [
        "Type",
        "KillMode",
        "TimeoutStopSec",
        "SuccessExitStatus",
        "Restart",
        "RestartSec",
        "RestartPreventExitStatus",
        "StartLimitIntervalSec",
        "OOMPolicy",
        "UMask",
        "NoNewPrivileges",
    ] {
        let one = values(&system, key);
        assert!(one.len() == 1 && one == values(&user, key), "{key}: {one:?}");
    }
    assert_eq!(values(&system, "OOMPolicy"), ["continue"]);
}

/// `systemd-analyze verify` finds the programs that a unit names, so it is given one in which they are there.
fn verified(folder: &Path, name: &str, scope: &str) -> Option<String> {
    let path: PathBuf = folder.join(name);
    let unit = docs(name);
    let program = env!("CARGO_BIN_EXE_aq");
    let unit = unit
        .replace("/usr/local/bin/aq", program)
        .replace("%h/.local/bin/aq", program);
    fs::write(&path, unit).unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args([scope, "--man=no", "verify"]).arg(&path);
    let done = command.env("XDG_RUNTIME_DIR", folder).output().ok()?;
    Some(format!(
        "{}{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    ))
}

#[test]
fn systemd_finds_nothing_wrong_with_its_units() {
    let folder = tempfile::tempdir().unwrap();
    for (name, scope) in [("aq.service", "--system"), ("aq-user.service", "--user")] {
        match verified(folder.path(), name, scope) {
            None => eprintln!("skipped: there is no systemd-analyze here"),
            Some(told) => assert_eq!(told, "exit status: 0", "{name}"),
        }
    }
}

#[test]
fn the_agent_of_launchd_is_read_and_starts_what_the_units_start() {
    let script = "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/agent-queue.aq.plist");
    let Ok(read) = Command::new("python3").args(["-c", script]).arg(&path).output() else {
        return eprintln!("skipped: there is no python3 here");
    };
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let agent: Value = serde_json::from_slice(&read.stdout).unwrap();
    let words = agent["ProgramArguments"].as_array().unwrap();
    let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
    let unit = arguments(&values(&docs("aq.service"), "ExecStart")[0]);
    assert!(words[0].ends_with("/aq") && words[1..] == unit, "{words:?}");
    assert_eq!(agent["KeepAlive"]["SuccessfulExit"], false);
    assert_eq!(agent["Umask"], 0o077);
    assert_eq!(
        format!("{}s", agent["ExitTimeOut"]),
        values(&docs("aq.service"), "TimeoutStopSec")[0]
    );
    // launchd takes a path as it stands.
    let paths = ["WorkingDirectory", "StandardOutPath", "StandardErrorPath"];
    for path in paths.iter().map(|key| agent[*key].as_str().unwrap()) {
        assert!(path.starts_with("/Users/YOU/"), "{path}");
    }
    let label = agent["Label"].as_str().unwrap();
    assert_eq!(
        format!("{label}.plist"),
        path.file_name().unwrap().to_str().unwrap()
    );
}
