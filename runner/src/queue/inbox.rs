//! The inbox as one runner knows it: every file read once, read again only when it changed.
//!
//! Also where files are noticed that a person put there by hand: they get their place in the order when they are first
//! seen whole, and a bad one goes to `failed` with its reason (clause O-10).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::classify::{FileClass, classify};
use super::file_identity::FileStamp;
use super::file_writers::is_written_in_place;
use super::inbox_revisits::RevisitList;
use super::ownership_check::foreign;
use super::reject::{RejectedFile, quarantine, reject};
use super::{
    FileState, FileWriter, FileWriters, FolderChanges, InboxClaim, Queue, QueueError, QueueResult, SetAside,
    WatchedFileState, WorkSnapshot, inbox_claim,
};
use crate::ids::{JobId, LockName};
use crate::job_reason::JobReason;
use crate::scheduler::{ActiveJob, InboxOrder, QueuePosition, WaitingJob};
use crate::stage::Stage;

use registration::UnregisteredJob;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    places: HashMap<OsString, (FileStamp, QueuePosition)>,
    order: InboxOrder,
    locks_of_working: HashMap<JobId, (FileStamp, Option<LockName>)>,
    revisits: RevisitList,
    /// Jobs that this process has had in work and put back.
    requeue: HashMap<JobId, WorkSnapshot>,
}

/// What a look at the inbox brought besides the jobs.
#[derive(Debug, Default)]
pub(crate) struct InboxScan {
    pub(crate) refused: Vec<RejectedFile>,
    /// Jobs that can't be worked with, nor be moved out of the way, or that the coordinator may have: they stay, and are
    /// passed over.
    pub(crate) left: Vec<(JobId, JobReason)>,
    /// Files that are waited for from now on.
    pub(crate) awaited: Vec<AwaitedFile>,
    /// New files have no place in the order yet, because somebody keeps the queue locked.
    pub(crate) locked: Option<QueueError>,
    /// A file could not be judged because its job is in other hands at this moment.
    pub(crate) held_elsewhere: bool,
}

impl InboxScan {
    /// A job that nobody worked on was set aside as well.
    pub(crate) fn note(&mut self, set_aside: Vec<(JobId, SetAside)>) {
        for (id, outcome) in set_aside {
            match outcome {
                SetAside::Moved(refused) => self.refused.push(refused),
                SetAside::Left(reason) => self.left.push((id, reason)),
                SetAside::HeldElsewhere => {}
            }
        }
    }
}

/// A file that does not count yet, because it is being written.
#[derive(Debug)]
pub(crate) struct AwaitedFile {
    pub(crate) name: OsString,
    /// None: nobody is seen to write it.
    pub(crate) writer: Option<FileWriter>,
}

/// A file that counts once nobody is writing it.
struct InboxCandidate {
    name: OsString,
    file: Metadata,
    sign: WatchedFileState,
    judged: FileClass,
}

impl Inbox {
    /// Brings the picture up to date with what changed.
    pub(crate) fn look(&mut self, queue: &Queue, changes: FolderChanges) -> QueueResult<InboxScan> {
        let mut look = InboxScan::default();
        let mut candidates = Vec::new();
        for (name, sign) in self.due(queue, changes)? {
            match self.look_at(queue, name.clone(), sign, &mut look) {
                Ok(candidate) => candidates.extend(candidate),
                Err(error) => self.set_aside(queue, name, error, &mut look)?,
            }
        }
        let mut unregistered = Vec::new();
        for candidate in self.whole(candidates, &mut look) {
            let name = candidate.name.clone();
            match self.settle(queue, candidate, &mut look) {
                Ok(settled) => unregistered.extend(settled),
                Err(error) => self.set_aside(queue, name, error, &mut look)?,
            }
        }
        self.register(queue, unregistered, &mut look)?;
        look.held_elsewhere = self.revisits.has_held_elsewhere();
        Ok(look)
    }

