//! The page says what the figures say, and nothing of a log is more than text on it.

use std::fs;

use jiff::tz::TimeZone;

use super::*;
use crate::settings::{GatePolicy, PolicyName};
use crate::shadow::gate;

/// A comparison that agrees, or has that reason.
fn comparison(at: &str, epoch: &str, reason: Option<&str>) -> String {
    let value = serde_json::json!({
        "ts": at, "event": "comparison", "decision": format!("d-{at}"), "localJob": "here", "coordJob": "there",
        "verdict": if reason.is_some() { "DIVERGE" } else { "AGREE" }, "reason": reason, "factory": "forge-1",
        "epoch": epoch, "policy": "fair; version=1", "engine": "codex", "lock": true,
    });
    format!("{value}\n")
}

fn page_of(log: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet-shadow.log");
    fs::write(&path, log).unwrap();
    let logs = [path];
    let question = ReportQuestion::whole();
    let report = super::super::read(&logs, true, &question).unwrap().unwrap();
    let policy = GatePolicy::named(PolicyName::Strict);
    let gate = gate::decide(&report.figures, &policy, &question.zone);
    render(&logs, Some(&report), &gate, &question)
}

fn assert_has(page: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(page.contains(piece), "{piece}\n{page}");
    }
}

/// An earlier epoch with 2 agreements on May 1, the present one with 4 on May 3 and one that disagrees on May 4.
fn two_epochs() -> String {
    let mut log = String::new();
    for minute in 0..2 {
        log += &comparison(&format!("2026-05-01T10:0{minute}:00Z"), "old", None);
    }
    for minute in 0..4 {
        log += &comparison(&format!("2026-05-03T10:0{minute}:00Z"), "new", None);
    }
    log + &comparison("2026-05-04T10:00:00Z", "new", Some("order"))
}

