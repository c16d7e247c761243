//! The handle in this process: rules that end with their guard, and an end that fails where something was not tested.

mod common;

use common::*;
use stub_coordinator::{Fault, Rule};

#[test]
fn a_guarded_rule_is_disarmed_when_its_guard_goes() {
    let stub = start(&["a"]);
    let guard = stub.arm_guarded(Rule::on("claim", Fault::Empty)).expect("armed");
    assert_eq!((claim(&stub, "f").status, guard.fired()), (204, 1));
    drop(guard);
    assert_eq!((claim(&stub, "f").status, stub.rules().len()), (200, 0));
    stub.finish().expect("it fired, and nothing else went wrong");
}

#[test]
fn finish_fails_on_a_rule_that_never_fired_dropped_or_not() {
    let stub = start(&["a"]);
    stub.arm(Rule::on("claim", Fault::Empty).named("armed"))
        .expect("armed");
    drop(
        stub.arm_guarded(Rule::on("health", Fault::Hang).named("dropped"))
            .expect("armed"),
    );
    let unfinished = stub.finish().expect_err("neither fired");
    let names: Vec<_> = unfinished.never_fired.iter().map(|id| id.as_str()).collect();
    assert_eq!(names, ["dropped", "armed"]);
    assert!(
        unfinished.to_string().contains("rule `dropped` never fired"),
        "{unfinished}"
    );
}

#[test]
fn finish_asks_nothing_of_optional_rules_nor_of_those_disarmed_by_hand() {
    let stub = start(&["a"]);
    let guard = stub
        .arm_guarded(Rule::on("claim", Fault::Empty))
        .expect("armed")
        .optional();
    drop(guard);
    let excused = stub.arm(Rule::on("claim", Fault::Empty)).expect("armed");
    stub.excuse(&excused);
    let by_hand = stub.arm(Rule::on("health", Fault::Hang)).expect("armed");
    assert!(stub.disarm(&by_hand));
    stub.finish().expect("nothing was expected");
}

#[test]
fn finish_fails_on_violations_and_on_unexpected_requests() {
    let stub = start(&["a"]);
    stub.arm(Rule::on("shadow.claim", Fault::DryRunGrants))
        .expect("armed");
    shadow_claim(&stub, "f");
    let unfinished = stub.finish().expect_err("a dry run claimed");
    assert_eq!((unfinished.violations.len(), unfinished.unexpected.len()), (1, 0));
    let stub = start(&["a"]);
    get(&stub, "/v1/nothing");
    let unfinished = stub.finish().expect_err("no such path");
    assert_eq!(unfinished.unexpected[0].path, "/v1/nothing");
    assert!(
        unfinished.to_string().contains("GET /v1/nothing (not_found)"),
        "{unfinished}"
    );
}

#[test]
fn dropping_never_panics_not_even_while_a_test_does() {
    let ended = std::panic::catch_unwind(|| {
        let stub = start(&["a"]);
        let _guard = stub.arm_guarded(Rule::on("claim", Fault::Empty)).expect("armed");
        get(&stub, "/v1/nothing");
        panic!("the test's own");
    });
    let message = ended
        .expect_err("it panicked")
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    assert_eq!(
        message.as_deref(),
        Some("the test's own"),
        "a second panic would have ended the process"
    );
}
