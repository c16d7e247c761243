//! Four tiny scenarios, one a verdict, that distinguish a wrong profile from a wrong runner: where one does not pass, the
//! evidence is searched for the first thing that the profile must have got wrong.

use std::path::Path;
use std::time::Instant;

use crate::case_result::CaseResult;
use crate::evidence::RunEvidence;
use crate::outcome::Outcome;
use crate::printable_text::error_chain;
use crate::profile::Profile;
use crate::scenario::{Scenario, parse};
use crate::suite::Suite;
use crate::supervise::ProcessExit;

const SCENARIOS: [(&str, &str); 4] = [
    ("smoke/agree", include_str!("../smoke/agree.toml")),
    ("smoke/diverge", include_str!("../smoke/diverge.toml")),
    ("smoke/coord-empty", include_str!("../smoke/coord-empty.toml")),
    ("smoke/local-empty", include_str!("../smoke/local-empty.toml")),
];

/// The four scenarios.
pub fn scenarios() -> impl Iterator<Item = (&'static str, Scenario)> {
    SCENARIOS.into_iter().map(|(id, text)| {
        let scenario = parse::parse(text, Path::new(id));
        (id, scenario.expect("they are compiled in, and tests run them"))
    })
}

/// Judges those of the four that are named, or all, and passes each result on when it is there. There is none of one that
/// was stopped on its way.
pub fn judge(suite: &Suite, only: &[String], mut on_result: impl FnMut(&CaseResult)) -> Vec<CaseResult> {
    let mut verdicts = Vec::new();
    let wanted = scenarios().filter(|(id, _)| only.is_empty() || only.iter().any(|named| named == id));
    for (id, scenario) in wanted {
        let began = Instant::now();
        let mut verdict = judge_one(suite, id, &scenario);
        verdict.took_since(began);
        if suite.stop.is_asked() {
            break;
        }
        on_result(&verdict);
        verdicts.push(verdict);
    }
    verdicts
}

/// Where the profile must be wrong, the failure report begins with what to change in it.
fn judge_one(suite: &Suite, id: &str, scenario: &Scenario) -> CaseResult {
    let evidence = match suite.gather(scenario) {
        Ok(evidence) => evidence,
        Err(error) => return suite.broken(id, scenario, &error_chain(&error)),
    };
    let mut verdict = suite.verdict_on(id, scenario, &evidence);
    let good = matches!(verdict.outcome, Outcome::Pass | Outcome::NotApplicable);
    if let (false, Some(hint)) = (good, diagnosis(&evidence.run, &suite.profile)) {
        verdict.outcome = Outcome::Broken;
        verdict.failure_report = format!(
            "the profile, not the runner: {hint}\n\n{}",
            verdict.failure_report
        );
    }
    verdict
}

/// The first key of the profile that can't be right, or `None` if the runner has to answer for what was seen.
fn diagnosis(seen: &RunEvidence, profile: &Profile) -> Option<String> {
    let program = profile.command.join(" ");
    let unstarted =
        |exit: &ProcessExit| matches!(exit, ProcessExit::NotStarted | ProcessExit::Code(126 | 127));
    if seen.add.iter().any(|add| unstarted(&add.exit)) || unstarted(&seen.main().exit) {
        return Some(format!("`command`: `{program}` can't be started"));
    }
    if seen.add.iter().any(|add| add.exit != ProcessExit::Code(0)) {
        let words = profile.words(&["add".into()]).join(" ");
        return Some(format!(
            "`commands.add`: `{program} {words} FILE` did not exit 0; it has to enqueue the file"
        ));
    }
    if seen.stage_files.is_empty() {
        return Some(
            "`environment.AQ_QUEUE`: after `add` no stage folder holds a file, so the queue lies elsewhere"
                .into(),
        );
    }
    if seen.runs.is_empty() {
        let words = profile.words(&["run".into(), "--drain".into()]).join(" ");
        return Some(format!(
            "`commands.run`: `{program} {words}` started no engine; it has to work until the inbox is empty"
        ));
    }
    if seen.coordinator.after.connections == seen.coordinator.before.connections {
        return Some(
            "`environment`: nothing connected to the coordinator; what are AQ_FLEET, AQ_FLEET_SHADOW and \
             AQ_FLEET_URL called?"
                .into(),
        );
    }
    let log = &seen.shadow_log;
    if log.lines.is_empty() && seen.calls("shadow.claim") > 0 {
        return Some(format!(
            "`log.path`: nothing lies at `{}` in the queue",
            profile.log.path
        ));
    }
    let verdicts = log.lines.iter().filter_map(|line| line.object.as_ref());
    let mut verdicts = verdicts.filter_map(|object| object.get("verdict"));
    let first = log.lines.first()?;
    (!verdicts.any(serde_json::Value::is_string)).then(|| {
        format!(
            "`log.form` or `log.fields`: no line of the log could be read to have a verdict; the first is `{}`",
            first.text
        )
    })
}
