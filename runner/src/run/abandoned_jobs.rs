//! Jobs that a dead runner left in work, or this one when it lost their supervisor: what is alive of them is ended, and
//! then they are taken up by their rule (clause O-7).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::progress;
use crate::error_scope::ErrorScope;
use crate::ids::{EngineName, JobId};
use crate::queue::{Queue, QueueError, RecoveryOutcome, SetAside, WorkSnapshot};
use crate::stage::Stage;
use crate::supervise::orphan_scan::{self, OrphanProcess, OrphanScan};

/// What can't be proven to be a job's own may be a process that is only just being started, or about to be gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// What does not die of KILL, as it hangs in the kernel or is another user's, is looked at again after this, then after
/// twice as long, and so on. Then a person has to look at it.
const AGAIN_FIRST: Duration = Duration::from_millis(10);
const AGAIN_MAX: Duration = Duration::from_secs(1);

/// What this process has of the jobs in work.
#[derive(Debug, Default)]
pub(crate) struct OwnedJobs {
    pub(crate) running: BTreeSet<JobId>,
    /// Those of them whose supervisor is gone.
    pub(crate) lost: BTreeMap<JobId, WorkSnapshot>,
    /// Children of this process that it never started.
    pub(crate) adopted: Vec<i32>,
    /// The engines that its jobs try after a pause.
    pub(crate) tried: BTreeSet<EngineName>,
}

pub(super) struct AbandonedJobs {
    grace: Duration,
    /// Jobs in review that are to be looked at; none before the first look.
    reviews: Option<BTreeSet<JobId>>,
    busy: BTreeSet<JobId>,
    endings: BTreeMap<JobId, OrphanTermination>,
    unproven: BTreeMap<JobId, Instant>,
}

/// What a look at the jobs in work came to.
#[derive(Debug, Default)]
pub(super) struct AbandonedScan {
    /// The jobs that were taken up, and where they went.
    pub(super) recovered: Vec<(JobId, Stage)>,
    /// Those that nothing can be done about.
    pub(super) set_aside: Vec<(JobId, SetAside)>,
    /// Something is still in the way of taking up others.
    pub(super) busy: bool,
}

/// Orphans that were told to end.
struct OrphanTermination {
    asked: BTreeSet<OrphanProcess>,
    kill_at: Instant,
    again: Duration,
}

impl AbandonedJobs {
    pub(super) fn new(grace: Duration) -> AbandonedJobs {
        AbandonedJobs {
            grace,
            reviews: None,
            busy: BTreeSet::new(),
            endings: BTreeMap::new(),
            unproven: BTreeMap::new(),
        }
    }

    /// Whether something of this job is still in the way of taking it up.
    pub(super) fn is_busy_with(&self, id: &JobId) -> bool {
        self.busy.contains(id)
    }

    /// When something that was left behind is to be looked at again.
    pub(super) fn next_instant(&self) -> Option<Instant> {
        let kills = self.endings.values().map(|ending| ending.kill_at);
        let verdicts = self.unproven.values().map(|since| *since + PATIENCE);
        kills.chain(verdicts).min()
    }

    /// Takes up what can be taken up.
    pub(super) fn recover(&mut self, queue: &Queue, own: &OwnedJobs) -> Result<AbandonedScan, QueueError> {
        let mut scan = AbandonedScan::default();
        self.busy.clear();
        // Once a run, and again while what shipped one is being ended: whoever ships a job afterwards looks at it again.
        let reviews = match self.reviews.take() {
            Some(being_ended) => being_ended,
            None => queue.ids(Stage::Review)?.into_iter().collect(),
        };
        for id in reviews {
            let outcome = queue.recover_review(&id);
            self.note(queue, id, outcome, &mut scan)?;
        }
        self.reviews = Some(self.busy.clone());
        for stage in [Stage::Building, Stage::Testing] {
            for id in queue.ids(stage)? {
                if own.running.contains(&id) {
                    continue;
                }
                let kept = own.lost.get(&id);
                let adopted = match kept {
                    Some(_) => own.adopted.as_slice(),
                    None => &[],
                };
                let outcome = self.take_up(queue, stage, &id, adopted, kept);
                self.note(queue, id, outcome, &mut scan)?;
            }
        }
        self.endings.retain(|id, _| self.busy.contains(id));
        self.unproven.retain(|id, _| self.busy.contains(id));
        let now = Instant::now();
        self.endings
            .values_mut()
            .for_each(|ending| ending.postpone_kill(now));
        scan.busy = !self.busy.is_empty();
        Ok(scan)
    }

