//! `conformance rehearse` as its users start it: with `aq`, and with a runner that does a job twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use conformance::profile::find_aq;

use crate::test_bench::texts;

fn rehearse(aq: &Path, folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(crate::HARNESS)
        .arg("rehearse")
        .args(arguments)
        .current_dir(folder)
        .env("AQ_BIN", aq)
        .output()
        .expect("the harness can be started");
    texts(&output)
}

#[test]
fn a_rehearsal_climbs_the_ladder_comes_back_and_finds_every_job_once() {
    let aq = find_aq().expect("aq");
    let folder = tempfile::tempdir().expect("a folder");
    let (code, output, errors) = rehearse(&aq, folder.path(), &["--json", "--jobs", "9", "--html", "r.html"]);
    assert_eq!(code, Some(0), "{output}{errors}");
    let record: Value = serde_json::from_str(&output).expect("JSON");
    let steps: Vec<&str> = record["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|step| step["name"].as_str())
        .collect();
    let expected = [
        "offline",
        "observe",
        "gate",
        "route",
        "split-brain",
        "lost-replies",
        "outage",
        "back",
        "recall",
        "end",
    ];
    assert_eq!(steps, expected);
    let jobs = record["jobs"].as_array().expect("jobs");
    assert_eq!(jobs.len(), 9);
    for job in jobs {
        assert_eq!(
            (job["ran"].as_u64(), job["shipped"].as_u64()),
            (Some(1), Some(1)),
            "{job}"
        );
    }
    let recalled = jobs.iter().find(|job| job["id"] == "outage-1").expect("the job");
    let authorities: Vec<&str> = recalled["moments"]
        .as_array()
        .expect("moments")
        .iter()
        .filter_map(|moment| moment["authority"].as_str())
        .collect();
    assert_eq!(
        authorities,
        ["coordinator", "inbox", "inbox", "inbox"],
        "{recalled}"
    );
    let page = fs::read_to_string(folder.path().join("r.html")).expect("the page");
    for words in [
        "Every job ran once",
        "<title>outage</title>",
        "recalled to the inbox at",
        "aria-label=\"outage-1: ",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    assert!(!page.contains("<script"), "{page}");
}

#[test]
fn a_runner_that_does_a_job_twice_fails_the_rehearsal_at_the_first_step() {
    let aq = find_aq().expect("aq");
    let folder = tempfile::tempdir().expect("a folder");
    let twice = folder.path().join("twice");
    let script = format!(
        "#!/bin/sh\n'{}' \"$@\" || exit\n[ \"$1\" != run ] || for mark in ../marks/*.ran; do echo again >>\"$mark\"; done\n",
        aq.display()
    );
    fs::write(&twice, script).expect("a script");
    fs::set_permissions(&twice, fs::Permissions::from_mode(0o755)).expect("its rights");
    let (code, output, errors) = rehearse(&twice, folder.path(), &["--jobs", "7"]);
    assert_eq!(code, Some(1), "{output}{errors}");
    let wrong = "WRONG: offline-1 ran 2 times instead of 1";
    assert_eq!(
        output.lines().filter(|line| line.contains(wrong)).count(),
        1,
        "{output}"
    );
    assert!(!output.contains("observe"), "nothing is done after it: {output}");
}

#[test]
fn an_option_that_means_nothing_to_a_rehearsal_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for option in [
        &["--quiet"] as &[&str],
        &["--events", "r"],
        &["--jobs", "6"],
        &["--keep"],
    ] {
        let (code, output, errors) = rehearse(Path::new("/bin/true"), folder.path(), option);
        assert_eq!((code, output.as_str()), (Some(2), ""), "{option:?}\n{errors}");
        assert!(errors.contains(option[0]), "{errors}");
    }
    assert!(!folder.path().join("r").exists());
}
