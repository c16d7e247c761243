//! How the run of an engine ended, by its exit code and by what the engine tells itself (clauses O-12 and O-14).

use super::transition::CommandEnd;
use crate::engine::EngineProblem;
use crate::ids::EngineName;
use crate::job_reason::{JobReason, ReasonCode};
use crate::supervise::CommandOutcome;

/// `problem`: what the engine tells against a success.
pub(super) fn of(engine: &EngineName, outcome: CommandOutcome, problem: Option<EngineProblem>) -> CommandEnd {
    match problem {
        None => CommandEnd::Outcome(outcome),
        Some(EngineProblem::UsageLimit { pause, message }) => CommandEnd::UsageLimit {
            reason: ReasonCode::UsageLimit.with(format!("usage limit of {engine}: {message}")),
            pause,
        },
        Some(EngineProblem::LoginFailure { message, .. }) => {
            CommandEnd::LoginFailed(ReasonCode::EnginePaused.with(message))
        }
        Some(EngineProblem::Refusal(message)) => failure(outcome, format!("it refuses: {message}")),
        Some(EngineProblem::Failure(message)) => failure(outcome, message),
    }
}

/// Its words count for nothing but the detail.
pub(super) fn failure(outcome: CommandOutcome, message: String) -> CommandEnd {
    let error = |reason: JobReason| CommandEnd::EngineError(reason);
    match outcome {
        CommandOutcome::Exited { code: Some(0), .. } => error(ReasonCode::EngineError.with(message)),
        CommandOutcome::Exited { code: Some(code), .. } => {
            error(ReasonCode::ExitCode.with(format!("exit {code}: {message}")))
        }
        // What ended it says more.
        other => CommandEnd::Outcome(other),
    }
}
