//! Carries out the cases: the unmutated control first, then the mutant, which has to show that its fault was
//! exercised and to die of the check that is about it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Mutant;
use super::matrix_cases::MutantCase;
use conformance::case_result::CaseResult;
use conformance::outcome::{Finding, Outcome};
use conformance::printable_text::error_chain;
use conformance::scenario::{DurationText, Scenario, scenario_files::ScenarioFile};
use conformance::suite::Suite;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatrixOutcome {
    /// The check that is about it failed, for every clause of the case.
    Killed,
    /// Nothing failed, or not the check that is about it; these did.
    Survived(Vec<String>),
    /// The runner is not conformant without the fault either, or the fault never came about.
    Inconclusive(String),
}

/// One case carried out.
#[derive(Debug, Clone)]
pub struct MatrixRow {
    pub case: MutantCase,
    pub outcome: MatrixOutcome,
    pub failure_report: String,
}

/// Carries out these cases, several at a time; the runner without a fault first, once for each scenario.
pub fn run(suite: &Suite, found: &[ScenarioFile], cases: &[MutantCase], jobs: usize) -> Vec<MatrixRow> {
    let mut wanted: Vec<ControlRun> = cases.iter().filter_map(|case| ControlRun::of(*case)).collect();
    wanted.sort();
    wanted.dedup();
    let failures = at_a_time(jobs, &wanted, |control| trouble(suite, found, control));
    let controls: BTreeMap<&ControlRun, Option<String>> = wanted.iter().zip(failures).collect();
    at_a_time(jobs, cases, |case| {
        let control = ControlRun::of(*case).and_then(|control| controls.get(&control).cloned().flatten());
        carry_out(suite, found, *case, control)
    })
}

/// What is to pass before a case proves anything: the scenario as it is adapted to the case, with no fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ControlRun {
    name: &'static str,
    scenario: &'static str,
    /// The mutant that the scenario is adapted to.
    adapted: Option<&'static str>,
}

impl ControlRun {
    fn of(case: MutantCase) -> Option<ControlRun> {
        let adapted = ADAPTED.contains(&case.mutant).then_some(case.mutant);
        Some(ControlRun {
            name: Mutant::named(case.mutant)?.control().name,
            scenario: case.scenario,
            adapted,
        })
    }
}

/// What this returns for each, in order, several at a time.
fn at_a_time<T: Sync, R: Send>(jobs: usize, all: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, all.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = all.get(index) else { return };
                    let result = each(item);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// What keeps this control from passing.
fn trouble(suite: &Suite, found: &[ScenarioFile], control: &ControlRun) -> Option<String> {
    let mutant = Mutant::named(control.name)?;
    // A scenario that is not there, or can't be read, is reported by the case itself.
    let scenario = read(found, control.scenario).ok()?;
    let scenario = adapted(control.adapted.unwrap_or(control.name), scenario);
    let verdict = mutated(suite, mutant).judge_scenario(control.scenario, &scenario);
    (verdict.outcome != Outcome::Pass).then_some(verdict.failure_report)
}

fn read(found: &[ScenarioFile], id: &str) -> Result<Scenario, String> {
    let found = found.iter().find(|found| found.id == id);
    let found = found.ok_or_else(|| format!("there is no scenario `{id}`"))?;
    found.read().map_err(|error| error_chain(&error))
}

fn carry_out(suite: &Suite, found: &[ScenarioFile], case: MutantCase, control: Option<String>) -> MatrixRow {
    let row = |outcome, failure_report| MatrixRow {
        case,
        outcome,
        failure_report,
    };
    let unproved = |why: String| row(MatrixOutcome::Inconclusive(why), String::new());
    if let Some(failure_report) = control {
        return row(
            MatrixOutcome::Inconclusive("the control does not pass".into()),
            failure_report,
        );
    }
    let Some(mutant) = Mutant::named(case.mutant) else {
        return unproved(format!("there is no mutant `{}`", case.mutant));
    };
    let scenario = match read(found, case.scenario) {
        Ok(scenario) => adapted(case.mutant, scenario),
        Err(message) => return unproved(message),
    };
    let verdict = mutated(suite, mutant).judge_scenario(case.scenario, &scenario);
    if !verdict.failure_report.contains(": fired") && verdict.outcome != Outcome::Pass {
        return row(
            MatrixOutcome::Inconclusive("its fault never came about".into()),
            verdict.failure_report,
        );
    }
    let outcome = outcome(case, &verdict);
    row(outcome, verdict.failure_report)
}

fn outcome(case: MutantCase, verdict: &CaseResult) -> MatrixOutcome {
    let rests_on = |finding: &Finding| {
        let mut clauses = case.clauses.iter();
        clauses.all(|clause| finding.clauses.iter().any(|given| given == clause))
    };
    let is_it = |finding: &Finding| finding.check == case.check && rests_on(finding);
    match verdict.bad().any(is_it) {
        true => MatrixOutcome::Killed,
        false => MatrixOutcome::Survived(verdict.bad().map(|finding| finding.check.clone()).collect()),
    }
}

/// The suite with this mutant in the runner's place.
fn mutated(suite: &Suite, mutant: Mutant) -> Suite {
    Suite {
        profile: mutant.around(&suite.profile, &suite.harness),
        ..suite.clone()
    }
}

/// Mutants for which a scenario is adapted, so that their fault comes about, and does not take long.
const ADAPTED: [&str; 4] = [
    "waits-for-the-lane",
    "claims-for-real",
    "keeps-renewals-back",
    "never-ends",
];

fn adapted(mutant: &str, mut scenario: Scenario) -> Scenario {
    match mutant {
        // What it waits for comes only when the runner gives up.
        "waits-for-the-lane" => {
            scenario.runner.env.insert("AQ_FLEET_TIMEOUT".into(), "3s".into());
        }
        // A token that may claim, so that what the mutant does has an effect to be seen.
        "claims-for-real" => scenario.runner.scopes = Some(vec!["shadow".into(), "work".into()]),
        // Runs that the fault keeps from ending.
        "keeps-renewals-back" | "never-ends" => {
            scenario.runner.deadline = Some(DurationText(Duration::from_secs(6)));
        }
        _ => {}
    }
    scenario
}

/// The matrix as text: a line a case.
pub fn render(rows: &[MatrixRow]) -> String {
    let mut text = String::new();
    for row in rows {
        let outcome = match &row.outcome {
            MatrixOutcome::Killed => "killed".to_owned(),
            MatrixOutcome::Survived(others) if others.is_empty() => "SURVIVED".into(),
            MatrixOutcome::Survived(others) => format!("SURVIVED (failed instead: {})", others.join(", ")),
            MatrixOutcome::Inconclusive(why) => format!("UNPROVED: {why}"),
        };
        let MutantCase {
            mutant,
            scenario,
            check,
            clauses,
        } = row.case;
        text.push_str(&format!(
            "{mutant:24} {check:26} {:16} {scenario:32} {outcome}\n",
            clauses.join(" ")
        ));
    }
    let killed = rows
        .iter()
        .filter(|row| row.outcome == MatrixOutcome::Killed)
        .count();
    text.push_str(&format!("{killed} of {} killed\n", rows.len()));
    text
}
