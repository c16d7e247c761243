//! What must hold after any sequence of operations, tried on generated ones: each seed is a sequence, the same in
//! every run.

use super::super::commands::EnrolmentRequest;
use super::super::lease::LeaseNumber;
use super::*;

const SEEDS: u64 = 40;
const STEPS: usize = 250;
const FACTORIES: u64 = 3;

/// A small generator of numbers (splitmix64): the same seed, the same numbers.
struct SplitMixRng(u64);

impl SplitMixRng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let at = self.below(items.len() as u64);
        &items[usize::try_from(at).expect("small")]
    }
}

fn factory_of(dice: &mut SplitMixRng) -> FactoryId {
    factory(&format!("factory-{}", dice.below(FACTORIES)))
}

fn caps_of(dice: &mut SplitMixRng) -> BTreeSet<Capability> {
    let all = ["engine:sh", "gpu", "eu"];
    caps(&all[..usize::try_from(1 + dice.below(3)).expect("small")])
}

fn job_of(dice: &mut SplitMixRng) -> JobId {
    JobId::parse(&format!("job-{}", dice.below(30))).expect("an id")
}

fn generated_job(dice: &mut SplitMixRng) -> CoordinatorCommand {
    let lock = dice.below(4);
    let needs = *dice.of(&["gpu", "eu", ""]);
    let spec = JobSpec {
        id: job_of(dice),
        lock: (lock < 2).then(|| LockName::parse(&format!("lock-{lock}")).expect("a lock")),
        priority: i32::try_from(dice.below(3)).expect("small"),
        caps: caps(
            &[needs]
                .into_iter()
                .filter(|cap| !cap.is_empty())
                .collect::<Vec<_>>(),
        )
        .into_iter()
        .collect(),
        ..job("unnamed")
    };
    submission(spec)
}

/// A holder that may or may not hold: leases and tokens near those that were granted.
fn somebody(dice: &mut SplitMixRng, coordinator: &Coordinator) -> (JobId, LeaseHolder) {
    let mut leases: Vec<_> = coordinator.state().leases().cloned().collect();
    leases.sort_by_key(|lease| lease.number);
    if !leases.is_empty() && dice.below(4) > 0 {
        let lease = dice.of(&leases);
        return (lease.job.clone(), holder(lease));
    }
    let guess = LeaseHolder {
        factory: factory_of(dice),
        lease: LeaseNumber(1 + dice.below(20)).id(),
        fencing_token: 1 + dice.below(3),
    };
    (job_of(dice), guess)
}

fn real(dice: &mut SplitMixRng, coordinator: &Coordinator) -> CoordinatorCommand {
    let (job, holder) = somebody(dice, coordinator);
    match dice.below(11) {
        0..=2 => generated_job(dice),
        3..=5 => CoordinatorCommand::Claim {
            factory: factory_of(dice),
            caps: caps_of(dice),
        },
        6 => CoordinatorCommand::Renew(holder),
        7 => CoordinatorCommand::Release(holder),
        8 => CoordinatorCommand::Report {
            job,
            holder,
            stage: *dice.of(&Stage::ALL),
        },
        // A withdrawn job is submitted again before long: ids are few.
        9 => CoordinatorCommand::Withdraw(job_of(dice)),
        _ => match dice.below(3) {
            0 => CoordinatorCommand::Enrol(EnrolmentRequest {
                factory: factory_of(dice),
                caps: Vec::new(),
                enrol_token: None,
                bearer: None,
                version: "1".to_owned(),
            }),
            1 => CoordinatorCommand::Heartbeat {
                factory: factory_of(dice),
                running: vec![(job, holder.lease)],
            },
            _ => CoordinatorCommand::Quarantine {
                job,
                quarantine: QuarantineRequest {
                    factory: holder.factory,
                    lease: Some(holder.lease),
                    fencing_token: Some(holder.fencing_token),
                    reason: "lease_lost".to_owned(),
                    detail: None,
                },
            },
        },
    }
}

