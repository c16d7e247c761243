//! The page of a run: failures first, each with its timeline, then all scenarios, then the clauses. One file
//! without scripts that loads nothing; what is laid out how is `report.html`, whose engine escapes every text.

use std::collections::BTreeMap;

use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use serde::Serialize;

use super::account::{Account, Moment, Witness};
use super::event::{Case, CheckResult, Started};
use super::parting::Parting;
use super::record::Record;
use super::{cut, harmless};
use crate::clause::{self, Level, coverage, gaps};
use crate::verdict::Outcome;

const TEMPLATE: &str = include_str!("report.html");
const TEXT: usize = 6_000;

/// The report as a page.
pub fn render(record: &Record) -> String {
    let mut engine = Environment::new();
    let rendered = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .and_then(|syntax| {
            engine.set_syntax(syntax);
            engine.add_template("report.html", TEMPLATE)?;
            engine.get_template("report.html")?.render(Serde(page(record)))
        });
    // The template is compiled in and tests render it; should it fail all the same, the file says so.
    rendered.unwrap_or_else(|error| format!("<!doctype html><title>broken</title><p>{}", escaped(&error)))
}

/// Where on the page a case is shown.
#[derive(Debug, Clone, Copy)]
enum Place {
    OnTop,
    AmongAll,
}

/// What the template is given.
#[derive(Debug, Serialize)]
struct Page<'a> {
    started: &'a Started,
    took: String,
    exit: u8,
    objection: Option<String>,
    counts: Vec<Count>,
    failed: Vec<Shown<'a>>,
    known: Vec<Shown<'a>>,
    areas: Vec<Area<'a>>,
    not_run: Vec<&'a String>,
    clauses: Vec<ClauseRow>,
}

#[derive(Debug, Serialize)]
struct Count {
    outcome: &'static str,
    name: &'static str,
    count: usize,
}

/// The scenarios of one folder.
#[derive(Debug, Serialize)]
struct Area<'a> {
    name: String,
    cases: Vec<Shown<'a>>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    case: &'a Case,
    /// The word of its outcome in the stream.
    outcome: Outcome,
    id: String,
    title: String,
    reason: String,
    bad: Vec<Bad>,
    partings: Vec<Mark<'a>>,
    replay: String,
    timelines: Vec<Timeline<'a>>,
}

#[derive(Debug, Serialize)]
struct Bad {
    check: String,
    clauses: Vec<String>,
    broken: bool,
    expected: String,
    observed: String,
}

#[derive(Debug, Serialize)]
struct Timeline<'a> {
    account: &'a Account,
    rows: Vec<Row<'a>>,
    /// Partings that no row stands for.
    rest: Vec<Mark<'a>>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    at: String,
    witness: Witness,
    what: &'a str,
    odd: bool,
    /// Whether a job file moved.
    moved: bool,
    /// The failing checks that name what this is about.
    parts: Vec<&'a str>,
    /// What parts from then on.
    partings: Vec<Mark<'a>>,
}

/// A parting, with where to find it on the page.
#[derive(Debug, Clone, Serialize)]
struct Mark<'a> {
    parting: &'a Parting,
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

fn page(record: &Record) -> Page<'_> {
    let of = |outcomes: &[Outcome]| {
        let gravest = record.gravest_first().into_iter();
        gravest
            .filter(|case| outcomes.contains(&case.outcome))
            .map(|case| shown(case, Place::OnTop))
            .collect::<Vec<_>>()
    };
    let took_ms = record.ended.as_ref().map_or(0, |ended| ended.took_ms);
    Page {
        started: &record.started,
        took: format!("{:.1} s", took_ms as f64 / 1e3),
        exit: record.exit(),
        objection: record.objection(),
        counts: counts(record),
        failed: of(&[Outcome::Fail, Outcome::Broken]),
        known: of(&[Outcome::KnownFailure]),
        areas: areas(record),
        not_run: record.not_run().collect(),
        clauses: clauses(record),
    }
}

fn counts(record: &Record) -> Vec<Count> {
    let counts = record.counts();
    [
        ("pass", "passed", counts.passed),
        ("fail", "failed", counts.failed),
        ("broken", "broken", counts.broken),
        ("known-failure", "known failures", counts.known_failures),
        ("not-applicable", "not applicable", counts.not_applicable),
        ("not-run", "not run", counts.not_run),
    ]
    .map(|(outcome, name, count)| Count { outcome, name, count })
    .into()
}

fn areas(record: &Record) -> Vec<Area<'_>> {
    let mut areas: BTreeMap<String, Vec<Shown>> = BTreeMap::new();
    for case in record.by_id() {
        let area = case.id.rsplit_once('/').map_or("", |(area, _)| area);
        areas
            .entry(harmless(area))
            .or_default()
            .push(shown(case, Place::AmongAll));
    }
    areas
        .into_iter()
        .map(|(name, cases)| Area { name, cases })
        .collect()
}

