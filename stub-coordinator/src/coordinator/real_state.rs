//! Real state (C-20) and the few ways in which it is written.
//!
//! Every write goes through a method here that keeps digest, write count and the queue's index in step; nothing else
//! in the coordinator touches them. What the operations mean is left to their own files.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::commands::CommandReply;
use super::digest::Digest;
use super::enrol_and_heartbeat::Factory;
use super::idempotency_cache::{IdempotencyCache, IdempotentRequest};
use super::job::JobRecord;
use super::job_queue::Queue;
use super::lease::{Lease, LeaseEnd, LeaseNumber, PastLease};
use crate::contract::ids::{FactoryId, JobId, LockName};
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;

/// Jobs, leases and factories, with what is derived from them; written by its own methods alone, which keep the digest.
#[derive(Debug, Clone)]
pub(crate) struct RealState {
    /// Every job that was submitted; none ever goes, but a withdrawn one makes way for the next of its id.
    jobs: HashMap<JobId, JobRecord>,
    /// What all jobs take, in bytes.
    job_bytes: usize,
    /// Jobs by submission order.
    order: BTreeMap<u64, JobId>,
    /// The jobs that are queued, in the order of claims.
    queue: Queue,
    /// The live leases.
    leases: HashMap<LeaseNumber, Lease>,
    /// When each of them runs out.
    deadlines: BTreeSet<(UtcTimestamp, LeaseNumber)>,
    /// How many live leases hold a lock. More than one only under the fault `double_grant`.
    locks: HashMap<LockName, usize>,
    /// Which job was finished under a lease, so that its release is recognised after its end (C-7).
    finished: HashMap<LeaseNumber, JobId>,
    /// How many leases were granted, which is the number of the last one.
    granted: u64,
    /// The enrolled factories.
    factories: HashMap<FactoryId, Factory>,
    /// Answers by idempotency key, the last so many; those that went with an effect are in the digest.
    memory: IdempotencyCache,
    /// The sum over all entities; follows each write.
    digest: Digest,
    /// How often anything real was written.
    writes: u64,
}

/// A lease that ran out, for whoever tells what fell due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpiredLease {
    pub(crate) at: UtcTimestamp,
    pub(crate) lease: Lease,
}

