//! Rules: written, refused, matched, fired.

use serde_json::json;

use super::*;
use crate::contract::signed_duration::SignedDuration;

const NOW: UtcTimestamp = UtcTimestamp::MANUAL_START;

fn rule(value: serde_json::Value) -> Rule {
    serde_json::from_value(value).expect("a rule")
}

fn engine_with(rules: impl IntoIterator<Item = serde_json::Value>) -> RuleEngine {
    let rule_engine = RuleEngine::new(Some(11));
    for written in rules {
        rule_engine.arm(rule(written), NOW).expect("armed");
    }
    rule_engine
}

fn refused(written: serde_json::Value) -> String {
    match serde_json::from_value::<Rule>(written) {
        Err(error) => error.to_string(),
        Ok(rule) => RuleEngine::new(None)
            .arm(rule, NOW)
            .expect_err("refused")
            .to_string(),
    }
}

/// The ids of the rules that fire on so many shadow claims in a row.
fn firing(rule_engine: &RuleEngine, count: usize) -> Vec<Option<String>> {
    let facts = RequestFacts {
        factory: Some("f"),
        ..RequestFacts::default()
    };
    (0..count)
        .map(|_| {
            rule_engine
                .decide(Operation::ShadowClaim, &facts, NOW)
                .map(|fired| fired.rule.to_string())
        })
        .collect()
}

#[test]
fn every_fault_is_read_back_as_it_was_written() {
    for fault in [
        json!("agree"),
        json!("diverge"),
        json!("empty"),
        json!("hang"),
        json!("reset"),
        json!("close"),
        json!("garbage"),
        json!("down"),
        json!("ack_without_commit"),
        json!("double_grant"),
        json!("token_regress"),
        json!("stale_read"),
        json!("dry_run_grants"),
        json!("leaky_shadow"),
        json!({"status": 503}),
        json!({"status": 503, "code": "busy", "retry_after": "1s"}),
        json!({"diverge": {"job": "other"}}),
        json!({"diverge": {"patch": {"job": {"id": 7}}}}),
        json!({"diverge": {"without": "job.id"}}),
        json!({"refuse": "lease_lost"}),
        json!({"malformed": "truncated"}),
        json!({"redirect": "http://x/"}),
        json!({"delay": "50ms"}),
        json!({"delay": {"uniform": ["1ms", "5ms"]}}),
        json!({"delay": {"lognormal": {"median": "20ms", "p99": "90ms"}}}),
        json!({"gate": "g"}),
        json!({"dribble": {"chunks": 4, "over": "1s"}}),
        json!({"cut": 20}),
        json!({"clock_skew": "-10s"}),
        json!({"sequence": ["hang", {"status": 503}], "end": "hold"}),
        json!({"sequence": ["agree", "reset"], "end": "wrap"}),
        json!({"sequence": [{"cut": 3}, "reset"], "end": "pass"}),
    ] {
        let read: Fault = serde_json::from_value(fault.clone()).expect("a fault");
        assert_eq!(serde_json::to_value(&read).expect("JSON"), fault);
    }
}

#[test]
fn rules_are_read_from_toml_too() {
    let text = r#"on = "lease.renew"
        match = { factory = "f" }
        when = { skip = 1, times = 2, from = "1s", for = "1m" }
        phase = "after"
        fault = { status = 503, retry_after = "1s" }"#;
    let read: Rule = toml::from_str(text).expect("a rule");
    assert_eq!(
        (read.when.skip, read.when.times, read.phase),
        (1, Some(2), FaultPhase::After)
    );
    assert_eq!(read.when.lasting, SignedDuration::parse("1m"));
}

