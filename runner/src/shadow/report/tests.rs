//! Figures worked out by hand from small logs, and one large log.

use std::io::{Cursor, Read, SeekFrom};

use super::log_record::LINE_BYTES_MAX;
use super::shadow_figures::{LineCounts, NAMES_MAX};
use super::*;
use crate::shadow::comparison::ComparisonVerdict;

fn line(
    event: &str,
    local: Option<&str>,
    coord: Option<&str>,
    verdict: Option<&str>,
    more: serde_json::Value,
) -> String {
    let mut value = serde_json::json!({
        "ts": "2026-03-02T09:30:45.250Z", "event": event, "localJob": local, "coordJob": coord,
        "verdict": verdict, "decision": null,
    });
    for (key, field) in more.as_object().unwrap() {
        value[key] = field.clone();
    }
    format!("{value}\n")
}

fn compared(local: Option<&str>, coord: Option<&str>, verdict: &str, reason: Option<&str>) -> String {
    line(
        "comparison",
        local,
        coord,
        Some(verdict),
        serde_json::json!({"decision": "d", "reason": reason}),
    )
}

fn figures(log: &str, last: usize) -> ShadowFigures {
    let mut question = ReportQuestion::whole();
    question.last = last;
    let found = summarize(&mut [vec![Cursor::new(log)]], &question);
    found.unwrap().figures
}

/// One of everything, and some of it more than once.
fn mixed_log() -> String {
    [
        compared(Some("a"), Some("a"), "AGREE", None),
        compared(Some("b"), Some("b"), "AGREE", None),
        compared(Some("c"), Some("x"), "DIVERGE", Some("order")),
        compared(Some("d"), Some("y"), "DIVERGE", Some("unknown")),
        compared(Some("e"), Some("z"), "DIVERGE", Some("order")),
        compared(Some("f"), None, "COORD_EMPTY", None),
        compared(None, Some("g"), "LOCAL_EMPTY", None),
        line(
            "shadow-error",
            Some("h"),
            None,
            None,
            serde_json::json!({"operation": "shadow.claim", "kind": "timeout", "decision": "d"}),
        ),
        line(
            "shadow-error",
            Some("h"),
            None,
            None,
            serde_json::json!({"operation": "shadow.report", "kind": "timeout"}),
        ),
        line(
            "skipped",
            Some("i"),
            None,
            None,
            serde_json::json!({"decision": "d", "reason": "view_gap"}),
        ),
        line(
            "skipped",
            None,
            None,
            None,
            serde_json::json!({"decision": "d", "reason": "lane_full", "decisions": 5}),
        ),
        line(
            "report-divergence",
            Some("a"),
            None,
            None,
            serde_json::json!({"detail": "not accepted"}),
        ),
    ]
    .concat()
}

#[test]
fn verdicts_reasons_errors_and_skips_are_counted() {
    let figures = figures(&mixed_log(), 2);
    assert_eq!(
        figures.verdicts,
        VerdictCounts {
            agree: 2,
            diverge: 3,
            coord_empty: 1,
            local_empty: 1
        }
    );
    assert_eq!(
        figures.reasons,
        [(String::from("order"), 2), (String::from("unknown"), 1)].into()
    );
    assert_eq!(figures.errors, [(String::from("timeout"), 2)].into());
    assert_eq!(
        figures.skipped,
        [(String::from("lane_full"), 5), (String::from("view_gap"), 1)].into()
    );
}

#[test]
fn rates_have_their_denominators_and_the_last_disagreements_are_kept() {
    let figures = figures(&mixed_log(), 2);
    assert_eq!(
        figures.agreement,
        AgreementRate {
            agree: 2,
            of: 7,
            rate: Some(2.0 / 7.0)
        }
    );
    // Seven compared; one error, one gap and five that did not fit were not.
    assert_eq!(
        figures.coverage,
        CoverageRate {
            compared: 7,
            of: 14,
            rate: Some(0.5)
        }
    );
    assert_eq!(
        figures.lines,
        LineCounts {
            read: 12,
            unreadable: 0
        }
    );
    let kept: Vec<(ComparisonVerdict, Option<&str>)> = figures
        .divergences
        .iter()
        .map(|kept| (kept.verdict, kept.coord_job.as_deref()))
        .collect();
    assert_eq!(
        kept,
        [
            (ComparisonVerdict::CoordEmpty, None),
            (ComparisonVerdict::LocalEmpty, Some("g"))
        ]
    );
}

#[test]
fn an_offer_that_stays_is_one_situation_until_something_is_picked() {
    let idle = |offer| compared(None, Some(offer), "LOCAL_EMPTY", None);
    let agreed = compared(Some("a"), Some("a"), "AGREE", None);
    let failed = |local| {
        line(
            "shadow-error",
            local,
            None,
            None,
            serde_json::json!({"operation": "shadow.claim", "kind": "timeout", "decision": "d"}),
        )
    };
    for (log, count) in [
        ([idle("x"), idle("x"), idle("x")].concat(), 1),
        ([idle("x"), idle("y"), idle("x")].concat(), 3),
        ([idle("x"), agreed.clone(), idle("x")].concat(), 2),
        ([idle("x"), failed(None), idle("x")].concat(), 1),
        ([idle("x"), failed(Some("a")), idle("x")].concat(), 2),
        (
            [
                idle("x"),
                line(
                    "skipped",
                    Some("a"),
                    None,
                    None,
                    serde_json::json!({"decision": "d", "reason": "exit"}),
                ),
                idle("x"),
            ]
            .concat(),
            2,
        ),
    ] {
        assert_eq!(figures(&log, 10).verdicts.local_empty, count, "{log}");
    }
}

