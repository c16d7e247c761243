//! What a case is about, by its seed, and the kills that are chosen for it.

use super::target::{Target, Victim, Who};
use crate::property::dice::Dice;

/// A kill that is to be made: during which command, and where in it.
pub(super) type Aim = (&'static str, Target);

/// Of the steps that supervisors make during `run`.
pub(super) const SUPERVISE: &str = "supervise";
/// Of a `run` that gets its work from the coordinator.
pub(super) const ROUTED: &str = "routed";

/// Of `cancel` of a job that runs.
pub(super) const CANCEL_RUNNING: &str = "cancel (running)";
/// Of `cancel` of a job that waits for a person.
pub(super) const CANCEL_IN_REVIEW: &str = "cancel (in review)";

/// A supervisor has its order, whether it was started for it or ahead of it.
pub(super) const ORDERED: &str = "after: hand over to a supervisor";

/// What a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Jobs are added, run and shipped.
    Work,
    /// People pause, cancel, retry and prune besides.
    People,
    /// The coordinator has the jobs.
    Routed,
}

impl Kind {
    /// Of four seeds in a row two are about work, and one each about the others.
    pub(super) fn of(seed: u64) -> Kind {
        match seed % 4 {
            0 | 2 => Kind::Work,
            1 => Kind::People,
            _ => Kind::Routed,
        }
    }

    /// How many seeds of the same kind come before this one.
    fn place(self, seed: u64) -> u64 {
        match self {
            Kind::Work => seed / 2,
            Kind::People | Kind::Routed => seed / 4,
        }
    }

    /// The commands of such a case, and how many kills each gets; never so many that one runs out of work before the
    /// others do.
    fn kills(self) -> &'static [(&'static str, u64)] {
        match self {
            Kind::Work => &[("add", 1), ("run", 4), (SUPERVISE, 2), ("ship", 1)],
            Kind::People => &[
                ("pause", 2),
                ("resume", 1),
                ("cancel", 1),
                (CANCEL_RUNNING, 1),
                (CANCEL_IN_REVIEW, 1),
                ("retry", 1),
                ("prune", 2),
            ],
            Kind::Routed => &[(ROUTED, 5)],
        }
    }

    /// The next stretches of the catalogue, which belong to the seed alone.
    pub(super) fn aims<'a>(seed: u64, steps_of: impl Fn(&str) -> Vec<&'a String>) -> Vec<Aim> {
        let kind = Kind::of(seed);
        let mut dice = Dice::new(seed);
        let mut aims = Vec::new();
        for (command, count) in kind.kills() {
            let steps = steps_of(command);
            for number in 0..*count {
                let position = kind.place(seed).wrapping_mul(*count).wrapping_add(number);
                let position = position.checked_rem(steps.len() as u64);
                let step = position.and_then(|position| steps.get(usize::try_from(position).ok()?));
                let Some(step) = step else { continue };
                let victim = match (*command, dice.below(4)) {
                    (SUPERVISE, 0) => Victim::Runner,
                    (SUPERVISE, 1) | ("run" | ROUTED | "add" | "ship", 0) => Victim::Both,
                    (SUPERVISE, _) | ("run" | ROUTED, 1) => Victim::Supervisors,
                    _ => Victim::Runner,
                };
                let skip = if dice.one_in(4) { dice.below(4) } else { 0 };
                aims.push(aim(command, step, skip, victim));
            }
        }
        aims
    }

    /// What a scout is to be interrupted at, so that the steps of taking up again are met as well.
    pub(super) fn aims_of_scout(seed: u64) -> Vec<Aim> {
        let kind = Kind::of(seed);
        let place = kind.place(seed);
        let waiting = |command, skip: u64| {
            let victim = match (place + skip) % 3 {
                0 => Victim::Both,
                1 => Victim::Supervisors,
                _ => Victim::Runner,
            };
            aim(command, "after: wait", skip, victim)
        };
        let both = |command, step, skip| aim(command, step, skip, Victim::Both);
        match (kind, place % 6) {
            (Kind::Work | Kind::People, 0) => Vec::new(),
            // While `verify` is about to be started.
            (Kind::Work, 3) => vec![both("run", "after: rename building/ID.md to testing/ID.md", 0); 2],
            // While `ship` runs: of `run` it is the last command of a job, of `aq ship` the only one.
            (Kind::Work, 4) => (1..4).map(|skip| both("run", ORDERED, skip)).collect(),
            (Kind::Work, 5) => vec![both("ship", ORDERED, 0); 2],
            (Kind::Work, _) => vec![waiting("run", place % 5), waiting("run", place % 4)],
            // Half of each change: the next command of the same kind finds it.
            (Kind::People, 1) => vec![
                aim(
                    "cancel",
                    "before: rename inbox/ID.md to failed/ID.md",
                    0,
                    Victim::Runner,
                ),
                aim(
                    "retry",
                    "before: rename failed/ID.md to inbox/ID.md",
                    0,
                    Victim::Runner,
                ),
            ],
            (Kind::People, _) => vec![aim(
                "prune",
                "after: rename shipped/ID.md to .state/pruned/going/ID",
                0,
                Victim::Runner,
            )],
            (Kind::Routed, 0) => Vec::new(),
            (Kind::Routed, 1) => vec![
                both(ROUTED, ORDERED, 0),
                both(ROUTED, ORDERED, 1),
                both(ROUTED, ORDERED, 2),
            ],
            (Kind::Routed, 2) => {
                let posted = "after: rename .state/scratch/letter-N to .state/outbox/N-ID.json";
                vec![both(ROUTED, posted, 0); 3]
            }
            (Kind::Routed, _) => vec![waiting(ROUTED, place % 5), waiting(ROUTED, place % 3)],
        }
    }
}

fn aim(command: &'static str, step: &str, skip: u64, victim: Victim) -> Aim {
    let target = Target {
        who: who(command),
        step: step.to_owned(),
        skip,
        victim,
    };
    (command, target)
}

/// Whose steps those of a command are.
pub(super) fn who(command: &str) -> Who {
    match command {
        SUPERVISE => Who::Supervisor,
        _ => Who::Runner,
    }
}
