//! A stream that a stranger wrote: `replay` takes from it which scenarios to run and in what order, and never what is
//! run, unless the user says that it is trusted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::test_bench::{FAIL, PASS, TestBench, texts};

/// What the runner under test leaves, and what a stranger's leaves.
const RAN: &str = "touch \"$(dirname \"$0\")/ran\"; exit 0";

/// A bench with a stream of one failure in `e.ndjson`, made by its own profile and scenarios, and nothing else left.
fn bench() -> TestBench {
    let bench = TestBench::new(RAN, &[("a/fail", FAIL), ("a/pass", PASS)], "");
    let (code, output, errors) = bench.run(&["run", "--events", "e.ndjson"]);
    assert_eq!(code, Some(1), "{output}{errors}");
    fs::remove_file(bench.path("ran")).expect("the runner was run");
    bench
}

impl TestBench {
    /// Sets these members of the stream's first event; what is null is taken away.
    fn forge(&self, members: Value) {
        let text = self.text("e.ndjson");
        let (first, rest) = text.split_once('\n').expect("several events");
        let mut started: Value = serde_json::from_str(first).expect("an event");
        let object = started.as_object_mut().expect("an object");
        for (name, value) in members.as_object().expect("members") {
            match value {
                Value::Null => object.remove(name),
                value => object.insert(name.clone(), value.clone()),
            };
        }
        fs::write(self.path("e.ndjson"), format!("{started}\n{rest}")).expect("a stream");
    }

    /// The path of a program of a stranger, which tells by the file `stranger` that it was run.
    fn stranger(&self) -> String {
        let path = self.path("stranger.sh");
        let script = format!("#!/bin/sh\ntouch '{}'\n", self.path("stranger").display());
        fs::write(&path, script).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
        path.to_string_lossy().into_owned()
    }

    /// The path of a profile of that program.
    fn strange_profile(&self) -> String {
        let text = format!("name = \"theirs\"\ncommand = [{:?}]\n", self.stranger());
        fs::write(self.path("theirs.toml"), text).expect("a profile");
        self.path("theirs.toml").to_string_lossy().into_owned()
    }

    fn left(&self, name: &str) -> bool {
        self.path(name).exists()
    }
}

#[test]
fn a_profile_that_the_stream_alone_names_is_not_run_and_one_sentence_says_what_would_be() {
    let bench = bench();
    let theirs = bench.strange_profile();
    bench.forge(json!({"profile": theirs, "program": ["sh", "stranger.sh"], "scenarios": null}));
    let (code, output, errors) = bench.alone(&["replay", "e.ndjson"]);
    assert_eq!(code, Some(2), "{output}{errors}");
    assert!(!bench.left("stranger") && !bench.left("ran"), "{output}{errors}");
    assert_eq!((output.as_str(), errors.lines().count()), ("", 1), "{errors}");
    for word in [
        theirs.as_str(),
        "sh stranger.sh",
        "replay --trust e.ndjson",
        "--profile",
    ] {
        assert!(errors.contains(word), "{word}\n{errors}");
    }
    let (code, output, errors) = bench.alone(&["replay", "--trust", "e.ndjson", "--scenarios", "scenarios"]);
    assert!(bench.left("stranger"), "{code:?}{output}{errors}");
}

#[test]
fn a_binary_that_the_stream_alone_names_is_not_run() {
    let bench = bench();
    let theirs = bench.stranger();
    bench.forge(json!({"profile": null, "aqBin": theirs, "scenarios": null}));
    let (code, output, errors) = bench.alone(&["replay", "e.ndjson"]);
    assert_eq!(code, Some(2), "{output}{errors}");
    assert!(!bench.left("stranger"), "{output}{errors}");
    assert!(errors.contains(&theirs) && errors.contains("AQ_BIN"), "{errors}");
    let (code, output, errors) = bench.alone(&["replay", "--trust", "e.ndjson", "--scenarios", "scenarios"]);
    assert!(bench.left("stranger"), "{code:?}{output}{errors}");
}

