//! How long a lease can be relied on: pure arithmetic on this host's own clock (clauses T-2 to T-4).
//!
//! The clock counts the time that the host was suspended or the process stopped. What the coordinator says about
//! the time of day is never used; what counts is its `ttlMs` and when the request was sent.

use std::time::Duration;

use crate::boot_clock::{BootInstant, KillDeadlines};

/// Why a lease is lost of which the coordinator has said nothing.
pub(crate) const NO_RENEWAL: &str = "no renewal got through";

/// How long before the deadline KILL is sent, unless the lease is shorter than ten times that.
const MARGIN_MAX: Duration = Duration::from_secs(1);

/// A shorter lease is refused, because it would need more than three renewals a second.
const TTL_MIN: Duration = Duration::from_secs(1);
/// A longer lease is renewed as if it were as long as this.
const TTL_MAX: Duration = Duration::from_secs(24 * 3600);

/// A `ttlMs` that no lease can be kept by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ttlMs {} is shorter than the {} ms that a lease has to live to be kept", .0.as_millis(), TTL_MIN.as_millis())]
pub(crate) struct TooShortLease(Duration);

/// The times of one lease, on this host's clock. The lease machine writes it, until the lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseTime {
    /// The time to live that the coordinator granted last.
    ttl: Duration,
    /// When the request was sent whose answer `ttl` is. The lease counts from here, because the answer may be late.
    ttl_requested_at: BootInstant,
    /// `ttl` after `ttl_requested_at`: the lease can't be relied on from here.
    deadline: BootInstant,
    /// A third of a life after the last renewal was sent.
    next_renewal: BootInstant,
}

impl LeaseTime {
    /// `first_sent`: before the first request with that claim's key, however often it was repeated since.
    ///
    /// # Errors
    /// It would not live long enough to be kept.
    pub(crate) fn granted(ttl: Duration, first_sent: BootInstant) -> Result<LeaseTime, TooShortLease> {
        let ttl = usable(ttl)?;
        Ok(LeaseTime {
            ttl,
            ttl_requested_at: first_sent,
            deadline: first_sent + ttl,
            next_renewal: first_sent + ttl / 3,
        })
    }

    /// A renewal starts: the next one is due a third of a life later, whatever comes of this one.
    pub(crate) fn renewal_started(&mut self, sent: BootInstant) {
        self.next_renewal = sent + self.ttl / 3;
    }

    /// The answer to a renewal that was sent at `sent`. What was asked last counts, also where it ends the lease earlier
    /// than was told before; an older answer that comes late says nothing new.
    ///
    /// # Errors
    /// It would not live long enough to be kept; nothing is changed.
    pub(crate) fn renewed(&mut self, sent: BootInstant, ttl: Duration) -> Result<(), TooShortLease> {
        let ttl = usable(ttl)?;
        if sent >= self.ttl_requested_at {
            (self.ttl, self.ttl_requested_at, self.deadline) = (ttl, sent, sent + ttl);
            self.next_renewal = self.next_renewal.min(sent + ttl / 3);
        }
        Ok(())
    }

    pub(crate) fn next_renewal(&self) -> BootInstant {
        self.next_renewal
    }

    /// How long one renewal may take.
    pub(crate) fn renewal_limit(&self, timeout: Duration) -> Duration {
        timeout.min(self.ttl / 6)
    }

    /// Whether so much of it is gone that it is renewed before anything is started under it (clause T-8).
    pub(crate) fn needs_renewal(&self, now: BootInstant) -> bool {
        now >= self.next_renewal
    }

    /// Whether it can be relied on now; asked before every effect.
    pub(crate) fn holds(&self, now: BootInstant) -> bool {
        now < self.kill_at()
    }

    /// The deadlines if no renewal gets through.
    pub(crate) fn ending(&self, grace: Duration) -> KillDeadlines {
        let kill_at = self.kill_at();
        KillDeadlines {
            term_at: kill_at.before(self.notice(grace)),
            kill_at,
        }
    }

    fn kill_at(&self) -> BootInstant {
        self.deadline.before(MARGIN_MAX.min(self.ttl / 10))
    }

    /// The time between TERM and KILL.
    pub(crate) fn notice(&self, grace: Duration) -> Duration {
        grace.min(self.ttl / 4)
    }
}

