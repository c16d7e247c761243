//! The world of the model: time, what is due when, and who is told. Its steps are the model's; its decisions are not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::choices::Choices;
use super::coordinator::{Coordinator, Token};
use super::host::{Away, Host};
use super::network::{Call, CallId};
use super::process::Run;
use super::rules::{Counts, Rules};
use crate::clock::BootInstant;
use crate::job::{Job, Naming, parse};

/// Troubles are over by then, and what is left has to come to its end.
const CALM_AT_MS: u64 = 40_000;
const OVER_AT_MS: u64 = 400_000;

/// What is due at an instant.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    Arrives(CallId),
    Returns(CallId),
    /// An instant that a process waits for.
    Timer {
        host: usize,
        incarnation: u32,
    },
    /// The loop takes its next input.
    Turn {
        host: usize,
        incarnation: u32,
    },
    Execs(usize),
    Publishes(usize),
    Ends(usize, crate::supervise::End),
    /// The instant that a supervisor ends its command at, unless the lease was prolonged.
    Fence(usize),
    Starts(usize),
    Exits {
        host: usize,
        incarnation: u32,
    },
    Crashes(usize),
    Term(usize),
    Pauses(usize),
    Resumes(usize),
    Cut {
        host: usize,
        cut: bool,
    },
    Flips(usize),
    /// Someone takes a lease away at the coordinator.
    Revokes(usize),
    Calm,
}

pub(super) struct World {
    pub(super) now: u64,
    pub(super) calm: bool,
    pub(super) choices: Choices,
    pub(super) rules: Rules,
    pub(super) coordinator: Coordinator,
    pub(super) specs: Vec<Job>,
    pub(super) hosts: Vec<Host>,
    pub(super) calls: BTreeMap<CallId, Call>,
    pub(super) runs: Vec<Run>,
    pub(super) counts: Counts,
    pub(super) failure: Option<String>,
    pub(super) trace: Option<Vec<String>>,
    pub(super) next_call: CallId,
    /// Who was granted a lease, by which of its questions.
    pub(super) grants: BTreeMap<Token, (usize, u32, u32)>,
    /// The leases whose last word was answered, and to which process.
    pub(super) answered: BTreeMap<Token, u32>,
    /// When a lease was taken away.
    pub(super) revoked: BTreeMap<Token, u64>,
    /// The leases of which their holder was told that they are lost.
    pub(super) told_lost: BTreeSet<Token>,
    /// What has been published, by which run.
    pub(super) published: Vec<Option<usize>>,
    agenda: BinaryHeap<Reverse<(u64, u64)>>,
    due: BTreeMap<(u64, u64), Happening>,
    scheduled: u64,
}

