//! The one clock: leases, delays, windows, journal and `Date` all read it. Real, or manual and moved by hand.
//!
//! A manual clock also knows who sleeps on it, and can tell when all that it woke have done what they woke for. What
//! falls due besides sleepers (leases) is its owner's to apply.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};

use crate::contract::timestamp::UtcTimestamp;

/// Which kind of clock a stub runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    /// Time passes by itself.
    #[default]
    Real,
    /// Time stands still until it is advanced.
    #[value(help = "Time moves when it is told to, by POST /_stub/clock")]
    Manual,
}

#[derive(Debug)]
pub(crate) struct Clock {
    /// Never changes.
    kind: ClockKind,
    /// Wall time is read once; what passes since then is monotonic.
    began: (Instant, UtcTimestamp),
    /// What a manual clock knows; of a real one nothing is looked at.
    timers: Mutex<ClockTimers>,
    /// Told each time that somebody has done what it was woken for.
    quiet: Notify,
}

#[derive(Debug)]
struct ClockTimers {
    /// What the clock shows; moved by an advance alone, and never back.
    now: UtcTimestamp,
    /// How many sleepers there have been, to tell those apart that wake at the same time.
    registered: u64,
    /// Who sleeps, by when it wakes; whoever has left stays here until the next look.
    sleepers: BTreeMap<(UtcTimestamp, u64), ClockSleeper>,
    /// How many requests and sleepers are under way, which an advance waits for.
    awake: usize,
}

#[derive(Debug)]
struct ClockSleeper {
    what: String,
    wake: oneshot::Sender<WakeGuard>,
}

/// Held by whoever the manual clock woke, until what it woke for is done.
#[derive(Debug)]
pub(crate) struct WakeGuard(Option<Arc<Clock>>);

impl Drop for WakeGuard {
    fn drop(&mut self) {
        if let Some(clock) = &self.0 {
            clock.timers().awake -= 1;
            clock.quiet.notify_waiters();
        }
    }
}

/// A sleeper that fell due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueSleeper {
    pub(crate) at: UtcTimestamp,
    pub(crate) what: String,
}

impl Clock {
    pub(crate) fn new(kind: ClockKind) -> Arc<Clock> {
        let now = match kind {
            ClockKind::Manual => UtcTimestamp::MANUAL_START,
            ClockKind::Real => {
                let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                UtcTimestamp::from_millis(0).after(wall)
            }
        };
        let timers = ClockTimers {
            now,
            registered: 0,
            sleepers: BTreeMap::new(),
            awake: 0,
        };
        Arc::new(Clock {
            kind,
            began: (Instant::now(), now),
            timers: Mutex::new(timers),
            quiet: Notify::new(),
        })
    }

    pub(crate) fn kind(&self) -> ClockKind {
        self.kind
    }

    pub(crate) fn now(&self) -> UtcTimestamp {
        match self.kind {
            ClockKind::Real => self.began.1.after(self.began.0.elapsed()),
            ClockKind::Manual => self.timers().now,
        }
    }

    /// Says that something is under way that an advance has to wait for, until what is returned is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> WakeGuard {
        if self.kind == ClockKind::Real {
            return WakeGuard(None);
        }
        self.timers().awake += 1;
        WakeGuard(Some(Arc::clone(self)))
    }

    /// Sleeps until the clock shows `at`. Whoever sleeps on a manual clock is known to it when this returns, not only
    /// once it is awaited; keep what that gives until the work it woke for is done.
    pub(crate) fn sleep_until(
        self: &Arc<Self>,
        at: UtcTimestamp,
        what: &str,
    ) -> impl Future<Output = WakeGuard> + Send + use<> {
        let clock = Arc::clone(self);
        let registered = match self.kind {
            ClockKind::Real => None,
            ClockKind::Manual => self.register(at, what),
        };
        async move {
            match (clock.kind, registered) {
                (ClockKind::Real, _) => {
                    tokio::time::sleep(at.since(clock.now())).await;
                    WakeGuard(None)
                }
                (ClockKind::Manual, Some(woken)) => woken.await.unwrap_or(WakeGuard(None)),
                (ClockKind::Manual, None) => clock.begin(),
            }
        }
    }

    /// When the next sleeper wakes.
    pub(crate) fn next_timer(&self) -> Option<UtcTimestamp> {
        let mut timers = self.timers();
        timers.sleepers.retain(|_, sleeper| !sleeper.wake.is_closed());
        timers.sleepers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Moves a manual clock to `now` and wakes who is due by then.
    pub(crate) fn move_to(self: &Arc<Self>, now: UtcTimestamp) -> Vec<DueSleeper> {
        let mut due = Vec::new();
        {
            let mut timers = self.timers();
            timers.now = timers.now.max(now);
            while let Some(entry) = timers.sleepers.first_entry().filter(|entry| entry.key().0 <= now) {
                due.push(entry.remove_entry());
            }
            timers.awake += due.len();
        }
        // A sleeper that left in the meantime hands its `WakeGuard` back here, which counts it out again.
        let wake = |((at, _), sleeper): ((UtcTimestamp, u64), ClockSleeper)| {
            let went = sleeper.wake.send(WakeGuard(Some(Arc::clone(self)))).is_ok();
            went.then_some(DueSleeper {
                at,
                what: sleeper.what,
            })
        };
        due.into_iter().filter_map(wake).collect()
    }

    /// Returns when all that were woken have done what they woke for.
    pub(crate) async fn until_quiet(&self) {
        loop {
            let notified = self.quiet.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.timers().awake == 0 {
                return;
            }
            notified.await;
        }
    }

    fn register(&self, at: UtcTimestamp, what: &str) -> Option<oneshot::Receiver<WakeGuard>> {
        let mut timers = self.timers();
        if at <= timers.now {
            return None;
        }
        let (wake, woken) = oneshot::channel();
        timers.registered += 1;
        let place = (at, timers.registered);
        timers.sleepers.insert(
            place,
            ClockSleeper {
                what: what.to_owned(),
                wake,
            },
        );
        if timers.sleepers.len().is_multiple_of(1_024) {
            timers.sleepers.retain(|_, sleeper| !sleeper.wake.is_closed());
        }
        Some(woken)
    }

    fn timers(&self) -> MutexGuard<'_, ClockTimers> {
        self.timers.lock().expect("no holder of the clock's lock panics")
    }
}