    /// The names to look at now, each with what is known to have happened to the file last.
    fn due(
        &mut self,
        queue: &Queue,
        changes: FolderChanges,
    ) -> QueueResult<BTreeMap<OsString, WatchedFileState>> {
        let mut names = BTreeMap::new();
        if changes.everything {
            let all = queue.names(Stage::Inbox)?.into_iter();
            names.extend(all.map(|name| (name, WatchedFileState::Unknown)));
            let gone = self.places.keys().filter(|name| !names.contains_key(*name));
            let gone: Vec<OsString> = gone.cloned().collect();
            gone.iter().for_each(|name| self.forget(name));
        }
        names.extend(changes.inbox);
        self.revisits.choose(&mut names, Instant::now());
        Ok(names)
    }

    /// The jobs in their order, but for some.
    pub(crate) fn waiting(&self, without: &BTreeSet<JobId>) -> InboxOrder {
        let mut order = self.order.clone();
        for id in without {
            if let Some((_, place)) = self.places.get(OsStr::new(&id.file_name())) {
                order.remove_mut(place);
            }
        }
        order
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.order.is_empty()
    }

    /// The job was ours, and waits for another attempt.
    pub(crate) fn requeue(&mut self, id: JobId, in_work: WorkSnapshot) {
        self.requeue.insert(id, in_work);
    }

    /// The job is ours now.
    pub(crate) fn taken(&mut self, id: &JobId) {
        self.requeue.remove(id);
        self.forget_job(id);
    }

    fn forget_job(&mut self, id: &JobId) {
        self.forget(OsStr::new(&id.file_name()));
    }

    /// The job could not be taken: its file is looked at afresh next time. If that is because somebody writes it, no
    /// close was told of yet.
    pub(crate) fn revisit_job(&mut self, id: &JobId) {
        self.forget_job(id);
        self.revisits
            .held_elsewhere(id.file_name().into(), WatchedFileState::Opened);
    }

    /// Whether there are files that do not count yet, because they are being written.
    pub(crate) fn awaits_writers(&self) -> bool {
        self.revisits.has_written()
    }

    /// Starts the next attempt of the job that was chosen, unless someone was faster.
    pub(crate) fn claim(&self, queue: &Queue, chosen: &WaitingJob) -> QueueResult<InboxClaim> {
        match self.places.get(OsStr::new(&chosen.id.file_name())) {
            Some((stamp, _)) => inbox_claim::claim(queue, chosen, *stamp, None, self.requeue.get(&chosen.id)),
            None => Ok(InboxClaim::Unavailable),
        }
    }

    /// The jobs that have left the inbox for no final stage.
    pub(crate) fn working(&mut self, queue: &Queue) -> QueueResult<Vec<ActiveJob>> {
        let mut working = Vec::new();
        let mut known = std::mem::take(&mut self.locks_of_working);
        for stage in [Stage::Building, Stage::Testing, Stage::Review] {
            for id in queue.ids(stage)? {
                // A file that moved on between the two looks is seen again in the next round.
                let Ok(metadata) = queue.job_path(stage, &id).symlink_metadata() else {
                    continue;
                };
                let stamp = FileStamp::of(&metadata);
                let lock = match known.remove(&id).filter(|(seen, _)| *seen == stamp) {
                    Some((_, lock)) => lock,
                    None => queue.job(stage, &id).ok().and_then(|job| job.lock),
                };
                self.locks_of_working.insert(id.clone(), (stamp, lock.clone()));
                working.push(ActiveJob { id, stage, lock });
            }
        }
        Ok(working)
    }

