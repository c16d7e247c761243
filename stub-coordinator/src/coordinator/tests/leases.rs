//! C-1 to C-7 and C-11: who is given what, and for how long.

use super::*;

#[test]
fn c1_a_job_has_at_most_one_live_lease() {
    let mut bench = TestCoordinator::with([job("a")]);
    assert!(bench.claim("one").is_some());
    assert!(bench.claim("two").is_none());
    assert!(bench.claim("one").is_none(), "not to the same factory either");
    assert_eq!(bench.coordinator.state().leases().count(), 1);
}

#[test]
fn c2_fencing_tokens_of_a_job_rise_with_every_lease() {
    let mut bench = TestCoordinator::with([job("a")]);
    let first = bench.claim("one").expect("a lease");
    bench.release(&first).expect("released");
    let second = bench.claim("two").expect("a lease");
    bench.wait_ms(TTL_MS);
    let third = bench.claim("one").expect("a lease");
    assert_eq!(
        [first.fencing_token, second.fencing_token, third.fencing_token],
        [1, 2, 3]
    );
    assert!(first.number != second.number && second.number != third.number);
}

#[test]
fn c3_priority_goes_first_then_order_of_submission() {
    let urgent = |id| JobSpec {
        priority: 5,
        ..job(id)
    };
    let mut bench = TestCoordinator::with([
        job("a"),
        urgent("b"),
        job("c"),
        urgent("d"),
        JobSpec {
            priority: -1,
            ..job("e")
        },
    ]);
    let order: Vec<_> = (0..5)
        .map(|_| bench.claim("f").expect("a lease").job.to_string())
        .collect();
    assert_eq!(order, ["b", "d", "a", "c", "e"]);
}

#[test]
fn c3_a_job_needs_its_capabilities_and_its_engine() {
    let mut bench = TestCoordinator::with([
        JobSpec {
            caps: vec![Capability::parse("gpu").expect("a capability")],
            ..job("a")
        },
        JobSpec {
            engine: "devin".to_owned(),
            ..job("b")
        },
        job("c"),
    ]);
    assert!(bench.claim_with("none", &[]).is_none());
    assert_eq!(
        bench
            .claim_with("plain", &["engine:sh"])
            .map(|lease| lease.job.to_string())
            .as_deref(),
        Some("c")
    );
    assert!(bench.claim_with("gpu-without-engine", &["gpu"]).is_none());
    assert_eq!(
        bench
            .claim_with("gpu", &["engine:sh", "gpu"])
            .map(|lease| lease.job.to_string())
            .as_deref(),
        Some("a")
    );
    assert_eq!(
        bench
            .claim_with("devin", &["engine:devin"])
            .map(|lease| lease.job.to_string())
            .as_deref(),
        Some("b")
    );
}

#[test]
fn c3_a_held_lock_lets_the_jobs_behind_it_pass() {
    let mut bench = TestCoordinator::with([locked("a", "l"), locked("b", "l"), job("c")]);
    let first = bench.claim("f").expect("a lease");
    assert_eq!(bench.claim("g").expect("a lease").job.as_str(), "c");
    assert!(bench.claim("g").is_none(), "b waits for the lock");
    bench.report(&first, Stage::Review).expect("reported");
    assert!(bench.claim("g").is_none(), "a lease in review holds its lock");
    bench.report(&first, Stage::Shipped).expect("reported");
    assert_eq!(bench.claim("g").expect("a lease").job.as_str(), "b");
}

#[test]
fn c4_nothing_to_do_has_no_effect() {
    let mut bench = TestCoordinator::with([]);
    assert!(bench.claim("f").is_none());
    assert!(bench.nothing_changed());
}

#[test]
fn c5_a_lease_that_is_not_renewed_ends_exactly_at_its_ttl() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    bench.wait_ms(TTL_MS - 1);
    assert!(bench.claim("g").is_none(), "a millisecond before, it lives");
    bench.wait_ms(1);
    let next = bench.claim("g").expect("the job is queued again");
    assert_eq!((next.job.as_str(), bench.record("a").attempts), ("a", 1));
    for _ in 0..2 {
        assert_eq!(bench.renew(&lease), Err(lost(&lease)));
        assert_eq!(bench.release(&lease), Err(lost(&lease)));
        assert_eq!(bench.report(&lease, Stage::Testing), Err(lost(&lease)));
        assert!(bench.nothing_changed());
        bench.wait_ms(1_000_000);
    }
}

