//! What there is to see besides exchanges: rules, gates, clock, counters, jobs, factories, violations. Bounded, since
//! a queue may hold very many jobs and a page shows few.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use crate::clock::ClockKind;
use crate::contract::operation::Operation;
use crate::contract::stage::Stage;
use crate::coordinator::RealState;
use crate::coordinator::job::JobRecord;
use crate::faults::{Fault, MalformedFault};
use crate::shared_stub::SharedStub;

/// The most jobs, factories, rules, gates and violations that are shown; all of them are counted.
const SHOWN: usize = 100;

/// How many times as long as it took to read the state is waited before it is read again: while very many jobs are
/// counted the coordinator's lock is held, and who watches must not slow down who works.
const REST: u32 = 20;

/// One part, and what it is told apart from its earlier self by.
pub(super) struct SnapshotPart {
    pub(super) told: Value,
    pub(super) compared: String,
}

/// Reads the parts, and the costly ones only when real state has changed.
#[derive(Default)]
pub(super) struct SnapshotReader {
    digest: String,
    jobs: Value,
    factories: Value,
    /// Not read again before then.
    next_read_after: Option<Instant>,
}

impl SnapshotReader {
    pub(super) fn look(&mut self, shared: &SharedStub) -> Vec<(&'static str, SnapshotPart)> {
        self.read_state(shared);
        let journal = &shared.journal;
        let counters = journal.counters();
        let mutations = counters.mutations_total();
        let rules = shared.rule_engine.rules();
        let gates: Vec<Value> = shared
            .gates
            .waiting()
            .into_iter()
            .take(SHOWN)
            .map(|(name, waiting)| json!({"name": name, "waiting": waiting}))
            .collect();
        let violations = journal.violations();
        let latest = &violations[violations.len().saturating_sub(SHOWN)..];
        let clock = clock(shared);
        // A real clock always shows something else; its heartbeat tells the time.
        let compared = match shared.clock.kind() {
            ClockKind::Manual => clock.to_string(),
            ClockKind::Real => String::new(),
        };
        vec![
            part(
                "rules",
                json!({"rules": &rules[..rules.len().min(SHOWN)], "count": rules.len()}),
            ),
            part("gates", json!({"gates": gates})),
            part(
                "counters",
                json!({"counters": counters, "mutationsTotal": mutations}),
            ),
            part("jobs", self.jobs.clone()),
            part("factories", self.factories.clone()),
            part(
                "violations",
                json!({"violations": latest, "count": violations.len()}),
            ),
            (
                "clock",
                SnapshotPart {
                    told: clock,
                    compared,
                },
            ),
        ]
    }

    fn read_state(&mut self, shared: &SharedStub) {
        let mut coordinator = shared.coordinator();
        coordinator.settle(shared.clock.now());
        let digest = coordinator.digest().to_string();
        let began = Instant::now();
        if digest == self.digest || self.next_read_after.is_some_and(|until| began < until) {
            return;
        }
        self.jobs = jobs(coordinator.state());
        self.factories = factories(coordinator.state());
        self.digest = digest;
        self.next_read_after = Some(began + began.elapsed() * REST);
    }
}

pub(super) fn clock(shared: &SharedStub) -> Value {
    json!({"kind": shared.clock.kind(), "now": shared.clock.now()})
}

/// The words that rules are written with.
pub(super) fn vocabulary() -> Value {
    let operations: Vec<_> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    let words: Vec<_> = Fault::words().collect();
    let keys: Vec<_> = Fault::keys().collect();
    json!({"operations": operations, "words": words, "keys": keys, "malformed": MalformedFault::ALL})
}

fn part(name: &'static str, told: Value) -> (&'static str, SnapshotPart) {
    let compared = told.to_string();
    (name, SnapshotPart { told, compared })
}

/// How many jobs stand at each stage, and those that are looked at first: under way, then waiting, then done.
fn jobs(state: &RealState) -> Value {
    let mut stages: BTreeMap<&str, usize> = Stage::ALL.iter().map(|stage| (stage.name(), 0)).collect();
    let mut groups: [Vec<&JobRecord>; 3] = Default::default();
    for job in state.jobs_after(0) {
        *stages.entry(job.stage.name()).or_default() += 1;
        let group = match job.stage {
            Stage::Queued => 1,
            stage if stage.is_final() => 2,
            _ => 0,
        };
        if groups[group].len() < SHOWN {
            groups[group].push(job);
        }
    }
    let shown: Vec<Value> = groups
        .iter()
        .flatten()
        .take(SHOWN)
        .map(|job| {
            let lease = state.live_lease_of(job).map(|lease| {
                json!({"id": lease.number.id(), "factory": lease.factory,
                       "fencing_token": lease.fencing_token, "expires_at": lease.expires_at})
            });
            json!({"id": job.id(), "stage": job.stage.name(), "attempts": job.attempts, "lease": lease,
                   "quarantines": job.quarantines.len()})
        })
        .collect();
    json!({"stages": stages, "count": state.job_count(), "shown": shown})
}

fn factories(state: &RealState) -> Value {
    let mut shown: Vec<_> = state.factories().collect();
    shown.sort_by(|left, right| left.0.as_str().cmp(right.0.as_str()));
    let shown: Vec<Value> = shown
        .into_iter()
        .take(SHOWN)
        .map(|(id, factory)| {
            json!({"id": id, "version": factory.version, "caps": factory.caps, "scopes": factory.scopes,
                   "last_seen": factory.last_seen, "running": factory.running.len()})
        })
        .collect();
    json!({"shown": shown, "count": state.factory_count()})
}
