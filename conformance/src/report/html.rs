//! The page of a run: failures first, each with its timeline, then all scenarios, then the clauses. One file
//! without scripts that loads nothing; what is laid out how is `report.html`, whose engine escapes every text.

use std::collections::BTreeMap;

use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use serde::Serialize;

use super::event_stream::RunStarted;
use super::run_record::RunRecord;
use crate::case_result::CaseResult;
use crate::checks::registry;
use crate::clause::{self, Clause, ClauseLevel, proofs};
use crate::coordinator;
use crate::diagnosis::first_difference::FirstDifference;
use crate::diagnosis::run_trace::RunTrace;
use crate::diagnosis::timeline_events::TimelineEvent;
use crate::outcome::{Finding, Outcome};
use crate::printable_text::{cut, escape_control};

const TEMPLATE: &str = include_str!("report.html");
const TEXT: usize = 6_000;

/// The report as a page.
pub fn render(record: &RunRecord) -> String {
    let mut engine = Environment::new();
    let rendered = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .and_then(|syntax| {
            engine.set_syntax(syntax);
            // What a runner or a scenario wrote is made harmless; the engine escapes it besides.
            engine.add_filter("printable", |text: String| escape_control(&text));
            engine.add_filter("short", |text: String| cut(&text, TEXT));
            engine.add_template("report.html", TEMPLATE)?;
            engine.get_template("report.html")?.render(Serde(page(record)))
        });
    // The template is compiled in and tests render it; should it fail all the same, the file says so.
    rendered.unwrap_or_else(|error| format!("<!doctype html><title>broken</title><p>{}", escaped(&error)))
}

/// Where on the page a case is shown.
#[derive(Debug, Clone, Copy)]
enum PageSection {
    Failures,
    AllScenarios,
}

/// What the template is given.
#[derive(Debug, Serialize)]
struct HtmlPage<'a> {
    started: &'a RunStarted,
    took: String,
    exit: u8,
    objection: Option<String>,
    /// Outcome, its name and how many.
    counts: [(&'static str, &'static str, usize); 6],
    failed: Vec<CaseView<'a>>,
    known: Vec<CaseView<'a>>,
    /// The scenarios of each folder.
    areas: BTreeMap<&'a str, Vec<CaseView<'a>>>,
    not_run: Vec<&'a String>,
    clauses: Vec<ClauseRow>,
}

#[derive(Debug, Serialize)]
struct CaseView<'a> {
    case: &'a CaseResult,
    reason: String,
    bad: Vec<&'a Finding>,
    differences: Vec<DifferenceMark<'a>>,
    timelines: Vec<TimelineView<'a>>,
}

#[derive(Debug, Serialize)]
struct TimelineView<'a> {
    trace: &'a RunTrace,
    rows: Vec<TimelineRow<'a>>,
    /// Differences that no row stands for.
    rest: Vec<DifferenceMark<'a>>,
}

#[derive(Debug, Serialize)]
struct TimelineRow<'a> {
    at: String,
    event: &'a TimelineEvent,
    /// The failing checks that name what this is about.
    failing_checks: Vec<&'a str>,
    /// What differs from then on.
    differences: Vec<DifferenceMark<'a>>,
}

/// A difference, with where to find it on the page.
#[derive(Debug, Clone, Serialize)]
struct DifferenceMark<'a> {
    difference: &'a FirstDifference,
    when: String,
    anchor: String,
    first: bool,
}

#[derive(Debug, Serialize)]
struct ClauseRow {
    id: String,
    text: String,
    planned: bool,
    passed: usize,
    failed: usize,
    /// Scenarios of this run that name it.
    scenarios: usize,
    checks: usize,
    mutants: usize,
    /// Why it is not forced, or a part of it is not.
    gaps: Vec<String>,
}

fn page(record: &RunRecord) -> HtmlPage<'_> {
    let of = |outcomes: &[Outcome]| {
        let gravest = record.by_severity().into_iter();
        gravest
            .filter(|case| outcomes.contains(&case.outcome))
            .map(|case| shown(case, PageSection::Failures))
            .collect::<Vec<_>>()
    };
    let took_ms = record.ended.as_ref().map_or(0, |ended| ended.took_ms);
    HtmlPage {
        started: &record.started,
        took: format!("{:.1} s", took_ms as f64 / 1e3),
        exit: record.exit().code(),
        objection: record.objection(),
        counts: counts(record),
        failed: of(&[Outcome::Fail, Outcome::Broken]),
        known: of(&[Outcome::KnownFailure]),
        areas: areas(record),
        not_run: record.not_run().collect(),
        clauses: clauses(record),
    }
}

fn counts(record: &RunRecord) -> [(&'static str, &'static str, usize); 6] {
    let counts = record.counts();
    [
        ("pass", "passed", counts.passed),
        ("fail", "failed", counts.failed),
        ("broken", "broken", counts.broken),
        ("known-failure", "known failures", counts.known_failures),
        ("not-applicable", "not applicable", counts.not_applicable),
        ("not-run", "not run", counts.not_run),
    ]
}

