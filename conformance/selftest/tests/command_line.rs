//! The self-test as its users start it: what it prints, and with which exit code it ends.

#[expect(dead_code, reason = "the tests of `conformance` use the rest of it")]
#[path = "../../tests/runs/test_bench.rs"]
mod test_bench;

use std::fs::OpenOptions;
use std::process::Command;

use test_bench::{FAIL, PASS, TestBench, texts};

/// The binary under test.
const HARNESS: &str = env!("CARGO_BIN_EXE_conformance-selftest");

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
    assert!(
        output.contains("check `exit`"),
        "its failure report is printed\n{output}"
    );
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

#[test]
fn a_folder_for_failing_cases_that_is_not_there_is_wrong_usage_and_nothing_is_run() {
    let bench = TestBench::new("touch \"$(dirname \"$0\")/ran\"", &[("a/pass", PASS)], "");
    let arguments = ["property", "--profile", "profile.toml", "--out", "no/such"];
    let (code, output, errors) = bench.alone(&arguments);
    assert_eq!(code, Some(2), "{output}{errors}");
    assert!(errors.contains("`--out no/such`"), "{errors}");
    assert!(!bench.path("ran").exists(), "the runner was started all the same");
}

#[test]
fn an_option_that_means_nothing_to_a_command_is_refused() {
    let bench = TestBench::new("touch \"$(dirname \"$0\")/ran\"", &[("a/pass", PASS)], "");
    for command in ["coverage", "mutants", "property", "sweep", "steady", "pin"] {
        for option in [
            &["--events", "r"][..],
            &["--junit", "r"],
            &["--html", "r"],
            &["--github"],
            &["--json"],
            &["--quiet"],
        ] {
            let (code, output, errors) = bench.alone(&[&[command], option].concat());
            assert_eq!(code, Some(2), "{command} {option:?}\n{output}{errors}");
            assert!(errors.contains(option[0]), "{errors}");
        }
    }
    let (code, _, errors) = bench.alone(&["coverage", "--keep"]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(!bench.path("r").exists() && !bench.path("ran").exists());
}

#[test]
#[cfg(any(portable, not(target_os = "linux")))]
fn the_sweep_says_where_it_can_be_run() {
    let bench = TestBench::new("touch \"$(dirname \"$0\")/ran\"", &[("a/pass", PASS)], "");
    let (code, _, errors) = bench.alone(&["sweep", "--kills", "3"]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("`sweep --kills 3` needs Linux"), "{errors}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs /dev/full, a device of Linux")]
fn what_can_not_be_printed_reaches_the_exit_code() {
    let bench = TestBench::new("exit 0", &[("a/pass", PASS)], "");
    let mut steady = bench.command(&["steady", "--runs", "1"]);
    let others = [&["pin"][..], &["coverage"], &["--help"]].map(|arguments| {
        let mut command = Command::new(HARNESS);
        command.args(arguments);
        command
    });
    for command in std::iter::once(&mut steady).chain(&mut others.into_iter().collect::<Vec<_>>()) {
        let full = OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("a device");
        let (code, _, errors) = texts(&command.stdout(full).output().expect("the self-test"));
        assert_eq!(code, Some(3), "{command:?}\n{errors}");
        assert!(
            errors.contains("conformance-selftest: standard output can't be written"),
            "{errors}"
        );
    }
}
