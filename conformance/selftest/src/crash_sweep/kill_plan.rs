//! What a case is about, by its seed, and the kills that are chosen for it.

use super::kill_point::{KillPoint, KillVictim, StepActor};
use super::long_output;
use crate::seeded_rng::SeededRng;

/// A kill that is to be made: during which command, and where in it.
pub(super) type PlannedKill = (&'static str, KillPoint);

/// Of the steps that supervisors make during `exchange_run`.
pub(super) const SUPERVISE: &str = "supervise";
/// Of a `exchange_run` that gets its work from the coordinator.
pub(super) const ROUTED: &str = "routed";

/// Of `cancel` of a job that runs.
pub(super) const CANCEL_RUNNING: &str = "cancel (running)";
/// Of `cancel` of a job that waits for a person.
pub(super) const CANCEL_IN_REVIEW: &str = "cancel (in review)";

/// Jobs are handed to the coordinator.
pub(super) const HAND_OVER: &str = "fleet-submit";
/// They are taken back.
pub(super) const RECALL: &str = "fleet-recall";

/// A supervisor has its order, whether it was started for it or ahead of it.
pub(super) const ORDERED: &str = "after: hand over to a supervisor";

/// What a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SweepCaseKind {
    /// Jobs are added, run and shipped.
    Work,
    /// People pause, cancel, retry and prune besides.
    Operator,
    /// The coordinator has the jobs.
    Routed,
}

impl SweepCaseKind {
    /// Of four seeds in a row two are about work, and one each about the others.
    pub(super) fn of(seed: u64) -> SweepCaseKind {
        match seed % 4 {
            0 | 2 => SweepCaseKind::Work,
            1 => SweepCaseKind::Operator,
            _ => SweepCaseKind::Routed,
        }
    }

    /// How many seeds of the same kind come before this one.
    fn place(self, seed: u64) -> u64 {
        match self {
            SweepCaseKind::Work => seed / 2,
            SweepCaseKind::Operator | SweepCaseKind::Routed => seed / 4,
        }
    }

    /// The commands of such a case, and how many kills each gets; never so many that one runs out of work before the
    /// others do.
    fn kills(self) -> &'static [(&'static str, u64)] {
        match self {
            SweepCaseKind::Work => &[("add", 1), ("run", 4), (SUPERVISE, 2), ("ship", 1)],
            SweepCaseKind::Operator => &[
                ("pause", 2),
                ("resume", 1),
                ("cancel", 1),
                (CANCEL_RUNNING, 1),
                (CANCEL_IN_REVIEW, 1),
                ("retry", 1),
                ("prune", 2),
                (HAND_OVER, 2),
                (RECALL, 2),
            ],
            SweepCaseKind::Routed => &[(ROUTED, 5)],
        }
    }

    /// The next stretches of the catalogue, which belong to the seed alone.
    pub(super) fn planned_kills<'a>(
        seed: u64,
        steps_of: impl Fn(&str) -> Vec<&'a String>,
    ) -> Vec<PlannedKill> {
        let kind = SweepCaseKind::of(seed);
        let mut rng = SeededRng::new(seed);
        let mut planned_kills = Vec::new();
        for (command, count) in kind.kills() {
            let mut steps = steps_of(command);
            if *command == SUPERVISE && long_output::is_in_case(seed) {
                // Only here is more written than the log keeps.
                steps.retain(|step| step.contains(long_output::LOG));
            }
            for number in 0..*count {
                let position = kind.place(seed).wrapping_mul(*count).wrapping_add(number);
                let position = position.checked_rem(steps.len() as u64);
                let step = position.and_then(|position| steps.get(usize::try_from(position).ok()?));
                let Some(step) = step else { continue };
                let victim = match (*command, rng.below(4)) {
                    (SUPERVISE, 0) => KillVictim::Runner,
                    (SUPERVISE, 1) | ("run" | ROUTED | "add" | "ship", 0) => KillVictim::Both,
                    (SUPERVISE, _) | ("run" | ROUTED, 1) => KillVictim::Supervisors,
                    _ => KillVictim::Runner,
                };
                let skip = if rng.one_in(4) { rng.below(4) } else { 0 };
                planned_kills.push(planned_kill(command, step, skip, victim));
            }
        }
        if long_output::is_in_case(seed) {
            // The job that prints so much is among the first to run.
            planned_kills.sort_by_key(|planned_kill| planned_kill.0 != SUPERVISE);
        }
        planned_kills
    }

    /// The kills of a discovery case, so that the steps of the next start are reached as well.
    pub(super) fn discovery_kills(seed: u64) -> Vec<PlannedKill> {
        let kind = SweepCaseKind::of(seed);
        let place = kind.place(seed);
        let waiting = |command, skip: u64| {
            let victim = match (place + skip) % 3 {
                0 => KillVictim::Both,
                1 => KillVictim::Supervisors,
                _ => KillVictim::Runner,
            };
            planned_kill(command, "after: wait", skip, victim)
        };
        let runner = |command, step| planned_kill(command, step, 0, KillVictim::Runner);
        let both = |command, step, skip| planned_kill(command, step, skip, KillVictim::Both);
        match (kind, place % 6) {
            (SweepCaseKind::Work | SweepCaseKind::Operator, 0) => Vec::new(),
            // While `verify` is about to be started.
            (SweepCaseKind::Work, 3) => {
                vec![both("run", "after: rename building/ID.md to testing/ID.md", 0); 2]
            }
            // While `ship` runs: of `exchange_run` it is the last command of a job, of `aq ship` the only one.
            (SweepCaseKind::Work, 4) => (1..4).map(|skip| both("run", ORDERED, skip)).collect(),
            (SweepCaseKind::Work, 5) => vec![both("ship", ORDERED, 0); 2],
            (SweepCaseKind::Work, _) => vec![waiting("run", place % 5), waiting("run", place % 4)],
            // Half of each change: the next command of the same kind finds it.
            (SweepCaseKind::Operator, 1) => vec![
                runner("cancel", "before: rename inbox/ID.md to failed/ID.md"),
                runner("retry", "before: rename failed/ID.md to inbox/ID.md"),
            ],
            // The coordinator has done what it was asked for, and nobody here knows it.
            (SweepCaseKind::Operator, 2) => vec![
                runner(HAND_OVER, "after: ask POST jobs"),
                runner(RECALL, "after: ask POST jobs/ID/withdraw"),
            ],
            (SweepCaseKind::Operator, _) => vec![runner(
                "prune",
                "after: rename shipped/ID.md to .state/pruned/going/ID",
            )],
            (SweepCaseKind::Routed, 0) => Vec::new(),
            (SweepCaseKind::Routed, 1) => vec![
                both(ROUTED, ORDERED, 0),
                both(ROUTED, ORDERED, 1),
                both(ROUTED, ORDERED, 2),
            ],
            (SweepCaseKind::Routed, 2) => {
                let posted = "after: rename .state/scratch/letter-N to .state/outbox/N-ID.json";
                vec![both(ROUTED, posted, 0); 3]
            }
            (SweepCaseKind::Routed, _) => vec![waiting(ROUTED, place % 5), waiting(ROUTED, place % 3)],
        }
    }
}

pub(super) fn planned_kill(command: &'static str, step: &str, skip: u64, victim: KillVictim) -> PlannedKill {
    let target = KillPoint {
        who: who(command),
        step: step.to_owned(),
        skip,
        victim,
    };
    (command, target)
}

/// Whose steps those of a command are.
pub(super) fn who(command: &str) -> StepActor {
    match command {
        SUPERVISE => StepActor::Supervisor,
        _ => StepActor::Runner,
    }
}
