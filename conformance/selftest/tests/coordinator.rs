//! The checks of a coordinator: the honest stub passes each, and for each there is a lie by which it fails.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::sync::{Arc, Mutex};

use conformance::case_result::CaseResult;
use conformance::checks::registry;
use conformance::coordinator::{
    ALL, AccessLevel, CheckAccess, CheckRunControl, http_client::CoordinatorClient, judge,
};
use conformance::driver::stop_signal::StopSignal;
use conformance::exit_codes::EndingSignal;
use conformance::outcome::Outcome;
use serde_json::{Value, json};
use stub_coordinator::{ClockKind, Rule, Scope, Stub, StubConfig, TokenGrant, UnknownFieldPolicy};

/// `admin` is for the stub's clock alone.
const WORKING: [Scope; 4] = [Scope::Shadow, Scope::Work, Scope::Submit, Scope::Admin];

fn stub(scopes: &[Scope], rules: &[Value]) -> Stub {
    let rules = rules
        .iter()
        .map(|rule| serde_json::from_value::<Rule>(rule.clone()).expect("a rule"));
    Stub::start(StubConfig {
        rules: rules.collect(),
        tokens: vec![TokenGrant {
            token: "a-token".into(),
            scopes: scopes.to_vec(),
        }],
        clock: ClockKind::Manual,
        strict: UnknownFieldPolicy::Strict,
        ..StubConfig::default()
    })
    .expect("a stub can be started")
}

fn judged(stub: &Stub, reach: AccessLevel) -> Vec<CaseResult> {
    let client = CoordinatorClient::new(&stub.url(), Some("a-token".into())).expect("an address");
    judge(&client, reach, &CheckRunControl::default(), |_| {})
}

#[test]
fn the_honest_stub_passes_and_nothing_of_the_checks_is_left_in_its_queue() {
    let stub = stub(&WORKING, &[]);
    let verdicts = judged(&stub, AccessLevel::Everything);
    for verdict in &verdicts {
        common::assert_passed(verdict);
    }
    assert!(verdicts.len() > 15, "only {} checks were made", verdicts.len());
    let left: Vec<_> = stub
        .jobs()
        .into_iter()
        .filter(|job| job.stage == "queued")
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(stub.violations(), Vec::<String>::new());
}

#[test]
fn an_observer_passes_with_a_shadow_token_and_changes_nothing() {
    let stub = stub(&[Scope::Shadow], &[]);
    let before = stub.digest();
    let verdicts = judged(&stub, AccessLevel::Observe);
    for verdict in &verdicts {
        common::assert_passed(verdict);
    }
    let wanted = ALL
        .iter()
        .filter(|check| check.needs != CheckAccess::Working)
        .count();
    assert_eq!((verdicts.len(), stub.counters().mutations_total()), (wanted, 0));
    assert_eq!(stub.digest(), before);
}

