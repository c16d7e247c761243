//! What is wrong with the environment is told in one sentence before anything is judged, and is nobody's failure: exit
//! code 3.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rstest::rstest;

use crate::test_bench::{PASS, TestBench, texts};

/// A runner that gives each job to its engine and ships it.
const WORKS_THROUGH_ITS_INBOX: &str = r#"
unset AQ_FLEET_DRAIN AQ_FLEET_TIMEOUT AQ_FLEET_TOKEN AQ_FLEET_URL
case $1 in
add)
  mkdir -p "$AQ_QUEUE/inbox"
  cp "$2" "$AQ_QUEUE/inbox/" ;;
run)
  mkdir -p "$AQ_QUEUE/shipped"
  for job in "$AQ_QUEUE"/inbox/*.md; do
    devin -p "$(sed 1d "$job" | sed '1,/^---$/d')" || exit
    mv "$job" "$AQ_QUEUE/shipped/"
  done ;;
esac
"#;

/// A bench whose runner is this file with these permissions.
fn bench_with(program: &[u8], mode: u32) -> TestBench {
    let bench = TestBench::new("exit 0", &[("a/pass", PASS)], "");
    let path = bench.path("runner");
    fs::write(&path, program).expect("a program");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
    fs::write(
        bench.path("profile.toml"),
        "name = \"a file\"\ncommand = [\"./runner\"]\n",
    )
    .expect("a profile");
    bench
}

/// A program of this system, for a kind of machine that there is not.
#[cfg(target_os = "linux")]
fn foreign_program() -> Vec<u8> {
    let mut head = fs::read("/proc/self/exe").expect("this program");
    head.truncate(4096);
    head[18..20].copy_from_slice(&[0xff, 0xff]);
    head
}

#[rstest]
#[case::no_run_bit(b"#!/bin/sh\n".to_vec(), 0o644, "chmod +x")]
#[case::carriage_return(b"#!/bin/sh\r\nexit 0\r\n".to_vec(), 0o755, "the line ends of Unix")]
#[case::no_interpreter(b"#!/not/there\n".to_vec(), 0o755, "`/not/there` is not there; install it")]
#[case::an_empty_first_line(b"#!\nexit 0\n".to_vec(), 0o755, "names no interpreter")]
#[case::not_on_path(b"#!/usr/bin/env no-such-interpreter\n".to_vec(), 0o755, "`no-such-interpreter` is not on PATH")]
#[case::behind_an_option(b"#!/usr/bin/env -S A=1 no-such-interpreter -x\n".to_vec(), 0o755, "`no-such-interpreter` is not on PATH")]
#[case::a_plain_text(b"exit 0\n".to_vec(), 0o755, "a text without `#!`")]
#[case::nothing(Vec::new(), 0o755, "a text without `#!`")]
#[cfg_attr(
    target_os = "linux",
    case::another_machine(foreign_program(), 0o755, "another kind of machine")
)]
fn a_runner_that_can_not_be_started_is_not_judged(
    #[case] program: Vec<u8>,
    #[case] mode: u32,
    #[case] says: &str,
) {
    let bench = bench_with(&program, mode);
    let (code, output, errors) = bench.run(&["run"]);
    assert_eq!((code, output.as_str()), (Some(3), ""), "{errors}");
    assert!(
        errors.contains("the runner, can't be started: ") && errors.contains(says),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn a_runner_that_is_not_there_or_is_a_folder_is_not_judged() {
    let bench = bench_with(b"#!/bin/sh\n", 0o755);
    let profile = |command: &str| {
        let text = format!("name = \"none\"\ncommand = [\"{command}\"]\n");
        fs::write(bench.path("profile.toml"), text).expect("a profile");
        bench.run(&["run"])
    };
    for (command, says) in [
        ("./missing", "there is no such file"),
        ("./scenarios", "it is no file"),
        ("no-such-runner", "is not on PATH"),
    ] {
        let (code, _, errors) = profile(command);
        assert_eq!(code, Some(3), "{command}: {errors}");
        assert!(errors.contains(says), "{command}: {errors}");
    }
    assert_eq!(profile("./runner").0, Some(0), "the honest one is judged");
}

#[rstest]
#[case::a_colon("co:lon", "can't be on PATH")]
#[case::not_there("missing", "nothing can be made in")]
fn a_folder_that_can_not_hold_the_engines_is_told(#[case] name: &str, #[case] says: &str) {
    let bench = bench_with(b"#!/bin/sh\n", 0o755);
    if name != "missing" {
        fs::create_dir(bench.path(name)).expect("a folder");
    }
    let mut command = bench.command(&["run"]);
    let output = command.env("TMPDIR", bench.path(name)).output();
    let (code, _, errors) = texts(&output.expect("the harness can be started"));
    assert_eq!(code, Some(3), "{errors}");
    assert!(
        errors.contains(says) && errors.contains("set TMPDIR to"),
        "{errors}"
    );
}

/// With real engines, which are scripts that name the harness and a socket in this folder.
#[rstest]
#[case::a_quote("q'uote")]
#[case::two_quotes("''")]
#[case::a_blank("a b")]
#[case::a_dollar("$HOME")]
#[case::a_backslash("a\\b")]
#[case::a_line_break("a\nb")]
fn any_other_character_may_stand_in_the_name_of_that_folder(#[case] name: &str) {
    let bench = TestBench::new("exit 0", &[], "");
    bench.runner(WORKS_THROUGH_ITS_INBOX);
    let scenario = "title = \"t\"\nclauses = [\"F-1\"]\n[runner]\nargs = [\"run\"]\n[[job]]\nid = \"alpha\"\n\n\
                    [expect]\nexit = 0\nstages = { alpha = \"shipped\" }\n";
    fs::create_dir_all(bench.path("scenarios/a")).expect("a folder");
    fs::write(bench.path("scenarios/a/engine.toml"), scenario).expect("a scenario");
    let folder = bench.path(name);
    fs::create_dir_all(&folder).expect("a folder");
    let mut command = bench.command(&["run"]);
    let output = command.env("TMPDIR", folder).output();
    let (code, output, _) = texts(&output.expect("the harness can be started"));
    assert_eq!(code, Some(0), "{output}");
}
