//! Gates and the clock by both ways, HTTP and the handle: the same thing happens.

use super::*;

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
