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

    /// Moves a manual clock; returns when all that fell due has happened, and says what did. An error on a real clock.
    /// ```
    /// use std::time::Duration;
    /// use stub_coordinator::{ClockKind, NewJob, Stub, StubConfig};
    ///
    /// let stub = Stub::start(StubConfig {
    ///     jobs: vec![NewJob::named("tidy", "sh")],
    ///     clock: ClockKind::Manual,
    ///     lease_ms: 60_000,
    ///     ..StubConfig::default()
    /// })?;
    /// reqwest::blocking::Client::new()
    ///     .post(format!("{}/v1/claims", stub.url()))
    ///     .header("content-type", "application/json")
    ///     .body(r#"{"factoryId": "desk", "caps": ["engine:sh"]}"#)
    ///     .send()?;
    /// assert_eq!(stub.jobs()[0].stage, "building");
    /// // A minute that takes no time: nobody renewed the lease, so the job is queued again.
    /// let due = stub.advance(Duration::from_secs(60))?;
    /// assert_eq!(due[0].what, "lease lease-1 on tidy ran out");
    /// assert_eq!(stub.jobs()[0].stage, "queued");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(&self, by: Duration) -> Result<Vec<DueEvent>, ClockError> {
        if self.shared.clock.kind() != ClockKind::Manual {
            return Err(ClockError::NotManual);
        }
        Ok(self.runtime.block_on(self.shared.advance(by)))
    }
}
