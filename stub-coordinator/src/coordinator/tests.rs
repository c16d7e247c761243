//! The clauses C-1 to C-32 against the state machine itself, each test a sentence of the contract.

mod access;
mod generated_commands;
mod leases;
mod reports;
mod shadow;
mod withdraw;

use std::collections::BTreeSet;

use super::commands::{
    CommandOutcome, CommandRefusal, CommandReply, CoordinatorCommand, JobNaming, JobSubmission,
    QuarantineRequest,
};
use super::idempotency_cache::IdempotentRequest;
use super::job::JobSpec;
use super::lease::{Lease, LeaseHolder};
use super::{Coordinator, CoordinatorSetup};
use crate::contract::execution_mode::ExecutionMode;
use crate::contract::ids::{Capability, EventKey, FactoryId, JobId, LeaseId, LockName};
use crate::contract::scope::Scope;
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;

const TTL_MS: u64 = 60_000;

/// A coordinator with a clock in the hand.
struct TestCoordinator {
    coordinator: Coordinator,
    now: UtcTimestamp,
    last: Option<CommandOutcome>,
}

fn setup() -> CoordinatorSetup {
    CoordinatorSetup {
        lease_ms: TTL_MS,
        job_bytes: usize::MAX,
        heartbeat_ms: 15_000,
        memory_limit: 10_000,
        secret: (7, 8),
        tokens: Vec::new(),
        enrol_tokens: Vec::new(),
    }
}

fn job(id: &str) -> JobSpec {
    JobSpec {
        id: JobId::parse(id).expect("an id"),
        engine: "sh".to_owned(),
        cwd: None,
        yolo: false,
        lock: None,
        timeout_ms: None,
        idle_timeout_ms: None,
        priority: 0,
        caps: Vec::new(),
        verify: None,
        review: false,
        ship: None,
        retries: 0,
        body: "do it".to_owned(),
    }
}

fn locked(id: &str, lock: &str) -> JobSpec {
    JobSpec {
        lock: Some(LockName::parse(lock).expect("a lock")),
        ..job(id)
    }
}

fn caps(names: &[&str]) -> BTreeSet<Capability> {
    names
        .iter()
        .map(|name| Capability::parse(name).expect("a capability"))
        .collect()
}

fn factory(id: &str) -> FactoryId {
    FactoryId::parse(id).expect("an id")
}

fn holder(lease: &Lease) -> LeaseHolder {
    LeaseHolder {
        factory: lease.factory.clone(),
        lease: lease.number.id(),
        fencing_token: lease.fencing_token,
    }
}

fn submission(spec: JobSpec) -> CoordinatorCommand {
    CoordinatorCommand::Submit(JobSubmission {
        spec,
        naming: JobNaming::BySubmitter,
    })
}

fn withdrawal(id: &str) -> CoordinatorCommand {
    CoordinatorCommand::Withdraw(JobId::parse(id).expect("an id"))
}

fn once(key: &str, fingerprint: u128) -> Option<IdempotentRequest> {
    Some(IdempotentRequest {
        caller: 0,
        key: EventKey::parse(key).expect("a key"),
        fingerprint,
    })
}

impl TestCoordinator {
    fn with(jobs: impl IntoIterator<Item = JobSpec>) -> TestCoordinator {
        TestCoordinator::set_up(setup(), jobs)
    }

    fn set_up(setup: CoordinatorSetup, jobs: impl IntoIterator<Item = JobSpec>) -> TestCoordinator {
        let mut bench = TestCoordinator {
            coordinator: Coordinator::new(setup),
            now: UtcTimestamp::MANUAL_START,
            last: None,
        };
        for spec in jobs {
            bench.submit(spec).expect("the job is taken");
        }
        bench
    }

    fn tell(&mut self, command: CoordinatorCommand) -> Result<CommandReply, CommandRefusal> {
        self.tell_once(command, None)
    }

    fn tell_once(
        &mut self,
        command: CoordinatorCommand,
        once: Option<IdempotentRequest>,
    ) -> Result<CommandReply, CommandRefusal> {
        let outcome = self
            .coordinator
            .apply(self.now, command, once, ExecutionMode::Honest);
        let result = outcome.result.clone();
        self.last = Some(outcome);
        result
    }

