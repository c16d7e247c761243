//! The dry run and the shadow views (C-20 to C-23): what a claim would be given, and where each factory says that
//! its own jobs stand. Kept apart from real state; nothing in here has a way to write to it.

use std::collections::{BTreeSet, HashMap};

use super::Coordinator;
use super::commands::{CommandRefusal, CommandReply, CommandResult};
use super::eligibility_index::{EligibilityCache, JobAvailability};
use super::job::JobRecord;
use super::job_queue::{PartitionChange, Queue, QueuePosition};
use crate::contract::ids::{Capability, FactoryId, JobId, LockName};
use crate::contract::stage::Stage;

/// The most factories whose views are kept; the least recently used goes.
const VIEW_LIMIT: usize = 4_096;
/// For how many sets of capabilities a factory's dry runs are kept at hand: it has one, or is being reconfigured.
const INDEXES_PER_VIEW: usize = 2;
/// The same for all factories that have reported nothing.
const INDEXES_WITHOUT_VIEW: usize = 64;

/// All shadow views, one a factory.
#[derive(Debug, Clone)]
pub(crate) struct ShadowViews {
    /// Made by a factory's first shadow report; the one that was used least recently goes where there are too many.
    by_factory: HashMap<FactoryId, ShadowView>,
    /// How often views were used, to tell which was used least recently.
    uses: u64,
    /// What dry runs of factories without a view are given.
    without_view: EligibilityCache,
}

/// Where one factory says that its jobs stand. A job that is not in it is queued.
#[derive(Debug, Clone)]
pub(crate) struct ShadowView {
    /// As its shadow reports say.
    stages: HashMap<JobId, Stage>,
    /// How many jobs stand at `building` or `testing` under a lock.
    locks: HashMap<LockName, usize>,
    /// The number of its last use.
    last_use: u64,
    /// What dry runs of this factory are given.
    eligibility_cache: EligibilityCache,
}

impl Default for ShadowViews {
    fn default() -> ShadowViews {
        ShadowViews {
            by_factory: HashMap::new(),
            uses: 0,
            without_view: EligibilityCache::new(INDEXES_WITHOUT_VIEW),
        }
    }
}

impl Default for ShadowView {
    fn default() -> ShadowView {
        ShadowView {
            stages: HashMap::new(),
            locks: HashMap::new(),
            last_use: 0,
            eligibility_cache: EligibilityCache::new(INDEXES_PER_VIEW),
        }
    }
}

impl ShadowViews {
    fn view(&self, factory: &FactoryId) -> Option<&ShadowView> {
        self.by_factory.get(factory)
    }

    /// Every stage that was reported and is not `queued`.
    pub(super) fn stages(&self) -> impl Iterator<Item = (&FactoryId, &JobId, Stage)> {
        self.by_factory.iter().flat_map(|(factory, view)| {
            let stages = view.stages.iter();
            stages.map(move |(job, stage)| (factory, job, *stage))
        })
    }

    /// Forgets what was reported of a job whose id another one gets.
    pub(super) fn forget(&mut self, job: &JobRecord, queue: &Queue) {
        for view in self.by_factory.values_mut() {
            view.set(job, Stage::Queued, queue);
        }
    }

    fn view_mut(&mut self, factory: &FactoryId) -> &mut ShadowView {
        self.uses += 1;
        if !self.by_factory.contains_key(factory) && self.by_factory.len() >= VIEW_LIMIT {
            let oldest = self
                .by_factory
                .iter()
                .min_by_key(|(_, view)| view.last_use)
                .map(|(id, _)| id.clone());
            oldest.map(|id| self.by_factory.remove(&id));
        }
        let view = self.by_factory.entry(factory.clone()).or_default();
        view.last_use = self.uses;
        view
    }
}

impl ShadowView {
    fn stage(&self, job: &JobId) -> Stage {
        self.stages.get(job).copied().unwrap_or(Stage::Queued)
    }

    fn set(&mut self, job: &JobRecord, stage: Stage, queue: &Queue) {
        let before = self.stage(job.id());
        if let Some(lock) = &job.spec.lock {
            match (holds_its_lock(before), holds_its_lock(stage)) {
                (true, false) => self.free(lock, queue),
                (false, true) => self.hold(lock, queue),
                _ => {}
            }
        }
        match stage {
            Stage::Queued => self.stages.remove(job.id()),
            _ => self.stages.insert(job.id().clone(), stage),
        };
        if let Some(line) = queue.line_of(job) {
            let at = Some(QueuePosition::of(job));
            self.eligibility_cache.recheck_later(PartitionChange { line, at });
        }
    }

    fn hold(&mut self, lock: &LockName, queue: &Queue) {
        let holders = self.locks.entry(lock.clone()).or_default();
        *holders += 1;
        if *holders == 1 {
            self.lock_changed(lock, queue);
        }
    }

    fn free(&mut self, lock: &LockName, queue: &Queue) {
        let Some(holders) = self.locks.get_mut(lock) else {
            return;
        };
        *holders -= 1;
        if *holders == 0 {
            self.locks.remove(lock);
            self.lock_changed(lock, queue);
        }
    }

    fn lock_changed(&mut self, lock: &LockName, queue: &Queue) {
        for line in queue.lines_of(lock) {
            self.eligibility_cache.recheck_later(PartitionChange {
                line: *line,
                at: None,
            });
        }
    }
}

/// In the view a lock is held from `building` on; a job in `review` holds none, as with the runner (C-21).
fn holds_its_lock(stage: Stage) -> bool {
    matches!(stage, Stage::Building | Stage::Testing)
}

impl Coordinator {
    pub(super) fn shadow_claim(&mut self, factory: &FactoryId, caps: &BTreeSet<Capability>) -> CommandReply {
        let state = &self.state;
        let ShadowViews {
            by_factory,
            without_view,
            ..
        } = &mut self.views;
        let first = match by_factory.get_mut(factory) {
            Some(ShadowView {
                stages,
                locks,
                eligibility_cache,
                ..
            }) => {
                let judge = JobAvailability {
                    lock_is_free: &|lock| state.lock_is_free(lock) && !locks.contains_key(lock),
                    is_taken: &|job| stages.contains_key(job),
                };
                eligibility_cache.first(state.queue(), caps, &judge)
            }
            None => {
                let judge = JobAvailability {
                    lock_is_free: &|lock| state.lock_is_free(lock),
                    is_taken: &|_| false,
                };
                without_view.first(state.queue(), caps, &judge)
            }
        };
        match first.and_then(|id| state.job(id)) {
            Some(job) => CommandReply::WouldGrant {
                job: job.clone(),
                lease: None,
            },
            None => CommandReply::Nothing,
        }
    }

    pub(super) fn shadow_report(&mut self, factory: &FactoryId, id: &JobId, stage: Stage) -> CommandResult {
        let job = self
            .state
            .job(id)
            .ok_or_else(|| CommandRefusal::UnknownJob(id.clone()))?;
        let held = self
            .views
            .view(factory)
            .map_or(Stage::Queued, |view| view.stage(id));
        let accepted = stage == Stage::Queued || stage == held || held.leads_to(stage);
        if accepted {
            self.views.view_mut(factory).set(job, stage, self.state.queue());
        }
        let stage = if accepted { stage } else { held };
        Ok(CommandReply::Mirrored {
            accepted,
            stage,
            real_stage: job.stage,
        })
    }
}
