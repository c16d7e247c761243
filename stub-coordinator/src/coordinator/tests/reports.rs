//! C-8 to C-10: what holders may say about a job.

use super::*;

#[test]
fn c8_stages_may_be_skipped_forward_and_never_gone_back_to() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    assert_eq!(bench.report(&lease, Stage::Review), Ok(Stage::Review));
    for back in [Stage::Queued, Stage::Building, Stage::Testing] {
        let refusal = CommandRefusal::IllegalTransition {
            from: Stage::Review,
            to: back,
        };
        assert_eq!(bench.report(&lease, back), Err(refusal));
        assert!(bench.nothing_changed());
    }
    assert_eq!(bench.report(&lease, Stage::Failed), Ok(Stage::Failed));
}

#[test]
fn c8_repeating_the_stage_held_is_accepted_without_effect() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    for stage in [
        Stage::Building,
        Stage::Testing,
        Stage::Testing,
        Stage::Shipped,
        Stage::Shipped,
    ] {
        assert_eq!(bench.report(&lease, stage), Ok(stage));
    }
    assert!(bench.nothing_changed(), "the repeated final report too");
}

#[test]
fn c8_a_repeated_report_under_a_key_changes_nothing_either() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    let command = CoordinatorCommand::Report {
        job: lease.job.clone(),
        holder: holder(&lease),
        stage: Stage::Building,
    };
    bench.tell_once(command, once("k", 1)).expect("accepted");
    assert!(bench.nothing_changed());
}

#[test]
fn c9_a_final_stage_ends_the_lease_and_is_for_good() {
    for last in [Stage::Shipped, Stage::Failed, Stage::Quarantined] {
        let mut bench = TestCoordinator::with([job("a")]);
        let lease = bench.claim("f").expect("a lease");
        bench.report(&lease, last).expect("reported");
        assert_eq!(bench.renew(&lease), Err(lost(&lease)));
        assert_eq!(bench.coordinator.state().leases().count(), 0);
        for next in Stage::ALL.into_iter().filter(|next| *next != last) {
            let refusal = CommandRefusal::IllegalTransition { from: last, to: next };
            assert_eq!(bench.report(&lease, next), Err(refusal));
        }
        bench.wait_ms(TTL_MS * 2);
        assert!(bench.claim("g").is_none());
        assert_eq!((bench.stage("a"), bench.record("a").attempts), (last, 0));
    }
}

#[test]
fn c10_a_quarantine_of_the_holder_puts_the_job_aside() {
    let mut bench = TestCoordinator::with([locked("a", "l"), locked("b", "l")]);
    let lease = bench.claim("f").expect("a lease");
    assert_eq!(bench.quarantine(&lease), Stage::Quarantined);
    assert_eq!(bench.renew(&lease), Err(lost(&lease)));
    assert!(bench.record("a").quarantines[0].current);
    assert_eq!(bench.claim("g").expect("the lock is free").job.as_str(), "b");
}

#[test]
fn c10_a_quarantine_of_a_stale_holder_is_recorded_and_changes_nothing_else() {
    let mut bench = TestCoordinator::with([job("a")]);
    let stale = bench.claim("f").expect("a lease");
    bench.wait_ms(TTL_MS);
    let fresh = bench.claim("g").expect("a lease");
    assert_eq!(bench.quarantine(&stale), Stage::Building);
    let record = &bench.record("a").quarantines[0];
    assert_eq!((record.factory.as_str(), record.current), ("f", false));
    bench.renew(&fresh).expect("the present lease lives on");
    bench.wait_ms(1_000);
    assert_eq!(bench.quarantine(&stale), Stage::Building);
    assert_eq!(
        bench.record("a").quarantines.len(),
        1,
        "said twice, it is on record once"
    );
}

#[test]
fn c10_an_expired_holder_is_a_stale_one_though_nobody_else_came() {
    let mut bench = TestCoordinator::with([job("a")]);
    let lease = bench.claim("f").expect("a lease");
    bench.wait_ms(TTL_MS);
    assert_eq!(bench.quarantine(&lease), Stage::Queued);
}

#[test]
fn a_report_names_its_own_job_and_lease() {
    let mut bench = TestCoordinator::with([job("a"), job("b")]);
    let lease = bench.claim("f").expect("a lease on a");
    let of_b = Lease {
        job: JobId::parse("b").expect("an id"),
        ..lease.clone()
    };
    assert_eq!(bench.report(&of_b, Stage::Shipped), Err(lost(&lease)));
    let of_nothing = Lease {
        job: JobId::parse("zz").expect("an id"),
        ..lease.clone()
    };
    assert!(matches!(
        bench.report(&of_nothing, Stage::Shipped),
        Err(CommandRefusal::UnknownJob(_))
    ));
    let never = LeaseHolder {
        lease: unknown_lease("lease-2"),
        ..holder(&lease)
    };
    let command = CoordinatorCommand::Report {
        job: lease.job.clone(),
        holder: never,
        stage: Stage::Testing,
    };
    assert!(matches!(
        bench.tell(command),
        Err(CommandRefusal::UnknownLease(_))
    ));
}
