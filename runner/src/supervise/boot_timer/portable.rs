//! A timer that is kept by looking at the clock again and again, where no descriptor tells of an instant of it.

use std::io;
use std::time::Duration;

use rustix::event::PollFd;

use crate::boot_clock::BootInstant;

/// The longest wait before the clock is looked at again: so much later than its instant it may be noticed after a
/// suspension.
const STEP: Duration = Duration::from_secs(2);

/// It wakes nobody; a wait is no longer than it says.
pub(in crate::supervise) struct SteppedTimer {
    /// None until it is set.
    at: Option<BootInstant>,
}

impl SteppedTimer {
    pub(in crate::supervise) fn new() -> io::Result<SteppedTimer> {
        Ok(SteppedTimer { at: None })
    }

    pub(in crate::supervise) fn set(&mut self, at: BootInstant) -> io::Result<()> {
        self.at = Some(at);
        Ok(())
    }

    /// What wakes a wait: nothing.
    pub(in crate::supervise) fn polled(&self) -> Option<PollFd<'_>> {
        None
    }

    /// How long a wait may last before the clock is looked at again.
    pub(in crate::supervise) fn wait_limit(&self) -> Option<Duration> {
        let left = self.at.map(|at| at.since(BootInstant::now()));
        Some(left.unwrap_or(STEP).min(STEP))
    }
}
