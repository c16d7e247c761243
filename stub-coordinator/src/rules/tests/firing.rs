//! Which rule fires on which request.

use super::*;

#[test]
fn skip_lets_the_first_through_and_times_ends_it() {
    let rule_engine = engine_with([
        json!({"id": "r", "on": "shadow.claim", "when": {"skip": 1, "times": 2}, "fault": "hang"}),
    ]);
    let r = || Some("r".to_owned());
    assert_eq!(firing(&rule_engine, 5), [None, r(), r(), None, None]);
    let status = &rule_engine.rules()[0];
    assert_eq!((status.matched, status.fired), (5, 2));
}

/// The kinds of fault that fire on so many shadow claims in a row, `-` where none does.
fn kinds(rule_engine: &RuleEngine, count: usize) -> Vec<&'static str> {
    (0..count)
        .map(|_| {
            let fired = rule_engine.decide(Operation::ShadowClaim, &RequestFacts::default(), NOW);
            fired.map_or("-", |fired| fired.fault.kind())
        })
        .collect()
}

#[test]
fn a_sequence_takes_a_step_a_firing_and_ends_as_it_says() {
    for (end, wanted) in [
        ("hold", ["hang", "reset", "reset", "reset", "reset"]),
        ("wrap", ["hang", "reset", "hang", "reset", "hang"]),
        ("pass", ["hang", "reset", "empty", "empty", "empty"]),
    ] {
        let rule_engine = engine_with([
            json!({"id": "s", "on": "shadow.claim", "fault": {"sequence": ["hang", "reset"], "end": end}}),
        ]);
        let behind = rule(json!({"on": "shadow.claim", "fault": "empty"}));
        assert_eq!(
            rule_engine.arm(behind, NOW).is_ok(),
            end == "pass",
            "{end}: only a sequence that passes lets a rule behind it fire"
        );
        assert_eq!(kinds(&rule_engine, 5), wanted, "{end}");
    }
}

#[test]
fn skip_and_times_hold_for_a_sequence_as_for_any_fault() {
    let rule_engine = engine_with([json!({"on": "shadow.claim", "when": {"skip": 1, "times": 3},
               "fault": {"sequence": ["hang", "reset"], "end": "wrap"}})]);
    assert_eq!(kinds(&rule_engine, 5), ["-", "hang", "reset", "hang", "-"]);
}

#[test]
fn the_first_that_fires_is_the_only_one_and_every_match_is_counted() {
    let rule_engine = engine_with([
        json!({"id": "first", "on": "*", "when": {"times": 1}, "fault": "hang"}),
        json!({"id": "second", "on": "shadow.claim", "when": {"skip": 1}, "fault": "reset"}),
    ]);
    let fired = firing(&rule_engine, 3);
    assert_eq!(
        fired,
        [
            Some("first".to_owned()),
            Some("second".to_owned()),
            Some("second".to_owned())
        ]
    );
    assert_eq!(
        rule_engine.rules()[1].matched,
        3,
        "what another rule took is a match all the same"
    );
}

#[test]
fn all_that_match_asks_for_has_to_hold() {
    let rule_engine = engine_with([
        json!({"on": "job.report", "match": {"factory": "f", "stage": "testing"}, "fault": "hang"}),
    ]);
    let said = |factory: &'static str, stage: &'static str| RequestFacts {
        factory: Some(factory),
        stage: Some(stage),
        ..RequestFacts::default()
    };
    for (operation, facts, fires) in [
        (Operation::JobReport, said("f", "testing"), true),
        (Operation::JobReport, said("g", "testing"), false),
        (Operation::JobReport, said("f", "review"), false),
        (Operation::JobReport, RequestFacts::default(), false),
        (Operation::ShadowReport, said("f", "testing"), false),
    ] {
        assert_eq!(
            rule_engine.decide(operation, &facts, NOW).is_some(),
            fires,
            "{operation:?} {facts:?}"
        );
    }
}

#[test]
fn a_window_opens_and_closes_in_the_stubs_time() {
    let rule_engine =
        engine_with([json!({"on": "claim", "when": {"from": "10s", "for": "5s"}, "fault": "hang"})]);
    for (after_ms, fires) in [
        (0, false),
        (9_999, false),
        (10_000, true),
        (14_999, true),
        (15_000, false),
    ] {
        let fired = rule_engine.decide(Operation::Claim, &RequestFacts::default(), NOW.after_ms(after_ms));
        assert_eq!(fired.is_some(), fires, "{after_ms}");
    }
}

#[test]
fn sticky_keeps_firing_once_it_has() {
    let sticky =
        json!({"id": "s", "on": "shadow.claim", "when": {"chance": 0.2, "sticky": true}, "fault": "hang"});
    let fired = firing(&engine_with([sticky]), 200);
    let first = fired.iter().position(Option::is_some).expect("it fires at last");
    assert!(first > 0 && fired[first..].iter().all(Option::is_some));
}

#[test]
fn chance_is_the_same_with_the_same_seed_and_whatever_other_rules_there_are() {
    let chancy = || json!({"id": "c", "on": "shadow.claim", "when": {"chance": 0.3}, "fault": "hang"});
    let alone = firing(&engine_with([chancy()]), 1_000);
    let fired = alone.iter().flatten().count();
    assert!((240..360).contains(&fired), "{fired} of 1000 at 0.3");
    let beside = engine_with([
        chancy(),
        json!({"id": "d", "on": "shadow.claim", "when": {"chance": 0.5}, "fault": "reset"}),
    ]);
    let with_another: Vec<_> = firing(&beside, 1_000)
        .into_iter()
        .map(|id| id.filter(|id| id == "c"))
        .collect();
    assert_eq!(alone, with_another);
    let other_seed = RuleEngine::new(Some(12));
    other_seed.arm(rule(chancy()), NOW).expect("armed");
    assert_ne!(alone, firing(&other_seed, 1_000));
}
