//! Which evidence counts: of one coordinator as it is now, of each factory, and as a person said it.

use std::io::Cursor;

use super::*;
use crate::shadow::change_alarm::ChangeAlarm;

/// A comparison of this factory and epoch; `verdict` AGREE, or the reason of a divergence.
fn line(at: &str, factory: &str, epoch: Option<&str>, verdict: &str, decision: &str) -> String {
    let (verdict, reason) = match verdict {
        "AGREE" => ("AGREE", None),
        reason => ("DIVERGE", Some(reason)),
    };
    let value = serde_json::json!({
        "ts": at, "event": "comparison", "decision": decision, "localJob": "a", "coordJob": "b", "verdict": verdict,
        "reason": reason, "factory": factory, "epoch": epoch, "engine": "sh", "lock": false,
    });
    format!("{value}\n")
}

fn note(event: &str, more: serde_json::Value) -> String {
    let mut value = serde_json::json!({"ts": "2026-05-02T00:00:00Z", "event": event, "localJob": null, "coordJob": null,
        "verdict": null, "decision": null, "detail": "why"});
    for (key, field) in more.as_object().unwrap() {
        value[key] = field.clone();
    }
    format!("{value}\n")
}

fn report(logs: &[String], question: &ReportQuestion) -> ShadowReport {
    let mut logs: Vec<_> = logs.iter().map(|log| vec![Cursor::new(log.clone())]).collect();
    summarize(&mut logs, question).unwrap()
}

fn counted(logs: &[String], question: &ReportQuestion) -> (u64, u64) {
    let figures = report(logs, question).figures;
    (figures.verdicts.agree, figures.verdicts.diverge)
}

const DAY_1: &str = "2026-05-01T10:00:00Z";
const DAY_2: &str = "2026-05-02T10:00:00Z";
const DAY_3: &str = "2026-05-03T10:00:00Z";

#[test]
fn what_another_coordinator_did_is_listed_and_not_counted() {
    let log = [
        line(DAY_1, "forge-1", Some("old"), "finished", "1"),
        line(DAY_1, "forge-1", Some("old"), "order", "2"),
        line(DAY_2, "forge-1", Some("new"), "AGREE", "3"),
        // It has not heard of the coordinator yet.
        line(DAY_3, "forge-1", None, "AGREE", "4"),
    ]
    .concat();
    let found = report(std::slice::from_ref(&log), &ReportQuestion::whole());
    assert_eq!(
        (found.figures.verdicts.agree, found.figures.verdicts.diverge),
        (2, 0)
    );
    assert_eq!(found.figures.harmful, 0);
    assert_eq!(found.figures.part, EvidencePart::Whole);
    let epochs: Vec<_> = found
        .epochs
        .iter()
        .map(|epoch| (epoch.epoch.as_str(), epoch.of, epoch.harmful, epoch.is_current))
        .collect();
    assert_eq!(epochs, [("old", 2, 1, false), ("new", 2, 0, true)]);
    let of_old = ReportQuestion {
        epoch: Some(String::from("old")),
        ..ReportQuestion::whole()
    };
    let found = report(&[log], &of_old);
    assert_eq!((found.figures.verdicts.diverge, found.figures.harmful), (2, 1));
    assert_eq!(
        found.figures.part,
        EvidencePart::Chosen(String::from("the epoch old"))
    );
}

#[test]
fn an_epoch_that_comes_back_goes_on() {
    let log = [
        line(DAY_1, "forge-1", Some("a"), "AGREE", "1"),
        line(DAY_2, "forge-1", Some("b"), "order", "2"),
        line(DAY_3, "forge-1", Some("a"), "AGREE", "3"),
    ]
    .concat();
    assert_eq!(counted(&[log], &ReportQuestion::whole()), (2, 0));
}

#[test]
fn an_old_log_without_epochs_is_one_epoch_and_ends_with_the_first_that_is_told() {
    let old = [
        line(DAY_1, "forge-1", None, "order", "1"),
        line(DAY_1, "forge-1", None, "AGREE", "2"),
    ]
    .concat();
    assert_eq!(
        counted(std::slice::from_ref(&old), &ReportQuestion::whole()),
        (1, 1)
    );
    let new = line(DAY_2, "forge-1", Some("a"), "AGREE", "3");
    assert_eq!(counted(&[old + &new], &ReportQuestion::whole()), (1, 0));
}