#[test]
fn c5_a_job_that_comes_back_keeps_its_place() {
    let mut bench = TestCoordinator::with([job("a"), job("b")]);
    bench.claim("f").expect("a lease on a");
    bench.wait_ms(TTL_MS);
    assert_eq!(bench.claim("g").expect("a lease").job.as_str(), "a");
}

#[test]
fn c5_the_final_report_of_the_last_holder_counts_after_expiry() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    bench.wait_ms(TTL_MS);
    assert_eq!(
        bench.report(&lease, Stage::Testing),
        Err(lost(&lease)),
        "only a final report"
    );
    assert_eq!(bench.report(&lease, Stage::Shipped), Ok(Stage::Shipped));
    assert!(
        bench.claim("g").is_none(),
        "the job left the queue: no second ship"
    );
    assert_eq!(
        bench.report(&lease, Stage::Shipped),
        Ok(Stage::Shipped),
        "sent again, it is the same answer"
    );
    assert!(bench.nothing_changed());
    assert_eq!(bench.renew(&lease), Err(lost(&lease)));
    assert_eq!(
        bench.release(&lease),
        Err(lost(&lease)),
        "an expired lease is lost for ever"
    );
}

#[test]
fn c5_a_late_final_report_is_lost_once_another_was_given_the_job() {
    let mut bench = TestCoordinator::with([job("a")]);
    let stale = bench.claim("f").expect("a lease");
    bench.wait_ms(TTL_MS);
    let fresh = bench.claim("g").expect("a lease");
    assert_eq!(bench.report(&stale, Stage::Shipped), Err(lost(&stale)));
    bench.wait_ms(TTL_MS);
    assert_eq!(
        bench.report(&stale, Stage::Shipped),
        Err(lost(&stale)),
        "its token is not the highest"
    );
    assert_eq!(bench.report(&fresh, Stage::Failed), Ok(Stage::Failed));
}

#[test]
fn c5_a_final_report_after_a_release_is_lost() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    bench.release(&lease).expect("released");
    assert_eq!(bench.report(&lease, Stage::Shipped), Err(lost(&lease)));
    assert_eq!(bench.stage("a"), Stage::Queued);
}

#[test]
fn c6_renewing_sets_the_end_to_a_whole_ttl_from_now_and_keeps_the_token() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    bench.wait_ms(TTL_MS - 1);
    let renewed = bench.renew(&lease).expect("renewed");
    assert_eq!(renewed.expires_at, bench.now.after_ms(TTL_MS));
    assert_eq!(
        (renewed.number, renewed.fencing_token),
        (lease.number, lease.fencing_token)
    );
    bench.wait_ms(TTL_MS - 1);
    bench.renew(&lease).expect("it lived on");
}

#[test]
fn c6_nobody_renews_the_lease_of_another() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    for wrong in [
        Lease {
            factory: factory("g"),
            ..lease.clone()
        },
        Lease {
            fencing_token: 2,
            ..lease.clone()
        },
    ] {
        assert_eq!(bench.renew(&wrong), Err(lost(&lease)));
        assert!(bench.nothing_changed());
    }
    let unknown = LeaseHolder {
        lease: unknown_lease("lease-99"),
        ..holder(&lease)
    };
    let refusal = bench
        .tell(CoordinatorCommand::Renew(unknown))
        .expect_err("nobody was granted it");
    assert_eq!(refusal, CommandRefusal::UnknownLease(unknown_lease("lease-99")));
}

#[test]
fn c7_releasing_queues_the_job_again_where_it_stood() {
    let mut bench = TestCoordinator::with([job("a"), job("b")]);
    let lease = bench.claim("f").expect("a lease");
    bench.report(&lease, Stage::Testing).expect("reported");
    assert_eq!(bench.release(&lease), Ok(Stage::Queued));
    assert_eq!(bench.record("a").attempts, 0, "giving back is no failed attempt");
    assert_eq!(bench.claim("g").expect("a lease").job.as_str(), "a");
}