fn shadow(dice: &mut SplitMixRng) -> CoordinatorCommand {
    match dice.below(2) {
        0 => CoordinatorCommand::ShadowClaim {
            factory: factory_of(dice),
            caps: caps_of(dice),
        },
        _ => CoordinatorCommand::ShadowReport {
            factory: factory_of(dice),
            job: job_of(dice),
            stage: *dice.of(&[Stage::Queued, Stage::Building, Stage::Testing, Stage::Shipped]),
        },
    }
}

fn key_of(dice: &mut SplitMixRng) -> Option<IdempotentRequest> {
    (dice.below(3) == 0).then(|| IdempotentRequest {
        caller: 0,
        key: EventKey::parse(&format!("key-{}", dice.below(500))).expect("a key"),
        fingerprint: u128::from(dice.below(2)),
    })
}

fn empty() -> Coordinator {
    // So few answers are remembered that some are forgotten.
    Coordinator::new(CoordinatorSetup {
        memory_limit: 8,
        ..setup()
    })
}

/// What C-3 and C-21 say, job by job: no index, no cache.
fn first_by_the_contract(
    coordinator: &Coordinator,
    caps: &BTreeSet<Capability>,
    view: &dyn Fn(&JobId) -> Stage,
) -> Option<JobId> {
    let jobs: Vec<_> = coordinator.state().jobs_after(0).collect();
    let lock_of = |id: &JobId| coordinator.state().job(id)?.spec.lock.clone();
    let at_work =
        |job: &&&super::super::job::JobRecord| matches!(view(job.id()), Stage::Building | Stage::Testing);
    let mut held: Vec<_> = coordinator
        .state()
        .leases()
        .filter_map(|lease| lock_of(&lease.job))
        .collect();
    held.extend(
        jobs.iter()
            .filter(at_work)
            .filter_map(|job| job.spec.lock.clone()),
    );
    jobs.iter()
        .filter(|job| job.stage == Stage::Queued && view(job.id()) == Stage::Queued)
        .filter(|job| job.spec.needs().is_subset(caps))
        .filter(|job| job.spec.lock.as_ref().is_none_or(|lock| !held.contains(lock)))
        .min_by_key(|job| (-job.spec.priority, job.sequence))
        .map(|job| job.id().clone())
}

#[test]
fn the_digest_kept_step_by_step_is_the_digest_of_all_of_it() {
    for seed in 0..SEEDS {
        let (mut dice, mut coordinator, mut now) = (SplitMixRng(seed), empty(), UtcTimestamp::MANUAL_START);
        for step in 0..STEPS {
            now = now.after_ms(dice.below(TTL_MS / 4));
            let command = real(&mut dice, &coordinator);
            let once = key_of(&mut dice);
            let outcome = coordinator.apply(now, command, once, ExecutionMode::Honest);
            if !outcome.mutated {
                assert_eq!(
                    outcome.digest_before, outcome.digest_after,
                    "seed {seed}, step {step}"
                );
            }
            // Taken apart and put together again from nothing, the sum over all entities is compared.
            if let Err(error) = Coordinator::restored(setup(), coordinator.save(now)) {
                panic!("seed {seed}, step {step}: {error}");
            }
        }
    }
}

