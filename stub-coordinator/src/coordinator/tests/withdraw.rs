//! C-12 and C-13: a job is taken back, and its id is submitted again.

use super::*;

#[test]
fn c12_a_withdrawn_job_is_in_no_queue_any_more() {
    let mut bench = TestCoordinator::with([job("a"), job("b")]);
    bench.withdraw("a").expect("nobody holds it");
    assert_eq!(bench.stage("a"), Stage::Withdrawn);
    assert_eq!(bench.shadow_claim("f").as_deref(), Some("b"));
    assert_eq!(bench.claim("f").expect("a lease").job.as_str(), "b");
    bench.wait_ms(TTL_MS * 2);
    assert_eq!(bench.claim("g").expect("a lease").job.as_str(), "b");
    assert!(bench.claim("h").is_none());
}

#[test]
fn c12_a_withdrawal_is_repeated_without_effect_whatever_its_key() {
    let mut bench = TestCoordinator::with([job("a")]);
    bench
        .tell_once(withdrawal("a"), once("one", 1))
        .expect("nobody holds it");
    assert!(!bench.nothing_changed());
    for key in [once("one", 1), once("two", 1), None] {
        bench.tell_once(withdrawal("a"), key).expect("it is withdrawn");
        assert!(bench.nothing_changed());
    }
}

#[test]
fn c12_a_job_that_somebody_holds_is_not_withdrawn() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    let refusal = CommandRefusal::Leased(lease.job.clone());
    for stage in [Stage::Building, Stage::Testing, Stage::Review] {
        bench.report(&lease, stage).expect("reported");
        assert_eq!(bench.withdraw("a"), Err(refusal.clone()));
        assert!(bench.nothing_changed());
    }
    bench.renew(&lease).expect("it is still held");
    bench.release(&lease).expect("released");
    bench.withdraw("a").expect("nobody holds it any more");
}

#[test]
fn c12_a_lease_that_ran_out_keeps_nobody_from_withdrawing_and_reports_under_it_come_too_late() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    bench.wait_ms(TTL_MS);
    bench.withdraw("a").expect("the lease ran out");
    for stage in [Stage::Testing, Stage::Shipped, Stage::Withdrawn] {
        assert_eq!(bench.report(&lease, stage), Err(lost(&lease)), "{stage:?}");
    }
    assert_eq!(bench.release(&lease), Err(lost(&lease)));
    assert_eq!(bench.stage("a"), Stage::Withdrawn);
}

#[test]
fn c12_a_job_that_has_ended_is_not_withdrawn() {
    for last in [Stage::Shipped, Stage::Failed, Stage::Quarantined] {
        let mut bench = TestCoordinator::with([job("a")]);
        let lease = bench.claim("f").expect("a lease");
        bench.report(&lease, last).expect("reported");
        assert_eq!(bench.withdraw("a"), Err(CommandRefusal::Ended(last)));
        assert!(bench.nothing_changed());
    }
    let unknown = JobId::parse("who").expect("an id");
    let mut bench = TestCoordinator::with([]);
    assert_eq!(bench.withdraw("who"), Err(CommandRefusal::UnknownJob(unknown)));
}

#[test]
fn c12_no_holder_says_that_a_job_is_withdrawn() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    let refusal = CommandRefusal::IllegalTransition {
        from: Stage::Building,
        to: Stage::Withdrawn,
    };
    assert_eq!(bench.report(&lease, Stage::Withdrawn), Err(refusal));
    bench.wait_ms(TTL_MS);
    assert_eq!(bench.report(&lease, Stage::Withdrawn), Err(lost(&lease)));
    assert_eq!(bench.stage("a"), Stage::Queued);
}

#[test]
fn c13_a_withdrawn_id_is_that_of_a_new_job_once_it_is_submitted_again() {
    let mut bench = TestCoordinator::with([job("a"), job("b")]);
    let first = bench.claim("f").expect("a lease");
    let other = bench.claim("g").expect("a lease");
    bench.report(&other, Stage::Failed).expect("reported");
    bench.wait_ms(TTL_MS);
    bench.withdraw("a").expect("the lease ran out");
    let again = bench
        .submit(JobSpec {
            priority: 3,
            ..job("a")
        })
        .expect("it is withdrawn");
    assert_eq!(
        (again.stage, again.attempts, again.spec.priority),
        (Stage::Queued, 0, 3)
    );
    assert!(again.sequence > 2 && again.submitted_at == bench.now);
    let state = bench.coordinator.state();
    let listed: Vec<_> = state.jobs_after(0).map(|job| job.id().as_str()).collect();
    assert_eq!((listed, state.job_count()), (vec!["b", "a"], 2));
    // What is said under the lease of the withdrawn job is not said of this one.
    assert_eq!(bench.report(&first, Stage::Shipped), Err(lost(&first)));
    let second = bench.claim("h").expect("a lease");
    assert_eq!(
        (second.job.as_str(), second.fencing_token),
        ("a", first.fencing_token + 1)
    );
}

