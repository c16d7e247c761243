//! The local source of work: the inbox, and what dead runners left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::left_behind::LeftBehind;
use crate::decide::{Eligibility, View, Waiting, decide, eligibility};
use crate::engine::{self, Engines};
use crate::ids::{Capability, EngineName, JobId, LockName};
use crate::queue::{AwaitedFile, Changes, Claim, Claimed, InWork, Inbox, Queue, QueueError, Refused};
use crate::stage::Stage;

/// What a look at the queue came to.
#[derive(Debug)]
pub(crate) struct Choice {
    /// The job that starts now, already ours; `None`: there is none that could.
    pub(crate) claimed: Option<Claimed>,
    /// The picture on which this was decided.
    pub(crate) view: Arc<View>,
    pub(crate) prospect: Prospect,
    pub(crate) refused: Vec<Refused>,
    /// Files that are waited for from now on.
    pub(crate) awaited: Vec<AwaitedFile>,
    /// Who keeps the queue locked, so that new files have to wait.
    pub(crate) locked: Option<QueueError>,
    /// Jobs of dead runners, and where they went.
    pub(crate) recovered: Vec<(JobId, Stage)>,
}

/// Where nothing can start: whether waiting may change that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// Nothing waits that could ever run here.
    None,
    /// A lock or a job is in other hands; their end is noticed.
    InOtherHands,
    /// A file is being written; its end is noticed.
    Written,
}

pub(crate) struct Local {
    inbox: Inbox,
    factory_caps: Vec<Capability>,
    left_behind: LeftBehind,
}

/// What this process has of the jobs in work.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) running: BTreeSet<JobId>,
    /// Those of them whose supervisor is gone.
    pub(crate) lost: BTreeMap<JobId, InWork>,
    /// Children of this process that it never started.
    pub(crate) adopted: Vec<i32>,
}

impl Local {
    pub(crate) fn new(factory_caps: &[Capability], grace: Duration) -> Local {
        Local {
            inbox: Inbox::default(),
            factory_caps: factory_caps.to_vec(),
            left_behind: LeftBehind::new(grace),
        }
    }

    /// Whether there are jobs in the inbox, as it was seen last.
    pub(crate) fn has_waiting(&self) -> bool {
        self.inbox.has_waiting()
    }

    /// The job goes back to the inbox for another attempt.
    pub(crate) fn put_back(&mut self, id: JobId, in_work: InWork) {
        self.inbox.put_back(id, in_work);
    }

    /// Whether something of this job is still in the way of taking it up.
    pub(crate) fn is_busy_with(&self, id: &JobId) -> bool {
        self.left_behind.is_busy_with(id)
    }

    /// When something that was left behind is to be looked at again.
    pub(crate) fn next_instant(&self) -> Option<Instant> {
        self.left_behind.next_instant()
    }

    /// Looks, decides and takes.
    pub(crate) fn choose(
        &mut self,
        queue: &Queue,
        engines: &Engines,
        mut changes: Changes,
        own: &Own,
    ) -> Result<Choice, QueueError> {
        let mut elsewhere = Elsewhere::default();
        let (recovered, busy) = self.left_behind.recover(queue, own)?;
        elsewhere.busy = busy;
        // What was just put back may not have been noticed yet.
        changes.everything |= recovered.iter().any(|(_, stage)| *stage == Stage::Inbox);
        let look = self.inbox.look(queue, changes)?;
        elsewhere.busy |= look.in_other_hands;
        let caps: BTreeSet<Capability> = self
            .factory_caps
            .iter()
            .cloned()
            .chain(engine::capabilities(&usable(queue, engines)?))
            .collect();
        loop {
            let view = Arc::new(self.view(queue, &caps, &elsewhere)?);
            let chosen = decide(&view).cloned();
            let claimed = match &chosen {
                None => None,
                Some(chosen) => match self.inbox.claim(queue, chosen)? {
                    Claim::Claimed(claimed) => Some(*claimed),
                    Claim::LockHeld => {
                        elsewhere.locks.extend(chosen.lock.clone());
                        continue;
                    }
                    Claim::Gone => {
                        // Not looked at again in this pass: whoever has it may keep it for a while.
                        elsewhere.jobs.insert(chosen.id.clone());
                        continue;
                    }
                },
            };
            if let Some(claimed) = &claimed {
                self.inbox.taken(&claimed.job.id);
            }
            elsewhere.jobs.iter().for_each(|id| self.inbox.revisit_job(id));
            let prospect = match &claimed {
                // A look follows before the next start, so there is no need to look through all that wait.
                Some(_) => Prospect::None,
                None if self.inbox.awaits_writers() => Prospect::Written,
                None => prospect(&view, &elsewhere),
            };
            return Ok(Choice {
                claimed,
                view,
                prospect,
                refused: look.refused,
                awaited: look.awaited,
                locked: look.locked,
                recovered,
            });
        }
    }

