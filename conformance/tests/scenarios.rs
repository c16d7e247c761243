//! One test a scenario file: the runner of this repository does what the scenario says.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::path::PathBuf;

use conformance::outcome::Outcome;
use rstest::rstest;

#[rstest]
fn scenario(
    #[base_dir = "../scenarios"]
    #[files("**/*.toml")]
    path: PathBuf,
) {
    let verdict = common::judge_file(&path, common::aq());
    assert_eq!(
        verdict.outcome,
        Outcome::Pass,
        "{}\n{}",
        verdict.id,
        verdict.story
    );
    assert!(
        verdict.partings.is_empty(),
        "nothing parts where all holds: {:?}",
        verdict.partings
    );
}
