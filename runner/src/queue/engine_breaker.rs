//! When an engine is not started for a while, and when it is tried again: pure (clauses O-12 and O-22).
//!
//! An engine is paused when it can't work on any job: it is used up, not logged in, its program can't be started, or it
//! fails at once with one job after the other. A usage limit ends when the engine said that it would. Of the others
//! nobody knows when they end: when such a pause is over, one job tries the engine, and its run ends the pause or begins
//! a longer one.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{EngineName, JobId};

/// A failure this soon after the start of the engine says more of the engine than of the job.
pub(crate) const QUICK_FAILURE: Duration = Duration::from_secs(5);
/// So many jobs have to fail at once, one after the other. One job that does so again and again says nothing.
const QUICK_FAILURES_MAX: usize = 3;
/// The first pause. Each one that follows a try in vain is twice as long, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(30 * 60);
/// The jobs that are remembered of an engine that fails at once.
const JOBS_REMEMBERED_MAX: usize = 256;

/// Why an engine is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PauseCause {
    UsageLimit,
    Login,
    NotStarted,
    QuickFailures,
}

/// A pause of an engine, which may be over by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EnginePause {
    pub(crate) cause: PauseCause,
    /// The engine's own words, or the system's.
    pub(crate) detail: String,
    /// Both are told to people, and both count: what the clock says must lie between them.
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    /// How often in a row it was paused because it does not work.
    pub(crate) openings: u32,
}

/// What is known of an engine that did not work lately. Of one that works nothing is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EngineHealth {
    /// It stays until a job has tried the engine.
    pub(crate) pause: Option<EnginePause>,
    /// The jobs with which the engine failed at once since it last worked.
    pub(crate) quick_failures: Vec<String>,
}

/// What a run of an engine tells of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EngineObservation {
    /// It did its work, or it was at work for a while.
    Works,
    /// It failed at once, and this is how.
    FailsAtOnce(String),
    /// It can work on no job; `length`: for so long, where it tells that.
    Unusable {
        cause: PauseCause,
        detail: String,
        length: Option<Duration>,
    },
}

/// What follows from a run of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HealthChange {
    pub(crate) health: EngineHealth,
    /// The run says nothing of its job, which goes back uncounted.
    pub(crate) is_job_spared: bool,
    /// A pause begins with it.
    pub(crate) is_opened: bool,
}

impl PauseCause {
    /// As it is called in JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            PauseCause::UsageLimit => "usage_limit",
            PauseCause::Login => "login",
            PauseCause::NotStarted => "not_started",
            PauseCause::QuickFailures => "quick_failures",
        }
    }

    /// What is wrong, for people, behind the engine's name.
    pub(crate) fn what(self) -> &'static str {
        match self {
            PauseCause::UsageLimit => "is used up",
            PauseCause::Login => "is not logged in",
            PauseCause::NotStarted => "can't be started",
            PauseCause::QuickFailures => "fails within seconds of its start",
        }
    }

    /// What a person can do.
    pub(crate) fn advice(self, engine: &EngineName) -> String {
        let first = match self {
            PauseCause::UsageLimit => {
                return format!("wait, or `aq resume {engine}` if it may be used again");
            }
            PauseCause::Login => {
                "log in as the user that runs `aq run`, or give it its key by the environment"
            }
            PauseCause::NotStarted => "see what `aq doctor` says of the program, and install it anew",
            PauseCause::QuickFailures => "see `aq logs` of its last jobs, and try the program by hand",
        };
        format!("{first}; then `aq resume {engine}`")
    }
}

impl EnginePause {
    /// How long the engine is not started; none: one job may try it. A clock that was set back ends the pause: nobody
    /// knows how long it would last.
    pub(crate) fn left(&self, now: Timestamp) -> Option<Duration> {
        let left = Duration::try_from(self.until.duration_since(now)).ok()?;
        (now >= self.since && !left.is_zero()).then_some(left)
    }
}

impl EngineHealth {
    /// As it counts at that moment.
    pub(crate) fn at(mut self, now: Timestamp) -> EngineHealth {
        let is_reset =
            |pause: &EnginePause| pause.cause == PauseCause::UsageLimit && pause.left(now).is_none();
        self.pause = self.pause.filter(|pause| !is_reset(pause));
        self
    }

    pub(crate) fn has_failed_at_once(&self, job: &JobId) -> bool {
        self.quick_failures.iter().any(|known| known == job.as_str())
    }

    /// `is_trial`: this run tried an engine whose pause was over. `random`: from 0 to 1, so that the runners of many
    /// queues do not come back all at once.
    pub(crate) fn after(
        mut self,
        job: &JobId,
        is_trial: bool,
        seen: EngineObservation,
        now: Timestamp,
        random: f64,
    ) -> HealthChange {
        // What had begun before the pause does not end it, and does not begin another.
        let is_open = self.pause.is_some() && !is_trial;
        let unchanged = |health, is_job_spared| HealthChange {
            health,
            is_job_spared,
            is_opened: false,
        };
        match seen {
            EngineObservation::Works if is_open => unchanged(self, false),
            EngineObservation::Works => unchanged(EngineHealth::default(), false),
            EngineObservation::FailsAtOnce(detail) => {
                // Spared once: a job that is at fault itself must come to its end, too.
                let is_first = !self.has_failed_at_once(job);
                self.remember(job, is_first);
                let is_due = self.pause.is_some() || self.quick_failures.len() >= QUICK_FAILURES_MAX;
                match is_due {
                    false => unchanged(self, false),
                    true if is_open => unchanged(self, is_first),
                    true => HealthChange {
                        health: self.paused(PauseCause::QuickFailures, detail, None, now, random),
                        is_job_spared: is_first,
                        is_opened: true,
                    },
                }
            }
            EngineObservation::Unusable { .. } if is_open => unchanged(self, true),
            EngineObservation::Unusable {
                cause,
                detail,
                length,
            } => HealthChange {
                health: self.paused(cause, detail, length, now, random),
                is_job_spared: true,
                is_opened: true,
            },
        }
    }

    fn remember(&mut self, job: &JobId, is_first: bool) {
        if is_first {
            self.quick_failures.push(job.to_string());
            let excess = self.quick_failures.len().saturating_sub(JOBS_REMEMBERED_MAX);
            self.quick_failures.drain(..excess);
        }
    }

    fn paused(
        self,
        cause: PauseCause,
        detail: String,
        length: Option<Duration>,
        now: Timestamp,
        random: f64,
    ) -> EngineHealth {
        let openings = self.pause.map_or(1, |pause| pause.openings.saturating_add(1));
        let length = length.unwrap_or_else(|| pause_length(openings, random));
        EngineHealth {
            pause: Some(EnginePause {
                cause,
                detail,
                since: now,
                until: now
                    .saturating_add(jiff::SignedDuration::try_from(length).unwrap_or_default())
                    .unwrap_or(now),
                openings,
            }),
            quick_failures: self.quick_failures,
        }
    }
}

/// Up to a fifth less than the whole step.
fn pause_length(openings: u32, random: f64) -> Duration {
    let doublings = openings.saturating_sub(1).min(16);
    let step = PAUSE_FIRST.saturating_mul(1 << doublings).min(PAUSE_MAX);
    step.mul_f64(1.0 - 0.2 * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
