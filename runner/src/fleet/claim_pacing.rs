//! When the next claim may be sent: pure (clause T-5).
//!
//! The next claim follows a grant at once, whether the job was started, refused, or had been finished here. Two claims
//! wait: the one after a 204, and the one after a grant that would only come again, because another process here works
//! on the job or because this run was given it a moment ago.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::boot_clock::BootInstant;
use crate::fleet::backoff::Backoff;
use crate::ids::JobId;

/// A job that comes again later than this after its last wait is no repetition: a person, or a limit that is over, may
/// have brought it back. Longer than the longest wait.
const REPEATED_WITHIN: Duration = Duration::from_secs(120);
/// How many jobs are remembered. A coordinator that hands out more of them in that time does not repeat itself.
const REMEMBERED_MAX: usize = 1024;

/// When the next claim may be sent. It lives as long as the run is routed; the loop writes it.
#[derive(Debug)]
pub(crate) struct ClaimPacing {
    /// The time from a claim that was answered by 204 to the next.
    interval: Duration,
    /// What the next claim waits for.
    state: PacingState,
    /// The waits for jobs that another process works on; it begins anew when a job was taken.
    other_hands: Backoff,
    /// The jobs that this run was given, at most `REMEMBERED_MAX`.
    given: BTreeMap<JobId, RecentGrant>,
    /// Spreads the waits of factories that were started together.
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PacingState {
    /// A job may be asked for now.
    Ready,
    /// A claim is out since then.
    Asked(BootInstant),
    /// There was nothing, and no lease has ended since. A run that goes on claims again from that instant on.
    Nothing(BootInstant),
    /// Nothing is claimed before that instant.
    BackingOff(BootInstant),
}

/// A job that this run was given.
#[derive(Debug)]
struct RecentGrant {
    /// The waits, in case that it is given again and again.
    repetitions: Backoff,
    /// When it was given last, or how long that was waited for.
    until: BootInstant,
    /// Whether this run has worked on it.
    was_taken: bool,
}

impl ClaimPacing {
    pub(crate) fn new(interval: Duration, seed: u64) -> ClaimPacing {
        ClaimPacing {
            interval,
            state: PacingState::Ready,
            other_hands: Backoff::new(seed),
            given: BTreeMap::new(),
            seed,
        }
    }

    /// Whether a claim is out.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.state, PacingState::Asked(_))
    }

    /// Whether the last answer was 204, and no lease has ended since.
    pub(crate) fn has_nothing(&self) -> bool {
        matches!(self.state, PacingState::Nothing(_))
    }

    /// When the next claim may be sent; none if nothing has to be waited for.
    pub(crate) fn waits_until(&self) -> Option<BootInstant> {
        match self.state {
            PacingState::Nothing(at) | PacingState::BackingOff(at) => Some(at),
            PacingState::Ready | PacingState::Asked(_) => None,
        }
    }

    pub(crate) fn asked(&mut self, now: BootInstant) {
        self.state = PacingState::Asked(now);
    }

    /// Forgets the claim that is out and the wait before the next one.
    pub(crate) fn reset(&mut self) {
        self.state = PacingState::Ready;
    }

    /// Notes a 204. A coordinator that held the claim for as long as the interval is asked again at once.
    pub(crate) fn nothing(&mut self) {
        if let PacingState::Asked(since) = self.state {
            self.state = PacingState::Nothing(since + self.interval);
        }
    }

    /// Notes that the answer was this job.
    pub(crate) fn given(&mut self, id: &JobId, now: BootInstant) {
        self.state = PacingState::Ready;
        match self.given.get_mut(id) {
            Some(given) if now.since(given.until) < REPEATED_WITHIN => {
                given.until = now + given.repetitions.after_failure(None);
                self.state = PacingState::BackingOff(given.until);
            }
            Some(_) | None => self.remember(id, now),
        }
    }

    /// Notes that the job is worked on. What was given back until now and is taken at last is no repetition: its file
    /// was still being written, or its lock was free too late, and the next job need not wait for that.
    pub(crate) fn taken(&mut self, id: &JobId) {
        self.other_hands.succeeded();
        let first_time = self.given.get_mut(id).filter(|grant| !grant.was_taken);
        if let Some(grant) = first_time {
            grant.was_taken = true;
            grant.repetitions.succeeded();
            if matches!(self.state, PacingState::BackingOff(_)) {
                self.state = PacingState::Ready;
            }
        }
    }

    /// Notes that another process has the job. `free_in`: after which this factory can take it, where that is known;
    /// no longer is waited, because the job comes again with the next claim.
    pub(crate) fn held_elsewhere(&mut self, now: BootInstant, free_in: Option<Duration>) {
        let at = now + self.other_hands.after_failure(None);
        let later = self.waits_until().map_or(at, |until| until.max(at));
        let free_at = free_in.map_or(later, |wait| now + wait);
        self.state = PacingState::BackingOff(later.min(free_at));
    }

    /// Notes the end of a lease: the coordinator may have work now that it held back before.
    pub(crate) fn lease_ended(&mut self) {
        if self.has_nothing() {
            self.state = PacingState::Ready;
        }
    }