#[test]
fn what_is_mistyped_is_refused_with_the_nearest_name() {
    for (written, hint) in [
        (
            json!({"on": "shadow.clam", "fault": "hang"}),
            "did you mean \"shadow.claim\"?",
        ),
        (json!({"on": "claim", "fault": "hagn"}), "did you mean `hang`?"),
        (json!({"on": "claim", "fault": "status"}), "needs a value"),
        (
            json!({"on": "claim", "fault": {"stauts": 503}}),
            "did you mean `status`?",
        ),
        (
            json!({"on": "claim", "fault": {"status": 503, "cod": "x"}}),
            "did you mean `code`?",
        ),
        (
            json!({"on": "claim", "fault": {"diverge": {"job": "a", "without": "lease"}}}),
            "one of `job`, `patch` and `without`",
        ),
        (
            json!({"on": "claim", "fault": {"malformed": "not_jsn"}}),
            "did you mean `not_json`?",
        ),
        (
            json!({"on": "claim", "fault": {"refuse": "lease_last"}}),
            "did you mean `lease_lost`?",
        ),
        (
            json!({"on": "claim", "fault": "hang", "wehn": {}}),
            "unknown field `wehn`",
        ),
    ] {
        let error = refused(written.clone());
        assert!(error.contains(hint), "{written}: {error}");
    }
}

#[test]
fn a_rule_that_can_never_fire_is_refused_when_it_is_written() {
    for (written, reason) in [
        (
            json!({"on": "claim", "match": {"stage": "queued"}, "fault": "hang"}),
            "says no `stage`",
        ),
        (
            json!({"on": "job.report", "match": {"stage": "done"}, "fault": "hang"}),
            "stages are",
        ),
        (
            json!({"on": "claim", "match": {"factory": "a b"}, "fault": "hang"}),
            "can be in no request",
        ),
        (
            json!({"on": "claim", "when": {"times": 0}, "fault": "hang"}),
            "`times` is 0",
        ),
        (
            json!({"on": "claim", "when": {"chance": 0.0}, "fault": "hang"}),
            "`chance` must be",
        ),
        (
            json!({"on": "claim", "when": {"chance": 0.5}, "fault": "hang"}),
            "needs a seed",
        ),
        (
            json!({"on": "claim", "when": {"for": "0s"}, "fault": "hang"}),
            "no time at all",
        ),
        (
            json!({"on": "claim", "when": {"times": 2, "sticky": true}, "fault": "hang"}),
            "use one of them",
        ),
        (
            json!({"on": "claim", "fault": "dry_run_grants"}),
            "it goes with shadow.claim",
        ),
        (
            json!({"on": "job.get", "fault": "empty"}),
            "can never fire on `job.get`",
        ),
        (
            json!({"on": "claim", "phase": "after", "fault": "double_grant"}),
            "has no `after`",
        ),
        (
            json!({"on": "claim", "fault": {"delay": "-1s"}}),
            "`delay` is negative",
        ),
        (
            json!({"on": "claim", "fault": {"delay": {"uniform": ["5s", "1s"]}}}),
            "least not over most",
        ),
    ] {
        let error = refused(written.clone());
        assert!(error.contains(reason), "{written}: {error}");
    }
}

#[test]
fn a_rule_to_which_earlier_ones_leave_nothing_is_refused_whatever_way_they_do() {
    let hang = |on: &str, id: &str| json!({"id": id, "on": on, "fault": "hang"});
    for (earlier, later, wanted) in [
        (
            vec![json!({"id": "desk", "on": "shadow.report", "match": {"factory": "desk"}, "fault": "hang"})],
            json!({"on": "shadow.report", "match": {"factory": "desk", "stage": "building"}, "fault": "reset"}),
            "earlier on, `desk` fires",
        ),
        (
            vec![json!({"id": "refuse", "on": "*", "fault": {"refuse": "lease_lost"}})],
            json!({"on": "claim", "fault": "reset"}),
            "earlier on, `refuse` fires",
        ),
        (
            vec![
                hang("claim", "c"),
                hang("shadow.claim", "s"),
                hang("job.list", "l"),
            ],
            json!({"on": "*", "fault": "empty"}),
            "earlier on, `c` or `s` or `l` fire",
        ),
        (
            vec![
                json!({"id": "sure", "on": "claim", "when": {"chance": 1.0, "from": "0s"}, "fault": "hang"}),
            ],
            json!({"on": "claim", "fault": "reset"}),
            "earlier on, `sure` fires",
        ),
        (
            vec![hang("claim", "c")],
            json!({"on": "claim", "fault": "down"}),
            "earlier on, `c` fires",
        ),
    ] {
        let rule_engine = engine_with(earlier);
        let error = rule_engine
            .arm(rule(later.clone()), NOW)
            .expect_err("never fires");
        assert!(error.to_string().contains(wanted), "{later}: {error}");
    }
}

