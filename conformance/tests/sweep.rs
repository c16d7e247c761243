//! The crash sweep in a bounded form; many more kills by `conformance sweep`.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{aq, harness};
use conformance::profile::{Profile, find_aq};
use conformance::suite::default_jobs;
use conformance::sweep::{Kind, Plan, render, run};

/// As many as the tests' time allows.
const KILLS: u64 = 80;

fn plan(profile: Profile, kills: u64, about: Option<Kind>) -> Plan {
    Plan {
        profile,
        harness: harness(),
        kills,
        seed: 1,
        about,
        jobs: default_jobs(),
    }
}

#[test]
fn a_runner_that_is_killed_at_any_step_loses_nothing_and_runs_nothing_twice() {
    let report = run(&plan(aq(), KILLS, None)).expect("processes can be traced here");
    assert_eq!(report.failure, None, "{}", render(&report));
    assert!(report.kills >= KILLS, "{}", render(&report));
    for step in [
        "after: rename inbox/ID.md to building/ID.md",
        "before: rename building/ID.md to shipped/ID.md",
        "after: hand over to a supervisor",
        // Of a supervisor, of people, and of a run under leases.
        "before: take over from the runner",
        "before: rename failed/ID.md to inbox/ID.md",
        "after: ask POST jobs/ID/reports",
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
        "#!/bin/sh\naq='{}'\ncd \"$AQ_QUEUE\" && {fault}\ncd ..\nexec \"$aq\" \"$@\"\n",
        aq.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (folder, Profile::aq(&path))
}

/// Each has to be found by cases of this kind, by a symptom that says what is wrong with it.
fn assert_found(about: Kind, faults: &[(&str, &[&str])]) {
    for (fault, symptoms) in faults {
        let (_folder, profile) = wrong(fault);
        let report = run(&plan(profile, 400, Some(about))).expect("processes can be traced here");
        let failure = report.failure.unwrap_or_else(|| panic!("not found: {fault}"));
        let told = failure.what.join("\n");
        assert!(
            symptoms.iter().any(|symptom| told.contains(symptom)),
            "{fault}: {told}"
        );
    }
}

#[test]
fn runners_that_treat_what_they_find_in_work_wrongly_are_found() {
    assert_found(
        Kind::Work,
        &[
            // What lies in `building` is taken for something that waits, whatever is alive of it and was known of it.
            (
                "case $1 in run) for f in building/*.md; do [ -e $f ] && mv $f inbox/ && rm -rf .state/locks .state/jobs; done;; esac",
                &["overlap", "was started", "ended in"],
            ),
            // What was interrupted is thrown away.
            (
                "case $1 in run) rm -f building/*.md;; esac",
                &["is in no stage", "was added", "nowhere"],
            ),
            // What was published is kept twice.
            (
                "for f in shipped/*.md; do [ -e $f ] && cp $f failed/; done",
                &["at once", "is in", "ended in"],
            ),
            // An engine is left to itself, and called done.
            (
                "case $AQ_FLEET$1 in run) for f in inbox/*.md; do [ -e $f ] || exit 0; id=$(basename $f .md); AQ_JOB_ID=$id \
             AQ_ATTEMPT=1 setsid devin >../output 2>&1 & mv $f shipped/; done; while ! [ -e ../log ]; do :; done; exit 0;; esac",
                &["and the runner said that it was done"],
            ),
        ],
    );
}

#[test]
fn runners_that_do_half_of_what_a_person_asks_for_are_found() {
    assert_found(
        Kind::People,
        &[
            // Nobody is asked to stop, and everybody is told so.
            ("case $1 in cancel) exit 0;; esac", &["was cancelled"]),
            (
                "case $1 in pause) exit 0;; esac",
                &["after `pause` the pause is null"],
            ),
            (
                "case $1 in resume) exit 0;; esac",
                &["after `resume` the pause is"],
            ),
            // A pause that counts for nothing.
            (
                "case $1 in run) rm -f .state/pause/queue;; esac",
                &["a paused queue was run"],
            ),
            // A pause that is written anew forgets what it said.
            (
                "case $1 in pause) rm -f .state/pause/queue;; esac",
                &["the pause was"],
            ),
            // A cancellation of what runs is taken, and forgotten.
            (
                "case $1 in cancel) cd ..; \"$aq\" \"$@\"; told=$?; rm -f queue/.state/cancel/*; exit $told;; esac",
                &["was cancelled while its engine ran"],
            ),
            // What is to be tried again is thrown away.
            ("case $1 in retry) rm -f failed/*.md;; esac", &["is in no stage"]),
            // A job is pruned, and its name with it.
            (
                "case $1 in prune) rm -rf .state/pruned;; esac",
                &["its name is not kept"],
            ),
            // The history goes before the job does.
            (
                "case $1 in prune) rm -f .state/jobs/*/history.jsonl;; esac",
                &["was pruned and is there"],
            ),
            // What is left of a pruned job is taken for the new one's.
            (
                "case $1 in prune) cp -r .state/jobs/. ../kept;; add) [ -e ../kept ] && cp -r ../kept/. .state/jobs;; esac",
                &["is new and has a history of"],
            ),
        ],
    );
}

#[test]
fn runners_that_go_on_without_their_lease_or_keep_their_word_to_themselves_are_found() {
    assert_found(
        Kind::Routed,
        &[
            // What a dead runner had under a lease is run as if it were the queue's own.
            (
                "case $AQ_FLEET$1 in 1run) for f in building/*.md; do [ -e $f ] && mv $f inbox/ && rm -rf .state/locks \
             .state/jobs/* && AQ_FLEET=0; done;; esac",
                &["unleased", "was started", "overlap"],
            ),
            // It is begun again whenever the coordinator still has it.
            (
                "case $AQ_FLEET$1 in 1run) rm -rf building/*.md quarantine/*.md .state/jobs .state/locks .state/outbox;; esac",
                &["was started", "overlap", "ended in"],
            ),
            // Nothing is ever asked for.
            (
                "case $AQ_FLEET$1 in 1run) exit 0;; esac",
                &["never came to its end"],
            ),
            // What was published is said to have failed.
            (
                "case $AQ_FLEET$1 in 1run) for f in shipped/*.md; do [ -e $f ] && mv $f failed/; done;; esac",
                &["ended in Some(\"shipped\") there and in Some(\"failed\") here"],
            ),
        ],
    );
}