    fn remember(&mut self, id: &JobId, now: BootInstant) {
        if self.given.len() >= REMEMBERED_MAX {
            self.given.clear();
        }
        let grant = RecentGrant {
            repetitions: Backoff::new(self.seed),
            until: now,
            was_taken: false,
        };
        self.given.insert(id.clone(), grant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);
    const CAP: Duration = Duration::from_secs(30);

    fn id(name: &str) -> JobId {
        JobId::new(name).unwrap()
    }

    fn pacing() -> (ClaimPacing, BootInstant) {
        (ClaimPacing::new(INTERVAL, 7), BootInstant::at_ms(1_000_000))
    }

    /// The wait after one question that brought this job.
    fn wait_after(pacing: &mut ClaimPacing, job: &str, now: BootInstant) -> Duration {
        pacing.asked(now);
        pacing.given(&id(job), now);
        pacing.waits_until().map_or(Duration::ZERO, |at| at.since(now))
    }

    #[test]
    fn different_jobs_are_asked_for_one_right_after_the_other() {
        let (mut pacing, now) = pacing();
        for number in 0..3 * REMEMBERED_MAX {
            assert_eq!(
                wait_after(&mut pacing, &format!("job-{number}"), now),
                Duration::ZERO
            );
        }
        assert!(pacing.given.len() <= REMEMBERED_MAX);
    }

    #[test]
    fn a_job_that_comes_again_and_again_is_waited_for_longer_each_time_whatever_comes_in_between() {
        let (mut pacing, mut now) = pacing();
        assert_eq!(wait_after(&mut pacing, "a", now), Duration::ZERO);
        let mut waits = Vec::new();
        for number in 0..12 {
            assert_eq!(
                wait_after(&mut pacing, &format!("job-{number}"), now),
                Duration::ZERO
            );
            pacing.taken(&id("a"));
            let wait = wait_after(&mut pacing, "a", now);
            assert!(wait >= Duration::from_millis(125) && wait <= CAP, "{wait:?}");
            // What ended in between is no reason to ask earlier.
            pacing.lease_ended();
            assert_eq!(pacing.waits_until(), Some(now + wait));
            now = now + wait;
            waits.push(wait);
        }
        assert!(waits[11] >= CAP / 2 && waits[3] > waits[0], "{waits:?}");
    }

    #[test]
    fn a_job_that_was_brought_back_after_a_while_is_like_a_new_one() {
        let (mut pacing, now) = pacing();
        for _ in 0..12 {
            wait_after(&mut pacing, "a", now);
        }
        let later = pacing.waits_until().unwrap() + REPEATED_WITHIN;
        assert_eq!(wait_after(&mut pacing, "a", later), Duration::ZERO);
        assert!(wait_after(&mut pacing, "a", later) <= Duration::from_millis(250));
    }

    #[test]
    fn after_a_204_the_interval_counts_from_the_question_and_ends_with_a_lease() {
        let (mut pacing, now) = pacing();
        pacing.asked(now);
        pacing.nothing();
        assert!(pacing.has_nothing() && pacing.waits_until() == Some(now + INTERVAL));
        pacing.lease_ended();
        assert!(!pacing.has_nothing() && pacing.waits_until().is_none());
        // An answer to a question that nobody waits for any more.
        pacing.nothing();
        assert!(!pacing.has_nothing());
    }

    #[test]
    fn a_job_in_other_hands_is_asked_for_again_after_a_wait_that_grows_until_one_is_taken() {
        let (mut pacing, now) = pacing();
        let wait = |pacing: &mut ClaimPacing| {
            pacing.reset();
            pacing.held_elsewhere(now, None);
            pacing.waits_until().unwrap().since(now)
        };
        let first = wait(&mut pacing);
        let longer: Vec<Duration> = (0..4).map(|_| wait(&mut pacing)).collect();
        assert!(!first.is_zero() && longer[3] > first, "{first:?} {longer:?}");
        pacing.taken(&id("a"));
        assert!(wait(&mut pacing) <= Duration::from_millis(250));
    }

    #[test]
    fn a_job_that_is_taken_after_it_was_given_back_keeps_the_next_one_waiting_no_longer() {
        let (mut pacing, now) = pacing();
        for _ in 0..6 {
            wait_after(&mut pacing, "a", now);
            pacing.held_elsewhere(now, None);
        }
        assert!(pacing.waits_until().is_some());
        pacing.taken(&id("a"));
        assert_eq!(pacing.waits_until(), None);
        // From now on it has been worked on here, and is a repetition.
        assert!(wait_after(&mut pacing, "a", now) > Duration::ZERO);
        let waits = pacing.waits_until();
        pacing.taken(&id("a"));
        assert_eq!(pacing.waits_until(), waits);
    }

    #[test]
    fn a_job_that_is_free_at_a_known_instant_is_asked_for_then_however_often_it_came_before() {
        let (mut pacing, mut now) = pacing();
        for _ in 0..12 {
            wait_after(&mut pacing, "a", now);
            pacing.held_elsewhere(now, Some(CAP));
            now = pacing.waits_until().unwrap();
        }
        let free_in = Duration::from_millis(480);
        wait_after(&mut pacing, "a", now);
        pacing.held_elsewhere(now, Some(free_in));
        assert_eq!(pacing.waits_until(), Some(now + free_in));
    }
}
