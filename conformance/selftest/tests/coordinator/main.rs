//! The checks of a coordinator: the honest stub passes each, and for each there is a lie by which it fails.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
#[path = "../common/mod.rs"]
mod common;
mod lies;

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
use stub_coordinator::{
    ClockKind, NewJob, PolicyStatement, Rule, Scope, Stub, StubConfig, TokenGrant, UnknownFieldPolicy,
};

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
        policy: Some(PolicyStatement::parse("fifo@1.0").expect("a policy")),
        strict: UnknownFieldPolicy::Strict,
        ..StubConfig::default()
    })
    .expect("a stub can be started")
}

fn judged(stub: &Stub, reach: AccessLevel) -> Vec<CaseResult> {
    let client = CoordinatorClient::new(&stub.url(), Some("a-token".into()), None).expect("an address");
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
        .filter(|check| matches!(check.needs, CheckAccess::Watching | CheckAccess::OnlyWatching))
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
    let client = CoordinatorClient::new(&stub.url(), Some("a-token".into()), None).expect("an address");
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

/// What the one check with restarts says of a coordinator that is started anew with what `again` makes of its jobs.
fn judged_with_restarts(again: impl Fn(Vec<String>) -> StubConfig + Send + Sync + 'static) -> CaseResult {
    let first = Stub::start(again(Vec::new())).expect("a stub can be started");
    let client = CoordinatorClient::new(&first.url(), None, None).expect("an address");
    let running = Mutex::new(Some(first));
    let restart = move || {
        let mut running = running.lock().expect("nobody panicked");
        let old = running.take().expect("it runs");
        let (address, jobs) = (old.address(), old.jobs());
        old.stop();
        let jobs = jobs.into_iter().map(|job| job.id).collect();
        let config = StubConfig {
            address,
            ..again(jobs)
        };
        *running = Some(Stub::start(config).map_err(|error| error.to_string())?);
        Ok(())
    };
    let control = CheckRunControl {
        only: vec!["coordinator/withdrawn-for-good".into()],
        restart: Some(Arc::new(restart)),
        ..CheckRunControl::default()
    };
    let mut verdicts = judge(&client, AccessLevel::EverythingAndRestarts, &control, |_| {});
    assert_eq!(verdicts.len(), 1);
    verdicts.remove(0)
}

#[test]
fn the_honest_stub_keeps_a_withdrawal_over_restarts_in_its_state_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    common::assert_passed(&judged_with_restarts(move |_| StubConfig {
        state: Some(path.clone()),
        ..StubConfig::default()
    }));
}

#[test]
fn a_coordinator_may_tell_no_policy_but_not_on_some_answers() {
    let outcome = |stub: &Stub| {
        let verdicts = judged(stub, AccessLevel::Observe);
        let verdict = verdicts
            .into_iter()
            .find(|verdict| verdict.findings[0].check == "policy-header");
        verdict.expect("the check was made").outcome
    };
    let stub = stub(&[Scope::Shadow], &[]);
    assert_eq!(outcome(&stub), Outcome::Pass);
    stub.set_policy(Some(PolicyStatement::parse("fair@2").expect("a policy")));
    assert_eq!(outcome(&stub), Outcome::Pass);
    stub.set_policy(None);
    assert_eq!(outcome(&stub), Outcome::Pass);
    let rule = json!({"on": "job.list", "fault": {"policy": "fair@2"}});
    stub.arm(serde_json::from_value(rule).expect("a rule"))
        .expect("armed");
    assert_eq!(outcome(&stub), Outcome::Fail);
}

#[test]
fn every_lie_is_found_by_the_check_that_is_about_it() {
    let mut proved = Vec::new();
    for (lie, checks) in lies::lies() {
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
    // One that forgets at a restart what was withdrawn.
    let verdict = judged_with_restarts(|old| StubConfig {
        jobs: old
            .iter()
            .map(|id| NewJob::named(id, id.trim_end_matches("-job")))
            .collect(),
        ..StubConfig::default()
    });
    assert_eq!(verdict.outcome, Outcome::Fail, "{}", verdict.failure_report);
    proved.push("withdrawn-for-good");
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
fn an_address_that_is_none_is_refused_with_what_it_begins_with() {
    for url in [
        "ftp://example.org",
        "example.org:80",
        "/tmp/socket",
        "",
        "http://",
    ] {
        let error = CoordinatorClient::new(url, None, None).expect_err(url);
        assert!(
            error.to_string().contains("begins with http:// or https://"),
            "{error}"
        );
    }
    CoordinatorClient::new("https://127.0.0.1:1/below", None, None).expect("an address");
    let error =
        CoordinatorClient::new("https://127.0.0.1:1", None, Some(b"no PEM")).expect_err("no certificate");
    assert!(error.to_string().contains("give a PEM file"), "{error}");
}
