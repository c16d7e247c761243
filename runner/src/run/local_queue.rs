//! The inbox as this process knows it, and what dead runners left behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::abandoned_jobs::{AbandonedJobs, OwnedJobs};
use crate::engine::{self, EngineRegistry};
use crate::ids::{Capability, EngineName, JobId, LockName};
use crate::job_reason::JobReason;
use crate::queue::{
    AwaitedFile, ClaimedJob, FolderChanges, Inbox, InboxClaim, Queue, QueueError, RejectedFile,
};
use crate::scheduler::{Eligibility, QueueSnapshot, WaitingJob, decide, eligibility};
use crate::stage::Stage;

/// What a look at the queue came to.
#[derive(Debug)]
pub(crate) struct LocalSelection {
    /// The job that starts now, already ours; `None`: there is none that could.
    pub(crate) claimed: Option<ClaimedJob>,
    /// The picture on which this was decided.
    pub(crate) view: Arc<QueueSnapshot>,
    pub(crate) wait_reason: WaitReason,
    /// Where nothing can start: when the first retry is due.
    pub(crate) retry_at: Option<Instant>,
    pub(crate) refused: Vec<RejectedFile>,
    /// Jobs that can't be worked with, nor be moved out of the way.
    pub(crate) left: Vec<(JobId, JobReason)>,
    /// Files that are waited for from now on.
    pub(crate) awaited: Vec<AwaitedFile>,
    /// Who keeps the queue locked, so that new files have to wait.
    pub(crate) locked: Option<QueueError>,
    /// Jobs of dead runners, and where they went.
    pub(crate) recovered: Vec<(JobId, Stage)>,
}

/// Where nothing can start: whether waiting may change that.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitReason {
    /// Nothing waits that could ever run here.
    #[default]
    None,
    /// A lock or a job is in other hands; their end is noticed.
    HeldByOthers,
    /// A file is being written; its end is noticed.
    BeingWritten,
    /// The host is in trouble, and nothing is looked at before that is over.
    HostTrouble,
}

pub(crate) struct LocalQueue {
    pub(super) inbox: Inbox,
    factory_caps: Vec<Capability>,
    pub(super) abandoned_jobs: AbandonedJobs,
}

impl LocalQueue {
    pub(crate) fn new(factory_caps: &[Capability], grace: Duration) -> LocalQueue {
        LocalQueue {
            inbox: Inbox::default(),
            factory_caps: factory_caps.to_vec(),
            abandoned_jobs: AbandonedJobs::new(grace),
        }
    }

    /// Looks, decides and takes.
    pub(crate) fn choose(
        &mut self,
        queue: &Queue,
        engines: &EngineRegistry,
        mut changes: FolderChanges,
        own: &OwnedJobs,
    ) -> Result<LocalSelection, QueueError> {
        let mut elsewhere = HeldElsewhere::default();
        let abandoned = self.abandoned_jobs.recover(queue, own)?;
        // What was just put back may not have been noticed yet.
        changes.everything |= abandoned
            .recovered
            .iter()
            .any(|(_, stage)| *stage == Stage::Inbox);
        let mut look = self.inbox.look(queue, changes)?;
        look.note(abandoned.set_aside);
        elsewhere.busy = abandoned.busy || look.held_elsewhere;
        let usable = UsableEngines::of(queue, engines)?;
        elsewhere.tried = usable.tried.difference(&own.tried).cloned().collect();
        let mut means = HostMeans::of(&self.factory_caps, usable);
        loop {
            let view = Arc::new(self.view(queue, &means, &elsewhere)?);
            let chosen = decide(&view).cloned();
            let claimed = match &chosen {
                None => None,
                Some(chosen) => match self.inbox.claim(queue, chosen) {
                    Err(error) => {
                        let name = chosen.id.file_name().into();
                        self.inbox.set_aside(queue, name, error, &mut look)?;
                        continue;
                    }
                    Ok(InboxClaim::Claimed(claimed)) => {
                        self.inbox.taken(&claimed.job.id);
                        Some(*claimed)
                    }
                    Ok(InboxClaim::LockHeld) => {
                        elsewhere.locks.extend(chosen.lock.clone());
                        continue;
                    }
                    Ok(InboxClaim::EnginePaused) => {
                        means.withdraw(&chosen.engine);
                        elsewhere.tried.insert(chosen.engine.clone());
                        continue;
                    }
                    Ok(InboxClaim::Unavailable) => {
                        // Whoever has it may keep it for a while.
                        elsewhere.jobs.insert(chosen.id.clone());
                        continue;
                    }
                },
            };
            elsewhere.jobs.iter().for_each(|id| self.inbox.revisit_job(id));
            // A look follows before the next start, so there is no need to look through all that wait.
            let (retry_at, wait_reason) = match claimed.is_some() {
                true => (None, WaitReason::None),
                false => (next_retry(&view), self.wait_reason(&view, &elsewhere)),
            };
            return Ok(LocalSelection {
                retry_at,
                wait_reason,
                claimed,
                view,
                refused: look.refused,
                left: look.left,
                awaited: look.awaited,
                locked: look.locked,
                recovered: abandoned.recovered,
            });
        }
    }

