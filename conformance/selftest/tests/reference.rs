//! The second runner, in bash, keeps the contract too: a part of the suite here, all of it by
//! `conformance run --profile conformance/reference-runner/profile.toml`.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::path::PathBuf;
use std::process::Command;

use common::suite;
use conformance::outcome::Outcome;
use conformance::profile;
use conformance::scenario::scenario_files;
use conformance::suite::default_jobs;

/// What is tried here: something of each area, and what a shell script gets wrong first.
const SOME: [&str; 12] = [
    "shadow/agree",
    "shadow/diverge-order",
    "shadow/several-agree-by-two",
    "shadow/exit-is-bounded",
    "shadow/token-file",
    "faults/dry-run-grants",
    "faults/hostile-newline",
    "faults/huge",
    "offline/left-running",
    "offline/lock",
    "offline/terminated",
    "report/counts",
];

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../reference-runner"))
}

#[test]
fn the_runner_in_bash_is_conformant_where_it_claims_to_be() {
    let profile = profile::read(&folder().join("profile.toml")).expect("the profile can be read");
    let mut found = scenario_files::all(&common::scenarios()).expect("scenarios");
    found.retain(|found| SOME.contains(&found.id.as_str()));
    assert_eq!(found.len(), SOME.len(), "a scenario of the list is gone");
    for verdict in suite(profile).run(&found, default_jobs(), |_| {}) {
        common::assert_passed(&verdict);
    }
}

#[test]
fn what_it_does_not_claim_is_not_held_against_it() {
    let profile = profile::read(&folder().join("profile.toml")).expect("the profile can be read");
    let routed = common::scenario("route/ships");
    let verdict = suite(profile).judge_scenario("route/ships", &routed);
    assert_eq!(verdict.outcome, Outcome::NotApplicable);
}

/// Every shell knows its own syntax; what more `shellcheck` has to say is asked where it is installed.
#[test]
fn its_scripts_can_be_read_and_shellcheck_has_no_word_against_them() {
    let runner = folder().join("runner");
    let read = Command::new("bash")
        .arg("-n")
        .arg(&runner)
        .status()
        .expect("bash");
    assert!(read.success());
    if let Ok(said) = Command::new("shellcheck").arg(&runner).output() {
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    }
}