#[test]
fn scenarios_that_the_stream_alone_names_are_not_run() {
    let bench = bench();
    bench.stranger();
    let theirs = bench.path("theirs");
    fs::create_dir_all(theirs.join("a")).expect("a folder");
    let own = bench.text("scenarios/a/fail.toml");
    let text = own.replace("args = [\"run\"]", "args = [\"theirs\"]");
    fs::write(theirs.join("a/fail.toml"), text).expect("a scenario");
    bench.runner("if [ \"$1\" = theirs ]; then touch \"$(dirname \"$0\")/stranger\"; fi");
    bench.forge(json!({"scenarios": theirs}));
    let (code, output, errors) = bench.alone(&["replay", "e.ndjson", "--profile", "profile.toml"]);
    assert_eq!(code, Some(2), "{output}{errors}");
    assert!(!bench.left("stranger"), "{output}{errors}");
    assert!(
        errors.contains("--scenarios") && errors.contains("theirs"),
        "{errors}"
    );
    let arguments = ["replay", "--trust", "e.ndjson", "--profile", "profile.toml"];
    let (code, output, errors) = bench.alone(&arguments);
    assert!(bench.left("stranger"), "{code:?}{output}{errors}");
}

#[test]
fn what_the_user_names_is_run_whatever_the_stream_names_and_trusted_or_not() {
    for trust in [&[][..], &["--trust"]] {
        let bench = bench();
        let theirs = bench.strange_profile();
        bench.forge(json!({
            "profile": theirs, "program": [bench.stranger()], "aqBin": bench.stranger(), "scenarios": "/nowhere",
        }));
        let (code, output, errors) = bench.run(&[&["replay", "e.ndjson"], trust].concat());
        assert_eq!(code, Some(1), "{output}{errors}");
        assert!(bench.left("ran") && !bench.left("stranger"), "{output}{errors}");
        assert_eq!(output.lines().last(), Some("still FAIL exit  a/fail"), "{output}");
    }
}

/// The user's AQ_BIN is a runner that the user names, so the stream's profile is none.
#[test]
fn a_runner_named_by_the_environment_goes_before_the_streams_profile() {
    let bench = bench();
    let theirs = bench.strange_profile();
    bench.forge(json!({ "profile": theirs }));
    fs::write(bench.path("aq"), format!("#!/bin/sh\n{RAN}\n")).expect("a script");
    fs::set_permissions(bench.path("aq"), fs::Permissions::from_mode(0o755)).expect("a program");
    let mut command = Command::new(crate::HARNESS);
    command.args(["replay", "e.ndjson", "--scenarios", "scenarios"]);
    bench.at_home(&mut command);
    command.env("AQ_BIN", bench.path("aq"));
    let (code, output, errors) = texts(&command.output().expect("the harness can be started"));
    assert_eq!(code, Some(1), "{output}{errors}");
    assert!(bench.left("ran") && !bench.left("stranger"), "{output}{errors}");
}

#[test]
fn nothing_in_a_stream_gives_orders_to_a_terminal() {
    const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{9b}2J\r\nconformance: all is well";
    let spoilt: [fn(&TestBench); 6] = [
        |bench| bench.forge(json!({ "command": HOSTILE })),
        |bench| bench.forge(json!({"profile": HOSTILE, "scenarios": HOSTILE, "program": [HOSTILE]})),
        |bench| bench.forge(json!({"profile": null, "aqBin": HOSTILE, "scenarios": null})),
        |bench| bench.forge(json!({ "event": HOSTILE })),
        |bench| {
            // A case that failed then and that no folder holds now.
            let text = bench
                .text("e.ndjson")
                .replace("\"a/fail\"", &json!(HOSTILE).to_string());
            fs::write(bench.path("e.ndjson"), text).expect("a stream");
        },
        |bench| {
            // The name of the check that failed then, which is told beside the one of now.
            let text = bench
                .text("e.ndjson")
                .replace("\"check\":\"exit\"", &format!("\"check\":{}", json!(HOSTILE)));
            fs::write(bench.path("e.ndjson"), text).expect("a stream");
        },
    ];
    for (number, spoil) in spoilt.into_iter().enumerate() {
        let bench = bench();
        spoil(&bench);
        for arguments in [
            &["replay", "e.ndjson"][..],
            &[
                "replay",
                "e.ndjson",
                "--profile",
                "profile.toml",
                "--scenarios",
                "scenarios",
            ],
        ] {
            let (_, output, errors) = bench.alone(arguments);
            let raw = |character: char| character.is_control() && !"\n\t".contains(character);
            assert!(
                !format!("{output}{errors}").contains(raw),
                "{number} {arguments:?}\n{output:?}\n{errors:?}"
            );
            assert!(
                !errors.contains("\nconformance: all is well"),
                "{number} {arguments:?}\n{errors}"
            );
            assert!(
                !output.contains("\nconformance: all is well"),
                "{number} {arguments:?}\n{output}"
            );
        }
    }
}
