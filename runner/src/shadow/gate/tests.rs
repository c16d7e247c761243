//! Values that were worked out independently of this code, and the decisions that follow from them.

mod rules;

use super::*;
use crate::settings::PolicyName;
use crate::shadow::decision_stratum::{DecisionStratum, DecisionTally, StratumSelector};
use crate::shadow::observation_span::ObservationSpan;
use crate::shadow::report::{AgreementRate, CoverageRate, VerdictCounts};

fn figures(agree: u64, diverge: u64, missing: u64) -> ShadowFigures {
    let compared = agree + diverge;
    let of = compared + missing;
    let now = "2026-01-03T00:00:00Z";
    let mut span = ObservationSpan::default();
    for ts in ["2026-01-01T00:00:00Z", now] {
        span.note(ts.parse().unwrap());
    }
    ShadowFigures {
        span,
        verdicts: VerdictCounts {
            agree,
            diverge,
            ..VerdictCounts::default()
        },
        agreement: AgreementRate {
            agree,
            of: compared,
            rate: None,
        },
        coverage: CoverageRate {
            compared,
            of,
            rate: (of > 0).then(|| compared as f64 / of as f64),
        },
        ..ShadowFigures::default()
    }
}

fn decide(figures: &ShadowFigures) -> GateReport {
    super::decide(figures, &GatePolicy::named(PolicyName::Strict), &TimeZone::UTC)
}

fn with_reason(mut figures: ShadowFigures, reason: &str, count: u64) -> ShadowFigures {
    figures.reasons.insert(reason.to_owned(), count);
    figures
}

#[test]
fn the_e_value_has_the_values_that_were_worked_out() {
    for (agree, of, expected) in [
        (100, 100, 0.545_083),
        (448, 448, 2.989_667),
        (449, 449, 2.997_604),
        (681, 682, 2.994_811),
        (682, 683, 3.002_006),
        (880, 882, 2.999_407),
        (990, 1000, -1.101_803),
        (998, 1000, 3.812_967),
        (999, 1000, 5.433_641),
    ] {
        let found = ln_e(agree, of - agree, 0.99);
        assert!((found - expected).abs() < 1e-6, "{agree} of {of}: {found}");
    }
}

#[test]
fn so_many_decisions_are_needed_for_so_many_disagreements() {
    for (p0, sizes) in [
        (0.95, [88, 134, 174, 210, 244, 277]),
        (0.98, [224, 340, 439, 531, 617, 700]),
        (0.99, [449, 683, 882, 1065, 1238, 1404]),
        (0.995, [901, 1368, 1767, 2134, 2480, 2813]),
    ] {
        for (disagree, of) in (0u64..).zip(sizes) {
            let reached = |of: u64| ln_e(of - disagree, disagree, p0) >= 20f64.ln();
            assert!(reached(of) && !reached(of - 1), "{disagree} at {p0}");
        }
    }
}

#[test]
fn a_coordinator_is_held_from_so_many_disagreements_on() {
    for (disagree, of) in [(4, 20), (5, 50), (6, 100), (9, 200), (13, 449), (22, 1000)] {
        let verdict = |disagree| decide(&figures(of - disagree, disagree, 0)).verdict;
        assert_eq!(verdict(disagree), GateVerdict::Hold, "{disagree} of {of}");
        assert_ne!(
            verdict(disagree - 1),
            GateVerdict::Hold,
            "one less than {disagree} of {of}"
        );
    }
}

#[test]
fn no_data_is_never_a_pass() {
    let gate = decide(&ShadowFigures::default());
    assert_eq!(
        (gate.verdict, gate.needed),
        (GateVerdict::Inconclusive, Some(449))
    );
    assert_eq!(decide(&figures(0, 0, 5000)).verdict, GateVerdict::Inconclusive);
}

#[test]
fn enough_agreement_promotes_and_one_less_says_how_much_is_missing() {
    assert_eq!(decide(&figures(449, 0, 0)).verdict, GateVerdict::Promote);
    let gate = decide(&figures(448, 0, 0));
    assert_eq!(gate.verdict, GateVerdict::Inconclusive);
    assert_eq!(gate.reasons, ["evidence: 1 more decision without a disagreement"]);
    assert_eq!(decide(&figures(600, 1, 0)).needed, Some(82));
    // So many that a single term of the sum is nothing to a float.
    assert_eq!(decide(&figures(100_000, 2, 0)).verdict, GateVerdict::Promote);
}