#[test]
fn the_page_has_the_verdict_each_rule_and_every_figure() {
    let page = page_of(&two_epochs());
    assert_has(
        &page,
        &[
            "<title>inconclusive: may the coordinator take over?</title>",
            "<p class=\"sentence\">Not yet: worst case 80.0 %, needs at least 97 %.</p>",
            // 678 clean ones at 2.5 a day.
            "<dd>about 272, if no decision disagrees</dd>",
            "<dd>4 of 5</dd>",
            "Policy <code>strict</code>",
            "<th scope=\"row\">agreement that has to be beaten</th><td class=\"n\">99 %</td>",
            "<th scope=\"row\">evidence, 4 agree and 1 disagree</th><td>0.5</td><td>at least 20 for more than 99 %</td><td class=\"bad\">not met</td>",
            "<th scope=\"row\">coverage</th><td>100.0 %</td><td>at least 98 %</td><td class=\"good\">met</td>",
            "<th scope=\"row\">codex, with a lock</th><td class=\"n\">100.0 %</td><td class=\"n\">4 of 5</td>",
            "<th scope=\"row\" class=\"id\">order</th><td class=\"n\">1</td><td>no harm</td>",
            "<td class=\"when\">2026-05-04 10:00:00Z</td><th scope=\"row\" class=\"id\">d-2026-05-04T10:00:00Z</th><td class=\"id verdict\">DIVERGE</td><td class=\"id\">here</td><td class=\"id\">there</td><td class=\"id\">order</td>",
            "100.0 %: 5 of 5 decisions were compared.",
            "7 lines were read, and 0 of them could not be.",
            "<time>2026-06-01 12:00:00Z</time>",
        ],
    );
    // What the page has to be for everybody: in one language, with its parts named, without a script.
    assert_has(&page, &["<html lang=\"en\">", "default-src 'none'", "<main>"]);
    for outside in ["<script", "http://", "https://", "src=", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<table>").count(), page.matches("<caption").count());
}

#[test]
fn the_chart_has_the_numbers_of_its_table_and_shows_the_epochs_that_do_not_count() {
    let page = page_of(&two_epochs());
    let row = |day: &str, numbers: [u64; 4]| {
        let cells: String = numbers
            .map(|number| format!("<td class=\"n\">{number}</td>"))
            .concat();
        format!("<th scope=\"row\" class=\"when\">{day}</th>{cells}")
    };
    assert_has(
        &page,
        &[
            // Counted, then not counted.
            &row("2026-05-01", [0, 0, 2, 0]),
            &row("2026-05-03", [4, 0, 0, 0]),
            &row("2026-05-04", [0, 1, 0, 0]),
            "On 3 days from 2026-05-01 to 2026-05-04, 6 decisions agree and 1 disagree.",
            "<title>2026-05-03: 4 agree, 0 disagree</title>",
            "<td class=\"n\">1</td><th scope=\"row\" class=\"id\">old</th><td class=\"id\">forge-1</td>",
            "<td class=\"n\">2 of 2</td><td class=\"n\">0</td><td>earlier</td>",
            "<td class=\"n\">4 of 5</td><td class=\"n\">0</td><td class=\"good\">present</td>",
            "class=\"band present\"",
        ],
    );
    assert_eq!(page.matches("class=\"band").count(), 2);
}

#[test]
fn what_people_said_is_on_the_page() {
    let note = |event: &str, more: serde_json::Value| {
        let mut line = serde_json::json!({"ts": "2026-05-02T00:00:00Z", "event": event, "localJob": null,
            "coordJob": null, "verdict": null, "decision": null, "factory": "forge-1"});
        for (key, field) in more.as_object().unwrap() {
            line[key] = field.clone();
        }
        format!("{line}\n")
    };
    let log = note("restarted", serde_json::json!({"detail": "mended the order"}))
        + &two_epochs()
        + &note("left-out", serde_json::json!({"stratum": "engine=codex"}))
        + &note(
            "acknowledged",
            serde_json::json!({"acknowledges": "d-2026-05-04T10:00:00Z", "detail": "a known delay", "until": "2026-05-31"}),
        );
    let page = page_of(&log);
    assert_has(
        &page,
        &[
            "Left out by name: engine=codex. The verdict says nothing about it.",
            "<td>nothing: it was left out by name</td><td>does not count</td>",
            "<td>mended the order</td>",
            "<td>a known delay</td><td>no, over since 2026-05-31</td>",
            "<td>engine=codex</td>",
        ],
    );
    let silent = page_of(&two_epochs());
    assert_has(&silent, &["Nobody acknowledged an answer"]);
    assert!(!silent.contains("Left out by name"));
}

#[test]
fn a_log_can_put_nothing_but_text_onto_the_page() {
    const HOSTILE: &str = "\"'><script>alert(1)</script>\u{202e}&";
    let mut line =
        serde_json::json!({"ts": "2026-05-03T10:00:00Z", "event": "comparison", "verdict": "DIVERGE"});
    for key in [
        "decision", "localJob", "coordJob", "reason", "factory", "epoch", "policy", "engine",
    ] {
        line[key] = HOSTILE.into();
    }
    let failed = serde_json::json!({"ts": HOSTILE, "event": "shadow-error", "verdict": null, "decision": "e", "kind": HOSTILE});
    let skipped = serde_json::json!({"event": "skipped", "verdict": null, "reason": HOSTILE});
    let restarted = serde_json::json!({"event": "restarted", "verdict": null, "detail": HOSTILE});
    let acknowledged = serde_json::json!({"event": "acknowledged", "verdict": null, "acknowledges": HOSTILE,
        "detail": HOSTILE, "until": HOSTILE});
    let left_out = serde_json::json!({"event": "left-out", "verdict": null, "stratum": HOSTILE});
    let after = [restarted, line, failed, skipped, left_out, acknowledged];
    let page = page_of(&after.map(|line| format!("{line}\n")).concat());
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains('\u{202e}'), "{page}");
    // The verdict, kind of job, epoch, factory, coordinator, reasons, last divergence, error, skipped and what people said.
    let shown = "&gt;&lt;script&gt;alert(1)&lt;&#x2f;script&gt;\\u{202e}&amp;";
    assert_eq!(page.matches(shown).count(), 16, "{page}");
}

#[test]
fn without_a_log_the_page_says_so_and_shows_the_gate() {
    let policy = GatePolicy::named(PolicyName::SmallTeam);
    let none = ShadowReport::default();
    let gate = gate::decide(&none.figures, &policy, &TimeZone::UTC);
    let page = render(&["queue/<b>".into()], None, &gate, &ReportQuestion::whole());
    assert_has(
        &page,
        &[
            "no shadow log yet: queue&#x2f;&lt;b&gt; is written by runs with AQ_FLEET=1 AQ_FLEET_SHADOW=1",
            "Policy <code>small-team</code>",
            "No compared decision has a usable time yet.",
            "<dd>nobody can say yet</dd>",
            "There is no epoch yet.",
        ],
    );
}
