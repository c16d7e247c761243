//! Read the stub's clock, and advance it.

use std::time::Duration;

use thiserror::Error;

use super::Stub;
use crate::clock::ClockKind;
use crate::shared_stub::DueEvent;

/// Why the clock was not advanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClockError {
    /// Only a manual clock can be moved.
    #[error("the stub's clock is the real one; start it with a manual clock to move it")]
    NotManual,
}

impl Stub {
    /// What time it is for the stub.
    pub fn now(&self) -> String {
        self.shared.clock.now().to_string()
    }

    /// Moves a manual clock; returns when all that fell due has happened, and says what did.
    pub fn advance(&self, by: Duration) -> Result<Vec<DueEvent>, ClockError> {
        if self.shared.clock.kind() != ClockKind::Manual {
            return Err(ClockError::NotManual);
        }
        Ok(self.runtime.block_on(self.shared.advance(by)))
    }
}
