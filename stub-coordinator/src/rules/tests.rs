//! Rules: written, refused, matched, fired.

mod firing;
mod writing;

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
