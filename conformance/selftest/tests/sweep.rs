//! The crash sweep in a bounded form; many more kills by `conformance-selftest sweep`.

#![cfg(all(target_os = "linux", not(portable)))]

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use common::{aq, harness};
use conformance::profile::Profile;
use conformance::suite::default_jobs;
use conformance_selftest::crash_sweep::{SweepPlan, mutants, render, run};

/// As many as the tests' time allows.
const KILLS: u64 = 80;

fn plan(profile: Profile, kills: u64) -> SweepPlan {
    SweepPlan {
        profile,
        harness: harness(),
        kills,
        seed: 1,
        about: None,
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

/// A part of them, as much as the tests' time allows; `conformance-selftest sweep --wrong` seeks them all.
#[test]
fn runners_that_are_wrong_on_purpose_are_found() {
    let plan = plan(aq(), 0);
    for wrong in mutants::ALL.iter().step_by(5) {
        let found = mutants::seek(wrong, &plan);
        assert_eq!(found, Ok(()), "{}: {}", wrong.name, wrong.what);
    }
}
