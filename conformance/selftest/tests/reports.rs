//! Reports are made of one stream: over made-up runs of every kind they agree with each other and with the exit
//! code, whatever their texts hold, and a stream that was written down is read back as it was.

#[path = "reports/generated_runs.rs"]
mod generated_runs;
#[path = "reports/written_streams.rs"]
mod written_streams;

use std::collections::BTreeSet;
use std::time::Duration;

use conformance::exit_codes::HarnessExit;
use conformance::outcome::Outcome;
use conformance::report::event_stream::{RunEndReason, RunEnded, RunEvent, RunStarted};
use conformance::report::run_record::RunRecord;
use conformance::report::{ColourChoice, github_actions, html, json, junit, terminal};
use conformance_selftest::coverage::{self, gaps};
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};

use generated_runs::{HOSTILE, TestRng, case, folded, run};

/// Passed, failed, broken, neither (known, not applicable, not run), and whether it is green.
type OutcomeTally = (usize, usize, usize, usize, bool);

fn by_json(record: &RunRecord) -> (OutcomeTally, u64) {
    let report: serde_json::Value = serde_json::from_str(&json::render(record)).expect("JSON");
    let number = |key: &str| report[key].as_u64().expect(key) as usize;
    let neither = number("knownFailures") + number("notApplicable") + number("notRun");
    let exit = report["exit"].as_u64().expect("exit");
    (
        (
            number("passed"),
            number("failed"),
            number("broken"),
            neither,
            exit == 0,
        ),
        exit,
    )
}

fn by_junit(record: &RunRecord) -> OutcomeTally {
    let xml = junit::render(record);
    let report = Report::deserialize_from_str(&xml).expect("XML that can be read back");
    let mut said = (0, 0, 0, 0, true);
    for suite in &report.test_suites {
        for test in &suite.test_cases {
            let whole = suite.name.as_str() == junit::WHOLE;
            match &test.status {
                TestCaseStatus::Success { .. } => said.0 += 1,
                TestCaseStatus::Skipped { .. } if whole => {}
                TestCaseStatus::Skipped { .. } => said.3 += 1,
                TestCaseStatus::NonSuccess { kind, .. } => {
                    said.4 = false;
                    match (whole, kind) {
                        (true, _) => {}
                        (false, NonSuccessKind::Failure) => said.1 += 1,
                        (false, NonSuccessKind::Error) => said.2 += 1,
                    }
                }
            }
        }
    }
    said
}

fn by_html(record: &RunRecord) -> (OutcomeTally, u64) {
    let page = html::render(record);
    let count = |outcome: &str| {
        let told = page
            .split(&format!("data-count=\"{outcome}\">"))
            .nth(1)
            .expect("a count");
        let told: usize = told
            .split('<')
            .next()
            .and_then(|text| text.parse().ok())
            .expect("a number");
        let cases = page
            .matches(&format!("data-case data-outcome=\"{outcome}\""))
            .count();
        assert_eq!(
            told, cases,
            "the page's count of {outcome} and its own list\n{page}"
        );
        told
    };
    let exit = page
        .split("id=\"exit\">")
        .nth(1)
        .and_then(|text| text.split('<').next());
    let exit: u64 = exit.and_then(|text| text.parse().ok()).expect("an exit code");
    let neither = count("known-failure") + count("not-applicable") + count("not-run");
    let said = (count("pass"), count("fail"), count("broken"), neither, exit == 0);
    (said, exit)
}

/// Of the step's summary: its sign and its table.
fn by_summary(record: &RunRecord) -> OutcomeTally {
    let text = github_actions::summary(record);
    let count = |name: &str| {
        let row = text.split(&format!("\n| {name} | ")).nth(1).expect("a row");
        row.split(' ')
            .next()
            .and_then(|text| text.parse::<usize>().ok())
            .expect("a number")
    };
    let neither = count("known failure") + count("not applicable") + count("not run");
    (
        count("pass"),
        count("fail"),
        count("broken"),
        neither,
        text.starts_with("## ✅"),
    )
}

#[test]
fn all_reports_of_a_run_agree_with_each_other_and_with_its_exit_code() {
    let (mut exits, mut reached) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..200 {
        let events = run(seed);
        let record = folded(&events);
        let counts = record.counts();
        let neither = counts.known_failures + counts.not_applicable + counts.not_run;
        let green = record.exit() == HarnessExit::Holds;
        let said: OutcomeTally = (counts.passed, counts.failed, counts.broken, neither, green);
        let exit = u64::from(record.exit().code());
        assert_eq!(by_json(&record), (said, exit), "JSON, seed {seed}");
        assert_eq!(
            by_junit(&record),
            said,
            "JUnit, seed {seed}\n{}",
            junit::render(&record)
        );
        assert_eq!(by_html(&record), (said, exit), "HTML, seed {seed}");
        assert_eq!(by_summary(&record), said, "step summary, seed {seed}");
        let text = terminal::summary(&record, ColourChoice::Off);
        let last = format!(
            "{} passed, {} failed",
            counts.passed,
            counts.failed + counts.broken
        );
        assert_eq!(text.lines().last(), Some(last.as_str()), "terminal, seed {seed}");
        let annotations = github_actions::annotations(&record, None);
        let commands = annotations
            .lines()
            .filter(|line| line.starts_with("::error "))
            .count();
        let failed = counts.failed + counts.broken;
        let expected = if failed == 0 && !green { 1 } else { failed };
        assert_eq!(commands, expected, "annotations, seed {seed}\n{annotations}");
        assert!(
            annotations.lines().all(|line| line.starts_with("::")),
            "{annotations}"
        );
        match &events[events.len() - 1] {
            RunEvent::RunEnded(ended) => {
                assert_eq!(ended.exit, record.exit().code(), "the stream, seed {seed}");
            }
            other => panic!("{other:?} is no end"),
        }
        exits.insert(exit);
        reached.insert((counts.passed > 0, record.end() == RunEndReason::Complete, exit));
    }
    assert_eq!(
        exits,
        BTreeSet::from([0, 1, 3, 130, 143]),
        "the made-up runs are too alike"
    );
    assert!(
        reached.contains(&(true, true, 0)) && reached.contains(&(false, true, 3)),
        "{reached:?}"
    );
}

