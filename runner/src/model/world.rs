//! The world of the model: time, what is due when, and who is told. Its steps are the model's; its decisions are not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::choice_tape::ChoiceTape;
use super::coordinator::{ModelCoordinator, ModelToken};
use super::decisions::{ModelCounts, ModelDecisions};
use super::host::{ModelHost, ModelHostPause};
use super::network::{ModelCall, ModelCallId};
use super::runner_process::ModelCommand;
use crate::boot_clock::BootInstant;
use crate::job::{Job, JobIdSource, parse};

/// Troubles are over by then, and what is left has to come to its end.
const CALM_AT_MS: u64 = 40_000;
const OVER_AT_MS: u64 = 400_000;

/// What is due at an instant.
#[derive(Debug, Clone)]
pub(super) enum ModelEvent {
    Arrives(ModelCallId),
    Returns(ModelCallId),
    /// An instant that a process waits for.
    Timer {
        host: usize,
        incarnation: u32,
    },
    /// The loop takes its next input.
    LoopTurn {
        host: usize,
        incarnation: u32,
    },
    Execs(usize),
    Publishes(usize),
    Ends(usize, crate::supervise::CommandOutcome),
    /// The instant that a supervisor ends its command at, unless the lease was prolonged.
    LeaseDeadline(usize),
    Starts(usize),
    Exits {
        host: usize,
        incarnation: u32,
    },
    Crashes(usize),
    Term(usize),
    Pauses(usize),
    Resumes(usize),
    NetworkCut {
        host: usize,
        cut: bool,
    },
    ModeChanges(usize),
    /// Someone takes a lease away at the coordinator.
    Revokes(usize),
    TroublesEnd,
}

pub(super) struct ModelWorld {
    pub(super) now: u64,
    pub(super) calm: bool,
    pub(super) choices: ChoiceTape,
    pub(super) rules: ModelDecisions,
    pub(super) coordinator: ModelCoordinator,
    pub(super) specs: Vec<Job>,
    pub(super) hosts: Vec<ModelHost>,
    pub(super) calls: BTreeMap<ModelCallId, ModelCall>,
    pub(super) runs: Vec<ModelCommand>,
    pub(super) counts: ModelCounts,
    pub(super) failure: Option<String>,
    pub(super) trace: Option<Vec<String>>,
    pub(super) next_call: ModelCallId,
    /// Who was granted a lease, by which of its questions.
    pub(super) grants: BTreeMap<ModelToken, (usize, u32, u32)>,
    /// The leases whose last word was answered, and to which process.
    pub(super) answered: BTreeMap<ModelToken, u32>,
    /// When a lease was taken away.
    pub(super) revoked: BTreeMap<ModelToken, u64>,
    /// The leases of which their holder was told that they are lost.
    pub(super) reported_lost: BTreeSet<ModelToken>,
    /// What has been published, by which run.
    pub(super) published: Vec<Option<usize>>,
    agenda: BinaryHeap<Reverse<(u64, u64)>>,
    due: BTreeMap<(u64, u64), ModelEvent>,
    scheduled: u64,
}

impl ModelWorld {
    pub(super) fn new(mut choices: ChoiceTape, rules: ModelDecisions) -> ModelWorld {
        let hosts = 1 + choices.below(3) as usize;
        let jobs = 1 + choices.below(3) as usize;
        // The first host's own: mirrored at the coordinator, for nobody else.
        let own = choices.below(2) as usize;
        let only: Vec<_> = (0..jobs).map(|job| (job < own).then_some(0)).collect();
        let specs = (0..jobs).map(|job| spec(job, &mut choices)).collect();
        let mut world = ModelWorld {
            now: 0,
            calm: false,
            coordinator: ModelCoordinator::new(&only),
            specs,
            hosts: (0..hosts).map(|_| ModelHost::new(jobs)).collect(),
            choices,
            rules,
            calls: BTreeMap::new(),
            runs: Vec::new(),
            counts: ModelCounts::default(),
            failure: None,
            trace: None,
            next_call: 0,
            grants: BTreeMap::new(),
            answered: BTreeMap::new(),
            revoked: BTreeMap::new(),
            reported_lost: BTreeSet::new(),
            published: vec![None; jobs],
            agenda: BinaryHeap::new(),
            due: BTreeMap::new(),
            scheduled: 0,
        };
        for job in 0..own.min(jobs) {
            world.hosts[0].disk.enqueue(job);
        }
        if own > 0 && world.choices.once_in(2) {
            world.hosts[0].routes = false;
        }
        for host in 0..hosts {
            let at = world.choices.ms(0, 500);
            world.schedule(at, ModelEvent::Starts(host));
        }
        world.schedule_faults(own > 0);
        world.schedule(CALM_AT_MS, ModelEvent::TroublesEnd);
        world
    }

    pub(super) fn run(&mut self) {
        while self.failure.is_none() {
            let Some(Reverse(place)) = self.agenda.pop() else {
                break;
            };
            let Some(happening) = self.due.remove(&place) else {
                continue;
            };
            self.now = place.0;
            if self.now > OVER_AT_MS || self.calm && self.is_over() {
                break;
            }
            self.happen(happening);
        }
        if self.failure.is_none() {
            self.check_end();
        }
    }

