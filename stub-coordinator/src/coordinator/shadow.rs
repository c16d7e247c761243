//! The dry run and the shadow views (C-20 to C-23): what a claim would be given, and where each factory says that
//! its own jobs stand. Kept apart from real state; nothing in here has a way to write to it.

use std::collections::{BTreeSet, HashMap};

use super::Coordinator;
use super::job::Stage;
use super::outcome::{Refusal, Reply};
use super::state::State;
use crate::ids::{Capability, FactoryId, JobId, LockName};

/// The most factories whose views are kept; the least recently used goes.
const VIEW_LIMIT: usize = 4_096;

/// All shadow views, one a factory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Views {
    by_factory: HashMap<FactoryId, View>,
    uses: u64,
}

/// Where one factory says that its jobs stand. A job that is not in it is queued.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    stages: HashMap<JobId, Stage>,
    /// How many jobs stand at `building` or `testing` under a lock.
    locks: HashMap<LockName, usize>,
    last_use: u64,
}

impl Views {
    fn view(&self, factory: &FactoryId) -> Option<&View> {
        self.by_factory.get(factory)
    }

    /// Every stage that was reported and is not `queued`.
    pub(super) fn stages(&self) -> impl Iterator<Item = (&FactoryId, &JobId, Stage)> {
        self.by_factory.iter().flat_map(|(factory, view)| {
            let stages = view.stages.iter();
            stages.map(move |(job, stage)| (factory, job, *stage))
        })
    }

    fn view_mut(&mut self, factory: &FactoryId) -> &mut View {
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

impl View {
    fn stage(&self, job: &JobId) -> Stage {
        self.stages.get(job).copied().unwrap_or(Stage::Queued)
    }

    fn set(&mut self, job: &JobId, lock: Option<&LockName>, stage: Stage) {
        let before = self.stage(job);
        if let Some(lock) = lock {
            if holds_its_lock(before) && !holds_its_lock(stage) {
                self.free(lock);
            }
            if !holds_its_lock(before) && holds_its_lock(stage) {
                *self.locks.entry(lock.clone()).or_default() += 1;
            }
        }
        match stage {
            Stage::Queued => self.stages.remove(job),
            _ => self.stages.insert(job.clone(), stage),
        };
    }

    fn free(&mut self, lock: &LockName) {
        if let Some(holders) = self.locks.get_mut(lock) {
            *holders -= 1;
            if *holders == 0 {
                self.locks.remove(lock);
            }
        }
    }
}

/// In the view a lock is held from `building` on; a job in `review` holds none, as with the runner (C-21).
fn holds_its_lock(stage: Stage) -> bool {
    matches!(stage, Stage::Building | Stage::Testing)
}

impl Coordinator {
    pub(super) fn shadow_claim(&self, factory: &FactoryId, caps: &BTreeSet<Capability>) -> Reply {
        match would_be_given(&self.state, self.views.view(factory), caps) {
            Some(job) => match self.state.job(job) {
                Some(job) => Reply::WouldGrant {
                    job: job.clone(),
                    lease: None,
                },
                None => Reply::Nothing,
            },
            None => Reply::Nothing,
        }
    }

    pub(super) fn shadow_report(
        &mut self,
        factory: &FactoryId,
        id: &JobId,
        stage: Stage,
    ) -> Result<Reply, Refusal> {
        let job = self
            .state
            .job(id)
            .ok_or_else(|| Refusal::UnknownJob(id.clone()))?;
        let held = self
            .views
            .view(factory)
            .map_or(Stage::Queued, |view| view.stage(id));
        let accepted = stage == Stage::Queued || stage == held || held.leads_to(stage);
        if accepted {
            self.views
                .view_mut(factory)
                .set(id, job.spec.lock.as_ref(), stage);
        }
        let stage = if accepted { stage } else { held };
        Ok(Reply::Mirrored {
            accepted,
            stage,
            real_stage: job.stage,
        })
    }
}

fn would_be_given<'state>(
    state: &'state State,
    view: Option<&View>,
    caps: &BTreeSet<Capability>,
) -> Option<&'state JobId> {
    state.queue().first(
        caps,
        |lock| state.lock_is_free(lock) && view.is_none_or(|view| !view.locks.contains_key(lock)),
        |job| view.is_some_and(|view| view.stages.contains_key(job)),
    )
}