    fn look_at(
        &mut self,
        queue: &Queue,
        name: OsString,
        sign: WatchedFileState,
        look: &mut InboxScan,
    ) -> QueueResult<Option<InboxCandidate>> {
        let Some(file) = queue.inbox_file(&name)? else {
            self.forget(&name);
            self.revisits.remove(&name);
            self.requeue.retain(|id, _| id.file_name().as_str() != name);
            return Ok(None);
        };
        let stamp = FileStamp::of(&file);
        if self.places.get(&name).is_some_and(|(seen, _)| *seen == stamp) {
            self.revisits.remove(&name);
            return Ok(None);
        }
        self.forget(&name);
        if sign == WatchedFileState::Opened
            && self.revisits.awaited(&name).is_none()
            && is_written_in_place(&file)
        {
            // Its close is about to be told, and it costs less to wait for that than to look for the writer.
            self.revisits.written(name, sign, false);
            return Ok(None);
        }
        match classify(queue, &name, &self.requeue)? {
            FileClass::Gone => self.revisits.remove(&name),
            FileClass::HandedOver(id, reason) => {
                self.revisits.handed_over(name, sign);
                look.left.push((id, reason));
            }
            FileClass::Registered(waiting, counted) if counted == Some(stamp) => {
                self.revisits.remove(&name);
                self.remember(name, stamp, waiting);
            }
            judged => {
                return Ok(Some(InboxCandidate {
                    name,
                    file,
                    sign,
                    judged,
                }));
            }
        }
        Ok(None)
    }

    /// Those of them that nobody is writing; the others are waited for.
    fn whole(&mut self, candidates: Vec<InboxCandidate>, look: &mut InboxScan) -> Vec<InboxCandidate> {
        let writers = FileWriters::of(candidates.iter().map(|candidate| &candidate.file));
        let mut whole = Vec::new();
        for candidate in candidates {
            let writer = match writers.classify(&candidate.file, candidate.sign, SystemTime::now()) {
                FileState::BeingWritten(writer) => Some(writer),
                FileState::Unproven(_) => None,
                FileState::Whole => {
                    whole.push(candidate);
                    continue;
                }
            };
            if self.revisits.awaited(&candidate.name) != Some(true) {
                let name = candidate.name.clone();
                look.awaited.push(AwaitedFile { name, writer });
            }
            self.revisits.written(candidate.name, candidate.sign, true);
        }
        whole
    }

    /// What becomes of a whole file: a good one that has no place in the order yet is returned.
    fn settle(
        &mut self,
        queue: &Queue,
        candidate: InboxCandidate,
        look: &mut InboxScan,
    ) -> QueueResult<Option<UnregisteredJob>> {
        let (name, sign) = (candidate.name, candidate.sign);
        let stamp = FileStamp::of(&candidate.file);
        // It was read before it was asked who writes it.
        if queue.inbox_file(&name)?.map(|file| FileStamp::of(&file)) != Some(stamp) {
            self.revisits.held_elsewhere(name, WatchedFileState::Opened);
            return Ok(None);
        }
        self.revisits.remove(&name);
        let judged = match (candidate.judged, foreign(&candidate.file)) {
            (FileClass::Registered(..) | FileClass::Unregistered(_), Some(reason)) => {
                FileClass::Invalid(reason)
            }
            (judged, _) => judged,
        };
        match judged {
            FileClass::Registered(waiting, _) => self.remember(name, stamp, waiting),
            FileClass::Unregistered(waiting) => {
                return Ok(Some(UnregisteredJob {
                    waiting,
                    name,
                    stamp,
                    sign,
                }));
            }
            FileClass::Invalid(reason) => match reject(queue, &name, reason)? {
                Some(refused) => look.refused.push(refused),
                None => self.revisits.held_elsewhere(name, sign),
            },
            FileClass::Changed(id, reason) => match quarantine(queue, id, reason)? {
                Some(refused) => look.refused.push(refused),
                None => self.revisits.held_elsewhere(name, sign),
            },
            FileClass::Gone | FileClass::HandedOver(..) => {}
        }
        Ok(None)
    }

    fn remember(&mut self, name: OsString, stamp: FileStamp, waiting: WaitingJob) {
        let place = waiting.place();
        self.order.insert_mut(place.clone(), Arc::new(waiting));
        self.places.insert(name, (stamp, place));
    }

    fn forget(&mut self, name: &OsStr) {
        if let Some((_, place)) = self.places.remove(name) {
            self.order.remove_mut(&place);
        }
    }
}

mod registration;
#[cfg(test)]
mod tests;
