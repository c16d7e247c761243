//! Carries out the cases: the unmutated control first, then the mutant, which has to show that its fault was
//! exercised and to die of the check that is about it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Mutant;
use super::cases::Case;
use crate::scenario::{Scenario, parse, select::Found};
use crate::suite::{Suite, chain};
use crate::verdict::{Finding, Outcome, Verdict};

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The check that is about it failed, for every clause of the case.
    Killed,
    /// Nothing failed, or not the check that is about it; these did.
    Survived(Vec<&'static str>),
    /// The runner is not conformant without the fault either, or the fault never came about.
    Unproved(String),
}

/// One case carried out.
#[derive(Debug, Clone)]
pub struct Row {
    pub case: Case,
    pub fate: Fate,
    pub story: String,
}

/// Carries out these cases, several at a time, each scenario's control once.
pub fn run(suite: &Suite, found: &[Found], cases: &[Case], jobs: usize) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    let controls = controls(suite, found, cases, jobs);
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, cases.len().max(1)) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = carry_out(suite, found, *case, controls.get(case.scenario));
                    let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
                    rows.push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    let place = |row: &Row| cases.iter().position(|case| *case == row.case);
    rows.sort_by_key(place);
    rows
}

/// What keeps the control of each scenario from passing, by scenario.
fn controls(suite: &Suite, found: &[Found], cases: &[Case], jobs: usize) -> BTreeMap<String, String> {
    let wanted: Vec<Found> = found
        .iter()
        .filter(|found| cases.iter().any(|case| case.scenario == found.id))
        .cloned()
        .collect();
    let control = Mutant::named("control").expect("it is the first of the list");
    let control = mutated(suite, control);
    let verdicts = control.run(&wanted, jobs, |_| {});
    let failing = verdicts
        .into_iter()
        .filter(|verdict| verdict.outcome != Outcome::Pass);
    failing.map(|verdict| (verdict.id, verdict.story)).collect()
}

fn carry_out(suite: &Suite, found: &[Found], case: Case, control: Option<&String>) -> Row {
    let row = |fate, story| Row { case, fate, story };
    let unproved = |why: String| row(Fate::Unproved(why), String::new());
    if let Some(story) = control {
        return row(Fate::Unproved("the control does not pass".into()), story.clone());
    }
    let Some(mutant) = Mutant::named(case.mutant) else {
        return unproved(format!("there is no mutant `{}`", case.mutant));
    };
    let Some(found) = found.iter().find(|found| found.id == case.scenario) else {
        return unproved(format!("there is no scenario `{}`", case.scenario));
    };
    let scenario = match parse::read(&found.path) {
        Ok(scenario) => adapted(case, scenario),
        Err(error) => return unproved(chain(&error)),
    };
    let verdict = mutated(suite, mutant).judge_scenario(case.scenario, &scenario);
    if !verdict.story.contains(": fired") && verdict.outcome != Outcome::Pass {
        return row(Fate::Unproved("its fault never came about".into()), verdict.story);
    }
    let fate = fate(case, &verdict);
    row(fate, verdict.story)
}

fn fate(case: Case, verdict: &Verdict) -> Fate {
    let bad = |finding: &&Finding| matches!(finding.outcome, Outcome::Fail | Outcome::Broken);
    let wrong: Vec<&Finding> = verdict.findings.iter().filter(bad).collect();
    let rests_on = |finding: &Finding| {
        case.clauses
            .iter()
            .all(|clause| finding.clauses.iter().any(|given| given == clause))
    };
    if wrong
        .iter()
        .any(|finding| finding.check == case.check && rests_on(finding))
    {
        return Fate::Killed;
    }
    Fate::Survived(wrong.iter().map(|finding| finding.check).collect())
}

/// The suite with this mutant in the runner's place.
fn mutated(suite: &Suite, mutant: Mutant) -> Suite {
    Suite {
        profile: mutant.around(&suite.profile, &suite.harness),
        ..suite.clone()
    }
}

fn adapted(case: Case, mut scenario: Scenario) -> Scenario {
    if case.mutant == "waits-for-the-lane" {
        // What it waits for comes only when the runner gives up; that need not take long.
        scenario.runner.env.insert("AQ_FLEET_TIMEOUT".into(), "3s".into());
    }
    if case.mutant == "claims-for-real" {
        // A token that may claim, so that what the mutant does has an effect to be seen.
        scenario.runner.scopes = Some(vec!["shadow".into(), "work".into()]);
    }
    scenario
}

/// The matrix as text: a line a case.
pub fn render(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let fate = match &row.fate {
            Fate::Killed => "killed".to_owned(),
            Fate::Survived(others) if others.is_empty() => "SURVIVED".into(),
            Fate::Survived(others) => format!("SURVIVED (failed instead: {})", others.join(", ")),
            Fate::Unproved(why) => format!("UNPROVED: {why}"),
        };
        let Case {
            mutant,
            scenario,
            check,
            clauses,
        } = row.case;
        text.push_str(&format!(
            "{mutant:24} {check:26} {:16} {scenario:32} {fate}\n",
            clauses.join(" ")
        ));
    }
    let killed = rows.iter().filter(|row| row.fate == Fate::Killed).count();
    text.push_str(&format!("{killed} of {} killed\n", rows.len()));
    text
}
