//! What the tests of the harness share: where things are, and how a scenario is judged.

use std::path::{Path, PathBuf};

use conformance::case_result::CaseResult;
use conformance::driver::stop_signal::StopSignal;
use conformance::profile::{Profile, find_aq};
use conformance::sandbox::FolderRetention;
use conformance::scenario::scenario_files::ScenarioFile;
use conformance::scenario::{Scenario, parse};
use conformance::suite::Suite;

/// The binary of the self-test, which has the hidden commands of the harness too.
pub fn harness() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_conformance-selftest"))
}

/// The workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    here.canonicalize().expect("the workspace")
}

pub fn scenarios() -> PathBuf {
    root().join("scenarios")
}

/// The profile of the runner that this repository ships.
pub fn aq() -> Profile {
    Profile::aq(&find_aq().expect("aq can be built"))
}

pub fn suite(profile: Profile) -> Suite {
    Suite {
        profile,
        harness: harness(),
        keep: FolderRetention::Nothing,
        today: "2026-05-01".into(),
        stop: StopSignal::default(),
    }
}

/// The verdict on the scenario file at `path`.
pub fn judge_file(path: &Path, profile: Profile) -> CaseResult {
    let path = path.canonicalize().expect("the file is there");
    suite(profile).judge(&ScenarioFile::below(&scenarios(), path))
}

/// The scenario of this id.
pub fn scenario(id: &str) -> Scenario {
    let path = scenarios().join(format!("{id}.toml"));
    let file = ScenarioFile::below(&scenarios(), path);
    file.read().expect("the scenario can be read")
}

/// A scenario that stands in a test.
pub fn inline(text: &str) -> Scenario {
    parse::parse(text, Path::new("inline.toml")).expect("the scenario can be read")
}

/// Otherwise the failure report says why.
pub fn assert_passed(verdict: &CaseResult) {
    let pass = conformance::outcome::Outcome::Pass;
    assert_eq!(
        verdict.outcome, pass,
        "{}\n{}",
        verdict.id, verdict.failure_report
    );
}

/// The names of the checks that came out as `commands`.
pub fn checks(verdict: &CaseResult, outcome: conformance::outcome::Outcome) -> Vec<&str> {
    verdict
        .findings
        .iter()
        .filter(|finding| finding.outcome == outcome)
        .map(|finding| finding.check.as_str())
        .collect()
}
