//! A model of the routed protocol: runners × coordinator × time × lost answers × restarts × pauses, one history a seed
//! (clauses T-1 to T-5, T-8 to T-14). What a runner decides in it is decided by the very functions that production
//! calls: `ClaimStateMachine`, `LeaseStateMachine`, `OutboxDelivery`, `cut_over`, `transition`,
//! `recovery_decision`. So is what carries them out, in the order announce, post, move: `executor`, `stage_move` and
//! `recover_job`. The model's own are a disk, a network, processes and a clock, each of a few lines.
//!
//! What has to hold is in `invariants`. What a pause between reading the clock and starting a command leaves open is
//! counted, not hidden: only the fencing token covers that.

mod answer_dispatch;
mod choice_tape;
mod commands;
mod coordinator;
mod decisions;
mod disk;
mod handover_histories;
mod handover_world;
mod host;
mod invariants;
mod lease_tasks;
mod loop_turns;
mod model_runner;
mod mutants;
mod network;
mod runner_process;
mod world;

use choice_tape::{ChoiceTape, shrunk};
use decisions::{ModelCounts, ModelDecisions};
use world::ModelWorld;

/// As many as a debug build explores in a few seconds.
const HISTORIES: u64 = 1_500;

/// The failure of one history, in words, with its trace.
struct ModelFailure {
    tape: Vec<u32>,
    what: String,
}

fn explore(seed: u64, rules: ModelDecisions, counts: &mut ModelCounts) -> Result<(), ModelFailure> {
    let mut world = ModelWorld::new(ChoiceTape::of_seed(seed), rules);
    world.run();
    counts.add(&world.counts);
    match world.failure.take() {
        None => Ok(()),
        Some(what) => Err(ModelFailure {
            tape: world.choices.into_tape(),
            what,
        }),
    }
}

/// The simplest history that fails in the same way, told step by step.
fn failure_report(failed: ModelFailure, rules: ModelDecisions) -> String {
    let outcome = |tape: &[u32]| {
        let mut world = ModelWorld::new(ChoiceTape::of_tape(tape.to_vec()), rules);
        world.run();
        world.failure
    };
    let kind = |what: &str| what.split(':').next().unwrap_or_default().to_owned();
    let tape = shrunk(failed.tape, |tape| {
        outcome(tape).is_some_and(|what| kind(&what) == kind(&failed.what))
    });
    let mut world = ModelWorld::new(ChoiceTape::of_tape(tape), rules);
    world.trace = Some(Vec::new());
    world.run();
    let trace = world.trace.unwrap_or_default().join("\n");
    format!("{}\n{trace}", world.failure.unwrap_or(failed.what))
}

fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => otherwise,
    }
}

/// `MODEL_HISTORIES` explores more, `MODEL_SEED` starts elsewhere: with one history it replays that seed.
#[test]
fn no_history_ships_twice_or_without_a_lease_or_loses_a_job() {
    let first = number("MODEL_SEED", 1);
    let histories = number("MODEL_HISTORIES", HISTORIES);
    let (counts, failed) = explore_all(first, histories);
    if let Some((seed, failed)) = failed {
        panic!(
            "seed {seed}: {}",
            failure_report(failed, ModelDecisions::production())
        );
    }
    eprintln!("{histories} histories from seed {first}: {counts:#?}");
    assert!(histories < 100 || counts.all_kinds_happened(), "{counts:#?}");
}

/// All cores, each with every so-manieth seed; the first seed that fails, if one does.
fn explore_all(first: u64, histories: u64) -> (ModelCounts, Option<(u64, ModelFailure)>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let part = |offset: u64| {
        let mut counts = ModelCounts::default();
        for seed in (first + offset..first + histories).step_by(threads as usize) {
            if let Err(failed) = explore(seed, ModelDecisions::production(), &mut counts) {
                return (counts, Some((seed, failed)));
            }
        }
        (counts, None)
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads.min(histories))
            .map(|offset| scope.spawn(move || part(offset)))
            .collect();
        let mut counts = ModelCounts::default();
        let mut failures = Vec::new();
        for part in parts {
            let (more, failed) = part.join().unwrap();
            counts.add(&more);
            failures.extend(failed);
        }
        (counts, failures.into_iter().min_by_key(|(seed, _)| *seed))
    })
}