    /// What is waited for when nothing can be started.
    fn wait_reason(&self, view: &QueueSnapshot, elsewhere: &HeldElsewhere) -> WaitReason {
        if self.inbox.awaits_writers() {
            return WaitReason::BeingWritten;
        }
        // A lock that a job in quarantine keeps is freed by a person, who isn't waited for.
        let freed = |job: &WaitingJob| lock_is_in_quarantine(job, view) == Some(false);
        let mut waiting = view.waiting.values();
        let blocked = waiting.any(|job| match eligibility(job, view) {
            Eligibility::LockHeld => freed(job),
            Eligibility::EngineMissing => elsewhere.tried.contains(&job.engine),
            Eligibility::Eligible | Eligibility::CapsMissing | Eligibility::RetryLater => false,
        });
        match blocked || elsewhere.busy || !elsewhere.jobs.is_empty() {
            true => WaitReason::HeldByOthers,
            false => WaitReason::None,
        }
    }

    /// The jobs that no short wait helps: this factory lacks the means, a person has to decide first, or their next
    /// attempt is due later.
    pub(crate) fn never_startable(view: &QueueSnapshot) -> Vec<(Arc<WaitingJob>, Eligibility)> {
        let never = |(job, eligibility): &(Arc<WaitingJob>, Eligibility)| match eligibility {
            Eligibility::Eligible => false,
            Eligibility::LockHeld => lock_is_in_quarantine(job, view) == Some(true),
            Eligibility::EngineMissing | Eligibility::CapsMissing | Eligibility::RetryLater => true,
        };
        let waiting = view.waiting.values();
        let judged = waiting.map(|job| (Arc::clone(job), eligibility(job, view)));
        judged.filter(never).collect()
    }

    fn view(
        &mut self,
        queue: &Queue,
        means: &HostMeans,
        elsewhere: &HeldElsewhere,
    ) -> Result<QueueSnapshot, QueueError> {
        let waiting = self.inbox.waiting(&elsewhere.jobs);
        let working = self.inbox.working(queue)?;
        let locks_in_quarantine = queue.quarantined_locks()?;
        let in_work = working.iter().filter(|job| job.stage != Stage::Review);
        let locks_held = in_work
            .filter_map(|job| job.lock.clone())
            .chain(elsewhere.locks.iter().cloned())
            .chain(locks_in_quarantine.iter().cloned())
            .collect();
        Ok(QueueSnapshot {
            waiting,
            working,
            locks_held,
            locks_in_quarantine,
            caps: means.caps.clone(),
            failed_at_once: means.failed_at_once.clone(),
            at_ms: Timestamp::now().as_millisecond(),
        })
    }
}

/// What a look learnt of the engines.
#[derive(Debug, Default)]
pub(super) struct UsableEngines {
    /// Found here, and neither paused nor tried by a job.
    pub(super) found: BTreeSet<EngineName>,
    /// Their pause is over, and a job of the queue tries them now.
    tried: BTreeSet<EngineName>,
    /// The jobs with which engines failed at once that may be tried now.
    failed_at_once: BTreeSet<JobId>,
}

impl UsableEngines {
    pub(super) fn of(queue: &Queue, engines: &EngineRegistry) -> Result<UsableEngines, QueueError> {
        let mut usable = UsableEngines {
            found: engines.available(),
            ..UsableEngines::default()
        };
        let now = Timestamp::now();
        for (engine, health) in queue.engine_health()? {
            let Some(pause) = &health.pause else {
                continue;
            };
            if pause.left(now).is_some() {
                usable.found.remove(&engine);
            } else if queue.is_engine_tried(&engine)? {
                usable.found.remove(&engine);
                usable.tried.insert(engine);
            } else {
                let failed = health.quick_failures.iter();
                usable
                    .failed_at_once
                    .extend(failed.filter_map(|id| JobId::new(id).ok()));
            }
        }
        Ok(usable)
    }
}

/// What this host can do at the time of a decision.
struct HostMeans {
    caps: BTreeSet<Capability>,
    failed_at_once: BTreeSet<JobId>,
}

impl HostMeans {
    fn of(factory_caps: &[Capability], usable: UsableEngines) -> HostMeans {
        let own = factory_caps.iter().cloned();
        HostMeans {
            caps: own.chain(engine::capabilities(&usable.found)).collect(),
            failed_at_once: usable.failed_at_once,
        }
    }

    fn withdraw(&mut self, engine: &EngineName) {
        for cap in engine::capabilities(&BTreeSet::from([engine.clone()])) {
            self.caps.remove(&cap);
        }
    }
}

/// What a pass learnt of others.
#[derive(Debug, Default)]
struct HeldElsewhere {
    locks: BTreeSet<LockName>,
    jobs: BTreeSet<JobId>,
    /// Engines that a job of another runner tries: the end of that job says whether they may be used.
    tried: BTreeSet<EngineName>,
    /// A job is in the hands of a process that will let go of it: a supervisor that ends what a dead runner had started, or
    /// a command that looks after a file of the inbox.
    busy: bool,
}

/// Whether a job in quarantine keeps the lock that this one names; none if it names none.
fn lock_is_in_quarantine(job: &WaitingJob, view: &QueueSnapshot) -> Option<bool> {
    let lock = job.lock.as_ref()?;
    Some(view.locks_in_quarantine.contains(lock))
}

/// When the first of the jobs that wait for their next attempt starts it.
fn next_retry(view: &QueueSnapshot) -> Option<Instant> {
    let waiting = view.waiting.values();
    let later = waiting.filter(|job| eligibility(job, view) == Eligibility::RetryLater);
    let first = later.filter_map(|job| job.retry_at_ms).min()?;
    let left = u64::try_from(first - view.at_ms).unwrap_or(0);
    Some(Instant::now() + Duration::from_millis(left))
}
