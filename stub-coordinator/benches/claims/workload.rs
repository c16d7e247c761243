//! Queues of different shapes, and operations that leave them as long as they were.

use std::collections::BTreeSet;

use crate::contract::execution_mode::ExecutionMode;
use crate::contract::ids::{Capability, FactoryId, JobId, LockName};
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;
use crate::coordinator::commands::{CommandReply, CoordinatorCommand, JobNaming, JobSubmission};
use crate::coordinator::job::JobSpec;
use crate::coordinator::lease::LeaseHolder;
use crate::coordinator::{Coordinator, CoordinatorSetup};

/// How many different factories ask, each with capabilities of its own.
const FACTORIES: usize = 8;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A claim, and the release that puts the job back.
    ClaimAndRelease,
    /// A dry run of a factory that has reported nothing.
    ShadowClaim,
    /// A dry run, the report that takes the job, and the one that takes it back, with half of all jobs taken before.
    ShadowWithHalfTaken,
}

/// What the queued jobs are like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Eight different sets of capabilities.
    EightSets,
    /// A set of its own for every second job.
    ManySets,
    /// Eight sets, and a lock for each job.
    OwnLocks,
    /// Eight sets, and four locks in all, one of them held.
    FewLocks,
}

/// A coordinator with a queue, and who asks next.
pub(crate) struct Workload {
    coordinator: Coordinator,
    work: Work,
    factories: Vec<(FactoryId, BTreeSet<Capability>)>,
    turn: usize,
}

impl Work {
    pub(crate) const ALL: [Work; 3] = [
        Work::ClaimAndRelease,
        Work::ShadowClaim,
        Work::ShadowWithHalfTaken,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::ClaimAndRelease => "claim + release",
            Work::ShadowClaim => "shadow claim",
            Work::ShadowWithHalfTaken => "shadow claim + report + take back, half taken",
        }
    }
}

impl Shape {
    pub(crate) const ALL: [Shape; 4] = [
        Shape::EightSets,
        Shape::ManySets,
        Shape::OwnLocks,
        Shape::FewLocks,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Shape::EightSets => "8 capability sets",
            Shape::ManySets => "a set for every 2nd job",
            Shape::OwnLocks => "8 sets, a lock each",
            Shape::FewLocks => "8 sets, 4 locks, 1 held",
        }
    }
}

impl Workload {
    pub(crate) fn new(work: Work, shape: Shape, jobs: usize) -> Workload {
        let factories = (0..FACTORIES).map(|number| {
            // Each knows the sets below its number and the one engine.
            let caps = (0..=number).map(|set| format!("set-{set}"));
            let caps = caps.chain(["engine:sh".to_owned(), format!("own-{number}")]);
            let id = FactoryId::parse(&format!("factory-{number}")).expect("an id");
            (id, caps.map(|cap| capability(&cap)).collect())
        });
        let mut workload = Workload {
            coordinator: Coordinator::new(CoordinatorSetup {
                lease_ms: 60_000,
                job_bytes: usize::MAX,
                heartbeat_ms: 15_000,
                memory_limit: 10_000,
                secret: (1, 2),
                tokens: Vec::new(),
                enrol_tokens: Vec::new(),
            }),
            work,
            factories: factories.collect(),
            turn: 0,
        };
        for number in 0..jobs {
            let submission = JobSubmission {
                spec: job(shape, number),
                naming: JobNaming::BySubmitter,
            };
            workload.tell(CoordinatorCommand::Submit(submission));
        }
        if shape == Shape::FewLocks {
            workload.hold_a_lock();
        }
        if work == Work::ShadowWithHalfTaken {
            workload.take(jobs / 2);
        }
        workload
    }

    /// One operation, by the factory whose turn it is.
    pub(crate) fn step(&mut self) {
        self.turn = (self.turn + 1) % self.factories.len();
        let (factory, caps) = self.factories[self.turn].clone();
        match self.work {
            Work::ClaimAndRelease => {
                let CommandReply::Granted { lease, .. } =
                    self.tell(CoordinatorCommand::Claim { factory, caps })
                else {
                    panic!("nothing to claim");
                };
                let holder = LeaseHolder {
                    factory: lease.factory,
                    lease: lease.number.id(),
                    fencing_token: lease.fencing_token,
                };
                self.tell(CoordinatorCommand::Release(holder));
            }
            Work::ShadowClaim => {
                self.tell(CoordinatorCommand::ShadowClaim { factory, caps });
            }
            Work::ShadowWithHalfTaken => {
                let reply = self.tell(CoordinatorCommand::ShadowClaim {
                    factory: factory.clone(),
                    caps,
                });
                let CommandReply::WouldGrant { job, .. } = reply else {
                    panic!("nothing to be given");
                };
                for stage in [Stage::Building, Stage::Queued] {
                    let (factory, job) = (factory.clone(), job.id().clone());
                    self.tell(CoordinatorCommand::ShadowReport { factory, job, stage });
                }
            }
        }
    }

    /// The first factory works for real on the first job, and so holds its lock.
    fn hold_a_lock(&mut self) {
        let (factory, caps) = self.factories[0].clone();
        self.tell(CoordinatorCommand::Claim { factory, caps });
    }

    /// Every factory has reported the first so many jobs as shipped.
    fn take(&mut self, count: usize) {
        for (factory, _) in self.factories.clone() {
            for number in 0..count {
                self.tell(CoordinatorCommand::ShadowReport {
                    factory: factory.clone(),
                    job: job_id(number),
                    stage: Stage::Shipped,
                });
            }
        }
    }

    fn tell(&mut self, command: CoordinatorCommand) -> CommandReply {
        let outcome =
            self.coordinator
                .apply(UtcTimestamp::MANUAL_START, command, None, ExecutionMode::Honest);
        outcome.result.expect("nothing is refused here")
    }
}

fn job(shape: Shape, number: usize) -> JobSpec {
    let caps = match shape {
        Shape::ManySets if number.is_multiple_of(2) => format!("rare-{number}"),
        Shape::ManySets => format!("set-{}", number / 2 % FACTORIES),
        _ => format!("set-{}", number % FACTORIES),
    };
    let lock = match shape {
        Shape::OwnLocks => Some(format!("lock-{number}")),
        Shape::FewLocks => Some(format!("lock-{}", number / FACTORIES % 4)),
        Shape::EightSets | Shape::ManySets => None,
    };
    JobSpec {
        id: job_id(number),
        engine: "sh".to_owned(),
        cwd: None,
        yolo: false,
        lock: lock.map(|lock| LockName::parse(&lock).expect("a lock")),
        timeout_ms: None,
        idle_timeout_ms: None,
        priority: i32::try_from(number % 3).expect("small"),
        caps: vec![capability(&caps)],
        verify: None,
        review: false,
        ship: None,
        retries: 0,
        body: "true".to_owned(),
    }
}

fn job_id(number: usize) -> JobId {
    JobId::parse(&format!("job-{number}")).expect("an id")
}

fn capability(name: &str) -> Capability {
    Capability::parse(name).expect("a capability")
}
