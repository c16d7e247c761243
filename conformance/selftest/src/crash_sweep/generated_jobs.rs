//! The jobs of a case, made from its seed: locks, retries, verify, review, ship, and engines that are hard to end.

use stub_coordinator::NewJob;

use super::kill_plan::SweepCaseKind;
use super::long_output;
use crate::seeded_rng::SeededRng;

/// What a job leaves running besides its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftoverKind {
    Nothing,
    Setsid,
    DoubleFork,
}

impl LeftoverKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            LeftoverKind::Nothing => "nothing",
            LeftoverKind::Setsid => "setsid",
            LeftoverKind::DoubleFork => "double_fork",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SweepJob {
    pub(super) id: String,
    /// The job file.
    pub(super) text: String,
    pub(super) lock: Option<&'static str>,
    pub(super) retries: u32,
    pub(super) verifies: bool,
    pub(super) ships: bool,
    /// So many of its first attempts end with exit 1.
    pub(super) fails: u64,
    /// In so many of its first attempts `verify` ends with exit 1.
    pub(super) verify_fails: u64,
    pub(super) duration_ms: u64,
    pub(super) leaves: LeftoverKind,
    /// Ignores SIGTERM.
    pub(super) ignores_sigterm: bool,
    /// Prints more than its log keeps.
    pub(super) has_long_output: bool,
}

impl SweepJob {
    /// As the coordinator has it.
    pub(super) fn routed(&self) -> NewJob {
        NewJob {
            lock: self.lock.map(str::to_owned),
            retries: self.retries,
            verify: self.verifies.then(|| "verify-it".to_owned()),
            ship: self.ships.then(|| "ship-it".to_owned()),
            body: format!("The work of {}.\n", self.id),
            ..NewJob::named(&self.id, "devin")
        }
    }
}

/// The jobs of this seed, and with how many workers they are run.
pub(super) fn of(seed: u64) -> (Vec<SweepJob>, u64) {
    let mut rng = SeededRng::new(seed);
    let count = 2 + rng.below(4);
    // A routed job in review waits for a person while its runner lives, and none of these does for long.
    let kind = SweepCaseKind::of(seed);
    let may_review = kind != SweepCaseKind::Routed;
    let mut jobs: Vec<SweepJob> = (0..count)
        .map(|number| job(&mut rng, number, may_review))
        .collect();
    let workers = 1 + rng.below(3);
    if let (true, Some(job)) = (long_output::is_in_case(seed), jobs.first_mut()) {
        job.has_long_output = true;
    }
    match kind {
        // In some the engine fails with one job after the other, so that it pauses, and a person ends that.
        SweepCaseKind::Work if rng.one_in(4) => jobs.iter_mut().for_each(|job| job.fails = job.fails.max(1)),
        SweepCaseKind::Work => {}
        // In the others it never does so with a third one.
        SweepCaseKind::Operator | SweepCaseKind::Routed => {
            let failing = jobs.iter_mut().filter(|job| job.fails > 0);
            failing.skip(2).for_each(|job| job.fails = 0);
        }
    }
    (jobs, workers)
}

fn job(rng: &mut SeededRng, number: u64, may_review: bool) -> SweepJob {
    let id = format!("job-{number}");
    let lock = match rng.below(3) {
        0 => None,
        1 => Some("left"),
        _ => Some("right"),
    };
    let (verifies, reviews, ships) = (rng.one_in(3), rng.one_in(4), rng.one_in(2));
    let retries = u32::try_from(rng.below(4)).unwrap_or(0);
    let mut keys = vec![
        "engine: devin".to_owned(),
        format!("retries: {retries}"),
        "retry_delay: 0s".to_owned(),
    ];
    keys.extend(lock.map(|lock| format!("lock: {lock}")));
    if verifies {
        keys.push("verify: verify-it".to_owned());
    }
    if reviews && may_review {
        keys.push("review: true".to_owned());
    }
    if ships {
        keys.push("ship: ship-it".to_owned());
    }
    let text = format!("---\n{}\n---\nThe work of {id}.\n", keys.join("\n"));
    SweepJob {
        id,
        text,
        lock,
        retries,
        verifies,
        ships,
        fails: if rng.one_in(3) { rng.below(3) } else { 0 },
        verify_fails: if rng.one_in(3) { rng.below(4) } else { 0 },
        duration_ms: rng.below(30),
        leaves: match rng.below(4) {
            0 => LeftoverKind::Setsid,
            1 => LeftoverKind::DoubleFork,
            _ => LeftoverKind::Nothing,
        },
        ignores_sigterm: rng.one_in(4),
        has_long_output: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_makes_the_same_jobs_and_many_seeds_make_all_kinds() {
        assert_eq!(of(7), of(7));
        let all: Vec<SweepJob> = (0..100).flat_map(|seed| of(seed).0).collect();
        assert!(
            all.iter()
                .any(|job| job.ships && job.leaves == LeftoverKind::DoubleFork)
        );
        assert!(
            all.iter()
                .any(|job| job.ignores_sigterm && job.lock == Some("left"))
        );
        assert!(all.iter().any(|job| job.text.contains("verify") && job.fails > 0));
        assert!(
            all.iter()
                .any(|job| job.text.contains("verify") && job.verify_fails > 1)
        );
        assert!(all.iter().any(|job| job.text.contains("review")));
        assert!(all.iter().any(|job| job.has_long_output && job.ships));
    }
}
