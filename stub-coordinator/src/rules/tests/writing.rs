//! How rules are written, and what is refused then.

use super::*;

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
fn a_rule_that_matches_no_request_of_any_operation_is_refused() {
    let error = refused(json!({"on": "*", "match": {"job": "x"}, "fault": "double_grant"}));
    assert!(
        error.contains("no operation that goes with the fault says all"),
        "{error}"
    );
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
