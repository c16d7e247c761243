//! What follows when a step of an attempt has ended: pure, so that every case can be read and tested here.
//!
//! engine → verify (in `testing`) → review, or ship → shipped. Anything else than success ends the attempt.

use std::path::Path;

use crate::fleet::lease::NO_RENEWAL;
use crate::fleet::routed::admission_policy::cwd_not_allowed;
use crate::job::Job;
use crate::queue::{CANCELLED, Cause, SHIP_UNKNOWN};
use crate::supervise::End;

/// The commands of an attempt, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Engine,
    Verify,
    Ship,
}

/// Why an attempt was told to end before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A person cancelled the job.
    Cancel,
    /// The runner itself has to end.
    Interrupt,
    /// The lease that it ran under was lost, for this reason (clause T-4).
    LeaseLost(String),
}

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    Run(Step),
    /// Wait for a person.
    Review,
    Shipped,
    Failed(String),
    PutBack(Cause, String),
    Quarantine(String),
}

/// `spent`: attempts that count against `retries`, this one included.
pub(crate) fn after(job: &Job, spent: u32, step: Step, end: &End, wish: Option<&Wish>) -> Next {
    let fenced = Wish::LeaseLost(NO_RENEWAL.to_owned());
    let wish = match (end, wish) {
        (End::Fenced | End::TooLate, None | Some(Wish::Cancel | Wish::Interrupt)) => Some(&fenced),
        (_, wish) => wish,
    };
    // Whatever its runner knows of the lease by now. What was not started has published nothing.
    if let (End::TooLate, Some(Wish::LeaseLost(reason))) = (end, wish) {
        return lease_lost(reason);
    }
    let follow = match *end {
        End::Exited { code: Some(0), .. } => Ok(following(job, step)),
        ref other => Err(reason(step, other)),
    };
    // Another attempt would find the same folder.
    let spent = match end {
        End::Elsewhere { .. } => u32::MAX,
        _ => spent,
    };
    conclude(job, spent, step, follow, wish)
}

/// The engine ended with exit code 0, and tells an error of its own.
pub(crate) fn after_complaint(job: &Job, spent: u32, complaint: &str, wish: Option<&Wish>) -> Next {
    let reason = format!("engine error: {complaint}");
    conclude(job, spent, Step::Engine, Err(reason), wish)
}

/// Whether a command follows if this step succeeds.
pub(crate) fn goes_on(job: &Job, step: Step) -> bool {
    matches!(following(job, step), Next::Run(_))
}

fn conclude(job: &Job, spent: u32, step: Step, follow: Result<Next, String>, wish: Option<&Wish>) -> Next {
    match (follow, wish) {
        // Whatever it did: without the lease nothing of it may be published, or said to be.
        (_, Some(Wish::LeaseLost(_))) if step == Step::Ship => Next::Quarantine(SHIP_UNKNOWN.to_owned()),
        (_, Some(Wish::LeaseLost(reason))) => lease_lost(reason),
        // What is finished is finished, whatever was wished meanwhile.
        (Ok(next @ (Next::Shipped | Next::Review)), None | Some(_)) => next,
        (_, Some(_)) if step == Step::Ship => Next::Quarantine(SHIP_UNKNOWN.to_owned()),
        (_, Some(Wish::Cancel)) => Next::Failed(CANCELLED.to_owned()),
        (_, Some(Wish::Interrupt)) => Next::PutBack(Cause::Interruption, "interrupted".to_owned()),
        (Ok(next), None) => next,
        (Err(reason), None) if spent <= job.retries => Next::PutBack(Cause::Failure, reason),
        (Err(reason), None) => Next::Failed(reason),
    }
}

fn lease_lost(reason: &str) -> Next {
    Next::Quarantine(format!("lease lost: {reason}"))
}

fn following(job: &Job, step: Step) -> Next {
    match step {
        Step::Engine if job.verify.is_some() => Next::Run(Step::Verify),
        Step::Engine | Step::Verify if job.review => Next::Review,
        Step::Engine | Step::Verify if job.ship.is_some() => Next::Run(Step::Ship),
        Step::Engine | Step::Verify | Step::Ship => Next::Shipped,
    }
}

