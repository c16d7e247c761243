//! What follows from what happened to an attempt.

mod lease;

use super::*;
use crate::ids::{LeaseId, LeaseProof};
use crate::job::{JobIdSource, parse};
use crate::run::attempt::{JobLease, JobOrigin};

const SUCCESS: CommandOutcome = CommandOutcome::Exited {
    code: Some(0),
    signal: None,
};
const EXIT_3: CommandOutcome = CommandOutcome::Exited {
    code: Some(3),
    signal: None,
};

/// Of a job with these keys, at its first attempt, after this step.
fn local(keys: &str, step: AttemptStep) -> AttemptState {
    let text = format!("---\nengine: sh\n{keys}\n---\ntrue\n");
    let job = parse(JobIdSource::FileName("a"), "a.md", text.as_bytes())
        .unwrap()
        .job;
    AttemptState {
        job,
        digest: None,
        number: 1,
        spent: 1,
        stage: Stage::Building,
        step,
        stop_reason: None,
        usage: None,
        lease: None,
    }
}

fn leased(keys: &str, step: AttemptStep) -> AttemptState {
    let proof = LeaseProof {
        lease: LeaseId::new("lease-9").unwrap(),
        fencing_token: 4,
    };
    let origin = JobOrigin::Coordinator;
    AttemptState {
        lease: Some(JobLease { proof, origin }),
        ..local(keys, step)
    }
}

fn stopped(state: AttemptState, stop_reason: StopReason) -> AttemptState {
    AttemptState {
        stop_reason: Some(stop_reason),
        ..state
    }
}

fn next(state: &AttemptState, event: AttemptEvent) -> NextAction {
    let allowed = LeaseStatus::of(state.lease.is_some(), true);
    transition(state, event, allowed)
}

fn ended(state: &AttemptState, outcome: &CommandOutcome) -> NextAction {
    let end = CommandEnd::Outcome(outcome.clone());
    next(state, AttemptEvent::CommandEnded { end, change: None })
}

fn quarantined(reason: impl Into<JobReason>) -> NextAction {
    NextAction::Finish(Stage::Quarantine, Some(reason.into()))
}

fn quarantined_and_reported(reason: impl Into<JobReason>) -> NextAction {
    NextAction::FinishAndReport(Stage::Quarantine, Some(reason.into()))
}

#[test]
fn success_goes_through_the_steps_that_the_job_names() {
    use AttemptStep::{Engine, Ship, Verify};
    let shipped = || NextAction::Finish(Stage::Shipped, None);
    for (keys, step, expected) in [
        ("", Engine, shipped()),
        ("verify: make test", Engine, NextAction::Prepare(Verify)),
        (
            "verify: make test\nship: git push",
            Verify,
            NextAction::Prepare(Ship),
        ),
        ("ship: git push", Engine, NextAction::Prepare(Ship)),
        ("ship: git push", Ship, shipped()),
        ("review: true\nship: git push", Engine, NextAction::AwaitReview),
        ("review: true\nverify: make test", Verify, NextAction::AwaitReview),
    ] {
        let state = local(keys, step);
        assert_eq!(ended(&state, &SUCCESS), expected, "{keys} after {step:?}");
        let is_followed = matches!(expected, NextAction::Prepare(_));
        assert_eq!(has_next_command(&state), is_followed, "{keys} after {step:?}");
    }
}

#[test]
fn each_end_that_is_no_success_has_its_reason() {
    let killed = CommandOutcome::Exited {
        code: None,
        signal: Some(9),
    };
    let timed_out = CommandOutcome::TimedOut;
    let not_started = CommandOutcome::NotStarted {
        error: "no such file".to_owned(),
        trouble: None,
    };
    for (step, outcome, expected) in [
        (AttemptStep::Engine, EXIT_3, ReasonCode::ExitCode.with("exit 3")),
        (AttemptStep::Engine, killed, ReasonCode::Signal.with("signal 9")),
        (AttemptStep::Engine, timed_out.clone(), ReasonCode::Timeout.into()),
        (AttemptStep::Engine, CommandOutcome::Idle, ReasonCode::Idle.into()),
        (
            AttemptStep::Engine,
            not_started,
            ReasonCode::NotStarted.with("not started: no such file"),
        ),
        (
            AttemptStep::Verify,
            EXIT_3,
            ReasonCode::VerifyFailed.with("exit 3"),
        ),
        (
            AttemptStep::Verify,
            timed_out,
            ReasonCode::VerifyFailed.with("timeout"),
        ),
        (AttemptStep::Ship, EXIT_3, ReasonCode::ShipFailed.with("exit 3")),
    ] {
        let failed = NextAction::Finish(Stage::Failed, Some(expected));
        assert_eq!(ended(&local("", step), &outcome), failed, "{step:?} {outcome:?}");
    }
    let told = ReasonCode::EngineError.with("no credit");
    let refused = ReasonCode::EnginePaused.with("not logged in");
    for (end, reason) in [
        (CommandEnd::EngineError(told.clone()), told),
        (CommandEnd::LoginFailed(refused.clone()), refused),
    ] {
        let event = AttemptEvent::CommandEnded { end, change: None };
        let failed = NextAction::Finish(Stage::Failed, Some(reason));
        assert_eq!(next(&local("", AttemptStep::Engine), event), failed);
    }
}

