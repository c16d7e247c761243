//! The clock by which a lease is kept: this host's own, which counts the time in suspension too.

use std::ops::Add;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// It counts the time in suspension.
#[cfg(all(target_os = "linux", not(portable)))]
const BOOT_CLOCK: ClockId = ClockId::Boottime;

/// On Apple's systems it counts the time in suspension. On Linux it does not, where this is built to be tested alone.
#[cfg(any(portable, not(target_os = "linux")))]
const BOOT_CLOCK: ClockId = ClockId::Monotonic;

/// An instant since the host was started, time in suspension included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct BootInstant(Duration);

/// When what runs under a lease has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KillDeadlines {
    pub(crate) term_at: BootInstant,
    pub(crate) kill_at: BootInstant,
}

impl BootInstant {
    pub(crate) fn now() -> BootInstant {
        let time = clock_gettime(BOOT_CLOCK);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        BootInstant(Duration::new(seconds, nanos))
    }

    #[cfg(test)]
    pub(crate) fn at_ms(ms: u64) -> BootInstant {
        BootInstant(Duration::from_millis(ms))
    }

    /// The time since `earlier`; zero if that is later.
    pub(crate) fn since(self, earlier: BootInstant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// As a number of 64 bits, which holds 584 years.
    pub(crate) fn nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn of_nanos(nanos: u64) -> BootInstant {
        BootInstant(Duration::from_nanos(nanos))
    }

    pub(crate) fn before(self, by: Duration) -> BootInstant {
        BootInstant(self.0.saturating_sub(by))
    }
}

impl Add<Duration> for BootInstant {
    type Output = BootInstant;

    fn add(self, by: Duration) -> BootInstant {
        BootInstant(self.0.saturating_add(by))
    }
}

/// Waits until an instant of the boot clock. A timer of tokio stands still while the host sleeps, so this looks at the
/// clock again in steps.
pub(crate) async fn sleep_until(at: BootInstant) {
    const STEP: Duration = Duration::from_secs(5);
    loop {
        match at.since(BootInstant::now()) {
            Duration::ZERO => return,
            left => tokio::time::sleep(left.min(STEP)).await,
        }
    }
}

/// Waits for ever where nothing is due.
pub(crate) async fn due_at(due: Option<BootInstant>) {
    match due {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_forward() {
        let first = BootInstant::now();
        assert!(BootInstant::now() >= first && first > BootInstant::at_ms(0));
    }
}