#[test]
fn several_factories_are_one_each_with_its_own_epoch() {
    let first = [
        line(DAY_1, "forge-1", Some("a"), "AGREE", "1"),
        line(DAY_3, "forge-1", Some("a"), "order", "2"),
    ]
    .concat();
    let second = [
        line(DAY_1, "forge-2", Some("b"), "order", "1"),
        line(DAY_2, "forge-2", Some("c"), "AGREE", "2"),
    ]
    .concat();
    let found = report(&[first.clone(), second.clone()], &ReportQuestion::whole());
    assert_eq!(
        (found.figures.verdicts.agree, found.figures.verdicts.diverge),
        (2, 1)
    );
    let current: Vec<_> = found
        .epochs
        .iter()
        .filter(|epoch| epoch.is_current)
        .map(|epoch| epoch.factory.as_str())
        .collect();
    assert_eq!(current, ["forge-2", "forge-1"], "in the order of time");
    // A factory that has two logs is one.
    let later = line(DAY_3, "forge-1", Some("d"), "AGREE", "9");
    assert_eq!(counted(&[first, second, later], &ReportQuestion::whole()), (2, 0));
}

#[test]
fn the_last_decisions_are_the_last_in_time_whatever_the_order_of_the_logs() {
    let agreed: String = (0..3000)
        .map(|count| {
            let second = count % 60;
            line(
                &format!("2026-05-01T10:00:{second:02}Z"),
                "forge-1",
                Some("a"),
                "AGREE",
                "x",
            )
        })
        .collect();
    let broken: String = (0..25)
        .map(|_| line(DAY_3, "forge-2", Some("b"), "order", "y"))
        .collect();
    let limit = ChangeAlarm::ln_limit();
    for logs in [[agreed.clone(), broken.clone()], [broken, agreed]] {
        let alarm = report(&logs, &ReportQuestion::whole()).figures.alarm;
        assert!(alarm.ln_value_after(0) > limit);
    }
}

#[test]
fn a_restart_begins_anew_for_the_log_that_it_stands_in() {
    let before = line(DAY_1, "forge-1", Some("a"), "finished", "1");
    let restart = note("restarted", serde_json::json!({}));
    let found = report(
        &[[before.clone(), restart.clone()].concat()],
        &ReportQuestion::whole(),
    );
    assert_eq!((found.figures.agreement.of, found.figures.harmful), (0, 0));
    assert_eq!(found.restarts.len(), 1);
    assert_eq!(found.restarts[0].text, "why");
    let after = line(DAY_3, "forge-1", Some("a"), "AGREE", "2");
    let log = [before.clone(), restart, after].concat();
    assert_eq!(
        counted(std::slice::from_ref(&log), &ReportQuestion::whole()),
        (1, 0)
    );
    let other = line(DAY_1, "forge-2", Some("b"), "order", "1");
    assert_eq!(counted(&[log, other], &ReportQuestion::whole()), (1, 1));
}

#[test]
fn an_acknowledged_answer_holds_nothing_and_is_no_agreement() {
    let log = |until: Option<&str>| {
        [
            line(DAY_1, "forge-1", Some("a"), "finished", "harm-1"),
            line(DAY_1, "forge-1", Some("a"), "running", "harm-2"),
            line(DAY_1, "forge-1", Some("a"), "AGREE", "fine"),
            note(
                "acknowledged",
                serde_json::json!({"acknowledges": "harm-1", "until": until}),
            ),
            note("acknowledged", serde_json::json!({"acknowledges": "fine"})),
        ]
        .concat()
    };
    for (until, acknowledged) in [
        (None, 1),
        (Some("2026-06-01"), 1),
        (Some("2026-05-31"), 0),
        (Some("nonsense"), 0),
    ] {
        let figures = report(&[log(until)], &ReportQuestion::whole()).figures;
        assert_eq!(
            (figures.acknowledged, figures.harmful, figures.verdicts.diverge),
            (acknowledged, 2 - acknowledged, 2),
            "{until:?}"
        );
        assert_eq!(figures.agreement.agree, 1);
    }
    let leased = [
        note("dry-run-not-honoured", serde_json::json!({"lease": "lease-9"})),
        note("acknowledged", serde_json::json!({"acknowledges": "lease-9"})),
    ];
    assert_eq!(
        report(&[leased[0].clone()], &ReportQuestion::whole())
            .figures
            .harmful,
        1
    );
    assert_eq!(
        report(&[leased.concat()], &ReportQuestion::whole())
            .figures
            .harmful,
        0
    );
}