#[test]
fn a_rule_that_matches_no_request_of_any_operation_is_refused() {
    let error = refused(json!({"on": "*", "match": {"job": "x"}, "fault": "double_grant"}));
    assert!(
        error.contains("no operation that goes with the fault says all"),
        "{error}"
    );
}

#[test]
fn rules_that_overlap_are_armed_and_told_of_until_the_other_is_gone() {
    let rule_engine = engine_with([
        json!({"id": "once", "on": "*", "when": {"times": 1}, "fault": "hang"}),
        json!({"id": "mill", "on": "claim", "match": {"factory": "mill"}, "fault": "hang"}),
        json!({"id": "elsewhere", "on": "health", "fault": "hang"}),
        json!({"id": "late", "on": "claim", "match": {"factory": "desk"}, "fault": "empty"}),
        json!({"id": "any", "on": "claim", "fault": "reset"}),
    ]);
    let behind = || -> Vec<(String, String)> {
        let name = |ids: &[RuleId]| ids.iter().map(RuleId::as_str).collect::<Vec<_>>().join(" ");
        let rules = rule_engine.rules();
        rules
            .iter()
            .map(|rule| (rule.id.to_string(), name(&rule.behind)))
            .collect()
    };
    let wanted = |pairs: [(&str, &str); 5]| pairs.map(|(id, behind)| (id.to_owned(), behind.to_owned()));
    assert_eq!(
        behind(),
        wanted([
            ("once", ""),
            ("mill", "once"),
            ("elsewhere", "once"),
            ("late", "once"),
            ("any", "once mill late")
        ])
    );
    rule_engine.disarm(&RuleId::parse("once").expect("an id"));
    assert_eq!(
        behind().last().map(|(_, behind)| behind.clone()),
        Some("mill late".to_owned())
    );
}

#[test]
fn a_rule_behind_one_that_always_fires_is_refused_by_name() {
    let rule_engine = engine_with([json!({"id": "all", "on": "*", "fault": "hang"})]);
    let later = rule(json!({"on": "claim", "fault": "reset"}));
    assert_eq!(
        rule_engine.arm(later.clone(), NOW),
        Err(RuleError::Overshadowed(vec![
            RuleId::parse("all").expect("an id")
        ]))
    );
    let limited = engine_with([json!({"on": "claim", "when": {"times": 1}, "fault": "hang"})]);
    assert!(
        limited.arm(later, NOW).is_ok(),
        "behind one that ends it can fire"
    );
}

#[test]
fn at_the_limit_a_rule_is_refused_until_another_is_disarmed() {
    let of_job =
        |number| json!({"on": "job.report", "match": {"job": format!("j{number}")}, "fault": "hang"});
    let rule_engine = engine_with((1..=RULE_LIMIT).map(of_job));
    let one_more = || rule_engine.arm(rule(of_job(0)), NOW);
    assert_eq!(one_more(), Err(RuleError::TooMany(RULE_LIMIT)));
    rule_engine.disarm(&RuleId::parse("rule-1").expect("an id"));
    assert!(one_more().is_ok());
}

#[test]
fn a_made_up_name_is_one_that_nobody_has() {
    let rule_engine = engine_with([
        json!({"id": "rule-1", "on": "claim", "fault": "hang"}),
        json!({"on": "health", "fault": "hang"}),
    ]);
    let names: Vec<_> = rule_engine
        .rules()
        .iter()
        .map(|rule| rule.id.to_string())
        .collect();
    assert_eq!(names, ["rule-1", "rule-2"]);
}