#[test]
fn c3_c21_claims_and_dry_runs_find_what_a_look_at_every_job_finds() {
    for seed in 0..SEEDS {
        let (mut dice, mut coordinator, mut now) = (SplitMixRng(seed), empty(), UtcTimestamp::MANUAL_START);
        let mut views = std::collections::HashMap::new();
        for step in 0..STEPS {
            now = now.after_ms(dice.below(TTL_MS / 4));
            coordinator.settle(now);
            let command = match dice.below(2) {
                0 => real(&mut dice, &coordinator),
                _ => shadow(&mut dice),
            };
            let in_view = |factory: &FactoryId, job: &JobId| {
                let place = (factory.clone(), job.clone());
                views.get(&place).copied().unwrap_or(Stage::Queued)
            };
            let wanted = match &command {
                CoordinatorCommand::Claim { caps, .. } => {
                    first_by_the_contract(&coordinator, caps, &|_| Stage::Queued)
                }
                CoordinatorCommand::ShadowClaim { factory, caps } => {
                    first_by_the_contract(&coordinator, caps, &|job| in_view(factory, job))
                }
                _ => None,
            };
            let asked = command.clone();
            let found = match coordinator
                .apply(now, command, None, ExecutionMode::Honest)
                .result
            {
                Ok(CommandReply::Granted { job, .. } | CommandReply::WouldGrant { job, .. }) => {
                    Some(job.id().clone())
                }
                Ok(CommandReply::Mirrored { stage, .. }) => {
                    if let CoordinatorCommand::ShadowReport { factory, job, .. } = &asked {
                        views.insert((factory.clone(), job.clone()), stage);
                    }
                    None
                }
                Ok(CommandReply::Submitted(new)) => {
                    views.retain(|(_, job), _| job != new.id());
                    None
                }
                _ => None,
            };
            assert_eq!(found, wanted, "seed {seed}, step {step}: {asked:?}");
        }
    }
}

#[test]
fn c20_shadow_calls_leave_no_trace_in_anything_that_is_real() {
    for seed in 0..SEEDS {
        let (mut dice, mut now) = (SplitMixRng(seed), UtcTimestamp::MANUAL_START);
        let (mut shadowed, mut undisturbed) = (empty(), empty());
        for step in 0..STEPS {
            now = now.after_ms(dice.below(TTL_MS / 4));
            for _ in 0..dice.below(4) {
                let command = shadow(&mut dice);
                let outcome = shadowed.apply(now, command, None, ExecutionMode::Honest);
                assert!(!outcome.mutated);
            }
            let command = real(&mut dice, &undisturbed);
            let once = key_of(&mut dice);
            let answers = [&mut shadowed, &mut undisturbed].map(|coordinator| {
                let outcome = coordinator.apply(now, command.clone(), once.clone(), ExecutionMode::Honest);
                let all = CoordinatorCommand::List {
                    stage: None,
                    limit: 1_000,
                    after: 0,
                };
                let list = coordinator.apply(now, all, None, ExecutionMode::Honest);
                format!("{:?} {:?}", outcome, list)
            });
            assert_eq!(answers[0], answers[1], "seed {seed}, step {step}");
        }
    }
}

#[test]
fn c2_c13_no_lease_on_an_id_has_a_token_that_an_earlier_one_had() {
    let mut again = 0;
    for seed in 0..SEEDS {
        let (mut dice, mut coordinator, mut now) = (SplitMixRng(seed), empty(), UtcTimestamp::MANUAL_START);
        let (mut highest, mut withdrawn) = (std::collections::HashMap::new(), BTreeSet::new());
        for step in 0..STEPS {
            now = now.after_ms(dice.below(TTL_MS / 4));
            let command = real(&mut dice, &coordinator);
            let outcome = coordinator.apply(now, command, None, ExecutionMode::Honest);
            match outcome.result {
                Ok(CommandReply::Withdrawn { job, .. }) => drop(withdrawn.insert(job)),
                Ok(CommandReply::Granted { lease, .. }) => {
                    let before = highest.insert(lease.job.clone(), lease.fencing_token);
                    assert!(
                        before < Some(lease.fencing_token),
                        "seed {seed}, step {step}: {lease:?}"
                    );
                    again += u64::from(before.is_some() && withdrawn.contains(&lease.job));
                }
                _ => {}
            }
        }
    }
    assert!(
        again > 10,
        "only {again} jobs were given again after a withdrawal"
    );
}