fn shown(case: &Case, place: Place) -> Shown<'_> {
    let bad: Vec<&CheckResult> = case.bad().collect();
    let partings = marks(case, place);
    Shown {
        case,
        outcome: case.outcome,
        id: harmless(&case.id),
        title: harmless(&case.title),
        reason: harmless(&case.reason()),
        bad: bad.iter().map(|finding| self::bad(finding)).collect(),
        replay: harmless(&case.replay),
        timelines: case
            .accounts
            .iter()
            .enumerate()
            .map(|(index, account)| {
                // They are about the run itself, not about those that it is compared with.
                let marks = if index == 0 { &partings[..] } else { &[] };
                timeline(account, &bad, marks)
            })
            .collect(),
        partings,
    }
}

/// A case stands on the page twice where it failed; what is pointed at needs a name of its own each time.
fn marks(case: &Case, place: Place) -> Vec<Mark<'_>> {
    let part = match place {
        Place::OnTop => "parts",
        Place::AmongAll => "all-parts",
    };
    let name: String = case.id.bytes().map(|byte| format!("{byte:02x}")).collect();
    let marks = case.partings.iter().enumerate().map(|(index, parting)| Mark {
        parting,
        when: parting.when(),
        anchor: format!("{part}-{name}-{index}"),
        first: index == 0,
    });
    marks.collect()
}

fn bad(finding: &CheckResult) -> Bad {
    Bad {
        check: harmless(&finding.check),
        clauses: finding.clauses.clone(),
        broken: finding.outcome == Outcome::Broken,
        expected: harmless(&cut(&finding.expected, TEXT)),
        observed: harmless(&cut(&finding.observed, TEXT)),
    }
}

fn timeline<'a>(account: &'a Account, bad: &[&'a CheckResult], marks: &[Mark<'a>]) -> Timeline<'a> {
    let moments = &account.moments;
    // The last row that stands by then; where rows were left out at the end, what parts there comes after them.
    let row_of = |mark: &Mark| {
        let at_us = mark.parting.at_us?;
        let after = moments.partition_point(|moment| moment.at_us <= at_us);
        let within = after < moments.len() || account.moments_left_out == 0;
        after.checked_sub(1).filter(|_| within)
    };
    let at = |row: Option<usize>| {
        let marks = marks.iter().filter(|mark| row_of(mark) == row);
        marks.cloned().collect::<Vec<_>>()
    };
    let rows = moments.iter().enumerate().map(|(index, moment)| Row {
        at: format!("{:.1}", moment.at_us as f64 / 1e3),
        witness: moment.seen_by,
        what: &moment.what,
        odd: moment.odd,
        moved: moment.moved.is_some(),
        parts: bad
            .iter()
            .filter(|finding| names(finding, moment))
            .map(|finding| finding.check.as_str())
            .collect(),
        partings: at(Some(index)),
    });
    Timeline {
        account,
        rows: rows.collect(),
        rest: at(None),
    }
}

/// Whether the check's words name the job or the operation that this moment is about.
fn names(finding: &CheckResult, moment: &Moment) -> bool {
    let of_word = |character: char| character.is_alphanumeric() || "-_.".contains(character);
    moment.about.iter().any(|subject| {
        [&finding.expected, &finding.observed].iter().any(|text| {
            text.split(|character| !of_word(character))
                .any(|word| word == subject)
        })
    })
}

/// Each clause with what this run says of it, and what the suite has for it beyond this run.
fn clauses(record: &Record) -> Vec<ClauseRow> {
    let (checks, mutants) = (coverage::checks(), coverage::mutants());
    let rows = coverage::of(clause::all(), &[], &checks, &mutants);
    let naming = |id: &String| {
        let cases = record.cases.iter();
        let naming = cases.filter(|case| case.clauses.contains(id));
        naming.map(|case| case.outcome).collect::<Vec<_>>()
    };
    let count = |id: &String, outcomes: &[Outcome]| {
        let all = naming(id).into_iter();
        all.filter(|outcome| outcomes.contains(outcome)).count()
    };
    let row = |row: coverage::Row| ClauseRow {
        id: row.clause.id.clone(),
        text: row.clause.text.clone(),
        planned: row.clause.level == Level::Planned,
        passed: count(&row.clause.id, &[Outcome::Pass]),
        failed: count(&row.clause.id, &[Outcome::Fail, Outcome::Broken]),
        scenarios: naming(&row.clause.id).len(),
        checks: row.checks.len(),
        mutants: row.mutants.len(),
        gaps: gaps::excuses_of(&row).collect(),
    };
    rows.into_iter().map(row).collect()
}

fn escaped(error: &minijinja::Error) -> String {
    format!("{error:#}").replace('&', "&amp;").replace('<', "&lt;")
}
