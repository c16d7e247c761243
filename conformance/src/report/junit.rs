//! JUnit XML, for whatever CI reads test results: a suite an area, a case a scenario. A run that is not green
//! though no case is to blame gets a case of its own that says why.
//!
//! Jenkins and GitLab read it by schemas of their own. Neither takes `skipped` of all suites together, or properties of
//! a case, so the first is left out and a case says its clauses in its output.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::run_record::RunRecord;
use crate::case_result::CaseResult;
use crate::exit_codes::HarnessExit;
use crate::outcome::Outcome;
use crate::printable_text::escape_control;

/// The suite of what is about the run and not about one case.
pub const WHOLE: &str = "conformance";

/// The report as XML.
pub fn render(record: &RunRecord) -> String {
    let mut report = Report::new(clean(&format!("conformance of {}", record.started.subject)));
    let mut areas: BTreeMap<String, Vec<TestCase>> = BTreeMap::new();
    for case in record.by_id() {
        areas.entry(area(&case.id)).or_default().push(of_case(case));
    }
    for id in record.not_run() {
        let mut status = TestCaseStatus::skipped();
        status.set_message("it came to no verdict: the run ended before");
        areas.entry(area(id)).or_default().push(named(id, status));
    }
    let mut suites: Vec<TestSuite> = Vec::new();
    suites.extend(whole(record));
    for (area, cases) in areas {
        let mut suite = TestSuite::new(clean(&area));
        suite.add_test_cases(cases);
        suites.push(suite);
    }
    for suite in &mut suites {
        suite.add_properties(properties(record));
    }
    report.add_test_suites(suites);
    if let Some(ended) = &record.ended {
        report.set_time(Duration::from_millis(ended.took_ms));
    }
    // Writing into memory can't fail, and text was cleaned of what XML can't hold.
    report.to_string().map_or_else(
        |error| format!("<!-- {} -->", escape_control(&error.to_string())),
        without_skipped_of_all,
    )
}

/// The document without an attribute of its root.
fn without_skipped_of_all(document: String) -> String {
    const ATTRIBUTE: &str = " skipped=\"";
    let root = document.find("<testsuites").unwrap_or_default();
    let end = document[root..].find('>').map_or(document.len(), |at| root + at);
    let Some(start) = document[root..end].find(ATTRIBUTE).map(|at| root + at) else {
        return document;
    };
    let value = start + ATTRIBUTE.len();
    match document[value..end].find('"') {
        Some(quote) => format!("{}{}", &document[..start], &document[value + quote + 1..]),
        None => document,
    }
}

/// The case of a run that is not green by no case's fault.
fn whole(record: &RunRecord) -> Option<TestSuite> {
    let counts = record.counts();
    let blamed = counts.failed + counts.broken > 0;
    let objection = record.objection()?;
    let status = match (record.exit(), blamed) {
        (HarnessExit::Holds, _) => return None,
        // What was found is counted where it was found; the objection is no failure beside it.
        (_, true) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(clean(&objection));
            status
        }
        (_, false) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(clean(&objection)).set_type("run");
            status
        }
    };
    let mut suite = TestSuite::new(WHOLE);
    suite.add_test_case(TestCase::new("the whole run", status));
    Some(suite)
}

fn of_case(case: &CaseResult) -> TestCase {
    let status = match case.outcome {
        Outcome::Pass => TestCaseStatus::success(),
        Outcome::Fail => non_success(case, NonSuccessKind::Failure),
        Outcome::Broken => non_success(case, NonSuccessKind::Error),
        Outcome::KnownFailure | Outcome::NotApplicable => {
            let mut status = TestCaseStatus::skipped();
            let word = match case.outcome {
                Outcome::KnownFailure => "known failure",
                _ => "not applicable",
            };
            status.set_message(clean(&format!("{word}: {}", case.reason())));
            status
        }
    };
    let mut test = named(&case.id, status);
    test.set_time(Duration::from_millis(case.took_ms));
    test.set_system_out(clean(&format!("clauses: {}", case.clauses.join(" "))));
    test
}

fn non_success(case: &CaseResult, kind: NonSuccessKind) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    let checks: Vec<&str> = case.bad().map(|finding| finding.check.as_str()).collect();
    status
        .set_message(clean(&case.reason()))
        .set_type(clean(&checks.join(" ")))
        .set_description(clean(&format!(
            "{}\nrun it alone:\n  {}\n",
            case.failure_report, case.replay
        )));
    status
}

fn named(id: &str, status: TestCaseStatus) -> TestCase {
    let mut test = TestCase::new(clean(id), status);
    test.set_classname(clean(&area(id).replace('/', ".")));
    test
}

fn properties(record: &RunRecord) -> Vec<Property> {
    let started = &record.started;
    let mut all = vec![
        Property::new("runner", clean(&started.program.join(" "))),
        Property::new("harness", clean(&started.harness)),
        Property::new("exit", record.exit().code().to_string()),
    ];
    all.extend(
        started
            .shuffle
            .map(|seed| Property::new("shuffle", seed.to_string())),
    );
    all
}

/// All but the last part of an id.
fn area(id: &str) -> String {
    id.rsplit_once('/').map_or(WHOLE, |(area, _)| area).to_owned()
}

/// Text without what XML 1.0 has no way to write; control characters are shown as escapes.
fn clean(text: &str) -> String {
    escape_control(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}
