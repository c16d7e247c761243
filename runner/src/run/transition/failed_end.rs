//! What has to be asked about a command that failed, before that counts against its job.

use super::{AttemptState, AttemptStep, CommandEnd, CommandOutcome, LeaseStatus, stop_reason_under};

/// Whether the engine's last words have to be asked if that was because it is used up: it failed, and nothing else is
/// the cause of it.
pub(crate) fn may_be_used_up(state: &AttemptState, end: &CommandEnd, allowed: LeaseStatus) -> bool {
    let failed = match end {
        CommandEnd::Outcome(
            CommandOutcome::Exited { code: Some(0), .. }
            | CommandOutcome::Fenced
            | CommandOutcome::TooLate
            | CommandOutcome::Unkillable { .. },
        ) => false,
        CommandEnd::UsageLimit(_) | CommandEnd::HostTrouble(_) | CommandEnd::SupervisorLost => false,
        CommandEnd::Outcome(_) | CommandEnd::EngineError(_) => true,
    };
    let is_own = stop_reason_under(allowed, state.stop_reason.as_ref()).is_none();
    failed && is_own && state.step == AttemptStep::Engine
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
    failed && stop_reason_under(allowed, state.stop_reason.as_ref()).is_none()
}