/// Where time can't be moved, a lease is waited for; whoever doesn't want to wait leaves nothing behind.
#[test]
fn a_check_that_is_interrupted_while_it_waits_cleans_up_and_gives_no_verdict() {
    let stub = Stub::start(StubConfig {
        tokens: vec![TokenGrant {
            token: "a-token".into(),
            scopes: vec![Scope::Shadow, Scope::Work, Scope::Submit],
        }],
        lease_ms: 9_000,
        ..StubConfig::default()
    })
    .expect("a stub can be started");
    let client = CoordinatorClient::new(&stub.url(), Some("a-token".into())).expect("an address");
    let (stop, told) = (StopSignal::default(), Arc::new(Mutex::new(Vec::new())));
    let (asked, heard) = (stop.clone(), Arc::clone(&told));
    let control = CheckRunControl {
        stop,
        waits: Some(Arc::new(move |ms| {
            heard.lock().expect("nobody panicked").push(ms);
            asked.stop(EndingSignal::Interrupt);
        })),
        ..CheckRunControl::default()
    };
    let verdicts = judge(&client, AccessLevel::Everything, &control, |_| {});
    assert_eq!(*told.lock().expect("nobody panicked"), [9_500]);
    let made: Vec<&str> = verdicts
        .iter()
        .map(|verdict| verdict.findings[0].check.as_str())
        .collect();
    assert_eq!(made.last(), Some(&"nothing-eligible"), "{made:?}");
    let left: Vec<_> = stub
        .jobs()
        .into_iter()
        .filter(|job| job.stage != "failed" && job.stage != "shipped")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The lie, and the checks that it may not get past.
fn lies() -> Vec<(Value, Vec<&'static str>)> {
    vec![
        (
            json!({"on": "claim", "fault": "double_grant"}),
            vec!["one-live-lease"],
        ),
        (
            json!({"on": "claim", "fault": "token_regress"}),
            vec!["tokens-rise"],
        ),
        (
            json!({"on": "claim", "fault": {"diverge": {"job": "another"}}}),
            vec!["first-eligible", "submission-order"],
        ),
        (
            json!({"on": "shadow.claim", "fault": {"diverge": {"without": "dryRun"}}}),
            vec!["dry-run"],
        ),
        (
            json!({"on": "shadow.claim", "fault": {"diverge": {"patch": {"dryRun": "true"}}}}),
            vec!["dry-run"],
        ),
        (
            json!({"on": "claim", "fault": {"status": 404}}),
            vec!["nothing-eligible"],
        ),
        (
            json!({"on": "lease.renew", "fault": "ack_without_commit"}),
            vec!["renewal"],
        ),
        (
            json!({"on": "lease.release", "fault": "ack_without_commit"}),
            vec!["release"],
        ),
        (
            json!({"on": "lease.renew", "fault": {"refuse": "stale_fencing_token"}}),
            vec!["lease-ends"],
        ),
        (
            json!({"on": "job.report", "fault": {"refuse": "lease_lost"}}),
            vec!["late-final-report"],
        ),
        (
            json!({"on": "shadow.report", "fault": {"status": 202}}),
            vec!["view-holds-locks"],
        ),
        (
            json!({"on": "lease.release", "fault": {"status": 500}}),
            vec!["unknown-things"],
        ),
        (
            json!({"on": "job.report", "fault": "ack_without_commit"}),
            vec!["stage-order", "final-stage"],
        ),
        (
            json!({"on": "job.quarantine", "fault": "ack_without_commit"}),
            vec!["quarantine"],
        ),
        (
            json!({"on": "claim", "when": {"skip": 1}, "fault": {"diverge": {"patch": {"lease": {"id": "lease-x"}}}}}),
            vec!["repeated-claim"],
        ),
        (
            json!({"on": "shadow.claim", "fault": "dry_run_grants"}),
            vec!["no-trace"],
        ),
        (
            json!({"on": "shadow.report", "fault": "leaky_shadow"}),
            vec!["no-trace"],
        ),
        (
            json!({"on": "shadow.claim", "fault": {"diverge": {"job": "another"}}}),
            vec!["dry-run", "view"],
        ),
        (
            json!({"on": "shadow.report", "fault": {"status": 500}}),
            vec!["unknown-job", "view"],
        ),
        (
            json!({"on": "shadow.claim", "fault": {"status": 500}}),
            vec!["mistakes"],
        ),
        (
            json!({"on": "claim", "when": {"skip": 1}, "fault": {"status": 500}}),
            vec!["reused-key"],
        ),
    ]
}

#[test]
fn every_lie_is_found_by_the_check_that_is_about_it() {
    let mut proved = Vec::new();
    for (lie, checks) in lies() {
        let stub = stub(&WORKING, std::slice::from_ref(&lie));
        let verdicts = judged(&stub, AccessLevel::Everything);
        assert!(stub.rules()[0].fired > 0, "{lie} was never told");
        for check in checks {
            let verdict = verdicts
                .iter()
                .find(|verdict| verdict.findings[0].check == check)
                .expect("the check was made");
            assert_eq!(verdict.outcome, Outcome::Fail, "{lie} got past `{check}`");
            proved.push(check);
        }
    }
    // A coordinator that asks for no token, and one whose watching token may work.
    let open = Stub::start(StubConfig::default()).expect("a stub can be started");
    let lax = stub(&WORKING, &[]);
    for (stub, check) in [(&open, "tokens"), (&lax, "watching-token")] {
        let verdicts = judged(stub, AccessLevel::Observe);
        let verdict = verdicts.iter().find(|verdict| verdict.findings[0].check == check);
        assert_eq!(
            verdict.map(|verdict| verdict.outcome),
            Some(Outcome::Fail),
            "{check}"
        );
        proved.push(check);
    }
    for check in ALL {
        assert!(proved.contains(&check.name), "no lie is about `{}`", check.name);
        assert!(
            registry::named(check.name).is_none(),
            "{} is the name of two checks",
            check.name
        );
    }
}

#[test]
fn an_address_without_http_is_refused_with_what_to_do() {
    let error = CoordinatorClient::new("https://example.org", None).expect_err("it is https");
    assert!(error.to_string().contains("proxy that ends TLS"), "{error}");
}
