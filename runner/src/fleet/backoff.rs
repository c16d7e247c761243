//! How long to wait before the next try, and how long trying has been in vain: pure (clauses T-5 and T-15).

use std::time::Duration;

use crate::boot_clock::BootInstant;

const FIRST: Duration = Duration::from_millis(250);
const CAP: Duration = Duration::from_secs(30);
/// A routed `--drain` gives up after an outage of this length, instead of taking the coordinator for empty.
const OUTAGE_MAX: Duration = Duration::from_secs(60);

/// Waits that double up to a cap. Each leaves out a random part of its upper half, so that factories do not come back
/// all at once.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    /// In a row; a success resets it.
    failures: u32,
    /// From a seed, so that a test gets the same waits.
    random: fastrand::Rng,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Backoff {
        Backoff {
            failures: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Returns the wait after one more failure. It is never shorter than what the coordinator asked for.
    pub(crate) fn after_failure(&mut self, retry_after: Option<Duration>) -> Duration {
        let step = FIRST.saturating_mul(1 << self.failures.min(16)).min(CAP);
        self.failures = self.failures.saturating_add(1);
        // The wait lies in the upper half of the step.
        let part = self.random.u32(..1000);
        let wait = step / 2 + step / 2 * part / 1000;
        wait.max(retry_after.unwrap_or_default())
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

/// Since when nothing got through.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CoordinatorOutage {
    /// When the first call that failed was sent; none after an answer.
    since: Option<BootInstant>,
    /// The loop knows of it; one outage is reported once.
    reported: bool,
}

impl CoordinatorOutage {
    /// `sent`: when the call that failed was started.
    pub(crate) fn failed(&mut self, sent: BootInstant) {
        self.since.get_or_insert(sent);
    }

    /// Ends the outage: a call was answered as it should be.
    pub(crate) fn answered(&mut self) {
        *self = CoordinatorOutage::default();
    }

    /// When `--drain` gives up; none once that was reported.
    pub(crate) fn outage_report_at(&self) -> Option<BootInstant> {
        self.since
            .filter(|_| !self.reported)
            .map(|since| since + OUTAGE_MAX)
    }

    pub(crate) fn mark_reported(&mut self) {
        self.reported = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_cap_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(7);
        for step_ms in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000] {
            let wait = backoff.after_failure(None);
            let step = Duration::from_millis(step_ms);
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
        }
        backoff.succeeded();
        assert!(backoff.after_failure(None) <= Duration::from_millis(250));
    }

    #[test]
    fn the_coordinators_own_wish_is_a_lower_bound() {
        let mut backoff = Backoff::new(7);
        assert_eq!(
            backoff.after_failure(Some(Duration::from_secs(90))),
            Duration::from_secs(90)
        );
        let mut backoff = Backoff::new(7);
        assert!(backoff.after_failure(Some(Duration::ZERO)) >= Duration::from_millis(125));
    }

    #[test]
    fn two_factories_do_not_come_back_together() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            [(); 8].map(|()| backoff.after_failure(None))
        };
        assert_ne!(waits(1), waits(2));
        assert_eq!(waits(1), waits(1));
    }

    #[test]
    fn an_outage_lasts_from_the_first_failure_to_the_first_answer() {
        let start = BootInstant::now();
        let mut outage = CoordinatorOutage::default();
        assert_eq!(outage.outage_report_at(), None);
        outage.failed(start);
        outage.failed(start + Duration::from_secs(30));
        assert_eq!(outage.outage_report_at(), Some(start + Duration::from_secs(60)));
        outage.mark_reported();
        assert_eq!(outage.outage_report_at(), None);
        outage.answered();
        assert_eq!(outage.outage_report_at(), None);
        outage.failed(start);
        assert!(outage.outage_report_at().is_some());
    }
}