#[test]
fn a_failure_is_tried_again_as_often_as_the_job_says() {
    let timeout = || JobReason::from(ReasonCode::Timeout);
    let (cause, failed) = (RequeueCause::Failure, || {
        NextAction::Finish(Stage::Failed, Some(timeout()))
    });
    for (spent, here, under_a_lease) in [
        (
            1,
            NextAction::PutBack(cause, timeout()),
            NextAction::Retry(timeout()),
        ),
        (
            2,
            NextAction::PutBack(cause, timeout()),
            NextAction::Retry(timeout()),
        ),
        (
            3,
            failed(),
            NextAction::FinishAndReport(Stage::Failed, Some(timeout())),
        ),
    ] {
        for (state, expected) in [
            (local("retries: 2", AttemptStep::Engine), here),
            (leased("retries: 2", AttemptStep::Engine), under_a_lease),
        ] {
            let state = AttemptState { spent, ..state };
            assert_eq!(
                ended(&state, &CommandOutcome::TimedOut),
                expected,
                "attempt {spent}"
            );
        }
    }
}

#[test]
fn an_interrupted_engine_costs_no_retry_and_an_interrupted_ship_is_never_repeated() {
    let interrupted = || JobReason::from(ReasonCode::Interrupted);
    let cancelled = NextAction::Finish(Stage::Failed, Some(ReasonCode::Cancelled.into()));
    let put_back = NextAction::PutBack(RequeueCause::Interruption, interrupted());
    let (ordered, unknown) = (CommandOutcome::Ordered, quarantined(ReasonCode::ShipUnknown));
    let shipped = NextAction::Finish(Stage::Shipped, None);
    let (interrupt, cancel) = (|| StopReason::Interrupt, || StopReason::Cancel);
    for (step, outcome, stop_reason, expected) in [
        (AttemptStep::Engine, &ordered, interrupt(), put_back.clone()),
        (AttemptStep::Engine, &SUCCESS, interrupt(), put_back),
        (AttemptStep::Engine, &ordered, cancel(), cancelled),
        (AttemptStep::Ship, &ordered, interrupt(), unknown.clone()),
        (AttemptStep::Ship, &ordered, cancel(), unknown),
        // What is finished is finished.
        (AttemptStep::Ship, &SUCCESS, interrupt(), shipped),
    ] {
        let state = stopped(local("retries: 5\nship: git push", step), stop_reason);
        assert_eq!(ended(&state, outcome), expected, "{state:?} {outcome:?}");
    }
    let given_back = stopped(leased("ship: git push", AttemptStep::Engine), interrupt());
    assert_eq!(
        ended(&given_back, &CommandOutcome::Ordered),
        NextAction::GiveBack(interrupted())
    );
}

#[test]
fn a_step_is_started_unless_something_came_in_between() {
    let due = |change: Option<JobReason>| AttemptEvent::StepDue {
        step: AttemptStep::Verify,
        change,
    };
    let changed = || ReasonCode::ChangedInWork.with("its file");
    let state = local("verify: x", AttemptStep::Engine);
    assert_eq!(next(&state, due(None)), NextAction::Start(AttemptStep::Verify));
    assert_eq!(next(&state, due(Some(changed()))), quarantined(changed()));
    let cancelled = NextAction::Finish(Stage::Failed, Some(ReasonCode::Cancelled.into()));
    assert_eq!(next(&stopped(state, StopReason::Cancel), due(None)), cancelled);
    let state = leased("verify: x", AttemptStep::Engine);
    let lost = quarantined_and_reported(ReasonCode::LeaseLost.with(NO_RENEWAL));
    assert_eq!(transition(&state, due(None), LeaseStatus::Lost), lost);
    let link = || ReasonCode::LinkInQueue.with("a link");
    let rejected = AttemptEvent::StartRejected(link());
    assert_eq!(next(&state, rejected), quarantined_and_reported(link()));
}

