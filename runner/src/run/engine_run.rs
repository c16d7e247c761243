//! What an attempt knows of the run of its engine, apart from what that printed.

use std::time::{Duration, Instant};

use super::transition::CommandEnd;
use crate::job_reason::JobReason;
use crate::supervise::CommandOutcome;

#[derive(Debug)]
pub(crate) struct EngineRun {
    /// When the latest command was started.
    pub(super) command_started: Instant,
    /// How long the engine ran, once that is over.
    pub(super) ran_for: Duration,
    /// How the engine ended, and what it told of its login, while it is asked about that.
    pub(super) asked_after: Option<(CommandOutcome, JobReason)>,
    /// What it answered, or told by an event of its own.
    pub(super) login: Option<LoginAnswer>,
}

/// What an engine says of its login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoginAnswer {
    LoggedIn,
    LoggedOut,
    /// It gave no answer: its words alone count for nothing then.
    Nothing,
}

impl LoginAnswer {
    pub(super) fn of(end: &CommandEnd) -> LoginAnswer {
        match end {
            CommandEnd::Outcome(CommandOutcome::Exited { code: Some(0), .. }) => LoginAnswer::LoggedIn,
            CommandEnd::Outcome(CommandOutcome::Exited { code: Some(_), .. }) => LoginAnswer::LoggedOut,
            _ => LoginAnswer::Nothing,
        }
    }
}

impl EngineRun {
    pub(super) fn new() -> EngineRun {
        EngineRun {
            command_started: Instant::now(),
            ran_for: Duration::ZERO,
            asked_after: None,
            login: None,
        }
    }
}