fn usable(ttl: Duration) -> Result<Duration, TooShortLease> {
    match ttl < TTL_MIN {
        true => Err(TooShortLease(ttl)),
        false => Ok(ttl.min(TTL_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(ttl: Duration, first_sent: BootInstant) -> LeaseTime {
        LeaseTime::granted(ttl, first_sent).unwrap()
    }

    fn at(ms: u64) -> BootInstant {
        BootInstant::at_ms(ms)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const GRACE: Duration = Duration::from_secs(10);

    #[test]
    fn a_life_counts_from_before_the_first_request() {
        let lease = granted(ms(60_000), at(5_000));
        assert_eq!(lease.next_renewal(), at(25_000));
        // The deadline is 65,000; KILL a second before it, TERM the whole grace before that.
        assert_eq!(
            lease.ending(GRACE),
            KillDeadlines {
                term_at: at(54_000),
                kill_at: at(64_000)
            }
        );
        assert!(lease.holds(at(63_999)) && !lease.holds(at(64_000)));
    }

    #[test]
    fn a_short_life_leaves_a_quarter_for_the_end_and_a_tenth_as_margin() {
        let lease = granted(ms(1_200), at(0));
        assert_eq!(
            lease.ending(GRACE),
            KillDeadlines {
                term_at: at(780),
                kill_at: at(1_080)
            }
        );
        assert_eq!(lease.renewal_limit(ms(5_000)), ms(200));
        assert_eq!(granted(ms(60_000), at(0)).renewal_limit(ms(5_000)), ms(5_000));
    }

    #[test]
    fn a_short_grace_is_kept() {
        let lease = granted(ms(60_000), at(0));
        assert_eq!(lease.ending(ms(2_000)).term_at, at(57_000));
    }

    #[test]
    fn renewals_start_every_third_and_prolong_from_when_they_were_sent() {
        let mut lease = granted(ms(30_000), at(0));
        lease.renewal_started(at(10_000));
        assert_eq!(lease.next_renewal(), at(20_000));
        lease.renewed(at(10_000), ms(30_000)).unwrap();
        assert_eq!(lease.next_renewal(), at(20_000));
        assert!(lease.holds(at(38_999)) && !lease.holds(at(39_000)));
        // A coordinator that shortens lives makes the next renewal due earlier.
        lease.renewal_started(at(20_000));
        lease.renewed(at(20_000), ms(12_000)).unwrap();
        assert_eq!(lease.next_renewal(), at(24_000));
    }

    #[test]
    fn a_late_answer_to_an_older_renewal_takes_nothing_back() {
        let mut lease = granted(ms(30_000), at(0));
        lease.renewed(at(20_000), ms(30_000)).unwrap();
        lease.renewed(at(10_000), ms(30_000)).unwrap();
        assert!(lease.holds(at(48_999)));
    }

    #[test]
    fn what_was_told_last_counts_also_where_it_is_shorter() {
        let mut lease = granted(ms(30_000), at(0));
        lease.renewed(at(10_000), ms(12_000)).unwrap();
        assert!(lease.holds(at(20_999)) && !lease.holds(at(21_000)));
        // Asked before that, answered after it.
        lease.renewed(at(9_000), ms(30_000)).unwrap();
        assert!(!lease.holds(at(21_000)));
        assert_eq!(lease.next_renewal(), at(10_000));
    }

    #[test]
    fn a_life_too_short_to_be_kept_is_refused_and_changes_nothing() {
        let mut lease = granted(ms(1_000), at(0));
        let before = lease;
        for ttl in [0, 1, 999] {
            assert_eq!(LeaseTime::granted(ms(ttl), at(0)), Err(TooShortLease(ms(ttl))));
            assert_eq!(lease.renewed(at(100), ms(ttl)), Err(TooShortLease(ms(ttl))));
        }
        assert_eq!(lease, before);
    }

    #[test]
    fn a_life_without_end_is_renewed_all_the_same() {
        let lease = granted(Duration::from_millis(u64::MAX), at(0));
        assert_eq!(lease.next_renewal(), at(8 * 3_600_000));
        assert!(!lease.holds(at(24 * 3_600_000)));
    }

    #[test]
    fn a_claim_that_waited_is_worn() {
        let lease = granted(ms(30_000), at(0));
        assert!(!lease.needs_renewal(at(9_999)) && lease.needs_renewal(at(10_000)));
    }
}
