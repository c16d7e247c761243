//! Trouble of the host: while it lasts no job is started, and what runs goes on. It is looked again after a while, which
//! doubles, and whenever a job has ended, as that may have freed what was missing.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error_scope::HostTrouble;
use crate::fleet::wire;
use crate::terminal;

const RECHECK_FIRST: Duration = Duration::from_secs(1);
/// Of what jobs of this runner free again: what one of them held is free a moment after its end.
const RECHECK_FIRST_OF_OWN: Duration = Duration::from_millis(250);
const RECHECK_MAX: Duration = Duration::from_secs(30);
/// What comes back sooner was not over, and was told a moment ago.
const CALM: Duration = Duration::from_secs(60);
/// A run that is to end by itself waits no longer for the host.
const PATIENCE: Duration = Duration::from_secs(60);

/// As `aq status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HostTroubleRecord {
    pub(crate) kind: HostTrouble,
    /// When it was met first.
    pub(crate) since: String,
    /// What could not be done.
    pub(crate) detail: String,
}

#[derive(Debug, Default)]
pub(super) struct HostTroubleWatch {
    current: Option<CurrentTrouble>,
    /// The one before it.
    last: Option<LastTrouble>,
}

/// Trouble that is over.
#[derive(Debug)]
struct LastTrouble {
    kind: HostTrouble,
    told_at: Instant,
    over_at: Instant,
    pause: Duration,
}

#[derive(Debug)]
struct CurrentTrouble {
    record: HostTroubleRecord,
    since: Instant,
    /// When it was told; of what came back soon, that is the time before.
    told_at: Instant,
    /// The next look, and how long after this one it is.
    recheck_at: Instant,
    pause: Duration,
    /// The next look is before its time, because a job has ended: it says nothing of how long the trouble lasts.
    is_early: bool,
}

impl HostTroubleWatch {
    /// Something could not be done for it. Returned is what is to be told.
    pub(super) fn met(&mut self, kind: HostTrouble, detail: String, now: Instant) -> Option<String> {
        if let Some(current) = &mut self.current {
            if current.recheck_at <= now {
                if !std::mem::take(&mut current.is_early) {
                    current.pause = (current.pause * 2).min(RECHECK_MAX);
                }
                current.recheck_at = now + current.pause;
            }
            return None;
        }
        let text = format!(
            "{kind} ({detail}): no job is started until that is over, and what runs goes on; {}",
            kind.advice()
        );
        let last = self.last.take();
        let last = last.filter(|last| now.duration_since(last.over_at) < CALM);
        let pause = match (&last, kind.is_freed_by_jobs()) {
            (_, true) => RECHECK_FIRST_OF_OWN,
            (None, false) => RECHECK_FIRST,
            // What comes and goes is looked at no more often than what stays: attempts are made in vain meanwhile.
            (Some(last), false) => (last.pause * 2).clamp(RECHECK_FIRST, RECHECK_MAX),
        };
        let told_at = last
            .filter(|last| last.kind == kind && now.duration_since(last.told_at) < CALM)
            .map(|last| last.told_at);
        self.current = Some(CurrentTrouble {
            record: HostTroubleRecord {
                kind,
                since: wire::instant(jiff::Timestamp::now()),
                detail,
            },
            since: now,
            told_at: told_at.unwrap_or(now),
            recheck_at: now + pause,
            pause,
            is_early: false,
        });
        told_at.is_none().then_some(text)
    }

    /// It was looked again, and nothing was in the way. Returned is what is to be told.
    pub(super) fn is_over(&mut self, now: Instant) -> Option<String> {
        let over = self.current.take()?;
        let (kind, lasted) = (over.record.kind, now.duration_since(over.since));
        let is_told = over.told_at >= over.since;
        self.last = Some(LastTrouble {
            kind,
            told_at: over.told_at,
            over_at: now,
            pause: over.pause,
        });
        let lasted = terminal::duration(lasted);
        is_told.then(|| format!("jobs are started again, after {lasted} in which {kind}"))
    }

    /// A job has ended, or the run is about to end.
    pub(super) fn recheck_at_once(&mut self, now: Instant) {
        let Some(current) = &mut self.current else { return };
        if current.record.kind.is_freed_by_jobs() {
            current.pause = RECHECK_FIRST_OF_OWN;
        }
        if current.recheck_at > now {
            current.recheck_at = now;
            current.is_early = true;
        }
    }

