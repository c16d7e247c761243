//! Every lever by both ways, HTTP and the handle: the same thing happens, and what is refused changes nothing.

mod common;

use std::io::Write;
use std::net::TcpStream;

use common::*;
use serde_json::{Value, json};
use stub_coordinator::{
    ClockKind, ExchangeMatch, ExchangeOutcome, Fault, GateFault, ResetScope, Rule, Stub, StubConfig, Verdict,
    preset,
};

fn ids(stub: &Stub) -> Vec<String> {
    stub.rules().iter().map(|rule| rule.id.to_string()).collect()
}

/// What each of two ways leaves behind on a stub of its own with two rules armed.
fn both(over_http: impl Fn(&Stub), by_handle: impl Fn(&Stub)) -> Vec<String> {
    let [one, other] = [&over_http as &dyn Fn(&Stub), &by_handle].map(|way| {
        let stub = start(&["a"]);
        for (id, on) in [("first", "claim"), ("second", "health")] {
            stub.arm(Rule::on(on, Fault::Reset).named(id)).expect("armed");
        }
        way(&stub);
        (ids(&stub), stub.gates())
    });
    assert_eq!(one, other, "HTTP and the handle");
    one.0
}

#[test]
fn all_rules_are_replaced_at_once_or_not_at_all() {
    let list = json!([{"id": "x", "on": "claim", "fault": "empty"}, {"on": "job.get", "fault": "hang"}]);
    let rules: Vec<Rule> = serde_json::from_value(list.clone()).expect("rules");
    let put =
        |stub: &Stub, rules: &Value| send(stub, "PUT", "/_stub/rules", &[], Some(&json!({"rules": rules})));
    let left = both(
        |stub| assert_eq!(put(stub, &list).status, 200),
        |stub| drop(stub.replace_rules(rules.clone()).expect("sound")),
    );
    assert_eq!(left, ["x", "rule-1"]);
    // The second can never fire behind the first.
    let wrong = json!([{"on": "claim", "fault": "hang"}, {"on": "claim", "fault": "empty"}]);
    let wrong_rules: Vec<Rule> = serde_json::from_value(wrong.clone()).expect("rules");
    let left = both(
        |stub| assert_eq!(put(stub, &wrong).code(), "invalid_rule"),
        |stub| assert!(stub.replace_rules(wrong_rules.clone()).is_err()),
    );
    assert_eq!(left, ["first", "second"]);
    let left = both(
        |stub| assert_eq!(post(stub, "/_stub/preset", &json!({"name": "empty"})).status, 200),
        |stub| {
            drop(
                stub.replace_rules(preset("empty").expect("a preset"))
                    .expect("sound"),
            )
        },
    );
    assert_eq!(left, ["empty-1", "empty-2"]);
    let left = both(
        |stub| assert_eq!(send(stub, "DELETE", "/_stub/rules", &[], None).status, 200),
        |stub| drop(stub.replace_rules(Vec::new()).expect("sound")),
    );
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_rule_that_overlaps_is_armed_and_both_ways_tell_of_the_other() {
    let stub = start(&["a"]);
    let once = json!({"id": "once", "on": "*", "when": {"times": 1}, "fault": "reset"});
    assert_eq!(post(&stub, "/_stub/rules", &once).json()["behind"], json!([]));
    let claims = json!({"id": "claims", "on": "claim", "fault": "empty"});
    assert_eq!(
        post(&stub, "/_stub/rules", &claims).json()["behind"],
        json!(["once"])
    );
    assert_eq!(
        get(&stub, "/_stub/rules").json()["rules"][1]["behind"],
        json!(["once"])
    );
    let behind: Vec<_> = stub.rules()[1].behind.iter().map(ToString::to_string).collect();
    assert_eq!(behind, ["once"]);
}

#[test]
fn a_question_without_a_body_is_about_everything_and_a_path_that_is_not_there_is_told() {
    let stub = start(&["a"]);
    claim(&stub, "f");
    let counted = send(&stub, "POST", "/_stub/journal/count", &[], None);
    assert_eq!((counted.status, &counted.json()["count"]), (200, &json!(1)));
    let lost = get(&stub, "/_stub/jurnal");
    assert_eq!((lost.status, lost.code().as_str()), (404, "not_found"));
    assert_eq!(stub.journal().len(), 1, "it is no request of the API");
}

#[test]
fn time_does_not_run_back_and_a_wait_of_no_length_waits_for_no_advance() {
    let config = StubConfig {
        clock: ClockKind::Manual,
        ..StubConfig::default()
    };
    let stub = start_with(&[], config);
    let before = get(&stub, "/_stub/clock").json();
    let refused = post(&stub, "/_stub/clock", &json!({"advance": "-1s"}));
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid_field"));
    assert_eq!(get(&stub, "/_stub/clock").json(), before);
    let rule = json!({"on": "health", "fault": {"delay": "0ms"}});
    assert_eq!(post(&stub, "/_stub/rules", &rule).status, 200);
    assert_eq!(get(&stub, "/v1/health").status, 200);
}

#[test]
fn a_field_that_nobody_knows_is_refused_with_the_nearest() {
    let stub = start(&[]);
    for (path, body, hint) in [
        (
            "/_stub/rules",
            json!({"on": "claim", "fualt": "hang"}),
            "did you mean `fault`?",
        ),
        (
            "/_stub/rules",
            json!({"on": "claim", "match": {"factry": "f"}, "fault": "hang"}),
            "did you mean `factory`?",
        ),
        (
            "/_stub/rules",
            json!({"on": "claim", "when": {"tmes": 1}, "fault": "hang"}),
            "did you mean `times`?",
        ),
        (
            "/_stub/reset",
            json!({"scope": "jurnal"}),
            "did you mean `journal`?",
        ),
        (
            "/_stub/journal/count",
            json!({"match": {"jbo": "x"}}),
            "did you mean `job`?",
        ),
    ] {
        let refused = post(&stub, path, &body);
        assert!(
            refused.status == 422 && refused.text.contains(hint),
            "{body}: {refused:?}"
        );
    }
    assert_eq!(ids(&stub), Vec::<String>::new());
}

#[test]
fn nobody_is_told_that_none_arrived_of_what_cannot_arrive() {
    let stub = start(&[]);
    let clam = json!({"operation": "clam"});
    for (path, body) in [
        ("journal/verify", json!({"match": clam, "count": 0})),
        ("journal/verify-sequence", json!({"sequence": [clam]})),
        ("journal/count", json!({"match": clam})),
        ("journal/wait", json!({"match": clam, "count": 0, "limit": "1s"})),
    ] {
        let refused = post(&stub, &format!("/_stub/{path}"), &body);
        let helps = refused.text.contains("did you mean `claim`?");
        assert!(refused.status == 422 && helps, "{path}: {refused:?}");
    }
    assert_eq!(get(&stub, "/_stub/journal?operation=clam").status, 422);
    let clam = ExchangeMatch::operation("clam");
    for verification in [stub.verify(&clam, 0, Some(0)), stub.verify_sequence(&[clam])] {
        assert_eq!(verification.verdict, Verdict::Inconclusive);
        assert!(
            verification.why.contains("did you mean `claim`?"),
            "{verification:?}"
        );
    }
}

#[test]
fn gates_are_listed_with_who_waits_and_a_disarmed_rule_lets_go_of_its_own() {
    let stub = start(&["a"]);
    let rule = stub
        .arm(Rule::on("shadow.claim", GateFault { name: "g".to_owned() }))
        .expect("armed");
    std::thread::scope(|scope| {
        let client = scope.spawn(|| shadow_claim(&stub, "f"));
        stub.wait(&ExchangeMatch::operation("shadow.claim"), 1, TIME_LIMIT)
            .expect("it arrives");
        // Answered on the thread on which the request went on to its gate.
        assert_eq!(
            get(&stub, "/_stub/gates").json()["gates"],
            json!([{"name": "g", "waiting": 1}])
        );
        assert_eq!(stub.gates(), [("g".to_owned(), 1)]);
        assert!(stub.disarm(&rule));
        assert_eq!(client.join().expect("it ends").status, 200);
    });
    assert_eq!(stub.release_gate("g"), 0);
    stub.reset(ResetScope::Rules);
    assert_eq!(stub.gates(), [], "a reset of the rules closes it again");
}

#[test]
fn a_rule_armed_anew_holds_again_and_one_that_is_disarmed_lets_go_of_nobody_elses_requests() {
    let stub = start(&["a"]);
    let gate = || GateFault { name: "g".to_owned() };
    let arm = |rule: Rule| stub.arm(rule).expect("armed");
    let arrived = |count| {
        let claims = ExchangeMatch::operation("shadow.claim");
        drop(stub.wait(&claims, count, TIME_LIMIT).expect("it arrives"));
    };
    let waiting = || get(&stub, "/_stub/gates").json()["gates"][0]["waiting"].clone();
    arm(Rule::on("health", gate()));
    let one = arm(Rule::on("shadow.claim", gate()));
    std::thread::scope(|scope| {
        let claim = || scope.spawn(|| shadow_claim(&stub, "f").status);
        let health = scope.spawn(|| get(&stub, "/v1/health").status);
        stub.wait(&ExchangeMatch::operation("health"), 1, TIME_LIMIT)
            .expect("it arrives");
        let first = claim();
        arrived(1);
        assert_eq!(waiting(), 2);
        stub.disarm(&one);
        assert_eq!(first.join().expect("it ends"), 200);
        assert_eq!(waiting(), 1, "the other rule's");
        arm(Rule::on("shadow.claim", gate()).named("anew"));
        let second = claim();
        arrived(2);
        assert_eq!(waiting(), 2, "the earlier one waits on");
        assert_eq!(stub.release_gate("g"), 2);
        assert_eq!(
            [second, health].map(|client| client.join().expect("it ends")),
            [200, 200]
        );
        // Open for later arrivals, too. A rule that is refused does not close it, one that is armed does.
        stub.arm(Rule::on("job.list", gate()).named("anew"))
            .expect_err("the name is taken");
        assert_eq!(claim().join().expect("it ends"), 200);
        let steps = json!([{"id": "steps", "on": "shadow.claim", "fault": {"sequence": [{"gate": "g"}, "empty"], "end": "hold"}}]);
        let replaced = send(&stub, "PUT", "/_stub/rules", &[], Some(&json!({"rules": steps})));
        assert_eq!(replaced.status, 200, "{replaced:?}");
        let last = claim();
        arrived(4);
        assert_eq!(waiting(), 1);
        stub.disarm(&stub.rules()[0].id);
        assert_eq!(last.join().expect("it ends"), 200);
    });
}

#[test]
fn after_a_reset_nothing_is_expected_of_earlier_rules() {
    let stub = start(&[]);
    let never = || Rule::on("claim", Fault::Hang).named("never");
    drop(stub.arm_guarded(never()).expect("armed"));
    stub.reset(ResetScope::Rules);
    stub.finish().expect("it was forgotten");
    let stub = start(&[]);
    stub.excuse(&stub.arm(never()).expect("armed"));
    stub.reset(ResetScope::Rules);
    stub.arm(never()).expect("armed");
    let unfinished = stub.finish().expect_err("excused before the reset, not after");
    assert_eq!(unfinished.never_fired.len(), 1);
}

#[test]
fn past_the_edge_of_the_journal_counting_and_waiting_are_inconclusive() {
    let config = StubConfig {
        journal_limit: 1,
        ..StubConfig::default()
    };
    let stub = start_with(&[], config);
    let count = || {
        post(
            &stub,
            "/_stub/journal/count",
            &json!({"match": {"operation": "health"}}),
        )
        .json()
    };
    get(&stub, "/v1/health");
    assert_eq!(
        (&count()["count"], &count()["inconclusive"]),
        (&json!(1), &json!(false))
    );
    get(&stub, "/v1/health");
    assert_eq!(
        (&count()["forgotten"], &count()["inconclusive"]),
        (&json!(1), &json!(true))
    );
    let wait = json!({"match": {"operation": "health"}, "count": 3, "limit": "1ms"});
    let waited = post(&stub, "/_stub/journal/wait", &wait);
    assert_eq!((waited.status, waited.code().as_str()), (409, "inconclusive"));
    let too_long = json!({"count": 3, "limit": "61s"});
    assert_eq!(post(&stub, "/_stub/journal/wait", &too_long).status, 422);
}

#[test]
fn violations_are_told_over_http_as_by_the_handle() {
    let stub = start(&["a"]);
    stub.arm(Rule::on("shadow.report", Fault::LeakyShadow))
        .expect("armed");
    shadow_report(&stub, "f", "a", "building");
    assert_eq!(stub.violations().len(), 1);
    assert_eq!(
        get(&stub, "/_stub/violations").json()["violations"],
        json!(stub.violations())
    );
}

#[test]
fn the_clock_says_its_time_both_ways() {
    let config = StubConfig {
        clock: ClockKind::Manual,
        ..StubConfig::default()
    };
    let stub = start_with(&[], config);
    stub.advance(std::time::Duration::from_secs(5))
        .expect("a manual clock");
    assert_eq!(stub.now(), "2026-01-01T00:00:05.000Z");
    assert_eq!(
        get(&stub, "/_stub/clock").json(),
        json!({"kind": "manual", "now": stub.now()})
    );
}

#[test]
fn a_page_without_an_origin_of_its_own_is_refused_like_a_foreign_one() {
    let stub = start(&[]);
    for origin in [
        "null",
        "http://127.0.0.1",
        "https://127.0.0.1",
        "http://localhost",
    ] {
        let reply = send(
            &stub,
            "POST",
            "/_stub/reset",
            &[("origin", origin)],
            Some(&json!({"scope": "all"})),
        );
        let is_own = origin == "http://127.0.0.1";
        assert_eq!(reply.status, if is_own { 200 } else { 403 }, "{origin}");
    }
}

/// A state goes on in another stub: later, with nothing of what was under way there.
#[test]
fn an_import_ends_what_is_under_way_and_wakes_who_waits() {
    let config = || StubConfig {
        clock: ClockKind::Manual,
        ..StubConfig::default()
    };
    let source = start_with(&["a", "b"], config());
    source
        .advance(std::time::Duration::from_secs(90))
        .expect("manual");
    claim(&source, "f");
    let document = source.export_state();
    for by_handle in [true, false] {
        let stub = start_with(&[], config());
        let mut straggler = TcpStream::connect(stub.address()).expect("connects");
        straggler.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
        straggler
            .write_all(b"POST /v1/claims HTTP/1.1\r\n")
            .expect("written");
        std::thread::scope(|scope| {
            let stub = &stub;
            let body = json!({"factoryId": "early", "caps": ["engine:sh"], "waitMs": 20_000});
            let bytes = request_bytes("POST", "/v1/claims", &[], Some(&body.to_string()));
            let waiting = scope.spawn(move || raw(stub, &bytes).0);
            stub.wait(&ExchangeMatch::operation("claim"), 1, TIME_LIMIT)
                .expect("it arrives");
            match by_handle {
                true => stub.import_state(&document).expect("a state"),
                false => {
                    let reply = send(stub, "PUT", "/_stub/state", &[], Some(&document));
                    assert_eq!(reply.status, 200, "{reply:?}");
                }
            }
            assert_eq!(
                waiting.join().expect("it ends"),
                Vec::<u8>::new(),
                "of a past life"
            );
        });
        assert_ne!(stub.journal()[0].outcome, ExchangeOutcome::Answered);
        straggler
            .write_all(b"host: 127.0.0.1\r\ncontent-length: 0\r\n\r\n")
            .expect("written");
        assert_eq!(parse(&read_to_end(&mut straggler).0).code(), "past_life");
        assert_eq!((stub.digest(), stub.now()), (source.digest(), source.now()));
        let refused = stub.import_state(&json!({"format": 1})).expect_err("no state");
        assert!(
            refused.to_string().contains("take one that a stub exported"),
            "{refused}"
        );
        assert_eq!(stub.digest(), source.digest());
    }
}