#[test]
fn c13_only_a_withdrawn_id_can_be_submitted_again() {
    let mut bench = TestCoordinator::with([job("a")]);
    let exists = Err(CommandRefusal::JobExists(JobId::parse("a").expect("an id")));
    assert_eq!(bench.submit(job("a")).map(drop), exists);
    let lease = bench.claim("f").expect("a lease");
    assert_eq!(bench.submit(job("a")).map(drop), exists);
    bench.report(&lease, Stage::Failed).expect("reported");
    assert_eq!(bench.submit(job("a")).map(drop), exists);
}

#[test]
fn c13_an_answer_that_is_no_longer_true_is_not_given_again() {
    let mut bench = TestCoordinator::with([]);
    let superseded = CommandRefusal::Superseded(JobId::parse("a").expect("an id"));
    let refused = |result: Result<CommandReply, CommandRefusal>| result.expect_err("it is no longer so");
    bench
        .tell_once(submission(job("a")), once("submit", 1))
        .expect("it is new");
    bench
        .tell_once(submission(job("a")), once("submit", 1))
        .expect("it is still there");
    bench
        .tell_once(withdrawal("a"), once("withdraw", 2))
        .expect("nobody holds it");
    assert_eq!(
        refused(bench.tell_once(submission(job("a")), once("submit", 1))),
        superseded
    );
    assert!(bench.nothing_changed() && bench.stage("a") == Stage::Withdrawn);
    bench.submit(job("a")).expect("it is withdrawn");
    assert_eq!(
        refused(bench.tell_once(withdrawal("a"), once("withdraw", 2))),
        superseded
    );
    assert_eq!(
        refused(bench.tell_once(submission(job("a")), once("submit", 1))),
        superseded
    );
    assert!(bench.nothing_changed() && bench.stage("a") == Stage::Queued);
}

#[test]
fn c13_what_was_reported_of_the_withdrawn_job_in_shadow_mode_is_not_so_of_the_new_one() {
    let mut bench = TestCoordinator::with([locked("a", "l"), locked("b", "l")]);
    bench.shadow_report("f", "a", Stage::Building);
    assert_eq!(bench.shadow_claim("f"), None);
    bench.withdraw("a").expect("nobody holds it");
    bench.submit(job("a")).expect("it is withdrawn");
    // The lock of the withdrawn job is free, though the new one has none.
    assert_eq!(bench.shadow_claim("f").as_deref(), Some("b"));
    bench.withdraw("b").expect("nobody holds it");
    assert_eq!(bench.shadow_claim("f").as_deref(), Some("a"));
}

#[test]
fn c13_the_new_job_needs_no_more_room_than_the_withdrawn_one_left() {
    let large = || JobSpec {
        body: "x".repeat(2_000),
        ..job("a")
    };
    let setup = CoordinatorSetup {
        job_bytes: 3_500,
        ..setup()
    };
    let mut bench = TestCoordinator::set_up(setup, [large()]);
    bench.withdraw("a").expect("nobody holds it");
    bench.submit(large()).expect("there is room");
    assert!(matches!(
        bench.submit(JobSpec {
            body: "x".repeat(2_000),
            ..job("b")
        }),
        Err(CommandRefusal::JobBytesExhausted { .. })
    ));
}

#[test]
fn c12_c13_a_withdrawal_and_the_tokens_of_its_id_are_in_the_saved_state() {
    let mut bench = TestCoordinator::with([job("a")]);
    let first = bench.claim("f").expect("a lease");
    bench.release(&first).expect("released");
    bench
        .tell_once(withdrawal("a"), once("withdraw", 1))
        .expect("nobody holds it");
    let restart = |bench: &mut TestCoordinator| {
        let document = serde_json::to_string(&bench.coordinator.save(bench.now)).expect("JSON");
        let saved = serde_json::from_str(&document).expect("a state");
        bench.coordinator = Coordinator::restored(setup(), saved).expect("a whole state");
    };
    restart(&mut bench);
    assert!(bench.claim("f").is_none());
    bench
        .tell_once(withdrawal("a"), once("withdraw", 1))
        .expect("it is remembered");
    assert!(bench.nothing_changed());
    bench.submit(job("a")).expect("it is withdrawn");
    restart(&mut bench);
    assert!(bench.claim("f").expect("a lease").fencing_token > first.fencing_token);
}