#[test]
fn what_was_left_out_is_so_in_its_epoch_alone() {
    let left_out = note("left-out", serde_json::json!({"stratum": "engine=sh"}));
    let log = [line(DAY_1, "forge-1", Some("a"), "AGREE", "1"), left_out].concat();
    let found = report(std::slice::from_ref(&log), &ReportQuestion::whole());
    assert_eq!((found.left_out.len(), found.figures.left_out.len()), (1, 1));
    let later = line(DAY_3, "forge-1", Some("b"), "AGREE", "2");
    let found = report(&[log + &later], &ReportQuestion::whole());
    assert_eq!((found.left_out.len(), found.figures.left_out.len()), (0, 0));
}

#[test]
fn since_counts_what_is_later_and_says_that_it_is_a_part() {
    let log = [
        line(DAY_1, "forge-1", Some("a"), "order", "1"),
        line(DAY_2, "forge-1", Some("a"), "AGREE", "2"),
        line("at no time", "forge-1", Some("a"), "order", "3"),
    ]
    .concat();
    let since = ReportQuestion {
        since: Some(DAY_2.parse().unwrap()),
        ..ReportQuestion::whole()
    };
    let found = report(&[log], &since);
    assert_eq!(
        (found.figures.verdicts.agree, found.figures.verdicts.diverge),
        (1, 0)
    );
    assert!(matches!(found.figures.part, EvidencePart::Chosen(_)));
}

#[test]
fn comparing_has_ended_where_somebody_has_to_do_something_about_it() {
    let failed = |kind: &str| note("shadow-error", serde_json::json!({"kind": kind, "decision": "d"}));
    let skipped = |reason: &str| note("skipped", serde_json::json!({"reason": reason, "decision": "d"}));
    let agreed = line(DAY_1, "forge-1", Some("a"), "AGREE", "1");
    for (lines, run) in [
        ([failed("status-403"), failed("status-401")].concat(), 2),
        ([skipped("unsupported"), skipped("stopped")].concat(), 2),
        (
            [failed("timeout"), skipped("view_gap"), skipped("exit")].concat(),
            0,
        ),
        ([failed("status-403"), agreed.clone()].concat(), 0),
    ] {
        let figures = report(&[agreed.clone() + &lines], &ReportQuestion::whole()).figures;
        assert_eq!(figures.uncompared.run, run, "{lines}");
    }
}

#[test]
fn decisions_are_counted_by_engine_and_lock_and_by_day() {
    let log = [
        line(DAY_1, "forge-1", Some("a"), "AGREE", "1"),
        line(DAY_1, "forge-1", Some("a"), "order", "2"),
        line(DAY_2, "forge-1", Some("a"), "tie", "3"),
    ]
    .concat();
    let figures = report(&[log], &ReportQuestion::whole()).figures;
    let strata: Vec<_> = figures
        .strata
        .iter()
        .map(|(stratum, tally)| {
            (
                stratum.engine.as_deref(),
                stratum.lock,
                tally.agree,
                tally.disagree,
            )
        })
        .collect();
    assert_eq!(strata, [(Some("sh"), Some(false), 2, 1)]);
    let days: Vec<_> = figures
        .days
        .values()
        .map(|tally| (tally.agree, tally.disagree))
        .collect();
    assert_eq!(days, [(1, 1), (1, 0)]);
}
