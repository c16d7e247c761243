//! Enrolment and heartbeats, and the digest against a state built in another way.

use super::super::commands::EnrolmentRequest;
use super::*;

fn enrolment(id: &str, enrol_token: Option<&str>, bearer: Option<&str>) -> CoordinatorCommand {
    CoordinatorCommand::Enrol(EnrolmentRequest {
        factory: factory(id),
        caps: Vec::new(),
        enrol_token: enrol_token.map(str::to_owned),
        bearer: bearer.map(str::to_owned),
        version: "1".to_owned(),
    })
}

fn closed() -> CoordinatorSetup {
    let one_time = |token: &str, scope| (token.to_owned(), vec![scope]);
    CoordinatorSetup {
        tokens: vec![
            ("root".to_owned(), vec![Scope::Admin]),
            ("worker".to_owned(), vec![Scope::Work]),
        ],
        enrol_tokens: vec![one_time("first", Scope::Shadow), one_time("second", Scope::Work)],
        ..setup()
    }
}

#[test]
fn an_enrolment_token_is_good_once_and_gives_its_scopes() {
    let mut bench = TestCoordinator::set_up(closed(), []);
    let Ok(CommandReply::Enrolled { token, scopes, .. }) = bench.tell(enrolment("f", Some("first"), None))
    else {
        panic!("enrolled")
    };
    assert_eq!(scopes, [Scope::Shadow]);
    assert_eq!(bench.coordinator.scopes(&token), [Scope::Shadow]);
    let again = bench.tell(enrolment("g", Some("first"), None)).expect_err("used");
    assert_eq!(again, CommandRefusal::InvalidEnrolToken);
    assert!(bench.nothing_changed());
}

#[test]
fn nobody_takes_the_name_of_a_factory_under_another_token() {
    let mut bench = TestCoordinator::set_up(closed(), []);
    bench.tell(enrolment("f", Some("first"), None)).expect("enrolled");
    let refusal = bench
        .tell(enrolment("f", Some("second"), None))
        .expect_err("taken");
    assert_eq!(refusal, CommandRefusal::FactoryExists(factory("f")));
    bench
        .tell(enrolment("g", Some("second"), None))
        .expect("the refusal used nothing up");
}

#[test]
fn enrolling_needs_a_token_of_its_own_or_an_admin() {
    let mut bench = TestCoordinator::set_up(closed(), []);
    for (enrol_token, bearer) in [
        (None, None),
        (None, Some("worker")),
        (Some("wrong"), None),
        (Some("wrong"), Some("root")),
    ] {
        let refusal = bench
            .tell(enrolment("f", enrol_token, bearer))
            .expect_err("not permitted");
        assert_eq!(
            refusal,
            CommandRefusal::InvalidEnrolToken,
            "{enrol_token:?} {bearer:?}"
        );
    }
    bench
        .tell(enrolment("f", None, Some("root")))
        .expect("an admin may");
}

#[test]
fn an_open_coordinator_stays_open_when_a_factory_enrols() {
    let mut bench = TestCoordinator::with([job("a")]);
    let first = bench.tell(enrolment("f", None, None)).expect("enrolled");
    let again = bench.tell(enrolment("f", None, None)).expect("enrolled again");
    let (CommandReply::Enrolled { token: first, .. }, CommandReply::Enrolled { token: again, .. }) =
        (first, again)
    else {
        panic!("both are enrolments")
    };
    assert_eq!(first, again);
    let work = crate::contract::scope::OperationPermission::Scope(Scope::Work);
    assert_eq!(bench.coordinator.access().check(None, work), Ok(()));
}

#[test]
fn c30_a_heartbeat_of_an_unknown_factory_is_refused() {
    let mut bench = TestCoordinator::with([]);
    let heartbeat = || CoordinatorCommand::Heartbeat {
        factory: factory("f"),
        running: Vec::new(),
    };
    assert!(matches!(
        bench.tell(heartbeat()),
        Err(CommandRefusal::UnknownFactory(_))
    ));
    bench.tell(enrolment("f", None, None)).expect("enrolled");
    assert!(
        matches!(bench.tell(heartbeat()), Ok(CommandReply::Noted { server_time }) if server_time == bench.now)
    );
}

#[test]
fn equal_states_have_equal_digests_however_they_came_about() {
    let run = |names: [&str; 2]| {
        let mut bench = TestCoordinator::with([job("a"), job("b")]);
        let leases: Vec<_> = names
            .iter()
            .map(|name| bench.claim(name).expect("a lease"))
            .collect();
        bench.renew(&leases[0]).expect("renewed");
        bench.coordinator.digest()
    };
    assert_eq!(run(["f", "g"]), run(["f", "g"]));
    assert_ne!(run(["f", "g"]), run(["g", "f"]), "who holds what is part of it");
}

#[test]
fn what_is_real_moves_the_digest() {
    let mut bench = TestCoordinator::with([job("a")]);
    let mut seen = vec![bench.coordinator.digest()];
    let lease = bench.claim("f").expect("a lease");
    seen.push(bench.coordinator.digest());
    bench.wait_ms(1);
    bench.renew(&lease).expect("renewed");
    seen.push(bench.coordinator.digest());
    bench.report(&lease, Stage::Testing).expect("reported");
    seen.push(bench.coordinator.digest());
    bench.release(&lease).expect("released");
    seen.push(bench.coordinator.digest());
    bench.tell(enrolment("f", None, None)).expect("enrolled");
    seen.push(bench.coordinator.digest());
    let distinct: std::collections::HashSet<_> = seen.iter().map(|digest| digest.value()).collect();
    assert_eq!(distinct.len(), seen.len());
}

#[test]
fn a_rehearsed_command_answers_and_commits_nothing() {
    let mut bench = TestCoordinator::with([job("a")]);
    let command = CoordinatorCommand::Claim {
        factory: factory("f"),
        caps: caps(&["engine:sh"]),
    };
    let outcome = bench
        .coordinator
        .apply(bench.now, command, None, ExecutionMode::WithoutCommit);
    assert!(matches!(outcome.result, Ok(CommandReply::Granted { .. })));
    assert!(!outcome.mutated && outcome.digest_before == outcome.digest_after);
    assert_eq!(bench.stage("a"), Stage::Queued);
}