    /// The jobs that no waiting helps: this factory lacks the means, or a person has to decide first.
    pub(crate) fn stranded(view: &View) -> Vec<(Arc<Waiting>, Eligibility)> {
        let is_kept = |job: &Waiting| {
            job.lock
                .as_ref()
                .is_some_and(|lock| view.locks_kept.contains(lock))
        };
        let judged = view
            .waiting
            .values()
            .map(|job| (Arc::clone(job), eligibility(job, view)));
        judged
            .filter(|(job, eligibility)| match eligibility {
                Eligibility::Eligible => false,
                Eligibility::LockHeld => is_kept(job),
                Eligibility::EngineMissing | Eligibility::CapsMissing => true,
            })
            .collect()
    }

    fn view(
        &mut self,
        queue: &Queue,
        caps: &BTreeSet<Capability>,
        elsewhere: &Elsewhere,
    ) -> Result<View, QueueError> {
        let waiting = self.inbox.waiting(&elsewhere.jobs);
        let working = self.inbox.working(queue)?;
        let locks_kept = queue.kept_locks()?;
        let in_work = working.iter().filter(|job| job.stage != Stage::Review);
        let locks_held = in_work
            .filter_map(|job| job.lock.clone())
            .chain(elsewhere.locks.iter().cloned())
            .chain(locks_kept.iter().cloned())
            .collect();
        Ok(View {
            waiting,
            working,
            locks_held,
            locks_kept,
            caps: caps.clone(),
        })
    }

    /// Only takes up what dead runners left in work; true: something of it is still being ended.
    pub(crate) fn take_up(
        &mut self,
        queue: &Queue,
        own: &Own,
    ) -> Result<(Vec<(JobId, Stage)>, bool), QueueError> {
        self.left_behind.recover(queue, own)
    }
}

/// The engines that are found here and not paused.
pub(super) fn usable(queue: &Queue, engines: &Engines) -> Result<BTreeSet<EngineName>, QueueError> {
    let paused = queue.paused_engines()?;
    let mut found = engines.available();
    found.retain(|engine| !paused.contains_key(engine));
    Ok(found)
}

/// What a pass learnt of others.
#[derive(Debug, Default)]
struct Elsewhere {
    locks: BTreeSet<LockName>,
    jobs: BTreeSet<JobId>,
    /// A job is in the hands of a process that will let go of it: a supervisor that ends what a dead runner had started, or
    /// a command that looks after a file of the inbox.
    busy: bool,
}

fn prospect(view: &View, elsewhere: &Elsewhere) -> Prospect {
    // A lock that a job in quarantine keeps is freed by a person, who isn't waited for.
    let freed = |job: &Waiting| {
        job.lock
            .as_ref()
            .is_some_and(|lock| !view.locks_kept.contains(lock))
    };
    let blocked = view
        .waiting
        .values()
        .any(|job| eligibility(job, view) == Eligibility::LockHeld && freed(job));
    match blocked || elsewhere.busy || !elsewhere.jobs.is_empty() {
        true => Prospect::InOtherHands,
        false => Prospect::None,
    }
}
