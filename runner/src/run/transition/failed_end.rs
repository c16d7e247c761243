//! What has to be asked about the end of a command, before it counts for or against its job.

use super::{AttemptState, AttemptStep, CommandEnd, CommandOutcome, LeaseStatus, stop_reason_under};

/// Whether the engine has to be asked how it ended: its exit code says that it succeeded, or it failed and nothing else
/// is the cause of it.
pub(crate) fn may_tell_more(state: &AttemptState, outcome: &CommandOutcome, allowed: LeaseStatus) -> bool {
    let tells = match outcome {
        CommandOutcome::Exited { code: Some(0), .. } => true,
        CommandOutcome::Exited { .. } | CommandOutcome::TimedOut | CommandOutcome::Idle => {
            is_own(state, allowed)
        }
        _ => false,
    };
    tells && state.step == AttemptStep::Engine
}

/// What the end of a command says of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineEnd {
    Succeeded,
    /// It failed, and nothing else is the cause of that: it may not be able to work at all.
    Failed,
    Unknown,
}

pub(crate) fn engine_end(state: &AttemptState, end: &CommandEnd, allowed: LeaseStatus) -> EngineEnd {
    match end {
        _ if state.step != AttemptStep::Engine => EngineEnd::Unknown,
        CommandEnd::Outcome(CommandOutcome::Exited { code: Some(0), .. }) => EngineEnd::Succeeded,
        CommandEnd::Outcome(
            CommandOutcome::Fenced | CommandOutcome::TooLate | CommandOutcome::Unkillable { .. },
        ) => EngineEnd::Unknown,
        CommandEnd::EnginePaused(_) | CommandEnd::HostTrouble(_) | CommandEnd::SupervisorLost => {
            EngineEnd::Unknown
        }
        CommandEnd::Outcome(_)
        | CommandEnd::EngineError(_)
        | CommandEnd::LoginFailed(_)
        | CommandEnd::UsageLimit { .. } => match is_own(state, allowed) {
            true => EngineEnd::Failed,
            false => EngineEnd::Unknown,
        },
    }
}

/// Whether it has to be asked if the host is at fault: the engine or `verify` failed, of whatever it was, or no command
/// could be started. What `ship` did can't be taken back, so it counts as it ended.
pub(crate) fn has_failed_by_itself(state: &AttemptState, end: &CommandEnd, allowed: LeaseStatus) -> bool {
    let failed = match end {
        CommandEnd::Outcome(CommandOutcome::NotStarted { .. }) => true,
        CommandEnd::Outcome(CommandOutcome::Exited { code: Some(0), .. }) => false,
        CommandEnd::Outcome(CommandOutcome::Exited { .. }) | CommandEnd::EngineError(_) => {
            state.step != AttemptStep::Ship
        }
        _ => false,
    };
    failed && is_own(state, allowed)
}

/// Nobody wished for the end.
fn is_own(state: &AttemptState, allowed: LeaseStatus) -> bool {
    stop_reason_under(allowed, state.stop_reason.as_ref()).is_none()
}