    pub(super) fn schedule(&mut self, at: u64, happening: ModelEvent) {
        self.scheduled += 1;
        let place = (at.max(self.now), self.scheduled);
        self.agenda.push(Reverse(place));
        self.due.insert(place, happening);
    }

    pub(super) fn say(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>6} ms  {}", what()));
        }
    }

    /// The first thing that must not be; the kind of it stands before the colon.
    pub(super) fn violate(&mut self, what: String) {
        self.say(|| format!("VIOLATED {what}"));
        self.failure.get_or_insert(what);
    }

    /// What a host's clock shows now.
    pub(super) fn clock(&self, host: usize) -> BootInstant {
        (self.rules.clock)(self.now, self.hosts[host].slept_ms)
    }

    fn schedule_faults(&mut self, flips: bool) {
        for _ in 0..self.choices.below(6) {
            let host = self.choices.below(self.hosts.len() as u32) as usize;
            let at = self.choices.ms(0, CALM_AT_MS - 10_000);
            match self.choices.below(6) {
                0 => self.schedule(at, ModelEvent::Pauses(host)),
                1 => self.schedule(at, ModelEvent::Crashes(host)),
                2 => self.schedule(at, ModelEvent::Term(host)),
                3 => {
                    let until = at + self.choices.ms(200, 9_000);
                    self.schedule(at, ModelEvent::NetworkCut { host, cut: true });
                    self.schedule(until, ModelEvent::NetworkCut { host, cut: false });
                }
                4 if flips => self.schedule(at, ModelEvent::ModeChanges(0)),
                4 => {}
                _ => {
                    let job = self.choices.below(self.specs.len() as u32) as usize;
                    self.schedule(at, ModelEvent::Revokes(job));
                }
            }
        }
    }

    fn happen(&mut self, happening: ModelEvent) {
        if let Some(host) = self.concerns(&happening)
            && self.hosts[host].away.defers(&happening)
        {
            return self.hosts[host].deferred.push(happening);
        }
        match happening {
            ModelEvent::Arrives(call) => self.arrives(call),
            ModelEvent::Returns(call) => self.returns(call),
            ModelEvent::Timer { host, incarnation } => self.timer(host, incarnation),
            ModelEvent::LoopTurn { host, incarnation } => self.turn(host, incarnation),
            ModelEvent::Execs(run) => self.execs(run),
            ModelEvent::Publishes(run) => self.publishes(run),
            ModelEvent::Ends(run, end) => self.ends(run, end),
            ModelEvent::LeaseDeadline(run) => self.fence(run),
            ModelEvent::Starts(host) => self.starts(host),
            ModelEvent::Exits { host, incarnation } => self.exits(host, incarnation),
            ModelEvent::Crashes(host) => self.crash(host),
            ModelEvent::Term(host) => self.term(host),
            ModelEvent::Pauses(host) => self.pause(host),
            ModelEvent::Resumes(host) => self.resume(host),
            ModelEvent::NetworkCut { host, cut } => self.hosts[host].cut = cut && !self.calm,
            // One that waited while the host was away is over with the troubles.
            ModelEvent::ModeChanges(_) if self.calm => {}
            ModelEvent::ModeChanges(host) => self.flip(host),
            ModelEvent::Revokes(job) => self.revoke(job),
            ModelEvent::TroublesEnd => self.end_troubles(),
        }
    }

    fn concerns(&self, happening: &ModelEvent) -> Option<usize> {
        match happening {
            ModelEvent::Returns(call) => self.calls.get(call).map(|call| call.host),
            ModelEvent::Timer { host, .. }
            | ModelEvent::LoopTurn { host, .. }
            | ModelEvent::Exits { host, .. } => Some(*host),
            ModelEvent::Term(host) | ModelEvent::ModeChanges(host) => Some(*host),
            ModelEvent::Execs(run)
            | ModelEvent::Publishes(run)
            | ModelEvent::Ends(run, _)
            | ModelEvent::LeaseDeadline(run) => Some(self.runs[*run].host),
            _ => None,
        }
    }

    fn revoke(&mut self, job: usize) {
        if let Some((host, token)) = self.coordinator.revoke(self.now, job) {
            self.say(|| format!("host {host}'s lease {token:?} is taken away"));
            self.revoked.insert(token, self.now);
        }
    }

    fn end_troubles(&mut self) {
        self.calm = true;
        self.say(|| "from now on all is well".to_owned());
        for host in 0..self.hosts.len() {
            self.hosts[host].cut = false;
            if self.hosts[host].away != ModelHostPause::Running {
                self.resume(host);
            }
            if !self.hosts[host].routes {
                self.flip(host);
            }
            if self.hosts[host].process.is_none() {
                self.schedule(self.now + 100, ModelEvent::Starts(host));
            }
        }
    }
}

fn spec(job: usize, choices: &mut ChoiceTape) -> Job {
    let mut keys = String::from("engine: sh\nship: publish\n");
    if choices.once_in(2) {
        keys.push_str("verify: check\n");
    }
    if choices.once_in(4) {
        keys.push_str("retries: 1\n");
    }
    let (id, text) = (format!("job-{job}"), format!("---\n{keys}---\nwork\n"));
    parse(JobIdSource::FileName(&id), "job.md", text.as_bytes())
        .unwrap()
        .job
}

/// The id that a lease goes by.
pub(super) fn lease_name(token: ModelToken) -> String {
    format!("lease-{}-{}", token.job, token.fence)
}
