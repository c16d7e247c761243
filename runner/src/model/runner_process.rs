//! The loop of a runner in the model: it takes one input at a time, asks production what to do, and does it to the
//! model's disk and commands.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::coordinator::ModelToken;
use super::disk::{ModelDeath, ModelQueue};
use super::host::job_id;
use super::lease_tasks::token_of;
use super::model_runner::ModelRunner;
use super::world::{ModelEvent, ModelWorld};
use crate::boot_clock::{BootInstant, KillDeadlines};
use crate::fleet::claim_pacing::ClaimPacing;
use crate::fleet::claim_retry_machine::ClaimStateMachine;
use crate::fleet::cut_over::CutOver;
use crate::fleet::lease_machine::{LeaseRequest, LeaseSnapshot, LeaseStateMachine};
use crate::fleet::outbox_delivery::OutboxDelivery;
use crate::fleet::{FleetEvent, GrantedJob};
use crate::queue::{HistoryEntry, JobStore};
use crate::run::attempt::{Attempt, AttemptState, AttemptStep, JobLease, JobOrigin};
use crate::run::executor;
use crate::stage::Stage;
use crate::supervise::CommandOutcome;

/// After a 204.
const INTERVAL: Duration = Duration::from_millis(700);

pub(super) struct ModelProcess {
    pub(super) claim_machines: BTreeMap<u32, ClaimStateMachine>,
    /// The one that is asked; none while work comes from elsewhere.
    pub(super) current: Option<u32>,
    pub(super) kept: BTreeMap<ModelToken, ModelKeptLease>,
    pub(super) round: Option<OutboxDelivery>,
    pub(super) request_number: u64,
    pub(super) closing: usize,
    pub(super) inputs: VecDeque<ModelLoopInput>,
    pub(super) attempts: BTreeMap<usize, ModelAttempt>,
    /// Letters in the hands of this process, by the lease that they are about.
    pub(super) letters: BTreeMap<ModelToken, u64>,
    /// Leases that it was told of.
    pub(super) known: BTreeSet<ModelToken>,
    pub(super) pacing: ClaimPacing,
    pub(super) owes: bool,
    pub(super) later: bool,
    pub(super) claims_suspended: bool,
    pub(super) stop: bool,
    pub(super) timer_at: Option<u64>,
    pub(super) opened: u32,
}

impl ModelProcess {
    pub(super) fn new(seed: u64, routes: bool) -> ModelProcess {
        ModelProcess {
            claim_machines: BTreeMap::new(),
            current: None,
            kept: BTreeMap::new(),
            round: None,
            request_number: 0,
            closing: 0,
            inputs: VecDeque::new(),
            attempts: BTreeMap::new(),
            letters: BTreeMap::new(),
            known: BTreeSet::new(),
            pacing: ClaimPacing::new(INTERVAL, seed),
            owes: true,
            later: false,
            claims_suspended: !routes,
            stop: false,
            timer_at: None,
            opened: 0,
        }
    }
}

/// A lease in the care of this process.
pub(super) struct ModelKeptLease {
    pub(super) lease_machine: LeaseStateMachine,
    pub(super) lease_snapshot: LeaseSnapshot,
    pub(super) request_number: u64,
    pub(super) closed: bool,
    pub(super) reported_lost: bool,
    /// When the last renewal that was answered was sent.
    pub(super) confirmed: Option<BootInstant>,
}

pub(super) enum ModelLoopInput {
    Fleet(FleetEvent),
    Ended { run: usize, end: CommandOutcome },
}

/// What the model keeps of a job in work.
pub(super) struct ModelHeldJob {
    /// When its last command was over.
    pub(super) step_ended: Option<BootInstant>,
}

/// A command of it is known by its number.
pub(super) type ModelAttempt = Attempt<ModelHeldJob, usize>;

pub(super) fn lease_token(attempt: &ModelAttempt) -> Option<ModelToken> {
    let lease = attempt.state.lease.as_ref()?;
    Some(token_of(&attempt.state.job.id, &lease.proof))
}

/// A command that was started.
pub(super) struct ModelCommand {
    pub(super) host: usize,
    pub(super) incarnation: u32,
    pub(super) job: usize,
    pub(super) token: Option<ModelToken>,
    pub(super) step: AttemptStep,
    pub(super) begun: bool,
    pub(super) over: bool,
    /// When its supervisor ends it, if nothing prolongs the lease.
    pub(super) fence: Option<KillDeadlines>,
    /// The host was away between the runner's look at the clock and the start.
    pub(super) slept_before_start: bool,
    /// It ended by itself, and says that it has done nothing.
    pub(super) failed: bool,
}

