//! The report as text and as JSON.

use std::fs;

use super::*;
use crate::terminal::percent;

const LOG: &str = concat!(
    r#"{"ts":"2026-03-02T09:30:45.250Z","event":"comparison","localJob":"a","coordJob":"a","verdict":"AGREE","decision":"1"}"#,
    "\n",
    r#"{"ts":"2026-03-02T09:30:46.250Z","event":"comparison","localJob":"b","coordJob":"c","verdict":"DIVERGE","reason":"order","rank":2,"decision":"2"}"#,
    "\n",
    r#"{"ts":"2026-03-02T09:30:47.250Z","event":"skipped","localJob":"d","coordJob":null,"verdict":null,"reason":"exit","decision":"3"}"#,
    "\n",
    "{\"torn\n",
);

fn report() -> ShadowReport {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, LOG).unwrap();
    read(&[path], true, &ReportQuestion::whole()).unwrap().unwrap()
}

#[test]
fn the_table_shows_counts_reasons_rates_and_what_did_not_agree() {
    let mut text = Vec::new();
    figure_tables::print(&mut text, ColorChoice::Plain, &["log".into()], &report()).unwrap();
    let text = String::from_utf8(text).unwrap();
    for line in [
        "DIVERGE      1      they named different jobs: order 1",
        "agreement  50.0 %  1 of 2 comparisons",
        "coverage   66.6 %  2 of 3 decisions compared",
        "skipped    exit 1",
        "unreadable 1 of 4 lines, passed over",
        "2026-03-02T09:30:46.250Z  DIVERGE  b      c            order   2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(
        !text.contains("EPOCH"),
        "an old log has one epoch that tells nothing: {text}"
    );
}

#[test]
fn json_has_the_log_beside_the_figures() {
    let mut text = Vec::new();
    print_json(&mut text, &["the/log".into()], Some(&report()), None).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let expected = serde_json::json!({
        "log": "the/log",
        "logs": ["the/log"],
        "verdicts": {"AGREE": 1, "DIVERGE": 1, "COORD_EMPTY": 0, "LOCAL_EMPTY": 0},
        "reasons": {"order": 1},
        "errors": {},
        "skipped": {"exit": 1},
        "agreement": {"agree": 1, "of": 2, "rate": 0.5},
        "coverage": {"compared": 2, "of": 3, "rate": 2.0 / 3.0},
        "lines": {"read": 4, "unreadable": 1},
        "prunedParts": 0,
        "harmful": 0,
        "acknowledged": 0,
        "divergences": [{"ts": "2026-03-02T09:30:46.250Z", "localJob": "b", "coordJob": "c", "verdict": "DIVERGE",
            "reason": "order", "decision": "2"}],
        "epochs": [{"factory": "", "epoch": "unknown", "policy": null, "restarts": 0,
            "first": "2026-03-02T09:30:45.250Z", "last": "2026-03-02T09:30:46.250Z", "agree": 1, "of": 2,
            "harmful": 0, "isCurrent": true}],
        "acknowledgements": [],
        "restarts": [],
        "leftOut": [],
    });
    assert_eq!(value, expected);
}

#[test]
fn no_log_is_no_error_and_its_rates_are_no_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let none = [folder.path().join("none")];
    assert!(read(&none, false, &ReportQuestion::whole()).unwrap().is_none());
    assert!(matches!(
        read(&none, true, &ReportQuestion::whole()),
        Err(CliError::Input { .. })
    ));
    let mut text = Vec::new();
    print_json(&mut text, &none, None, None).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert!(value["log"].is_null() && value["agreement"]["rate"].is_null());
    let folder = [folder.path().to_owned()];
    assert!(matches!(
        read(&folder, false, &ReportQuestion::whole()),
        Err(CliError::Input { .. })
    ));
}

#[test]
fn what_is_nearly_all_is_not_shown_as_all() {
    assert_eq!(percent(Some(0.9999)), "99.9 %");
    assert_eq!(percent(Some(1.0)), "100.0 %");
    assert_eq!(percent(None), "no data");
}