impl World {
    pub(super) fn new(mut choices: Choices, rules: Rules) -> World {
        let hosts = 1 + choices.below(3) as usize;
        let jobs = 1 + choices.below(3) as usize;
        // The first host's own: mirrored at the coordinator, for nobody else.
        let own = choices.below(2) as usize;
        let only: Vec<_> = (0..jobs).map(|job| (job < own).then_some(0)).collect();
        let specs = (0..jobs).map(|job| spec(job, &mut choices)).collect();
        let mut world = World {
            now: 0,
            calm: false,
            coordinator: Coordinator::new(&only),
            specs,
            hosts: (0..hosts).map(|_| Host::new(jobs)).collect(),
            choices,
            rules,
            calls: BTreeMap::new(),
            runs: Vec::new(),
            counts: Counts::default(),
            failure: None,
            trace: None,
            next_call: 0,
            grants: BTreeMap::new(),
            answered: BTreeMap::new(),
            revoked: BTreeMap::new(),
            told_lost: BTreeSet::new(),
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
            world.schedule(at, Happening::Starts(host));
        }
        world.plan_troubles(own > 0);
        world.schedule(CALM_AT_MS, Happening::Calm);
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

    pub(super) fn schedule(&mut self, at: u64, happening: Happening) {
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

    fn plan_troubles(&mut self, flips: bool) {
        for _ in 0..self.choices.below(6) {
            let host = self.choices.below(self.hosts.len() as u32) as usize;
            let at = self.choices.ms(0, CALM_AT_MS - 10_000);
            match self.choices.below(6) {
                0 => self.schedule(at, Happening::Pauses(host)),
                1 => self.schedule(at, Happening::Crashes(host)),
                2 => self.schedule(at, Happening::Term(host)),
                3 => {
                    let until = at + self.choices.ms(200, 9_000);
                    self.schedule(at, Happening::Cut { host, cut: true });
                    self.schedule(until, Happening::Cut { host, cut: false });
                }
                4 if flips => self.schedule(at, Happening::Flips(0)),
                4 => {}
                _ => {
                    let job = self.choices.below(self.specs.len() as u32) as usize;
                    self.schedule(at, Happening::Revokes(job));
                }
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        if let Some(host) = self.concerns(&happening)
            && self.hosts[host].away.defers(&happening)
        {
            return self.hosts[host].deferred.push(happening);
        }
        match happening {
            Happening::Arrives(call) => self.arrives(call),
            Happening::Returns(call) => self.returns(call),
            Happening::Timer { host, incarnation } => self.timer(host, incarnation),
            Happening::Turn { host, incarnation } => self.turn(host, incarnation),
            Happening::Execs(run) => self.execs(run),
            Happening::Publishes(run) => self.publishes(run),
            Happening::Ends(run, end) => self.ends(run, end),
            Happening::Fence(run) => self.fence(run),
            Happening::Starts(host) => self.starts(host),
            Happening::Exits { host, incarnation } => self.exits(host, incarnation),
            Happening::Crashes(host) => self.crash(host),
            Happening::Term(host) => self.term(host),
            Happening::Pauses(host) => self.pause(host),
            Happening::Resumes(host) => self.resume(host),
            Happening::Cut { host, cut } => self.hosts[host].cut = cut && !self.calm,
            // One that waited while the host was away is over with the troubles.
            Happening::Flips(_) if self.calm => {}
            Happening::Flips(host) => self.flip(host),
            Happening::Revokes(job) => self.revoke(job),
            Happening::Calm => self.becalm(),
        }
    }

    fn concerns(&self, happening: &Happening) -> Option<usize> {
        match happening {
            Happening::Returns(call) => self.calls.get(call).map(|call| call.host),
            Happening::Timer { host, .. } | Happening::Turn { host, .. } | Happening::Exits { host, .. } => {
                Some(*host)
            }
            Happening::Term(host) | Happening::Flips(host) => Some(*host),
            Happening::Execs(run)
            | Happening::Publishes(run)
            | Happening::Ends(run, _)
            | Happening::Fence(run) => Some(self.runs[*run].host),
            _ => None,
        }
    }

    fn revoke(&mut self, job: usize) {
        if let Some((host, token)) = self.coordinator.revoke(self.now, job) {
            self.say(|| format!("host {host}'s lease {token:?} is taken away"));
            self.revoked.insert(token, self.now);
        }
    }

    fn becalm(&mut self) {
        self.calm = true;
        self.say(|| "from now on all is well".to_owned());
        for host in 0..self.hosts.len() {
            self.hosts[host].cut = false;
            if self.hosts[host].away != Away::Not {
                self.resume(host);
            }
            if !self.hosts[host].routes {
                self.flip(host);
            }
            if self.hosts[host].process.is_none() {
                self.schedule(self.now + 100, Happening::Starts(host));
            }
        }
    }
}

fn spec(job: usize, choices: &mut Choices) -> Job {
    let mut keys = String::from("engine: sh\nship: publish\n");
    if choices.once_in(2) {
        keys.push_str("verify: check\n");
    }
    if choices.once_in(4) {
        keys.push_str("retries: 1\n");
    }
    let (id, text) = (format!("job-{job}"), format!("---\n{keys}---\nwork\n"));
    parse(Naming::File(&id), "job.md", text.as_bytes()).unwrap().job
}

/// The id that a lease goes by.
pub(super) fn lease_name(token: Token) -> String {
    format!("lease-{}-{}", token.job, token.fence)
}