#[test]
fn c7_releasing_after_the_final_report_just_ends_the_lease() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    bench.report(&lease, Stage::Shipped).expect("reported");
    assert_eq!(bench.release(&lease), Ok(Stage::Shipped));
    assert!(bench.nothing_changed());
    assert_eq!(bench.stage("a"), Stage::Shipped);
}

#[test]
fn c11_a_claim_sent_again_is_the_same_lease_and_no_longer_one() {
    let mut bench = TestCoordinator::with([job("a"), job("b")]);
    let command = || CoordinatorCommand::Claim {
        factory: factory("f"),
        caps: caps(&["engine:sh"]),
    };
    let first = bench.tell_once(command(), once("k", 1)).expect("granted");
    bench.wait_ms(TTL_MS / 2);
    let again = bench.tell_once(command(), once("k", 1)).expect("the same");
    assert!(bench.nothing_changed());
    let (CommandReply::Granted { lease: first, .. }, CommandReply::Granted { lease: again, .. }) =
        (first, again)
    else {
        panic!("both are grants")
    };
    assert_eq!(first, again);
    bench.wait_ms(TTL_MS / 2);
    assert_eq!(
        bench.tell_once(command(), once("k", 1)).expect_err("it ended"),
        lost(&first)
    );
    assert!(
        bench.tell_once(command(), once("k2", 1)).is_ok(),
        "a fresh key is a fresh claim"
    );
}

#[test]
fn c32_a_key_with_another_body_is_refused_without_effect() {
    let mut bench = TestCoordinator::with([job("a"), job("b")]);
    let command = || CoordinatorCommand::Claim {
        factory: factory("f"),
        caps: caps(&["engine:sh"]),
    };
    bench.tell_once(command(), once("k", 1)).expect("granted");
    let refusal = bench
        .tell_once(command(), once("k", 2))
        .expect_err("another body");
    assert_eq!(refusal, CommandRefusal::IdempotencyMismatch);
    assert!(bench.nothing_changed());
}

#[test]
fn the_last_ten_thousand_answers_are_remembered_and_no_more() {
    let mut bench = TestCoordinator::set_up(
        CoordinatorSetup {
            memory_limit: 3,
            ..setup()
        },
        (0..5).map(|number| job(&format!("j{number}"))),
    );
    let command = || CoordinatorCommand::Claim {
        factory: factory("f"),
        caps: caps(&["engine:sh"]),
    };
    for number in 0..4 {
        bench
            .tell_once(command(), once(&format!("k{number}"), 1))
            .expect("granted");
    }
    let Ok(CommandReply::Granted { lease, .. }) = bench.tell_once(command(), once("k3", 1)) else {
        panic!("remembered")
    };
    assert_eq!(lease.job.as_str(), "j3");
    let Ok(CommandReply::Granted { lease, .. }) = bench.tell_once(command(), once("k0", 1)) else {
        panic!("forgotten")
    };
    assert_eq!(
        lease.job.as_str(),
        "j4",
        "the oldest key went, so this is a new claim"
    );
}

#[test]
fn a_poll_that_finds_nothing_gives_its_answer_again_and_is_no_change() {
    let mut bench = TestCoordinator::with([]);
    let command = || CoordinatorCommand::Claim {
        factory: factory("f"),
        caps: caps(&["engine:sh"]),
    };
    let digest = bench.coordinator.digest();
    bench.tell_once(command(), once("k", 1)).expect("nothing");
    bench.coordinator.cache_empty_reply(once("k", 1).expect("a key"));
    assert_eq!(bench.coordinator.digest(), digest);
    let submission = JobSubmission {
        spec: job("a"),
        naming: JobNaming::BySubmitter,
    };
    bench.tell(CoordinatorCommand::Submit(submission)).expect("taken");
    assert!(matches!(
        bench.tell_once(command(), once("k", 1)),
        Ok(CommandReply::Nothing)
    ));
}
