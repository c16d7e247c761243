//! Lies of the coordinator as a client meets them, each against the clause that it breaks; and sequences of faults.

mod common;

use common::*;
use serde_json::{Value, json};
use stub_coordinator::{
    ClockKind, ClockSkewFault, ExchangeOutcome, Fault, RefuseFault, Rule, SequenceEnd, SequenceFault,
    SignedDuration, Stub, StubConfig,
};

fn lying(jobs: &[&str], on: &str, fault: impl Into<Fault>) -> Stub {
    let manual = StubConfig {
        clock: ClockKind::Manual,
        ..StubConfig::default()
    };
    let stub = start_with(jobs, manual);
    stub.arm(Rule::on(on, fault)).expect("armed");
    stub
}

#[test]
fn ack_without_commit_answers_like_a_commit_that_never_was() {
    let stub = lying(&["alpha"], "claim", Fault::AckWithoutCommit);
    let before = stub.digest();
    let granted = claim(&stub, "f");
    assert_eq!(
        (granted.status, granted.json()["job"]["id"].as_str()),
        (200, Some("alpha"))
    );
    assert_eq!((stub.digest(), stub.counters().mutations_total()), (before, 0));
    assert_eq!(stage_of(&stub, "alpha"), "queued");
    assert_eq!(
        held(&granted).renew(&stub).status,
        404,
        "the lease was never granted"
    );
    assert_eq!(stub.journal()[0].outcome, ExchangeOutcome::Faulted);
}

#[test]
fn c1_double_grant_leases_one_job_twice() {
    let stub = lying(&["alpha", "beta"], "claim", Fault::DoubleGrant);
    let (first, second) = (held(&claim(&stub, "f")), held(&claim(&stub, "g")));
    assert_eq!((first.job.as_str(), second.job.as_str()), ("alpha", "alpha"));
    assert_ne!(first.lease, second.lease);
    assert!(second.token > first.token, "C-2 is kept while C-1 is broken");
    assert_eq!(second.renew(&stub).status, 200);
}

#[test]
fn c2_token_regress_grants_a_token_that_does_not_rise() {
    let stub = start(&["alpha"]);
    for token in 1..=3 {
        let lease = held(&claim(&stub, "f"));
        assert_eq!(lease.token, token);
        assert_eq!(lease.release(&stub).status, 200);
    }
    stub.arm(Rule::on("claim", Fault::TokenRegress)).expect("armed");
    assert_eq!(held(&claim(&stub, "f")).token, 2, "one back from 3");
}

#[test]
fn stale_read_shows_the_time_at_which_it_was_armed() {
    let stub = lying(&["alpha"], "job.get", Fault::StaleRead);
    claim(&stub, "f");
    assert_eq!(stage_of(&stub, "alpha"), "queued");
    assert_eq!(stub.jobs()[0].stage, "building");
    assert_eq!(
        get(&stub, "/v1/jobs").json()["jobs"][0]["stage"],
        "building",
        "the rule is on `job.get` alone"
    );
}

#[test]
fn leaky_shadow_moves_the_real_job_and_the_stub_says_so() {
    let stub = lying(&["alpha"], "shadow.report", Fault::LeakyShadow);
    let before = stub.digest();
    assert_eq!(shadow_report(&stub, "f", "alpha", "building").status, 202);
    assert_eq!(stage_of(&stub, "alpha"), "building");
    assert_ne!(stub.digest(), before);
    assert_eq!(stub.violations().len(), 1, "{:?}", stub.violations());
    assert_eq!(stub.counters().mutations.get("shadow.report"), Some(&1));
}

fn withdraw(stub: &Stub, job: &str) -> Reply {
    post(stub, &format!("/v1/jobs/{job}/withdraw"), &json!({}))
}

#[test]
fn c12_withdraw_leased_takes_a_job_from_who_works_on_it() {
    let stub = lying(&["alpha"], "job.withdraw", Fault::WithdrawLeased);
    let lease = held(&claim(&stub, "f"));
    let withdrawn = withdraw(&stub, "alpha");
    assert_eq!(
        (withdrawn.status, withdrawn.json()["stage"].as_str()),
        (200, Some("withdrawn"))
    );
    assert_eq!(stage_of(&stub, "alpha"), "withdrawn");
    assert_eq!(lease.renew(&stub).code(), "lease_lost");
    assert_eq!(stub.counters().mutations["job.withdraw"], 1);
}

#[test]
fn c12_withdraw_unsaid_refuses_and_withdraws() {
    for leased in [false, true] {
        let stub = lying(&["alpha"], "job.withdraw", Fault::WithdrawUnsaid);
        let lease = leased.then(|| held(&claim(&stub, "f")));
        assert_eq!(withdraw(&stub, "alpha").code(), "leased");
        assert_eq!(stage_of(&stub, "alpha"), "withdrawn");
        assert!(lease.is_none_or(|lease| lease.renew(&stub).code() == "lease_lost"));
        assert_eq!(
            stub.counters().mutations["job.withdraw"],
            1,
            "what was done is counted"
        );
    }
}