/// S-1 is named by the one scenario of this run, C-1 by a check of coordinators, T-5 by a scenario that was not run.
#[test]
fn the_page_says_of_each_clause_whether_it_is_cited_and_forced() {
    let mut record = folded(&[RunEvent::RunStarted(Box::default())]);
    record.take(RunEvent::CaseEnded(Box::new(case(
        "a/b",
        Outcome::Fail,
        &mut TestRng(1),
    ))));
    let page = html::render(&record);
    let cell = |column: &str, id: &str| {
        let begin = format!("data-{column}=\"{id}\">");
        let rest = page.split(&begin).nth(1).unwrap_or_else(|| panic!("{begin}"));
        rest.split("</td>").next().expect("a cell").to_owned()
    };
    let (checks, mutants) = (coverage::checks(), coverage::mutants());
    let named = |all: &[coverage::ClauseReferences], id: &String| {
        all.iter().any(|naming| naming.clauses.contains(id))
    };
    for clause in conformance::clause::all() {
        let id = &clause.id;
        let cited = id == "S-1" || named(&checks, id);
        assert_eq!(cell("cited", id).contains("yes"), cited, "{id} cited");
        assert_eq!(
            cell("forced", id).contains("yes"),
            named(&mutants, id),
            "{id} forced"
        );
    }
    assert!(
        cell("cited", "S-1").contains("1 scenario"),
        "{}",
        cell("cited", "S-1")
    );
    assert!(
        cell("cited", "C-1").contains("1 check<"),
        "{}",
        cell("cited", "C-1")
    );
    assert_eq!(cell("cited", "T-5"), "not here");
    let told = page.matches("class=\"gap\">NOT FORCED is ").count();
    assert_eq!(told, gaps::EXCUSES.len(), "each gap is told");
}

#[test]
fn nothing_executed_is_red_in_every_report() {
    let mut record = folded(&[RunEvent::RunStarted(Box::default())]);
    record.take(RunEvent::RunEnded(RunEnded {
        why: RunEndReason::Complete,
        took_ms: 0,
        exit: record.exit_at(RunEndReason::Complete).code(),
    }));
    assert_eq!(by_json(&record), ((0, 0, 0, 0, false), 3));
    assert!(!by_junit(&record).4, "{}", junit::render(&record));
    assert_eq!(by_html(&record).1, 3);
    assert!(github_actions::summary(&record).starts_with("## ❌"));
    assert!(github_actions::annotations(&record, None).starts_with("::error "));
    assert!(terminal::summary(&record, ColourChoice::Off).contains("nothing was run"));
}

#[test]
fn no_text_gets_out_of_the_place_that_a_report_gives_it() {
    for text in HOSTILE {
        let mut rng = TestRng(1);
        let mut bad = case(&format!("area/{text}"), Outcome::Fail, &mut rng);
        bad.title = text.into();
        bad.findings[0].observed = text.into();
        bad.failure_report = text.into();
        bad.traces[0].events[0].what = text.into();
        let mut record = folded(&[RunEvent::RunStarted(Box::new(RunStarted {
            subject: text.into(),
            program: vec![text.into()],
            cases: vec![bad.id.clone()],
            ..RunStarted::default()
        }))]);
        record.take(RunEvent::CaseEnded(Box::new(bad)));
        let page = html::render(&record);
        assert!(!page.contains("<script"), "{page}");
        let xml = junit::render(&record);
        let forbidden = |character: char| matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
        assert!(!xml.contains(forbidden), "{xml:?}");
        assert_eq!(by_junit(&record).1, 1, "{xml}");
        let annotations = github_actions::annotations(&record, None);
        let lines: Vec<&str> = annotations.lines().collect();
        assert!(lines[0].starts_with("::error file="), "{annotations}");
        assert!(!annotations.contains(['\u{1b}', '\r']), "{annotations:?}");
        // One line for the failure, one that says that the run was cut off.
        assert_eq!(lines.len(), 2, "{annotations}");
        let summary = github_actions::summary(&record);
        let table: Vec<&str> = summary
            .lines()
            .filter(|line| line.starts_with("| FAIL"))
            .collect();
        assert_eq!(table.len(), 1, "{summary}");
        assert_eq!(table[0].matches('|').count(), 5, "{summary}");
        let opening = summary
            .lines()
            .find(|line| line.starts_with("```"))
            .expect("a fence");
        let fence = opening.trim_end_matches("text");
        let parts: Vec<&str> = summary.split(&format!("\n{fence}")).collect();
        assert_eq!(parts.len(), 3, "before, in and after the fence\n{summary}");
        assert_eq!(parts[0].matches("<details>").count(), 1, "{summary}");
        assert_eq!(parts[2].trim(), "</details>", "{summary}");
        let text = terminal::summary(&record, ColourChoice::Off);
        assert!(
            !text
                .lines()
                .any(|line| line.contains('\u{1b}') && line.contains("FAIL")),
            "{text:?}"
        );
    }
}

#[test]
fn the_time_of_a_run_is_in_its_junit_report() {
    let record = folded(&run(0));
    let report = Report::deserialize_from_str(&junit::render(&record)).expect("XML");
    assert_eq!(report.time, Some(Duration::from_millis(12)));
}