#[test]
fn a_job_that_changed_itself_goes_no_further_unless_it_is_published() {
    let changed = || ReasonCode::ChangedInWork.with("its file");
    let after = |state: &AttemptState, outcome: CommandOutcome| {
        let (end, change) = (CommandEnd::Outcome(outcome), Some(changed()));
        next(state, AttemptEvent::CommandEnded { end, change })
    };
    let engine = local("verify: x\nretries: 2", AttemptStep::Engine);
    assert_eq!(after(&engine, SUCCESS), quarantined(changed()));
    assert_eq!(after(&engine, EXIT_3), quarantined(changed()));
    let ship = local("ship: x", AttemptStep::Ship);
    assert_eq!(after(&ship, SUCCESS), NextAction::Finish(Stage::Shipped, None));
    let ship = stopped(ship, StopReason::Cancel);
    assert_eq!(
        after(&ship, CommandOutcome::Ordered),
        quarantined(ReasonCode::ShipUnknown)
    );
}

#[test]
fn an_engine_is_asked_how_it_ended_where_it_says_success_or_is_the_only_cause_of_its_failure() {
    let own = LeaseStatus::Local;
    let engine = local("", AttemptStep::Engine);
    for end in [SUCCESS, EXIT_3, CommandOutcome::TimedOut, CommandOutcome::Idle] {
        assert!(may_tell_more(&engine, &end, own));
    }
    for end in [
        CommandOutcome::Fenced,
        CommandOutcome::TooLate,
        CommandOutcome::Ordered,
    ] {
        assert!(!may_tell_more(&engine, &end, own));
    }
    assert!(!may_tell_more(&local("", AttemptStep::Verify), &SUCCESS, own));
    assert!(!may_tell_more(
        &leased("", AttemptStep::Engine),
        &EXIT_3,
        LeaseStatus::Lost
    ));
    let cancelled = stopped(engine, StopReason::Cancel);
    assert!(may_tell_more(&cancelled, &SUCCESS, own) && !may_tell_more(&cancelled, &EXIT_3, own));
}

#[test]
fn what_an_end_says_of_the_engine_depends_on_whether_it_is_the_only_cause() {
    let own = LeaseStatus::Local;
    let engine = local("", AttemptStep::Engine);
    let failed = CommandEnd::Outcome(EXIT_3);
    assert_eq!(engine_end(&engine, &failed, own), EngineEnd::Failed);
    let error = CommandEnd::EngineError(ReasonCode::EngineError.with("no credit"));
    assert_eq!(engine_end(&engine, &error, own), EngineEnd::Failed);
    let success = CommandEnd::Outcome(SUCCESS);
    assert_eq!(engine_end(&engine, &success, own), EngineEnd::Succeeded);
    let unknown = |state: &AttemptState, end: &CommandEnd, allowed| {
        assert_eq!(engine_end(state, end, allowed), EngineEnd::Unknown);
    };
    for end in [CommandOutcome::Fenced, CommandOutcome::TooLate] {
        unknown(&engine, &CommandEnd::Outcome(end), own);
    }
    unknown(&engine, &CommandEnd::SupervisorLost, own);
    unknown(&local("", AttemptStep::Verify), &failed, own);
    unknown(&local("", AttemptStep::Verify), &success, own);
    unknown(&leased("", AttemptStep::Engine), &failed, LeaseStatus::Lost);
    unknown(&stopped(engine, StopReason::Cancel), &failed, own);
    let limit = || ReasonCode::UsageLimit.with("usage limit of sh");
    let used_up = || AttemptEvent::CommandEnded {
        end: CommandEnd::EnginePaused(limit()),
        change: None,
    };
    let engine = local("", AttemptStep::Engine);
    let put_back = NextAction::PutBack(RequeueCause::Interruption, limit());
    assert_eq!(next(&engine, used_up()), put_back);
    let engine = leased("", AttemptStep::Engine);
    assert_eq!(next(&engine, used_up()), NextAction::GiveBack(limit()));
}
