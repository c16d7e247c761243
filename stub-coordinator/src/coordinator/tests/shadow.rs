//! C-20 to C-23: dry runs and shadow views, which never touch real state.

use super::*;

#[test]
fn c20_no_sequence_of_shadow_calls_changes_real_state() {
    let mut bench = TestCoordinator::with([job("a"), locked("b", "l"), job("c")]);
    bench.claim("real").expect("a lease");
    let digest = bench.coordinator.digest();
    for name in ["one", "two"] {
        for stage in Stage::ALL {
            bench.shadow_claim(name);
            assert!(bench.nothing_changed());
            for id in ["a", "b", "c"] {
                bench.shadow_report(name, id, stage);
                assert!(bench.nothing_changed());
            }
        }
    }
    assert_eq!(bench.coordinator.digest(), digest);
    assert_eq!(
        bench.claim("real").expect("as if nothing had been").job.as_str(),
        "b"
    );
}

#[test]
fn c20_a_shadow_call_under_a_key_is_not_remembered() {
    let mut bench = TestCoordinator::with([job("a")]);
    let command = CoordinatorCommand::ShadowClaim {
        factory: factory("f"),
        caps: caps(&["engine:sh"]),
    };
    bench.tell_once(command, once("k", 1)).expect("answered");
    assert!(bench.nothing_changed());
    let claim = CoordinatorCommand::Claim {
        factory: factory("f"),
        caps: caps(&["engine:sh"]),
    };
    assert!(
        matches!(
            bench.tell_once(claim, once("k", 2)),
            Ok(CommandReply::Granted { .. })
        ),
        "the key is fresh"
    );
}

#[test]
fn c20_a_lease_that_runs_out_during_a_dry_run_is_not_its_doing() {
    let mut bench = TestCoordinator::with([job("a")]);
    bench.claim("real").expect("a lease");
    bench.wait_ms(TTL_MS);
    assert_eq!(bench.shadow_claim("f").as_deref(), Some("a"));
    assert!(bench.nothing_changed());
}

#[test]
fn c21_a_dry_run_names_what_a_claim_would_be_given() {
    let urgent = JobSpec {
        priority: 1,
        ..job("b")
    };
    let mut bench = TestCoordinator::with([
        job("a"),
        urgent,
        JobSpec {
            engine: "devin".to_owned(),
            priority: 9,
            ..job("c")
        },
    ]);
    for _ in 0..2 {
        let named = bench.shadow_claim("f");
        assert_eq!(named, bench.claim("f").map(|lease| lease.job.to_string()));
    }
    assert_eq!(bench.shadow_claim("f"), None);
}

#[test]
fn c21_in_the_view_a_lock_is_held_from_building_to_testing() {
    let mut bench = TestCoordinator::with([locked("a", "l"), locked("b", "l")]);
    for (stage, offered) in [
        (Stage::Building, None),
        (Stage::Testing, None),
        (Stage::Review, Some("b")),
        (Stage::Shipped, Some("b")),
        (Stage::Queued, Some("a")),
    ] {
        bench.shadow_report("f", "a", stage);
        assert_eq!(bench.shadow_claim("f").as_deref(), offered, "{stage:?}");
    }
}

#[test]
fn c22_a_job_reported_as_taken_is_not_offered_again_to_that_factory_alone() {
    let mut bench = TestCoordinator::with([job("a"), job("b")]);
    bench.shadow_report("f", "a", Stage::Building);
    assert_eq!(bench.shadow_claim("f").as_deref(), Some("b"));
    assert_eq!(
        bench.shadow_claim("g").as_deref(),
        Some("a"),
        "views are one a factory"
    );
    bench.shadow_report("f", "b", Stage::Shipped);
    assert_eq!(bench.shadow_claim("f"), None);
    bench.shadow_report("f", "a", Stage::Queued);
    assert_eq!(
        bench.shadow_claim("f").as_deref(),
        Some("a"),
        "taken back, it is free again"
    );
}

#[test]
fn c22_reports_are_judged_on_the_view_and_say_what_is_held_for_real() {
    let mut bench = TestCoordinator::with([job("a")]);
    bench.claim("real").expect("a lease");
    assert_eq!(
        bench.shadow_report("f", "a", Stage::Testing),
        (true, Stage::Testing, Stage::Building)
    );
    assert_eq!(
        bench.shadow_report("f", "a", Stage::Testing),
        (true, Stage::Testing, Stage::Building)
    );
    assert_eq!(
        bench.shadow_report("f", "a", Stage::Building),
        (false, Stage::Testing, Stage::Building)
    );
    assert_eq!(
        bench.shadow_report("f", "a", Stage::Shipped),
        (true, Stage::Shipped, Stage::Building)
    );
    assert_eq!(
        bench.shadow_report("f", "a", Stage::Failed),
        (false, Stage::Shipped, Stage::Building)
    );
    assert_eq!(
        bench.shadow_report("f", "a", Stage::Queued),
        (true, Stage::Queued, Stage::Building)
    );
}

#[test]
fn c23_a_report_of_an_unknown_job_leaves_no_trace() {
    let mut bench = TestCoordinator::with([]);
    let zz = JobId::parse("zz").expect("an id");
    let command = CoordinatorCommand::ShadowReport {
        factory: factory("f"),
        job: zz.clone(),
        stage: Stage::Building,
    };
    assert!(matches!(bench.tell(command), Err(CommandRefusal::UnknownJob(_))));
    assert!(bench.nothing_changed());
    let submission = JobSubmission {
        spec: job("zz"),
        naming: JobNaming::BySubmitter,
    };
    bench.tell(CoordinatorCommand::Submit(submission)).expect("taken");
    assert_eq!(bench.shadow_claim("f").as_deref(), Some("zz"));
}
