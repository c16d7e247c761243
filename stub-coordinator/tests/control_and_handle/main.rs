//! Rules and resets by both ways, HTTP and the handle: the same thing happens, and what is refused changes nothing.

#[path = "../common/mod.rs"]
mod common;
mod gates_and_clock;
mod verify;

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
            );
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