fn areas(record: &RunRecord) -> BTreeMap<&str, Vec<CaseView<'_>>> {
    let mut areas: BTreeMap<&str, Vec<CaseView>> = BTreeMap::new();
    for case in record.by_id() {
        let area = case.id.rsplit_once('/').map_or("", |(area, _)| area);
        let cases = areas.entry(area).or_default();
        cases.push(shown(case, PageSection::AllScenarios));
    }
    areas
}

fn shown(case: &CaseResult, place: PageSection) -> CaseView<'_> {
    let bad: Vec<&Finding> = case.bad().collect();
    let differences = marks(case, place);
    let timelines = case.traces.iter().enumerate().map(|(index, trace)| {
        // They are about the run itself, not about those that it is compared with.
        let marks = if index == 0 { &differences[..] } else { &[] };
        timeline(trace, &bad, marks)
    });
    CaseView {
        case,
        reason: case.reason(),
        timelines: timelines.collect(),
        bad,
        differences,
    }
}

/// A case stands on the page twice where it failed; what is pointed at needs a name of its own each time.
fn marks(case: &CaseResult, place: PageSection) -> Vec<DifferenceMark<'_>> {
    let part = match place {
        PageSection::Failures => "difference",
        PageSection::AllScenarios => "all-difference",
    };
    let name: String = case.id.bytes().map(|byte| format!("{byte:02x}")).collect();
    let marks = case
        .differences
        .iter()
        .enumerate()
        .map(|(index, difference)| DifferenceMark {
            difference,
            when: difference.when(),
            anchor: format!("{part}-{name}-{index}"),
            first: index == 0,
        });
    marks.collect()
}

fn timeline<'a>(trace: &'a RunTrace, bad: &[&'a Finding], marks: &[DifferenceMark<'a>]) -> TimelineView<'a> {
    let events = &trace.events;
    // The last row that stands by then; where rows were left out at the end, what differs there comes after them.
    let row_of = |mark: &DifferenceMark| {
        let at_us = mark.difference.at_us?;
        let after = events.partition_point(|event| event.at_us <= at_us);
        let within = after < events.len() || trace.events_left_out == 0;
        after.checked_sub(1).filter(|_| within)
    };
    let at = |row: Option<usize>| {
        let marks = marks.iter().filter(|mark| row_of(mark) == row);
        marks.cloned().collect::<Vec<_>>()
    };
    let rows = events.iter().enumerate().map(|(index, event)| TimelineRow {
        at: format!("{:.1}", event.at_us as f64 / 1e3),
        event,
        failing_checks: bad
            .iter()
            .filter(|finding| names(finding, event))
            .map(|finding| finding.check.as_str())
            .collect(),
        differences: at(Some(index)),
    });
    TimelineView {
        trace,
        rows: rows.collect(),
        rest: at(None),
    }
}

/// Whether the check's words name the job or the operation that this event is about.
fn names(finding: &Finding, event: &TimelineEvent) -> bool {
    let of_word = |character: char| character.is_alphanumeric() || "-_.".contains(character);
    event.about.iter().any(|subject| {
        [&finding.expected, &finding.observed].iter().any(|text| {
            text.split(|character| !of_word(character))
                .any(|word| word == subject)
        })
    })
}

/// Each clause with what this run says of it, and what the suite has for it beyond this run.
fn clauses(record: &RunRecord) -> Vec<ClauseRow> {
    let row = |clause: &Clause| {
        let cases = record.cases.iter();
        let cases = cases.filter(|case| case.clauses.contains(&clause.id));
        let outcomes: Vec<Outcome> = cases.map(|case| case.outcome).collect();
        let count = |wanted: &[Outcome]| outcomes.iter().filter(|outcome| wanted.contains(outcome)).count();
        let proof = proofs::of(&clause.id);
        ClauseRow {
            id: clause.id.clone(),
            text: clause.text.clone(),
            planned: clause.level == ClauseLevel::Planned,
            passed: count(&[Outcome::Pass]),
            failed: count(&[Outcome::Fail, Outcome::Broken]),
            scenarios: outcomes.len(),
            checks: standing_checks(&clause.id),
            mutants: proof.mutants,
            gaps: proof.gaps,
        }
    };
    clause::all().iter().map(row).collect()
}

/// How many checks that are made whatever a scenario says rest on this clause.
fn standing_checks(id: &str) -> usize {
    let of_runners = registry::ALL.iter().map(|check| check.clauses);
    let of_coordinators = coordinator::ALL.iter().map(|check| check.clauses);
    let all = of_runners.chain(of_coordinators);
    all.filter(|clauses| clauses.contains(&id)).count()
}

fn escaped(error: &minijinja::Error) -> String {
    format!("{error:#}").replace('&', "&amp;").replace('<', "&lt;")
}