    fn note(
        &mut self,
        queue: &Queue,
        id: JobId,
        outcome: Result<RecoveryOutcome, QueueError>,
        scan: &mut AbandonedScan,
    ) -> Result<(), QueueError> {
        match outcome {
            Ok(RecoveryOutcome::Moved { to }) => scan.recovered.push((id, to)),
            Ok(RecoveryOutcome::Owned | RecoveryOutcome::Gone) => {}
            Ok(RecoveryOutcome::Ending | RecoveryOutcome::Orphaned(_) | RecoveryOutcome::Blocked(_)) => {
                self.busy.insert(id);
            }
            Err(error) if queue.scope_at_job(&error) == ErrorScope::Job => {
                let outcome = queue.set_aside(&id, &error)?;
                scan.set_aside.push((id, outcome));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn take_up(
        &mut self,
        queue: &Queue,
        stage: Stage,
        id: &JobId,
        adopted: &[i32],
        kept: Option<&WorkSnapshot>,
    ) -> Result<RecoveryOutcome, QueueError> {
        let found = queue.recover(stage, id, adopted, kept)?;
        if !matches!(found, RecoveryOutcome::Blocked(_)) {
            self.unproven.remove(id);
        }
        match &found {
            RecoveryOutcome::Orphaned(orphans) if self.end(id, orphans) => {
                match queue.kill_orphans(id, adopted)? {
                    OrphanScan::Nothing => queue.recover(stage, id, adopted, kept),
                    OrphanScan::Orphans(left) if self.is_hopeless(id) => {
                        let left = left.iter().map(OrphanProcess::description);
                        let left = left.collect::<Vec<_>>().join(", ");
                        queue.quarantine_unproven(stage, id, &format!("{left}, can't be ended from here"))
                    }
                    _ => Ok(found),
                }
            }
            RecoveryOutcome::Blocked(what) => {
                let since = *self.unproven.entry(id.clone()).or_insert_with(Instant::now);
                match since.elapsed() < PATIENCE {
                    true => Ok(found),
                    false => queue.quarantine_unproven(stage, id, what),
                }
            }
            _ => Ok(found),
        }
    }

    /// KILL was sent again and again.
    fn is_hopeless(&self, id: &JobId) -> bool {
        self.endings
            .get(id)
            .is_some_and(|ending| ending.again >= AGAIN_MAX)
    }

    /// TERM to those that have not had it; true: their grace is over.
    fn end(&mut self, id: &JobId, orphans: &[OrphanProcess]) -> bool {
        let now = Instant::now();
        let ending = self.endings.entry(id.clone()).or_insert_with(|| {
            progress::warn(&format!(
                "{id}: its supervisor is gone; what it left running is ended first ({} alive)",
                orphans.len()
            ));
            OrphanTermination {
                asked: BTreeSet::new(),
                kill_at: now + self.grace,
                again: AGAIN_FIRST,
            }
        });
        let new = orphans.iter().filter(|orphan| !ending.asked.contains(orphan));
        let new: Vec<OrphanProcess> = new.cloned().collect();
        orphan_scan::send_term(&new);
        ending.asked.extend(new);
        ending.kill_at <= now
    }
}

impl OrphanTermination {
    /// An instant that has passed is none to wait for: the loop would turn without a rest.
    fn postpone_kill(&mut self, now: Instant) {
        if self.kill_at <= now {
            self.kill_at = now + self.again;
            self.again = (self.again * 2).min(AGAIN_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_die_of_kill_is_looked_at_again_more_and_more_seldom_and_never_without_a_rest() {
        let mut now = Instant::now();
        let mut left = AbandonedJobs::new(Duration::from_secs(9));
        let kill_at = now + left.grace;
        let ending = OrphanTermination {
            asked: BTreeSet::new(),
            kill_at,
            again: AGAIN_FIRST,
        };
        let id = JobId::new("a").unwrap();
        left.endings.insert(id.clone(), ending);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            left.endings.get_mut(&id).unwrap().postpone_kill(now);
            let next = left.next_instant().unwrap();
            pauses.push(next.duration_since(now));
            now = next;
        }
        assert_eq!(
            (pauses[0], pauses[1], pauses[2]),
            (left.grace, AGAIN_FIRST, AGAIN_FIRST * 2)
        );
        assert_eq!(pauses[9], AGAIN_MAX);
    }
}