#[test]
fn only_the_rule_that_fires_is_explained_with_its_fault() {
    let rule_engine = engine_with([
        json!({"id": "late", "on": "claim", "when": {"skip": 1}, "fault": "reset"}),
        json!({"id": "now", "on": "claim", "fault": "hang"}),
    ]);
    let explained = rule_engine.explain(Operation::Claim, &RequestFacts::default(), NOW);
    let faults: Vec<_> = explained.iter().map(|rule| rule.fault.clone()).collect();
    assert_eq!(faults, [None, Some(Fault::Hang)]);
}

#[test]
fn two_rules_cannot_have_one_name() {
    let rule_engine = engine_with([json!({"id": "a", "on": "claim", "when": {"times": 1}, "fault": "hang"})]);
    let twin = rule(json!({"id": "a", "on": "health", "fault": "hang"}));
    assert!(matches!(rule_engine.arm(twin, NOW), Err(RuleError::BadId(..))));
}

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
fn a_sequence_that_cannot_run_its_course_is_refused_when_it_is_written() {
    let sequence = |steps: serde_json::Value| json!({"sequence": steps, "end": "hold"});
    for (written, reason) in [
        (
            json!({"on": "claim", "fault": {"sequence": ["hang", "reset"]}}),
            "says how it ends",
        ),
        (
            json!({"on": "claim", "fault": {"sequence": ["hang", "reset"], "end": "warp"}}),
            "did you mean `wrap`?",
        ),
        (
            json!({"on": "claim", "fault": sequence(json!(["hang", "rset"]))}),
            "step 2 of the sequence: no fault is called `rset`; did you mean `reset`?",
        ),
        (
            json!({"on": "claim", "fault": sequence(json!([]))}),
            "two steps or more",
        ),
        (
            json!({"on": "claim", "fault": sequence(json!(["hang"]))}),
            "two steps or more",
        ),
        (
            json!({"on": "claim", "fault": sequence(json!(["hang", "down"]))}),
            "can be no step",
        ),
        (
            json!({"on": "claim", "fault": sequence(json!(["hang", sequence(json!(["hang", "reset"]))]))}),
            "holds no sequence",
        ),
        (
            json!({"on": "claim", "fault": sequence(json!(["hang", "stale_read"]))}),
            "can never fire on `claim`",
        ),
        (
            json!({"on": "*", "fault": sequence(json!(["double_grant", "stale_read"]))}),
            "no operation goes with every step",
        ),
        (
            json!({"on": "claim", "fault": sequence(json!(["hang", {"delay": "-1s"}]))}),
            "`delay` is negative",
        ),
        (
            json!({"on": "claim", "phase": "after", "fault": sequence(json!(["hang", "double_grant"]))}),
            "has no `after`",
        ),
        (
            json!({"on": "claim", "when": {"times": 1}, "fault": sequence(json!(["hang", "reset"]))}),
            "over before the last steps",
        ),
        (
            json!({"on": "claim", "when": {"times": 2}, "fault": {"sequence": ["hang", "reset"], "end": "pass"}}),
            "drop `times`",
        ),
        (
            json!({"on": "claim", "when": {"sticky": true}, "fault": {"sequence": ["hang", "reset"], "end": "pass"}}),
            "use one of them",
        ),
        (
            json!({"on": "claim", "fault": {"sequence": ["hang", "reset"], "end": "hold", "ends": 1}}),
            "did you mean `end`?",
        ),
    ] {
        let error = refused(written.clone());
        assert!(error.contains(reason), "{written}: {error}");
    }
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

#[test]
fn every_preset_can_be_armed_printed_and_read_back() {
    for (name, _) in PRESETS {
        let rules = preset(name).expect("a preset");
        let rule_engine = RuleEngine::new(Some(1));
        for rule in &rules {
            let text = serde_json::to_string(rule).expect("JSON");
            assert_eq!(
                serde_json::from_str::<Rule>(&text).expect("a rule"),
                *rule,
                "{name}"
            );
            rule_engine
                .arm(rule.clone(), NOW)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!(rules.is_empty(), name == "agree");
    }
    assert!(
        preset("agre")
            .expect_err("none")
            .contains("did you mean `agree`?")
    );
}
