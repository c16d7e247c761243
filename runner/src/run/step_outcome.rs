//! What follows when a step of an attempt has ended: pure, so that every case can be read and tested here.
//!
//! engine → verify (in `testing`) → review, or ship → shipped. Anything else than success ends the attempt.

use std::path::Path;

use crate::fleet::admission_policy::cwd_not_allowed;
use crate::fleet::lease_time::NO_RENEWAL;
use crate::job::Job;
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::RequeueCause;
use crate::supervise::CommandOutcome;

/// The commands of an attempt, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptStep {
    Engine,
    Verify,
    Ship,
}

/// Why an attempt was told to end before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// A person cancelled the job.
    Cancel,
    /// The runner itself has to end.
    Interrupt,
    /// The lease that it ran under was lost, for this reason (clause T-4).
    LeaseLost(String),
}

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StepOutcome {
    Run(AttemptStep),
    /// Wait for a person.
    Review,
    Shipped,
    Failed(JobReason),
    PutBack(RequeueCause, JobReason),
    Quarantine(JobReason),
}

/// `spent`: attempts that count against `retries`, this one included.
pub(crate) fn after(
    job: &Job,
    spent: u32,
    step: AttemptStep,
    end: &CommandOutcome,
    stop_reason: Option<&StopReason>,
) -> StepOutcome {
    let fenced = StopReason::LeaseLost(NO_RENEWAL.to_owned());
    let stop_reason = match (end, stop_reason) {
        (
            CommandOutcome::Fenced | CommandOutcome::TooLate,
            None | Some(StopReason::Cancel | StopReason::Interrupt),
        ) => Some(&fenced),
        (_, stop_reason) => stop_reason,
    };
    // Whatever its runner knows of the lease by now. What was not started has published nothing.
    if let (CommandOutcome::TooLate, Some(StopReason::LeaseLost(reason))) = (end, stop_reason) {
        return lease_lost(reason);
    }
    let follow = match *end {
        CommandOutcome::Exited { code: Some(0), .. } => Ok(following(job, step)),
        ref other => Err(reason(step, other)),
    };
    // Another attempt would find the same folder.
    let spent = match end {
        CommandOutcome::Elsewhere { .. } => u32::MAX,
        _ => spent,
    };
    conclude(job, spent, step, follow, stop_reason)
}

/// The engine ended with exit code 0, and tells an error of its own.
pub(crate) fn after_engine_error(
    job: &Job,
    spent: u32,
    failure_message: &str,
    stop_reason: Option<&StopReason>,
) -> StepOutcome {
    let reason = ReasonCode::EngineError.with(failure_message);
    conclude(job, spent, AttemptStep::Engine, Err(reason), stop_reason)
}

/// Whether a command follows if this step succeeds.
pub(crate) fn goes_on(job: &Job, step: AttemptStep) -> bool {
    matches!(following(job, step), StepOutcome::Run(_))
}

fn conclude(
    job: &Job,
    spent: u32,
    step: AttemptStep,
    follow: Result<StepOutcome, JobReason>,
    stop_reason: Option<&StopReason>,
) -> StepOutcome {
    match (follow, stop_reason) {
        // Whatever it did: without the lease nothing of it may be published, or said to be.
        (_, Some(StopReason::LeaseLost(_))) if step == AttemptStep::Ship => {
            StepOutcome::Quarantine(ReasonCode::ShipUnknown.into())
        }
        (_, Some(StopReason::LeaseLost(reason))) => lease_lost(reason),
        // What is finished is finished, whatever was wished meanwhile.
        (Ok(next @ (StepOutcome::Shipped | StepOutcome::Review)), None | Some(_)) => next,
        (_, Some(_)) if step == AttemptStep::Ship => StepOutcome::Quarantine(ReasonCode::ShipUnknown.into()),
        (_, Some(StopReason::Cancel)) => StepOutcome::Failed(ReasonCode::Cancelled.into()),
        (_, Some(StopReason::Interrupt)) => {
            StepOutcome::PutBack(RequeueCause::Interruption, ReasonCode::Interrupted.into())
        }
        (Ok(next), None) => next,
        (Err(reason), None) if spent <= job.retries => StepOutcome::PutBack(RequeueCause::Failure, reason),
        (Err(reason), None) => StepOutcome::Failed(reason),
    }
}