/// Short, and the same for the same end: it is shown in lists and compared by programs.
fn reason(step: Step, end: &End) -> String {
    let what = match end {
        End::Exited { code: Some(code), .. } => format!("exit {code}"),
        End::Exited {
            signal: Some(signal), ..
        } => format!("signal {signal}"),
        End::Exited { .. } => "unknown end".to_owned(),
        End::TimedOut => "timeout".to_owned(),
        End::Idle => "idle".to_owned(),
        End::Ordered | End::Abandoned | End::Fenced | End::TooLate => "interrupted".to_owned(),
        End::NotStarted { error } => format!("not started: {error}"),
        // The code goes first.
        End::Elsewhere { place } => return cwd_not_allowed(Path::new(place)),
    };
    match step {
        Step::Engine => what,
        Step::Verify => format!("verify: {what}"),
        Step::Ship => format!("ship: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Naming, parse};

    fn job(keys: &str) -> Job {
        let text = format!("---\nengine: sh\n{keys}\n---\ntrue\n");
        parse(Naming::File("a"), "a.md", text.as_bytes()).unwrap().job
    }

    const SUCCESS: End = End::Exited {
        code: Some(0),
        signal: None,
    };

    #[test]
    fn success_goes_through_the_steps_that_the_job_names() {
        let cases = [
            ("", Step::Engine, Next::Shipped),
            ("verify: make test", Step::Engine, Next::Run(Step::Verify)),
            (
                "verify: make test\nship: git push",
                Step::Verify,
                Next::Run(Step::Ship),
            ),
            ("ship: git push", Step::Engine, Next::Run(Step::Ship)),
            ("ship: git push", Step::Ship, Next::Shipped),
            ("review: true\nship: git push", Step::Engine, Next::Review),
            ("review: true\nverify: make test", Step::Verify, Next::Review),
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
        let exit = End::Exited {
            code: Some(3),
            signal: None,
        };
        let killed = End::Exited {
            code: None,
            signal: Some(9),
        };
        let cases = [
            (Step::Engine, exit.clone(), "exit 3"),
            (Step::Engine, killed, "signal 9"),
            (Step::Engine, End::TimedOut, "timeout"),
            (Step::Engine, End::Idle, "idle"),
            (Step::Verify, exit.clone(), "verify: exit 3"),
            (Step::Ship, exit, "ship: exit 3"),
        ];
        for (step, end, expected) in cases {
            assert_eq!(
                after(&job(""), 1, step, &end, None),
                Next::Failed(expected.to_owned()),
                "{step:?} {end:?}"
            );
        }
    }

    #[test]
    fn what_its_supervisor_ended_for_the_lease_is_lost_whatever_the_runner_knows_or_wishes() {
        let lost = || Next::Quarantine("lease lost: no renewal got through".to_owned());
        let unknown = || Next::Quarantine(SHIP_UNKNOWN.to_owned());
        for wish in [None, Some(&Wish::Cancel), Some(&Wish::Interrupt)] {
            let after = |step, end| after(&job("retries: 2\nship: x"), 1, step, &end, wish);
            assert_eq!(after(Step::Engine, End::Fenced), lost(), "{wish:?}");
            assert_eq!(after(Step::Ship, End::Fenced), unknown(), "{wish:?}");
            assert_eq!(after(Step::Engine, End::TooLate), lost(), "{wish:?}");
            // It was never started.
            assert_eq!(after(Step::Ship, End::TooLate), lost(), "{wish:?}");
        }
        let refused = Wish::LeaseLost("refused".to_owned());
        let told = after(&job(""), 1, Step::Engine, &End::Fenced, Some(&refused));
        assert_eq!(told, Next::Quarantine("lease lost: refused".to_owned()));
    }

    #[test]
    fn a_failure_is_tried_again_as_often_as_the_job_says() {
        let job = job("retries: 2");
        for (spent, expected) in [
            (1, Next::PutBack(Cause::Failure, "timeout".to_owned())),
            (2, Next::PutBack(Cause::Failure, "timeout".to_owned())),
            (3, Next::Failed("timeout".to_owned())),
        ] {
            assert_eq!(
                after(&job, spent, Step::Engine, &End::TimedOut, None),
                expected,
                "attempt {spent}"
            );
        }
    }

    #[test]
    fn an_interrupted_engine_costs_no_retry_and_an_interrupted_ship_is_never_repeated() {
        let job = job("retries: 5\nship: git push");
        let put_back = Next::PutBack(Cause::Interruption, "interrupted".to_owned());
        assert_eq!(
            after(&job, 1, Step::Engine, &End::Ordered, Some(&Wish::Interrupt)),
            put_back
        );
        assert_eq!(
            after(&job, 1, Step::Engine, &SUCCESS, Some(&Wish::Interrupt)),
            put_back
        );
        let cancelled = Next::Failed("cancelled".to_owned());
        assert_eq!(
            after(&job, 1, Step::Engine, &End::Ordered, Some(&Wish::Cancel)),
            cancelled
        );
        let unknown = Next::Quarantine(SHIP_UNKNOWN.to_owned());
        assert_eq!(
            after(&job, 1, Step::Ship, &End::Ordered, Some(&Wish::Interrupt)),
            unknown
        );
        assert_eq!(
            after(&job, 1, Step::Ship, &End::Ordered, Some(&Wish::Cancel)),
            unknown
        );
        assert_eq!(
            after(&job, 1, Step::Ship, &SUCCESS, Some(&Wish::Interrupt)),
            Next::Shipped
        );
    }
}