impl RealState {
    pub(crate) fn new(memory_limit: usize) -> RealState {
        RealState {
            jobs: HashMap::new(),
            job_bytes: 0,
            order: BTreeMap::new(),
            queue: Queue::default(),
            leases: HashMap::new(),
            deadlines: BTreeSet::new(),
            locks: HashMap::new(),
            finished: HashMap::new(),
            granted: 0,
            factories: HashMap::new(),
            memory: IdempotencyCache::new(memory_limit),
            digest: Digest::default(),
            writes: 0,
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// How often anything real was written.
    pub(crate) fn writes(&self) -> u64 {
        self.writes
    }

    pub(crate) fn job(&self, id: &JobId) -> Option<&JobRecord> {
        self.jobs.get(id)
    }

    /// Jobs in submission order whose sequence is over `after`.
    pub(crate) fn jobs_after(&self, after: u64) -> impl Iterator<Item = &JobRecord> {
        self.order
            .range(after.saturating_add(1)..)
            .filter_map(|(_, id)| self.jobs.get(id))
    }

    pub(crate) fn job_bytes(&self) -> usize {
        self.job_bytes
    }

    pub(crate) fn job_count(&self) -> usize {
        self.jobs.len()
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(crate) fn lease(&self, number: LeaseNumber) -> Option<&Lease> {
        self.leases.get(&number)
    }

    pub(crate) fn live_lease_of(&self, job: &JobRecord) -> Option<&Lease> {
        job.last_lease
            .as_ref()
            .and_then(|last| self.leases.get(&last.number))
    }

    pub(crate) fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// Whether a lease of that number was ever granted.
    pub(crate) fn was_granted(&self, number: LeaseNumber) -> bool {
        (1..=self.granted).contains(&number.0)
    }

    /// The job that reached its final stage under this lease.
    pub(crate) fn finished_under(&self, number: LeaseNumber) -> Option<&JobRecord> {
        self.jobs.get(self.finished.get(&number)?)
    }

    pub(crate) fn lock_is_free(&self, lock: &LockName) -> bool {
        !self.locks.contains_key(lock)
    }

    pub(crate) fn factory(&self, id: &FactoryId) -> Option<&Factory> {
        self.factories.get(id)
    }

    pub(crate) fn factories(&self) -> impl Iterator<Item = (&FactoryId, &Factory)> {
        self.factories.iter()
    }

    /// How many leases were ever granted.
    pub(crate) fn granted(&self) -> u64 {
        self.granted
    }

    /// Goes on from a state in which so many leases were granted.
    pub(crate) fn restore_granted(&mut self, granted: u64) {
        self.digest.remove(Digest::of(&("granted", self.granted)));
        self.granted = granted;
        self.digest.add(Digest::of(&("granted", self.granted)));
        self.writes += 1;
    }

    pub(crate) fn factory_count(&self) -> usize {
        self.factories.len()
    }

    pub(crate) fn memory(&self) -> &IdempotencyCache {
        &self.memory
    }

    pub(crate) fn next_deadline(&self) -> Option<UtcTimestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.order.last_key_value().map_or(1, |(last, _)| last + 1)
    }

    /// Puts a job where there was none, or changes the one there.
    pub(crate) fn put_job(&mut self, job: JobRecord) {
        if let Some(old) = self.jobs.get(job.id()) {
            self.digest.remove(old.digest());
            self.job_bytes -= old.bytes();
            if old.stage == Stage::Queued {
                self.queue.remove(old);
            }
            self.order.remove(&old.sequence);
        }
        self.digest.add(job.digest());
        self.job_bytes += job.bytes();
        if job.stage == Stage::Queued {
            self.queue.insert(&job);
        }
        if let Some(last) = job
            .last_lease
            .as_ref()
            .filter(|last| last.end == Some(LeaseEnd::Finished))
        {
            self.finished.insert(last.number, job.id().clone());
        }
        self.order.insert(job.sequence, job.id().clone());
        self.jobs.insert(job.id().clone(), job);
        self.writes += 1;
    }

    /// The number of the next lease; counting is a write.
    pub(crate) fn next_lease_number(&mut self) -> LeaseNumber {
        self.digest.remove(Digest::of(&("granted", self.granted)));
        self.granted += 1;
        self.digest.add(Digest::of(&("granted", self.granted)));
        self.writes += 1;
        LeaseNumber(self.granted)
    }

    /// Grants a lease, or moves the end of one that lives.
    pub(crate) fn put_lease(&mut self, lease: Lease) {
        self.drop_lease(lease.number);
        self.digest.add(Digest::of(&("lease", &lease)));
        self.deadlines.insert((lease.expires_at, lease.number));
        if let Some(lock) = self.jobs.get(&lease.job).and_then(|job| job.spec.lock.clone()) {
            let holders = self.locks.entry(lock.clone()).or_default();
            *holders += 1;
            if *holders == 1 {
                self.queue.lock_changed(&lock);
            }
        }
        self.leases.insert(lease.number, lease);
        self.writes += 1;
    }

    /// Ends a lease and notes on its job how; the job's stage is the caller's to change.
    pub(crate) fn end_lease(&mut self, number: LeaseNumber, end: LeaseEnd) -> Option<Lease> {
        let lease = self.drop_lease(number)?;
        self.writes += 1;
        if let Some(job) = self.jobs.get(&lease.job)
            && let Some(last) = job.last_lease.as_ref().filter(|last| last.number == number)
        {
            let mut ended = job.clone();
            ended.last_lease = Some(PastLease {
                end: Some(end),
                ..last.clone()
            });
            self.put_job(ended);
        }
        Some(lease)
    }

    pub(crate) fn put_factory(&mut self, id: FactoryId, factory: Factory) {
        let digest = |factory: &Factory| Digest::of(&("factory", &id, factory));
        if let Some(old) = self.factories.get(&id) {
            self.digest.remove(digest(old));
        }
        self.digest.add(digest(&factory));
        self.factories.insert(id, factory);
        self.writes += 1;
    }

    /// Notes a fact that is nothing but itself, such as a one-time token that was used.
    pub(crate) fn note(&mut self, fact: Digest) {
        self.digest.add(fact);
        self.writes += 1;
    }

    pub(crate) fn cache_reply(&mut self, once: IdempotentRequest, reply: CommandReply) {
        let (added, forgotten) = self.memory.keep(once, reply);
        self.digest.add(added);
        if let Some(forgotten) = forgotten {
            self.digest.remove(forgotten);
        }
    }

    /// Remembers an answer that had no effect: no write, and not in the digest.
    pub(crate) fn cache_reply_without_effect(&mut self, once: IdempotentRequest, reply: CommandReply) {
        self.memory.put_without_effect(once, reply);
    }

    /// Applies what is due by `now`: leases that ran out queue their jobs again with one attempt more (C-5).
    pub(crate) fn settle(&mut self, now: UtcTimestamp) -> Vec<ExpiredLease> {
        let mut expired = Vec::new();
        while let Some(&(at, number)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            let Some(lease) = self.end_lease(number, LeaseEnd::Expired) else {
                break;
            };
            let holds = |job: &&JobRecord| job.last_lease.as_ref().is_some_and(|last| last.number == number);
            if let Some(job) = self
                .jobs
                .get(&lease.job)
                .filter(holds)
                .filter(|job| !job.stage.is_final())
            {
                let mut again = job.clone();
                again.stage = Stage::Queued;
                again.attempts += 1;
                self.put_job(again);
            }
            expired.push(ExpiredLease { at, lease });
        }
        expired
    }

    fn drop_lease(&mut self, number: LeaseNumber) -> Option<Lease> {
        let lease = self.leases.remove(&number)?;
        self.digest.remove(Digest::of(&("lease", &lease)));
        self.deadlines.remove(&(lease.expires_at, number));
        if let Some(lock) = self.jobs.get(&lease.job).and_then(|job| job.spec.lock.as_ref())
            && let Some(holders) = self.locks.get_mut(lock)
        {
            *holders -= 1;
            if *holders == 0 {
                self.locks.remove(lock);
                self.queue.lock_changed(lock);
            }
        }
        Some(lease)
    }
}
