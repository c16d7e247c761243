//! Where a failed run differs from what it should have been, with mutants; where nothing failed, `scenarios` holds that
//! nothing differs.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use conformance::case_result::CaseResult;
use conformance::diagnosis::first_difference::{DifferenceKind, FirstDifference};
use conformance::diagnosis::run_trace::RunTrace;
use conformance::diagnosis::timeline_events::EventSource;
use conformance::outcome::Outcome;
use conformance::report::event_stream::RunEvent;
use conformance::report::html;
use conformance::report::run_record::RunRecord;
use conformance::scenario::scenario_files;
use conformance_selftest::mutants::Mutant;
use rstest::rstest;

/// The case that this mutant makes of the scenario.
fn case(mutant: &str, scenario: &str) -> CaseResult {
    let profile = common::aq();
    let mutant = Mutant::named(mutant).expect("a mutant");
    let suite = common::suite(mutant.around(&profile, &common::harness()));
    let found = scenario_files::all(&common::scenarios()).expect("scenarios");
    let found = found
        .iter()
        .find(|found| found.id == scenario)
        .expect("a scenario");
    suite.judge(found).reported(None, "run it".into())
}

fn in_words(difference: &FirstDifference) -> String {
    format!(
        "{}: {} / {}",
        difference.place, difference.expected, difference.seen
    )
}

#[rstest]
#[case::the_log_says_what_was_not_answered(
    "agrees-always",
    "shadow/diverge-unknown",
    DifferenceKind::ContradictedExchange,
    "exchange #1, log line 1: a line that says what was answered: beta / the coordinator's job is alpha"
)]
#[case::the_log_is_not_the_scenarios(
    "agrees-always",
    "shadow/diverge-unknown",
    DifferenceKind::Line,
    "log line 1: DIVERGE local alpha coord beta (unknown) / AGREE local alpha coord alpha (unknown)"
)]
#[case::an_answer_is_kept_quiet(
    "hides-errors",
    "faults/status-500",
    DifferenceKind::UnloggedExchange,
    "exchange #1: a line in the log for a claim that was answered by status 500 / no line"
)]
#[case::a_later_answer_is_kept_quiet(
    "forgets-a-decision",
    "shadow/several-agree",
    DifferenceKind::UnloggedExchange,
    "exchange #10: a line in the log for a claim that was answered delta / no line"
)]
#[case::nobody_was_asked(
    "logs-twice",
    "shadow/agree",
    DifferenceKind::UnaskedVerdict,
    "log line 2: a shadow claim that this verdict rests on / no claim, and yet the coordinator's job is alpha"
)]
#[case::a_request_that_nobody_may_make(
    "claims-for-real",
    "shadow/agree",
    DifferenceKind::Request,
    // It is the second or the third: the mutant claims beside the report that follows the dry run.
    "exchange #?: claim 0 times, no more / POST /v1/claims"
)]
#[cfg_attr(
    any(portable, not(target_os = "linux")),
    ignore = "needs inotify, which reports each move"
)]
#[case::a_failure_that_moves_on(
    "moves-a-failure",
    "shadow/failed-job",
    DifferenceKind::Stage,
    "the file of alpha, after inbox, building, failed: failed / shipped"
)]
#[case::a_second_start(
    "runs-twice",
    "shadow/agree",
    DifferenceKind::Start,
    "engine of alpha: started 1 times / start number 2"
)]
fn the_first_difference_is_found_and_marked(
    #[case] mutant: &str,
    #[case] scenario: &str,
    #[case] kind: DifferenceKind,
    #[case] words: &str,
) {
    let case = case(mutant, scenario);
    assert_eq!(case.outcome, Outcome::Fail, "{}", case.failure_report);
    let difference = case.differences.iter().find(|difference| difference.kind == kind);
    let difference = difference.unwrap_or_else(|| panic!("no {kind:?} among {:?}", case.differences));
    let told = in_words(difference);
    let told = match words.contains("#?") {
        true => told.replacen(['2', '3'], "?", 1),
        false => told,
    };
    assert_eq!(told, words);
    let at_us = difference.at_us.expect("it has a time");
    let run = &case.traces[0];
    let around = |trace: &RunTrace| {
        let events = trace.events.iter().map(|event| event.at_us);
        events.clone().min() <= Some(at_us) && Some(at_us) <= events.max()
    };
    assert!(around(run), "{at_us} in {:?}", run.events);
    assert!(
        case.failure_report.contains(&difference.place),
        "{}",
        case.failure_report
    );
    // The page has a row for it in the timeline, and a link to it.
    let mut record = RunRecord::default();
    record.take(RunEvent::CaseEnded(Box::new(case.clone())));
    let page = html::render(&record);
    let rows = page.matches("<tr class=\"difference\"").count();
    assert_eq!(rows, 2 * case.differences.len(), "on top and among all\n{page}");
    let link = page.split("<a href=\"#difference-").nth(1).expect("a link");
    let anchor = link.split('"').next().expect("its target");
    assert_eq!(page.matches(&format!("id=\"difference-{anchor}\"")).count(), 1);
}

/// What is missing has no time, and stands at the end.
#[test]
#[cfg_attr(
    any(portable, not(target_os = "linux")),
    ignore = "needs inotify, which reports each move"
)]
fn what_never_came_differs_in_the_end() {
    let case = case("does-nothing", "shadow/agree");
    assert!(!case.differences.is_empty());
    for difference in &case.differences {
        assert_eq!(difference.at_us, None, "{difference:?}");
    }
    let words: Vec<String> = case.differences.iter().map(in_words).collect();
    let stage = "the file of alpha, after inbox: shipped / nothing more".to_owned();
    assert!(words.contains(&stage), "{words:?}");
}

#[test]
#[cfg_attr(
    any(portable, not(target_os = "linux")),
    ignore = "needs inotify, which reports each move"
)]
fn the_stages_of_a_job_are_events_of_every_run() {
    let case = case("control", "shadow/agree");
    assert_eq!(
        (case.outcome, case.differences.len()),
        (Outcome::Pass, 0),
        "{}",
        case.failure_report
    );
    assert_eq!(case.traces.len(), 2, "it is compared with a run without a fleet");
    for trace in &case.traces {
        assert_eq!(trace.unwatched, None);
        let moved = trace
            .events
            .iter()
            .filter_map(|event| Some((event, event.moved.as_ref()?)));
        let told: Vec<(EventSource, &str)> = moved
            .map(|(event, _)| (event.seen_by, event.what.as_str()))
            .collect();
        let expected = [
            "alpha: appears in inbox",
            "alpha: inbox → building",
            "alpha: building → shipped",
        ];
        assert_eq!(
            told,
            expected.map(|what| (EventSource::Runner, what)),
            "{}",
            trace.name
        );
    }
    let lines = |trace: &RunTrace| {
        let lines = trace
            .events
            .iter()
            .filter(|event| event.what.starts_with("log line "));
        lines.count()
    };
    assert_eq!(case.traces.iter().map(lines).collect::<Vec<_>>(), [1, 0]);
}