    /// No job is started at this moment.
    pub(super) fn is_waiting(&self, now: Instant) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.recheck_at > now)
    }

    pub(super) fn record(&self) -> Option<&HostTroubleRecord> {
        self.current.as_ref().map(|current| &current.record)
    }

    /// Whether there is trouble, or was some after that instant.
    pub(super) fn has_been_since(&self, since: Instant) -> bool {
        let was = |last: &LastTrouble| last.over_at >= since;
        self.current.is_some() || self.last.as_ref().is_some_and(was)
    }

    pub(super) fn next_instant(&self) -> Option<Instant> {
        self.current.as_ref().map(|current| current.recheck_at)
    }

    /// It has lasted longer than a run waits that is to end by itself.
    pub(super) fn is_beyond_patience(&self, now: Instant) -> bool {
        let lasts = |current: &CurrentTrouble| now.duration_since(current.since) >= PATIENCE;
        self.current.as_ref().is_some_and(lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(watch: &mut HostTroubleWatch, now: Instant) -> Option<String> {
        watch.met(HostTrouble::DiskFull, String::from("can't write a"), now)
    }

    #[test]
    fn it_is_told_once_and_looked_at_more_and_more_seldom() {
        let mut watch = HostTroubleWatch::default();
        let mut now = Instant::now();
        assert!(met(&mut watch, now).unwrap().contains("no space is left"));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert!(watch.is_waiting(now));
            assert_eq!(met(&mut watch, now), None, "of each failure until then");
            let next = watch.next_instant().unwrap();
            pauses.push(next.duration_since(now).as_secs());
            now = next;
            assert!(!watch.is_waiting(now));
            assert_eq!(met(&mut watch, now), None);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn an_end_of_a_job_is_a_reason_to_look_at_once() {
        let mut watch = HostTroubleWatch::default();
        let now = Instant::now();
        watch.recheck_at_once(now);
        assert_eq!(watch.next_instant(), None);
        met(&mut watch, now);
        watch.recheck_at_once(now);
        assert!(!watch.is_waiting(now));
        met(&mut watch, now);
        assert!(watch.is_waiting(now), "but the loop rests after it");
    }

    #[test]
    fn many_ends_of_jobs_do_not_make_the_next_look_come_later() {
        let mut watch = HostTroubleWatch::default();
        let now = Instant::now();
        met(&mut watch, now);
        for _ in 0..8 {
            watch.recheck_at_once(now);
            met(&mut watch, now);
        }
        assert_eq!(watch.next_instant(), Some(now + RECHECK_FIRST));
        met(&mut watch, now + RECHECK_FIRST);
        assert_eq!(watch.next_instant(), Some(now + RECHECK_FIRST * 3));
    }

    #[test]
    fn what_comes_back_within_a_minute_is_not_told_again_and_not_looked_at_more_often() {
        let mut watch = HostTroubleWatch::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(met(&mut watch, start).is_some());
        assert!(watch.is_over(at(1)).unwrap().contains("started again"));
        assert_eq!((watch.is_over(at(1)), watch.record()), (None, None));
        assert!(met(&mut watch, at(30)).is_none());
        assert_eq!(watch.next_instant(), Some(at(32)));
        assert!(
            watch.is_over(at(32)).is_none(),
            "nothing was told that could be over"
        );
        assert!(met(&mut watch, at(62)).is_some(), "but once a minute");
        watch.is_over(at(70));
        assert!(met(&mut watch, at(131)).is_some());
        assert_eq!(watch.next_instant(), Some(at(132)));
    }

    #[test]
    fn what_jobs_free_is_looked_at_soon_however_often_it_is_used_up() {
        let mut watch = HostTroubleWatch::default();
        let mut now = Instant::now();
        for _ in 0..8 {
            watch.met(HostTrouble::OutOfDescriptors, String::from("can't start a"), now);
            assert_eq!(watch.next_instant(), Some(now + RECHECK_FIRST_OF_OWN));
            now += RECHECK_FIRST_OF_OWN;
            watch.is_over(now);
        }
        // Also where it is never over, because each look starts what it can.
        let missing = |watch: &mut HostTroubleWatch, now| {
            watch.met(HostTrouble::OutOfDescriptors, String::from("can't start a"), now);
        };
        missing(&mut watch, now);
        for _ in 0..8 {
            now = watch.next_instant().unwrap();
            missing(&mut watch, now);
            watch.recheck_at_once(now);
            missing(&mut watch, now);
            assert_eq!(watch.next_instant(), Some(now + RECHECK_FIRST_OF_OWN));
        }
        watch.is_over(now);
        met(&mut watch, now);
        assert_eq!(watch.next_instant(), Some(now + RECHECK_FIRST));
    }

    #[test]
    fn a_run_that_is_to_end_by_itself_waits_for_a_minute() {
        let mut watch = HostTroubleWatch::default();
        let start = Instant::now();
        assert!(!watch.is_beyond_patience(start + PATIENCE));
        met(&mut watch, start);
        assert!(!watch.is_beyond_patience(start + PATIENCE / 2));
        assert!(watch.is_beyond_patience(start + PATIENCE));
    }
}