#[test]
fn one_answer_that_would_have_done_harm_holds_and_a_tie_does_not() {
    let harmed = ShadowFigures {
        harmful: 1,
        ..figures(2000, 1, 0)
    };
    assert_eq!(decide(&harmed).verdict, GateVerdict::Hold);
    assert_eq!(
        decide(&with_reason(figures(2000, 1, 0), "order", 1)).verdict,
        GateVerdict::Promote
    );
    assert_eq!(
        decide(&with_reason(figures(400, 100, 0), "tie", 100)).verdict,
        GateVerdict::Promote
    );
}

#[test]
fn what_could_not_be_compared_keeps_the_gate_shut() {
    // 2000 of 2041 are 97.99 %.
    let gate = decide(&figures(2000, 0, 41));
    assert_eq!(gate.verdict, GateVerdict::Inconclusive);
    assert!(
        gate.reasons[0].starts_with("coverage 97.9 %, needs at least 98 %"),
        "{:?}",
        gate.reasons
    );
    assert_eq!(decide(&figures(2000, 0, 40)).verdict, GateVerdict::Promote);
}

#[test]
fn the_alarm_holds_and_a_short_span_is_inconclusive_whatever_else_is_well() {
    let mut declined = figures(5000, 25, 0);
    (0..5000).for_each(|_| declined.alarm.note(true));
    (0..25).for_each(|_| declined.alarm.note(false));
    let gate = decide(&declined);
    assert_eq!(gate.verdict, GateVerdict::Hold);
    assert_eq!(
        gate.reasons,
        [
            "the coordinator is not good enough now: 25 of the last 25 decisions disagree (1033 more decisions without a disagreement end the alarm)"
        ]
    );
    let one_more = gate.alarm.needed.unwrap() - 1;
    (0..one_more).for_each(|_| declined.alarm.note(true));
    assert_eq!(decide(&declined).alarm.needed, Some(1));
    declined.alarm.note(true);
    assert_eq!(decide(&declined).verdict, GateVerdict::Promote);

    let mut short = figures(449, 0, 0);
    short.span = ObservationSpan::default();
    assert_eq!(decide(&short).verdict, GateVerdict::Inconclusive);
    short.span.note("2026-01-01T00:00:00Z".parse().unwrap());
    short.span.note("2026-01-01T23:00:00.5Z".parse().unwrap());
    let gate = decide(&short);
    assert_eq!(gate.verdict, GateVerdict::Inconclusive);
    assert_eq!(
        gate.reasons,
        ["span 23h00m over 1 day, needs at least 24h over 2 days of local time (1h00m more)"]
    );
}

#[test]
fn where_no_decline_shows_the_last_decisions_are_all_of_them() {
    let last = decide(&figures(448, 1, 0)).alarm.last;
    assert_eq!(last, DecisionRun { disagree: 1, of: 449 });
}

fn stratum(engine: &str, lock: bool) -> DecisionStratum {
    DecisionStratum {
        engine: Some(engine.to_owned()),
        lock: Some(lock),
    }
}

/// 900 clean decisions, of which so many are of `codex` with a lock, the others of `claude`.
fn with_codex(agree: u64, disagree: u64) -> ShadowFigures {
    let tally = |agree, disagree| DecisionTally { agree, disagree };
    ShadowFigures {
        strata: [
            (stratum("claude", false), tally(900 - agree, 0)),
            (stratum("codex", true), tally(agree, disagree)),
        ]
        .into(),
        ..figures(900, disagree, 0)
    }
}

#[test]
fn each_engine_has_to_pass_alone_from_a_share_of_a_twentieth_on() {
    assert_eq!(decide(&with_codex(88, 0)).verdict, GateVerdict::Promote);
    let gate = decide(&with_codex(87, 0));
    assert_eq!(gate.verdict, GateVerdict::Inconclusive);
    assert_eq!(
        gate.reasons,
        ["codex, with a lock: more than 95 % alone needs 1 more decision of it without a disagreement"]
    );
    // 44 of 900 are less than a twentieth.
    assert_eq!(decide(&with_codex(44, 0)).verdict, GateVerdict::Promote);
    assert_eq!(decide(&with_codex(45, 0)).verdict, GateVerdict::Inconclusive);
    // What the log tells no engine of has to pass as well.
    let mut untold = with_codex(88, 0);
    let tally = DecisionTally {
        agree: 80,
        disagree: 0,
    };
    untold.strata.insert(DecisionStratum::default(), tally);
    assert_eq!(decide(&untold).verdict, GateVerdict::Inconclusive);
}

