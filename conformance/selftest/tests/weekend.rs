//! The weekend in a bounded form; two thousand jobs by `conformance-selftest weekend`.

#![cfg(all(target_os = "linux", not(portable)))]

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::process::{Command, Output};

use common::harness;
use conformance::profile::find_aq;

/// Each kind of outage comes once.
const JOBS: &str = "240";

fn weekend(words: &[&str]) -> Output {
    Command::new(harness())
        .arg("weekend")
        .args(words)
        .env("AQ_BIN", find_aq().unwrap())
        .output()
        .unwrap()
}

#[test]
fn a_host_that_goes_through_everything_loses_no_job_runs_none_twice_and_fails_none() {
    let done = weekend(&["--jobs", JOBS, "--seed", "7"]);
    let told = String::from_utf8_lossy(&done.stdout);
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.code() == Some(3) && said.contains("nothing was run") {
        eprintln!("skipped: {said}");
        return;
    }
    assert_eq!(done.status.code(), Some(0), "{told}{said}");
    for outage in [
        "full-disk",
        "login-expired",
        "killed-supervisors",
        "vanished-queue",
    ] {
        assert!(told.contains(&format!("1 {outage}")), "{outage}: {told}");
    }
}
