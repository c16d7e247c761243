//! The jobs of a weekend: what each of them is, and how it has to end, follow from the seed before anything is run.

use crate::seeded_rng::SeededRng;

/// How a job is meant to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobPurpose {
    Succeed,
    /// Its engine fails in every attempt.
    FailEngine,
    /// Its `verify` fails in every attempt.
    FailVerify,
    /// No host can run it, and a person gives it up while it waits.
    CancelWaiting,
    /// It works until a person gives it up.
    CancelRunning,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WeekendJob {
    pub(super) id: String,
    pub(super) engine: &'static str,
    pub(super) purpose: JobPurpose,
    pub(super) retries: u32,
    /// Of a job that is meant to succeed: its engine fails so often first, and `retries` are enough for that.
    pub(super) fails: u32,
    pub(super) is_verified: bool,
    pub(super) is_reviewed: bool,
    pub(super) is_shipped: bool,
    pub(super) lock: Option<&'static str>,
    priority: u64,
    has_retry_delay: bool,
    duration_ms: u64,
}

/// Until somebody ends it.
const ENDLESS_S: &str = "600";

impl WeekendJob {
    /// The job file.
    pub(super) fn text(&self) -> String {
        let mut keys = vec![
            format!("engine: {}", self.engine),
            format!("retries: {}", self.retries),
            format!("priority: {}", self.priority),
        ];
        let delay = if self.has_retry_delay { "200ms" } else { "0s" };
        keys.push(format!("retry_delay: {delay}"));
        keys.extend(self.lock.map(|lock| format!("lock: {lock}")));
        let commands = [
            (self.is_verified, "verify: weekend-verify"),
            (self.is_reviewed, "review: true"),
            (self.is_shipped, "ship: weekend-ship"),
            (self.purpose == JobPurpose::CancelWaiting, "caps: [forklift]"),
        ];
        let named = commands.iter().filter(|(is_named, _)| *is_named);
        keys.extend(named.map(|(_, line)| (*line).to_owned()));
        let body = match self.engine {
            "sh" => "weekend-work",
            _ => "The work of this job.",
        };
        format!("---\n{}\n---\n{body}\n", keys.join("\n"))
    }

    /// What its stand-ins are told: `FAILS VERIFY SECONDS LOCK`.
    pub(super) fn orders(&self) -> String {
        let fails = match self.purpose {
            JobPurpose::FailEngine => "always".to_owned(),
            _ => self.fails.to_string(),
        };
        let verify = match self.purpose {
            JobPurpose::FailVerify => "fails",
            _ => "works",
        };
        let seconds = match self.purpose {
            JobPurpose::CancelRunning => ENDLESS_S.to_owned(),
            _ => format!("{}.{:03}", self.duration_ms / 1000, self.duration_ms % 1000),
        };
        format!("{fails} {verify} {seconds} {}\n", self.lock.unwrap_or("-"))
    }

    /// The stage of its end.
    pub(super) fn end(&self) -> &'static str {
        match self.purpose {
            JobPurpose::Succeed => "shipped",
            _ => "failed",
        }
    }

    /// Whether it may end with that reason where it fails.
    pub(super) fn fails_with(&self, reason: &str) -> bool {
        match self.purpose {
            JobPurpose::Succeed => false,
            JobPurpose::FailEngine => ["exit_code", "engine_error"].contains(&reason),
            JobPurpose::FailVerify => reason == "verify_failed",
            JobPurpose::CancelWaiting | JobPurpose::CancelRunning => reason == "cancelled",
        }
    }
}

/// So many jobs of this seed.
pub(super) fn of(seed: u64, count: usize) -> Vec<WeekendJob> {
    let mut rng = SeededRng::new(seed);
    (0..count).map(|number| job(&mut rng, number)).collect()
}

fn job(rng: &mut SeededRng, number: usize) -> WeekendJob {
    let purpose = match rng.below(100) {
        0..6 => JobPurpose::FailEngine,
        6..12 => JobPurpose::FailVerify,
        12..14 => JobPurpose::CancelWaiting,
        14 => JobPurpose::CancelRunning,
        _ => JobPurpose::Succeed,
    };
    let engine = match purpose {
        // Three quick failures in a row pause another engine: that happens, and is to stay rare.
        JobPurpose::FailEngine if !rng.one_in(4) => "sh",
        _ => rng.pick(&["claude", "claude", "claude", "codex", "codex", "gemini", "sh"]),
    };
    let fails = match purpose {
        JobPurpose::Succeed if rng.one_in(8) => 1 + u32::from(rng.one_in(3)),
        _ => 0,
    };
    let is_succeeding = purpose == JobPurpose::Succeed;
    let duration_ms = match rng.below(20) {
        0 => 200 + rng.below(300),
        1..8 => 10 + rng.below(50),
        _ => 0,
    };
    WeekendJob {
        id: format!("job-{number:04}"),
        engine: if fails > 0 && !rng.one_in(4) { "sh" } else { engine },
        purpose,
        // Some have none left for a killed runner, and some have.
        retries: fails + u32::try_from(rng.below(2)).unwrap_or(0),
        fails,
        is_verified: purpose == JobPurpose::FailVerify || rng.one_in(4),
        is_reviewed: is_succeeding && rng.one_in(16),
        is_shipped: is_succeeding && rng.one_in(3),
        lock: rng
            .one_in(5)
            .then(|| ["left", "right"][usize::from(rng.one_in(2))]),
        priority: rng.below(3),
        has_retry_delay: rng.one_in(4),
        duration_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_makes_the_same_jobs_and_all_kinds_of_them() {
        assert_eq!(of(7, 50), of(7, 50));
        let jobs = of(7, 2000);
        for purpose in [
            JobPurpose::Succeed,
            JobPurpose::FailEngine,
            JobPurpose::FailVerify,
            JobPurpose::CancelWaiting,
            JobPurpose::CancelRunning,
        ] {
            assert!(jobs.iter().any(|job| job.purpose == purpose), "{purpose:?}");
        }
        for engine in ["claude", "codex", "gemini", "sh"] {
            assert!(jobs.iter().any(|job| job.engine == engine), "{engine}");
        }
        assert!(jobs.iter().all(|job| job.fails <= job.retries));
        assert!(jobs.iter().any(|job| job.fails > 0 && job.fails == job.retries));
        assert!(jobs.iter().any(|job| job.is_reviewed && job.is_shipped));
    }
}
