//! One test a scenario file: the runner of this repository does what the scenario says.

use std::path::{Path, PathBuf};

use conformance::driver::stop_signal::StopSignal;
use conformance::outcome::Outcome;
use conformance::profile::{Profile, find_aq};
use conformance::sandbox::FolderRetention;
use conformance::scenario::scenario_files::ScenarioFile;
use conformance::suite::Suite;
use rstest::rstest;

#[rstest]
fn scenario(
    #[base_dir = "../scenarios"]
    #[files("**/*.toml")]
    path: PathBuf,
) {
    let suite = Suite {
        profile: Profile::aq(&find_aq().expect("aq can be built")),
        harness: PathBuf::from(env!("CARGO_BIN_EXE_conformance")),
        keep: FolderRetention::Nothing,
        today: "2026-05-01".into(),
        stop: StopSignal::default(),
    };
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let scenarios = scenarios.canonicalize().expect("the folder is checked in");
    let path = path.canonicalize().expect("the file is there");
    let result = suite.judge(&ScenarioFile::below(&scenarios, path));
    // Another system than Linux can't keep parts of some clauses (docs/platforms.md).
    let is_left_out = cfg!(not(target_os = "linux")) && result.outcome == Outcome::NotApplicable;
    assert!(
        result.outcome == Outcome::Pass || is_left_out,
        "{}\n{}",
        result.id,
        result.failure_report
    );
    assert!(
        result.differences.is_empty(),
        "nothing differs where all holds: {:?}",
        result.differences
    );
}