    /// Whether the last command left real state as it was, by digest and by count of writes.
    fn nothing_changed(&self) -> bool {
        self.last
            .as_ref()
            .is_some_and(|last| last.digest_before == last.digest_after && !last.mutated)
    }

    fn wait_ms(&mut self, time_ms: u64) {
        self.now = self.now.after_ms(time_ms);
    }

    fn claim_with(&mut self, name: &str, names: &[&str]) -> Option<Lease> {
        let command = CoordinatorCommand::Claim {
            factory: factory(name),
            caps: caps(names),
        };
        match self.tell(command).expect("a claim is not refused") {
            CommandReply::Granted { lease, .. } => Some(lease),
            CommandReply::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    fn claim(&mut self, name: &str) -> Option<Lease> {
        self.claim_with(name, &["engine:sh"])
    }

    fn shadow_claim(&mut self, name: &str) -> Option<String> {
        let command = CoordinatorCommand::ShadowClaim {
            factory: factory(name),
            caps: caps(&["engine:sh"]),
        };
        match self.tell(command).expect("a dry run is not refused") {
            CommandReply::WouldGrant { job, lease: None } => Some(job.id().to_string()),
            CommandReply::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    fn shadow_report(&mut self, name: &str, id: &str, stage: Stage) -> (bool, Stage, Stage) {
        let job = JobId::parse(id).expect("an id");
        match self.tell(CoordinatorCommand::ShadowReport {
            factory: factory(name),
            job,
            stage,
        }) {
            Ok(CommandReply::Mirrored {
                accepted,
                stage,
                real_stage,
            }) => (accepted, stage, real_stage),
            other => panic!("{other:?}"),
        }
    }

    fn renew(&mut self, lease: &Lease) -> Result<Lease, CommandRefusal> {
        self.tell(CoordinatorCommand::Renew(holder(lease)))
            .map(|reply| match reply {
                CommandReply::Renewed(lease) => lease,
                other => panic!("{other:?}"),
            })
    }

    fn release(&mut self, lease: &Lease) -> Result<Stage, CommandRefusal> {
        self.tell(CoordinatorCommand::Release(holder(lease)))
            .map(|reply| match reply {
                CommandReply::Released(stage) => stage,
                other => panic!("{other:?}"),
            })
    }

    fn report(&mut self, lease: &Lease, stage: Stage) -> Result<Stage, CommandRefusal> {
        let command = CoordinatorCommand::Report {
            job: lease.job.clone(),
            holder: holder(lease),
            stage,
        };
        self.tell(command).map(|reply| match reply {
            CommandReply::Reported(stage) => stage,
            other => panic!("{other:?}"),
        })
    }

    fn quarantine(&mut self, lease: &Lease) -> Stage {
        let quarantine = QuarantineRequest {
            factory: lease.factory.clone(),
            lease: Some(lease.number.id()),
            fencing_token: Some(lease.fencing_token),
            reason: "lease_lost".to_owned(),
            detail: None,
        };
        match self.tell(CoordinatorCommand::Quarantine {
            job: lease.job.clone(),
            quarantine,
        }) {
            Ok(CommandReply::Recorded(stage)) => stage,
            other => panic!("{other:?}"),
        }
    }

    fn submit(&mut self, spec: JobSpec) -> Result<super::job::JobRecord, CommandRefusal> {
        self.tell(submission(spec)).map(|reply| match reply {
            CommandReply::Submitted(job) => job,
            other => panic!("{other:?}"),
        })
    }

    fn withdraw(&mut self, id: &str) -> Result<(), CommandRefusal> {
        self.tell(withdrawal(id)).map(|reply| match reply {
            CommandReply::Withdrawn { .. } => (),
            other => panic!("{other:?}"),
        })
    }

    fn stage(&self, id: &str) -> Stage {
        self.record(id).stage
    }

    fn record(&self, id: &str) -> &super::job::JobRecord {
        self.coordinator
            .state()
            .job(&JobId::parse(id).expect("an id"))
            .expect("the job is there")
    }
}

fn lost(lease: &Lease) -> CommandRefusal {
    CommandRefusal::LeaseLost(lease.number.id())
}

fn unknown_lease(id: &str) -> LeaseId {
    LeaseId::parse(id).expect("an id")
}