fn lease_lost(reason: &str) -> StepOutcome {
    StepOutcome::Quarantine(ReasonCode::LeaseLost.with(reason))
}

fn following(job: &Job, step: AttemptStep) -> StepOutcome {
    match step {
        AttemptStep::Engine if job.verify.is_some() => StepOutcome::Run(AttemptStep::Verify),
        AttemptStep::Engine | AttemptStep::Verify if job.review => StepOutcome::Review,
        AttemptStep::Engine | AttemptStep::Verify if job.ship.is_some() => {
            StepOutcome::Run(AttemptStep::Ship)
        }
        AttemptStep::Engine | AttemptStep::Verify | AttemptStep::Ship => StepOutcome::Shipped,
    }
}

/// The code tells which step it was; how `verify` or `ship` ended is told in the detail.
fn reason(step: AttemptStep, end: &CommandOutcome) -> JobReason {
    let how = match end {
        CommandOutcome::Exited { code: Some(code), .. } => ReasonCode::ExitCode.with(format!("exit {code}")),
        CommandOutcome::Exited {
            signal: Some(signal), ..
        } => ReasonCode::Signal.with(format!("signal {signal}")),
        CommandOutcome::Exited { .. } => ReasonCode::ExitCode.with("unknown end"),
        CommandOutcome::TimedOut => ReasonCode::Timeout.into(),
        CommandOutcome::Idle => ReasonCode::Idle.into(),
        CommandOutcome::Ordered
        | CommandOutcome::Abandoned
        | CommandOutcome::Fenced
        | CommandOutcome::TooLate => ReasonCode::Interrupted.into(),
        CommandOutcome::NotStarted { error } => ReasonCode::NotStarted.with(format!("not started: {error}")),
        // Of any step: it is the job's folder that is at fault.
        CommandOutcome::Elsewhere { place } => return cwd_not_allowed(Path::new(place)),
    };
    let code = match step {
        AttemptStep::Engine => return how,
        AttemptStep::Verify => ReasonCode::VerifyFailed,
        AttemptStep::Ship => ReasonCode::ShipFailed,
    };
    code.with(how.detail.unwrap_or_else(|| how.code.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobIdSource, parse};

    fn job(keys: &str) -> Job {
        let text = format!("---\nengine: sh\n{keys}\n---\ntrue\n");
        parse(JobIdSource::FileName("a"), "a.md", text.as_bytes())
            .unwrap()
            .job
    }

    const SUCCESS: CommandOutcome = CommandOutcome::Exited {
        code: Some(0),
        signal: None,
    };

    #[test]
    fn success_goes_through_the_steps_that_the_job_names() {
        let cases = [
            ("", AttemptStep::Engine, StepOutcome::Shipped),
            (
                "verify: make test",
                AttemptStep::Engine,
                StepOutcome::Run(AttemptStep::Verify),
            ),
            (
                "verify: make test\nship: git push",
                AttemptStep::Verify,
                StepOutcome::Run(AttemptStep::Ship),
            ),
            (
                "ship: git push",
                AttemptStep::Engine,
                StepOutcome::Run(AttemptStep::Ship),
            ),
            ("ship: git push", AttemptStep::Ship, StepOutcome::Shipped),
            (
                "review: true\nship: git push",
                AttemptStep::Engine,
                StepOutcome::Review,
            ),
            (
                "review: true\nverify: make test",
                AttemptStep::Verify,
                StepOutcome::Review,
            ),
        ];
        for (keys, step, expected) in cases {
            assert_eq!(
                after(&job(keys), 1, step, &SUCCESS, None),
                expected,
                "{keys} after {step:?}"
            );
        }
    }

    #[test]
    fn each_end_that_is_no_success_has_its_reason() {
        let exit = CommandOutcome::Exited {
            code: Some(3),
            signal: None,
        };
        let killed = CommandOutcome::Exited {
            code: None,
            signal: Some(9),
        };
        let cases = [
            (
                AttemptStep::Engine,
                exit.clone(),
                ReasonCode::ExitCode.with("exit 3"),
            ),
            (AttemptStep::Engine, killed, ReasonCode::Signal.with("signal 9")),
            (
                AttemptStep::Engine,
                CommandOutcome::TimedOut,
                ReasonCode::Timeout.into(),
            ),
            (AttemptStep::Engine, CommandOutcome::Idle, ReasonCode::Idle.into()),
            (
                AttemptStep::Verify,
                exit.clone(),
                ReasonCode::VerifyFailed.with("exit 3"),
            ),
            (
                AttemptStep::Verify,
                CommandOutcome::TimedOut,
                ReasonCode::VerifyFailed.with("timeout"),
            ),
            (AttemptStep::Ship, exit, ReasonCode::ShipFailed.with("exit 3")),
        ];
        for (step, end, expected) in cases {
            assert_eq!(
                after(&job(""), 1, step, &end, None),
                StepOutcome::Failed(expected),
                "{step:?} {end:?}"
            );
        }
    }

    #[test]
    fn what_its_supervisor_ended_for_the_lease_is_lost_whatever_the_runner_knows_or_wishes() {
        let lost = || StepOutcome::Quarantine(ReasonCode::LeaseLost.with(NO_RENEWAL));
        let unknown = || StepOutcome::Quarantine(ReasonCode::ShipUnknown.into());
        for stop_reason in [None, Some(&StopReason::Cancel), Some(&StopReason::Interrupt)] {
            let after = |step, end| after(&job("retries: 2\nship: x"), 1, step, &end, stop_reason);
            assert_eq!(
                after(AttemptStep::Engine, CommandOutcome::Fenced),
                lost(),
                "{stop_reason:?}"
            );
            assert_eq!(
                after(AttemptStep::Ship, CommandOutcome::Fenced),
                unknown(),
                "{stop_reason:?}"
            );
            assert_eq!(
                after(AttemptStep::Engine, CommandOutcome::TooLate),
                lost(),
                "{stop_reason:?}"
            );
            // It was never started.
            assert_eq!(
                after(AttemptStep::Ship, CommandOutcome::TooLate),
                lost(),
                "{stop_reason:?}"
            );
        }
        let refused = StopReason::LeaseLost("refused".to_owned());
        let told = after(
            &job(""),
            1,
            AttemptStep::Engine,
            &CommandOutcome::Fenced,
            Some(&refused),
        );
        assert_eq!(
            told,
            StepOutcome::Quarantine(ReasonCode::LeaseLost.with("refused"))
        );
    }

    #[test]
    fn a_failure_is_tried_again_as_often_as_the_job_says() {
        let job = job("retries: 2");
        for (spent, expected) in [
            (
                1,
                StepOutcome::PutBack(RequeueCause::Failure, ReasonCode::Timeout.into()),
            ),
            (
                2,
                StepOutcome::PutBack(RequeueCause::Failure, ReasonCode::Timeout.into()),
            ),
            (3, StepOutcome::Failed(ReasonCode::Timeout.into())),
        ] {
            assert_eq!(
                after(&job, spent, AttemptStep::Engine, &CommandOutcome::TimedOut, None),
                expected,
                "attempt {spent}"
            );
        }
    }

    #[test]
    fn an_interrupted_engine_costs_no_retry_and_an_interrupted_ship_is_never_repeated() {
        let job = job("retries: 5\nship: git push");
        let requeue = StepOutcome::PutBack(RequeueCause::Interruption, ReasonCode::Interrupted.into());
        assert_eq!(
            after(
                &job,
                1,
                AttemptStep::Engine,
                &CommandOutcome::Ordered,
                Some(&StopReason::Interrupt)
            ),
            requeue
        );
        assert_eq!(
            after(
                &job,
                1,
                AttemptStep::Engine,
                &SUCCESS,
                Some(&StopReason::Interrupt)
            ),
            requeue
        );
        let cancelled = StepOutcome::Failed(ReasonCode::Cancelled.into());
        assert_eq!(
            after(
                &job,
                1,
                AttemptStep::Engine,
                &CommandOutcome::Ordered,
                Some(&StopReason::Cancel)
            ),
            cancelled
        );
        let unknown = StepOutcome::Quarantine(ReasonCode::ShipUnknown.into());
        assert_eq!(
            after(
                &job,
                1,
                AttemptStep::Ship,
                &CommandOutcome::Ordered,
                Some(&StopReason::Interrupt)
            ),
            unknown
        );
        assert_eq!(
            after(
                &job,
                1,
                AttemptStep::Ship,
                &CommandOutcome::Ordered,
                Some(&StopReason::Cancel)
            ),
            unknown
        );
        assert_eq!(
            after(&job, 1, AttemptStep::Ship, &SUCCESS, Some(&StopReason::Interrupt)),
            StepOutcome::Shipped
        );
    }
}