impl ModelWorld {
    pub(super) fn process(&mut self, host: usize) -> &mut ModelProcess {
        self.hosts[host].process.as_mut().unwrap()
    }

    pub(super) fn turn(&mut self, host: usize, incarnation: u32) {
        if self.hosts[host].process.is_none() || self.hosts[host].incarnation != incarnation {
            return;
        }
        match self.process(host).inputs.pop_front() {
            Some(ModelLoopInput::Fleet(event)) => self.fleet_event(host, event),
            Some(ModelLoopInput::Ended { run, end }) => {
                let _died = self.ended(host, run, end);
            }
            None => {}
        }
        self.after(host);
    }

    pub(super) fn input(&mut self, host: usize, input: ModelLoopInput) {
        let incarnation = self.hosts[host].incarnation;
        self.process(host).inputs.push_back(input);
        let at = self.now + self.choices.ms(0, 10);
        self.schedule(at, ModelEvent::LoopTurn { host, incarnation });
    }

    pub(super) fn admit(&mut self, host: usize, granted: GrantedJob) -> Result<(), ModelDeath> {
        let (token, stop) = (token_of(&granted.id, &granted.proof), self.process(host).stop);
        self.keep(host, token, &granted);
        if stop || self.process(host).claims_suspended {
            self.release(host, token);
            return Ok(());
        }
        let job = token.job;
        let here = self.hosts[host].disk.files.get(&job).copied();
        let decided = (self.rules.cut_over)(here);
        self.say(|| format!("host {host} takes job {job} in {here:?}: {decided:?}"));
        match decided {
            CutOver::Report(stage) => {
                self.counts.finished_before += 1;
                let news = super::lease_tasks::news(stage, &format!("finish-{host}-{}-{}", job, token.fence));
                self.close(host, token, LeaseRequest::Report(news));
                return Ok(());
            }
            CutOver::Release => {
                self.release(host, token);
                let clock = self.clock(host);
                self.process(host).pacing.held_elsewhere(clock, None);
                return Ok(());
            }
            CutOver::RunLocal => self.queue(host).place(job, Stage::Building)?,
            CutOver::Run => {}
        }
        let origin = match decided {
            CutOver::RunLocal => JobOrigin::Inbox,
            _ => JobOrigin::Coordinator,
        };
        let line = HistoryEntry::started(self.hosts[host].disk.known(job), Some(&granted.proof), None);
        let counts = (line.attempt, line.spent);
        self.queue(host).announce(&granted.id, &line)?;
        self.queue(host).place(job, Stage::Building)?;
        self.process(host).pacing.taken(&granted.id);
        let proof = granted.proof;
        self.begin(host, job, counts, Some(JobLease { proof, origin }))
    }

    /// The inbox is the source of work.
    pub(super) fn take_local(&mut self, host: usize) -> Result<(), ModelDeath> {
        let disk = &self.hosts[host].disk;
        let waiting = disk.files.iter().find(|(_, stage)| **stage == Stage::Inbox);
        let Some(job) = waiting.map(|(job, _)| *job) else {
            return Ok(());
        };
        self.queue(host).place(job, Stage::Building)?;
        let line = HistoryEntry::started(self.hosts[host].disk.known(job), None, None);
        let counts = (line.attempt, line.spent);
        self.queue(host).announce(&job_id(job), &line)?;
        self.say(|| format!("host {host} takes job {job} from its inbox"));
        self.begin(host, job, counts, None)
    }

    pub(super) fn queue(&mut self, host: usize) -> ModelQueue<'_> {
        ModelQueue { world: self, host }
    }

    fn begin(
        &mut self,
        host: usize,
        job: usize,
        (number, spent): (u32, u32),
        lease: Option<JobLease>,
    ) -> Result<(), ModelDeath> {
        let state = AttemptState {
            job: self.specs[job].clone(),
            digest: None,
            number,
            spent,
            stage: Stage::Building,
            step: AttemptStep::Engine,
            stop_reason: None,
            usage: None,
            lease,
        };
        let attempt = ModelAttempt {
            state,
            held: ModelHeldJob { step_ended: None },
            command: None,
        };
        executor::start_attempt(&mut ModelRunner { world: self, host }, attempt)
    }
}