#[test]
fn a_kind_of_job_may_be_left_out_by_name_and_by_no_other() {
    for (text, verdict) in [
        ("engine=codex", GateVerdict::Promote),
        ("engine=codex,lock=yes", GateVerdict::Promote),
        ("lock=yes", GateVerdict::Promote),
        ("engine=codex,lock=no", GateVerdict::Inconclusive),
        ("engine=claude", GateVerdict::Inconclusive),
    ] {
        let selector = StratumSelector::parse(text).unwrap();
        assert_eq!(selector.to_string(), text);
        let figures = ShadowFigures {
            left_out: vec![selector],
            ..with_codex(60, 0)
        };
        assert_eq!(decide(&figures).verdict, verdict, "{text}");
    }
    for wrong in [
        "",
        "codex",
        "engine=",
        "engine=a,engine=b",
        "lock=1",
        "engine=a b",
        "lock=yes,lock=no",
    ] {
        assert!(StratumSelector::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_was_acknowledged_stays_a_disagreement_and_may_be_a_hundredth() {
    let acknowledged = |agree, count| ShadowFigures {
        acknowledged: count,
        ..figures(agree, count, 0)
    };
    let gate = decide(&acknowledged(682, 1));
    assert_eq!((gate.verdict, gate.disagree), (GateVerdict::Promote, 1));
    // As an agreement it would have been enough.
    assert_eq!(decide(&acknowledged(500, 1)).verdict, GateVerdict::Inconclusive);
    let many = ShadowFigures {
        acknowledged: 21,
        ..figures(2000, 2, 0)
    };
    assert_eq!(
        decide(&many).reasons,
        ["acknowledged: 21 of 2002, at most 1 % may be"]
    );
}

#[test]
fn a_part_of_the_evidence_never_promotes() {
    let part = ShadowFigures {
        part: EvidencePart::Chosen(String::from("the epoch 0123")),
        ..figures(2000, 0, 0)
    };
    let gate = decide(&part);
    assert_eq!(gate.verdict, GateVerdict::Inconclusive);
    assert!(
        gate.sentence.contains("the epoch 0123 was looked at"),
        "{}",
        gate.sentence
    );
}

#[test]
fn where_comparing_has_stopped_nothing_is_promoted() {
    let stopped = |run| ShadowFigures {
        uncompared: crate::shadow::report::UncomparedRun {
            run,
            why: String::from("status-403"),
        },
        ..figures(2000, 0, 10)
    };
    assert_eq!(decide(&stopped(9)).verdict, GateVerdict::Promote);
    let gate = decide(&stopped(10));
    assert_eq!(gate.verdict, GateVerdict::Inconclusive);
    assert_eq!(
        gate.sentence,
        "Not yet: no comparison is possible: the last 10 decisions could not be compared (status-403)."
    );
}

#[test]
fn a_policy_changes_what_is_enough() {
    let small = GatePolicy::named(PolicyName::SmallTeam);
    let decide = |figures: &ShadowFigures| super::decide(figures, &small, &TimeZone::UTC);
    let with_span = |agree, disagree, hours: i64| {
        let mut figures = figures(agree, disagree, 0);
        figures.span = ObservationSpan::default();
        let first: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        figures.span.note(first);
        figures.span.note(first + jiff::SignedDuration::from_hours(hours));
        figures
    };
    assert_eq!(decide(&with_span(88, 0, 72)).verdict, GateVerdict::Promote);
    assert_eq!(decide(&with_span(87, 0, 72)).verdict, GateVerdict::Inconclusive);
    assert_eq!(decide(&with_span(88, 0, 71)).verdict, GateVerdict::Inconclusive);
    assert_eq!(decide(&with_span(133, 1, 72)).verdict, GateVerdict::Promote);
    let gate = decide(&with_span(40, 0, 72));
    assert!(gate.sentence.starts_with("Not yet: "), "{}", gate.sentence);
}
