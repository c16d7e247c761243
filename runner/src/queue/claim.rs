//! From the inbox into work: the locks first, then the file, then the attempt is counted; the engine comes after all
//! of it.

use std::fs::Metadata;
use std::io::ErrorKind;

use super::judge::Stamp;
use super::{History, JobHold, Line, Queue, QueueError, Reading, files, history, locks};
use crate::decide::Waiting;
use crate::ids::{JobId, LeaseProof};
use crate::job::Job;
use crate::stage::Stage;

/// What came of trying to take a job.
#[derive(Debug)]
pub(crate) enum Claim {
    Claimed(Box<Claimed>),
    /// Another process has it, or its file is no longer what was decided on: look again.
    Gone,
    /// The lock that it names is held elsewhere.
    LockHeld,
}

/// A job in `building`, ours, its attempt counted.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) hold: JobHold,
    pub(crate) job: Job,
    pub(crate) attempt: u32,
    /// Attempts that count against `retries`, this one included.
    pub(crate) spent: u32,
}

/// Starts the next attempt of the job that was chosen, unless someone was faster.
///
/// `counted`: the file as it was when nobody was writing it. `lease`: the coordinator's, where the job is taken because
/// it said so.
pub(super) fn claim(
    queue: &Queue,
    chosen: &Waiting,
    counted: Stamp,
    lease: Option<&LeaseProof>,
) -> Reading<Claim> {
    let hold = match locks::take(queue, &chosen.id, chosen.lock.as_ref())? {
        locks::Taking::Mine(hold) => hold,
        locks::Taking::NameHeld => return Ok(Claim::LockHeld),
        locks::Taking::Owned | locks::Taking::Orphaned => return Ok(Claim::Gone),
    };
    let job = match queue.job(Stage::Inbox, &chosen.id) {
        Ok(job) => job,
        Err(QueueError::Job(_)) => return Ok(Claim::Gone),
        Err(QueueError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Ok(Claim::Gone);
        }
        Err(error) => return Err(error),
    };
    let (from, to) = (
        queue.job_path(Stage::Inbox, &chosen.id),
        queue.job_path(Stage::Building, &chosen.id),
    );
    // After it was read: what somebody began to write before that has changed it.
    let is_counted = |file: Metadata| Stamp::of(&file) == counted;
    if !from.symlink_metadata().is_ok_and(is_counted) {
        return Ok(Claim::Gone);
    }
    // A wish to cancel an earlier attempt is not meant for this one.
    queue.take_cancel_wish(&hold)?;
    let known = queue.history(&chosen.id)?;
    match files::move_new(&queue.root, &from, &to) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Claim::Gone),
        Err(source) => return Err(QueueError::Move { from, to, source }),
    }
    queue.sync_move(Stage::Inbox, Stage::Building)?;
    let started = started(&known, lease);
    history::append(queue, &chosen.id, &started)?;
    Ok(Claim::Claimed(Box::new(Claimed {
        hold,
        job,
        attempt: started.attempt,
        spent: started.spent,
    })))
}

impl Queue {
    /// Takes a job in review, and the lock that it names, to ship it; `None`: one of the two is in other hands.
    pub(crate) fn claim_review(&self, id: &JobId) -> Reading<Option<Claimed>> {
        let job = self.job(Stage::Review, id)?;
        if locks::is_unowned(self, id)? {
            // Left by an `aq ship` that was killed with its supervisor: nobody else would ever end it.
            self.kill_remains(id, &[])?;
        }
        let locks::Taking::Mine(hold) = locks::take(self, id, job.lock.as_ref())? else {
            return Ok(None);
        };
        let known = self.history(id)?;
        if self.find(id)? != Some(Stage::Review) {
            return Ok(None);
        }
        if self.finish_review(&hold, &known)? {
            return Ok(None);
        }
        Ok(Some(Claimed {
            hold,
            job,
            attempt: known.attempt(),
            spent: known.spent(),
        }))
    }
}

pub(crate) fn started(known: &History, lease: Option<&LeaseProof>) -> Line {
    Line {
        at: history::now(),
        stage: Stage::Building,
        attempt: known.attempt() + 1,
        spent: known.spent() + 1,
        reason: None,
        sequence: None,
        counted: None,
        lease: lease.map(|proof| proof.lease.to_string()),
        fencing_token: lease.map(|proof| proof.fencing_token),
    }
}