#[test]
fn c12_claim_withdrawn_grants_a_withdrawn_job_to_who_can_work_on_it() {
    let stub = lying(&["alpha", "beta"], "claim", Fault::ClaimWithdrawn);
    assert_eq!(withdraw(&stub, "beta").status, 200);
    let body = json!({"factoryId": "f", "caps": ["engine:other"]});
    assert_eq!(post(&stub, "/v1/claims", &body).status, 204);
    let lease = held(&claim(&stub, "f"));
    assert_eq!(lease.job, "beta");
    assert_eq!(lease.report(&stub, "shipped").status, 202);
    assert_eq!(
        held(&claim(&stub, "f")).job,
        "alpha",
        "where none is withdrawn it is honest"
    );
}

#[test]
fn c13_token_reset_begins_again_with_the_tokens_of_an_id() {
    let stub = lying(&["alpha"], "job.submit", Fault::TokenReset);
    for token in 1..=2 {
        let lease = held(&claim(&stub, "f"));
        assert_eq!(lease.token, token);
        assert_eq!(lease.release(&stub).status, 200);
    }
    assert_eq!(withdraw(&stub, "alpha").status, 200);
    let again = json!({"id": "alpha", "engine": "sh", "body": "do it"});
    assert_eq!(post(&stub, "/v1/jobs", &again).status, 201);
    assert_eq!(held(&claim(&stub, "f")).token, 1);
}

#[test]
fn clock_skew_moves_the_instants_of_an_answer_and_nothing_else() {
    let stub = lying(
        &["alpha"],
        "claim",
        ClockSkewFault {
            by: SignedDuration::parse("-10s").expect("a span"),
        },
    );
    let granted = claim(&stub, "f").json();
    // The manual clock starts at midnight and a lease lives for a minute.
    assert_eq!(granted["lease"]["expiresAt"], "2026-01-01T00:00:50.000Z");
    assert_eq!(granted["lease"]["ttlMs"], 60_000);
    let lease = stub.jobs()[0].lease.clone().expect("a lease");
    assert_eq!(lease.expires_at, "2026-01-01T00:01:00.000Z");
}

#[test]
fn a_sequence_is_seen_by_a_client_step_by_step() {
    let stub = start(&["alpha"]);
    let steps = vec![
        Fault::Empty,
        RefuseFault {
            code: "already_claimed".to_owned(),
        }
        .into(),
    ];
    let end = SequenceEnd::Pass;
    stub.arm(Rule::on("claim", SequenceFault { steps, end }).named("s"))
        .expect("armed");
    let statuses: Vec<_> = (0..3).map(|_| claim(&stub, "f").status).collect();
    assert_eq!(statuses, [204, 409, 200]);
    let journal = stub.journal();
    let faults: Vec<_> = journal.iter().map(|exchange| exchange.fault.as_deref()).collect();
    assert_eq!(
        faults,
        [Some("empty"), Some(r#"{"refuse":"already_claimed"}"#), None]
    );
    assert_eq!(stub.counters().faults.get("refuse"), Some(&1));
}

/// What a stub of this seed writes down while the same is asked of it, and which exchanges the rule `c` fired on.
fn journal_of(seed: u64, other_rule: bool) -> (Value, Vec<bool>) {
    let stub = start_with(
        &["a", "b"],
        StubConfig {
            seed: Some(seed),
            clock: ClockKind::Manual,
            ..StubConfig::default()
        },
    );
    let chancy = json!({"id": "c", "on": "*", "when": {"chance": 0.4}, "fault": {"status": 503}});
    let other = json!({"id": "o", "on": "claim", "when": {"chance": 0.5}, "fault": "empty"});
    let rules = [(true, chancy), (other_rule, other)];
    for (_, rule) in rules.into_iter().filter(|(wanted, _)| *wanted) {
        stub.arm(serde_json::from_value(rule).expect("a rule"))
            .expect("armed");
    }
    for _ in 0..20 {
        claim(&stub, "f");
        shadow_claim(&stub, "f");
    }
    let journal = stub.journal();
    let fired = journal
        .iter()
        .map(|exchange| exchange.rule.as_deref() == Some("c"));
    (serde_json::to_value(&journal).expect("JSON"), fired.collect())
}

#[test]
fn the_same_seed_writes_the_same_journal_and_another_rule_renumbers_nothing() {
    let (journal, fired) = journal_of(7, false);
    assert_eq!(journal, journal_of(7, false).0);
    assert_ne!(journal, journal_of(8, false).0);
    let (with_another, still_fired) = journal_of(7, true);
    assert_ne!(journal, with_another, "the other rule has a hand in it");
    assert_eq!(fired, still_fired);
}
