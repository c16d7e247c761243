//! The crash sweep in a bounded form; many more kills by `conformance sweep`.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{aq, harness};
use conformance::profile::{Profile, find_aq};
use conformance::suite::default_jobs;
use conformance::sweep::{Plan, render, run};

/// As many as the tests' time allows.
const KILLS: u64 = 60;

fn plan(profile: Profile, kills: u64) -> Plan {
    Plan {
        profile,
        harness: harness(),
        kills,
        seed: 1,
        jobs: default_jobs(),
    }
}

#[test]
fn a_runner_that_is_killed_at_any_step_loses_nothing_and_runs_nothing_twice() {
    let report = run(&plan(aq(), KILLS)).expect("processes can be traced here");
    assert_eq!(report.failure, None, "{}", render(&report));
    assert!(report.kills >= KILLS, "{}", render(&report));
    for step in [
        "after: rename inbox/ID.md to building/ID.md",
        "before: rename building/ID.md to shipped/ID.md",
        "after: hand over to a supervisor",
    ] {
        assert!(
            report.rows.iter().any(|row| row.step == step),
            "{step} is never passed"
        );
    }
}

/// Wrong on purpose: `fault` is carried out in the queue folder before the runner starts.
fn wrong(fault: &str) -> (tempfile::TempDir, Profile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runner");
    let aq = find_aq().unwrap();
    let script = format!(
        "#!/bin/sh\ncd \"$AQ_QUEUE\" && {fault}\ncd ..\nexec '{}' \"$@\"\n",
        aq.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (folder, Profile::aq(&path))
}

#[test]
fn runners_that_treat_what_they_find_in_work_wrongly_are_found() {
    for (fault, symptoms) in [
        // What lies in `building` is taken for something that waits, whatever is alive of it and was known of it.
        (
            "case $1 in run) for f in building/*.md; do [ -e $f ] && mv $f inbox/ && rm -rf .state/locks .state/jobs; done;; esac",
            ["overlap", "was started", "ended in"],
        ),
        // What was interrupted is thrown away.
        (
            "case $1 in run) rm -f building/*.md;; esac",
            ["is in no stage", "was added", "nowhere"],
        ),
        // What was published is kept twice.
        (
            "for f in shipped/*.md; do [ -e $f ] && cp $f failed/; done",
            ["at once", "is in", "ended in"],
        ),
    ] {
        let (_folder, profile) = wrong(fault);
        let report = run(&plan(profile, 400)).expect("processes can be traced here");
        let failure = report.failure.expect("it was killed often enough");
        let told = failure.what.join("\n");
        assert!(
            symptoms.iter().any(|symptom| told.contains(symptom)),
            "{fault}: {told}"
        );
    }
}
