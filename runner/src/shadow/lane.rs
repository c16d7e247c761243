//! The handle of the shadow lane.

use std::time::Duration;

use super::{Decision, Transition};
use crate::settings::Settings;

/// Inert in every mode but shadow.
#[derive(Debug)]
pub(crate) struct Lane;

impl Lane {
    pub(crate) fn start(_settings: &Settings) -> Lane {
        Lane
    }

    pub(crate) fn decided(&self, _decision: Decision) {}

    pub(crate) fn moved(&self, _transition: Transition) {}

    /// Waits at most `limit` for what is still to be said.
    pub(crate) fn finish(self, _limit: Duration) {}
}

/// Mirrors what a command such as `ship` moved by itself; takes at most `AQ_FLEET_DRAIN`.
pub(crate) fn mirror(_settings: &Settings, _transitions: &[Transition]) {}
