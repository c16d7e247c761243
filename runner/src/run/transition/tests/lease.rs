//! What a lease allows, and what becomes of it.

use super::*;

#[test]
fn what_its_supervisor_ended_for_the_lease_is_lost_whatever_the_runner_knows_or_wishes() {
    let lost = |why: &str| quarantined_and_reported(ReasonCode::LeaseLost.with(why));
    let unknown = || quarantined_and_reported(ReasonCode::ShipUnknown);
    for stop_reason in [None, Some(StopReason::Cancel), Some(StopReason::Interrupt)] {
        for (step, outcome, expected) in [
            (AttemptStep::Engine, CommandOutcome::Fenced, lost(NO_RENEWAL)),
            (AttemptStep::Ship, CommandOutcome::Fenced, unknown()),
            (AttemptStep::Engine, CommandOutcome::TooLate, lost(NO_RENEWAL)),
            // It was never started.
            (AttemptStep::Ship, CommandOutcome::TooLate, lost(NO_RENEWAL)),
        ] {
            let state = AttemptState {
                stop_reason: stop_reason.clone(),
                ..leased("retries: 2\nship: x", step)
            };
            assert_eq!(
                ended(&state, &outcome),
                expected,
                "{step:?} {outcome:?} {stop_reason:?}"
            );
        }
    }
    let refused = StopReason::LeaseLost("refused".to_owned());
    let told = stopped(leased("", AttemptStep::Engine), refused);
    assert_eq!(ended(&told, &CommandOutcome::Fenced), lost("refused"));
}

#[test]
fn under_a_lease_nothing_is_published_without_a_confirmation_that_still_counts() {
    let engine = leased("ship: x", AttemptStep::Engine);
    assert_eq!(ended(&engine, &SUCCESS), NextAction::ConfirmLease);
    assert!(has_next_command(&engine));
    let confirmed = || AttemptEvent::LeaseConfirmed;
    assert_eq!(next(&engine, confirmed()), NextAction::Prepare(AttemptStep::Ship));
    let shipped = NextAction::FinishAndReport(Stage::Shipped, None);
    assert_eq!(next(&leased("", AttemptStep::Engine), confirmed()), shipped);
    assert_eq!(
        transition(&engine, confirmed(), LeaseStatus::Lost),
        NextAction::Wait
    );
    let engine = stopped(engine, StopReason::Cancel);
    assert_eq!(next(&engine, confirmed()), NextAction::Wait);
    let cancelled = NextAction::FinishAndReport(Stage::Failed, Some(ReasonCode::Cancelled.into()));
    assert_eq!(next(&engine, AttemptEvent::StoppedWaiting), cancelled);
}

#[test]
fn a_supervisor_that_is_lost_leaves_its_own_job_to_be_taken_up_and_a_routed_one_to_a_person() {
    let lost = || AttemptEvent::CommandEnded {
        end: CommandEnd::SupervisorLost,
        change: None,
    };
    for step in [AttemptStep::Engine, AttemptStep::Verify, AttemptStep::Ship] {
        assert_eq!(next(&local("retries: 2", step), lost()), NextAction::Abandon);
        let code = match step {
            AttemptStep::Ship => ReasonCode::ShipUnknown,
            AttemptStep::Engine | AttemptStep::Verify => ReasonCode::SupervisorLost,
        };
        assert_eq!(
            next(&leased("retries: 2", step), lost()),
            quarantined_and_reported(code)
        );
    }
}

#[test]
fn each_end_in_review_under_a_lease_is_told_but_that_of_the_run() {
    let state = leased("review: true\nship: x", AttemptStep::Engine);
    let problem = || ReasonCode::ChangedInWork.with("another file");
    let lost = || ReasonCode::LeaseLost.with("refused");
    let released = ReasonCode::LeaseReleased.with("its run ended while it waited for review");
    for (event, expected) in [
        (ReviewEvent::Approved { problem: None }, NextAction::ConfirmLease),
        (
            ReviewEvent::Approved {
                problem: Some(problem()),
            },
            quarantined_and_reported(problem()),
        ),
        (
            ReviewEvent::Cancelled,
            NextAction::FinishAndReport(Stage::Failed, Some(ReasonCode::Cancelled.into())),
        ),
        (
            ReviewEvent::LeaseLost("refused".to_owned()),
            quarantined_and_reported(lost()),
        ),
        (ReviewEvent::RunEnded, NextAction::SetAside(released)),
    ] {
        assert_eq!(next(&state, AttemptEvent::InReview(event)), expected);
    }
}

#[test]
fn without_the_lease_every_other_wish_is_outweighed() {
    let lost = |why: &str| StopReason::LeaseLost(why.to_owned());
    for (allowed, wish, expected) in [
        (LeaseStatus::Local, None, None),
        (
            LeaseStatus::Held,
            Some(StopReason::Cancel),
            Some(StopReason::Cancel),
        ),
        (
            LeaseStatus::Lost,
            Some(StopReason::Cancel),
            Some(lost(NO_RENEWAL)),
        ),
        (LeaseStatus::Lost, Some(lost("refused")), Some(lost("refused"))),
    ] {
        assert_eq!(stop_reason_under(allowed, wish.as_ref()), expected);
    }
}

#[test]
fn an_engine_that_is_used_up_keeps_no_lease_that_is_lost_meanwhile() {
    let end = CommandEnd::EnginePaused(ReasonCode::UsageLimit.with("usage limit of sh"));
    let event = AttemptEvent::CommandEnded { end, change: None };
    let state = leased("retries: 2", AttemptStep::Engine);
    let lost = quarantined_and_reported(ReasonCode::LeaseLost.with(NO_RENEWAL));
    assert_eq!(transition(&state, event, LeaseStatus::Lost), lost);
}
