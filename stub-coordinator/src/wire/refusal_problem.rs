//! From a refusal of the coordinator to the problem that says so.

use crate::contract::ids::JobId;
use crate::contract::problem::Problem;
use crate::contract::stage::Stage;
use crate::coordinator::commands::CommandRefusal;

/// A refusal of the coordinator in words.
pub(crate) fn problem_of(refusal: &CommandRefusal) -> Problem {
    match refusal {
        CommandRefusal::Unauthenticated => Problem::new(
            "unauthenticated",
            "send `Authorization: Bearer TOKEN` with a token of this coordinator",
        ),
        CommandRefusal::InvalidEnrolToken => Problem::new(
            "invalid_enrol_token",
            "it is missing, unknown, or was used before; ask for a new one",
        )
        .on("enrolToken"),
        CommandRefusal::InsufficientScope(scope) => Problem::new(
            "insufficient_scope",
            format!("this operation needs the scope `{}`", scope.name()),
        ),
        CommandRefusal::UnknownJob(id) => {
            Problem::new("unknown_job", format!("no job is named `{id}`")).on("jobId")
        }
        CommandRefusal::UnknownLease(id) => {
            Problem::new("unknown_lease", format!("no lease was ever granted under `{id}`")).on("leaseId")
        }
        CommandRefusal::UnknownFactory(id) => Problem::new(
            "unknown_factory",
            format!("`{id}` is not enrolled; enrol it first"),
        )
        .on("factoryId"),
        CommandRefusal::JobExists(id) => Problem::new(
            "job_exists",
            format!("a job named `{id}` was submitted before; choose another id"),
        )
        .on("id"),
        CommandRefusal::FactoryExists(id) => Problem::new(
            "factory_exists",
            format!("`{id}` was enrolled under another token"),
        )
        .on("factoryId"),
        CommandRefusal::LeaseLost(id) => Problem::new(
            "lease_lost",
            format!("lease `{id}` has ended or is another's; stop work on the job"),
        ),
        CommandRefusal::IllegalTransition { from, to } => {
            let detail = format!("`{}` does not lead to `{}`", from.name(), to.name());
            Problem::new("illegal_transition", detail).on("stage")
        }
        CommandRefusal::Leased(id) => leased(id),
        CommandRefusal::Ended(stage) => ended(*stage),
        CommandRefusal::Superseded(id) => superseded(id),
        CommandRefusal::IdempotencyMismatch => Problem::new(
            "idempotency_mismatch",
            "send a fresh `Idempotency-Key` with a changed request",
        )
        .on("Idempotency-Key"),
        CommandRefusal::JobBytesExhausted { limit } => Problem::new(
            "insufficient_storage",
            format!(
                "the jobs take all of the {limit} bytes that there are for them; start the stub with more --job-bytes, \
                 or reset its state"
            ),
        ),
        CommandRefusal::Full(what) => Problem::new(
            "unavailable",
            format!("this coordinator holds as many {what} as it can"),
        ),
    }
}

fn leased(id: &JobId) -> Problem {
    let detail = format!("somebody holds a lease on `{id}`; wait until it ends, then withdraw it");
    Problem::new("leased", detail)
}

fn ended(stage: Stage) -> Problem {
    let stage = stage.name();
    let detail = format!("the job is `{stage}` and stays so; there is nothing to take back");
    Problem::new("final", detail)
}

fn superseded(id: &JobId) -> Problem {
    let detail = format!(
        "`{id}` was withdrawn, or submitted again, since this key was answered; look at the job, and send a fresh key"
    );
    Problem::new("superseded", detail).on("Idempotency-Key")
}