#[test]
fn errors_alone_are_no_agreement() {
    let log = line(
        "shadow-error",
        Some("a"),
        None,
        None,
        serde_json::json!({"operation": "shadow.claim", "kind": "status-500", "decision": "d"}),
    );
    let figures = figures(&log, 10);
    assert_eq!((figures.agreement.rate, figures.agreement.of), (None, 0));
    assert_eq!(
        figures.coverage,
        CoverageRate {
            compared: 0,
            of: 1,
            rate: Some(0.0)
        }
    );
}

#[test]
fn an_empty_log_has_no_rates() {
    let figures = figures("", 10);
    assert_eq!(
        (figures.agreement.rate, figures.coverage.rate, figures.lines.read),
        (None, None, 0)
    );
}

#[test]
fn torn_foreign_and_endless_lines_are_counted_and_passed_over() {
    let good = compared(Some("a"), Some("a"), "AGREE", None);
    let torn = &good[..40];
    let foreign = "{\"level\":\"info\"}\n[1,2]\n\nplain words\n{\"verdict\":\"MAYBE\"}\n{\"event\":\"comparison\",\"verdict\":7}\n";
    let endless = "x".repeat(LINE_BYTES_MAX * 3);
    let log = format!("{torn}\n{good}{foreign}{endless}\n\u{fffd}\n{good}{torn}");
    let figures = figures(&log, 10);
    assert_eq!(figures.verdicts.agree, 2);
    assert_eq!(
        figures.lines,
        LineCounts {
            read: 12,
            unreadable: 10
        }
    );
}

#[test]
fn a_line_of_verdicts_alone_is_understood() {
    let log = "{\"ts\":\"t\",\"localJob\":\"a\",\"coordJob\":\"b\",\"verdict\":\"DIVERGE\"}\n";
    assert_eq!(figures(log, 10).verdicts.diverge, 1);
}

#[test]
fn what_a_log_names_can_neither_fill_the_memory_nor_steer_a_terminal() {
    let mut log = String::new();
    for count in 0..NAMES_MAX * 2 {
        log += &line(
            "shadow-error",
            None,
            None,
            None,
            serde_json::json!({"kind": format!("kind-{count}")}),
        );
    }
    log += &compared(
        Some("\u{1b}[2J"),
        Some(&"x".repeat(1000)),
        "DIVERGE",
        Some("order"),
    );
    let figures = figures(&log, 10);
    assert_eq!(
        (figures.errors.len(), figures.errors["(more)"]),
        (NAMES_MAX + 1, NAMES_MAX as u64)
    );
    let kept = &figures.divergences[0];
    assert_eq!(kept.local_job.as_deref(), Some("\\u{1b}[2J"));
    assert_eq!(kept.coord_job.as_ref().unwrap().len(), 128);
}

#[test]
fn a_long_log_is_read_through_a_small_window() {
    let line = compared(Some("a"), Some("a"), "AGREE", None);
    let repeats = 16 * 1024 * 1024 / line.len() as u64;
    let log = RepeatedLine {
        line: line.clone().into_bytes(),
        length: repeats * line.len() as u64,
        position: 0,
    };
    let found = summarize(&mut [vec![log]], &ReportQuestion::whole()).unwrap();
    let figures = found.figures;
    assert_eq!(figures.verdicts.agree, repeats);
    assert_eq!(
        figures.lines,
        LineCounts {
            read: repeats,
            unreadable: 0
        }
    );
}

/// The same line again and again, made as it is read.
struct RepeatedLine {
    line: Vec<u8>,
    length: u64,
    position: u64,
}

impl Read for RepeatedLine {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let offset = usize::try_from(self.position % self.line.len() as u64).unwrap();
        let left = usize::try_from(self.length - self.position).unwrap();
        let part = &self.line[offset..];
        let count = part.len().min(buffer.len()).min(left);
        buffer[..count].copy_from_slice(&part[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for RepeatedLine {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        assert_eq!(to, SeekFrom::Start(0));
        self.position = 0;
        Ok(0)
    }
}

#[test]
fn parts_are_one_log_also_where_the_last_line_of_one_was_torn_off() {
    let idle = compared(None, Some("b"), "LOCAL_EMPTY", None);
    let agree = compared(Some("a"), Some("a"), "AGREE", None);
    let continues = "{\"event\":\"continues\",\"verdict\":null,\"parts\":{\"first\":1,\"last\":1}}\n";
    let parts = [
        format!("{agree}{idle}{{\"torn"),
        format!("{continues}{idle}{agree}"),
        format!("{continues}{agree}"),
    ];
    let mut log = [parts.iter().map(Cursor::new).collect()];
    let figures = summarize(&mut log, &ReportQuestion::whole()).unwrap().figures;
    let VerdictCounts {
        agree, local_empty, ..
    } = figures.verdicts;
    assert_eq!((agree, local_empty), (3, 1));
    assert_eq!(
        figures.lines,
        LineCounts {
            read: 6,
            unreadable: 1
        }
    );
}
