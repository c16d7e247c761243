//! What a dead runner left in work is taken up again, once nothing of it is alive.

use super::after_crash::{AfterCrash, after_crash};
use super::{Cause, InWork, JobHold, Letter, Queue, QueueError, Reading, locks};
use crate::ids::JobId;
use crate::stage::Stage;
use crate::supervise::remains::{self, Orphan, Remains, Traces};

/// What became of a job that was found in work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// Its change of stage was finished, or it was put back or given up.
    Moved { to: Stage },
    /// A living runner has it.
    Owned,
    /// Its runner is gone and its supervisor is still ending what it had started.
    Ending,
    /// Runner and supervisor are gone; these are to be ended first.
    Orphaned(Vec<Orphan>),
    /// Something stands in the way that may be gone in a moment: in words, what.
    Unproven(String),
    /// Gone meanwhile.
    Gone,
}

const REASON: &str = "interrupted";

impl Queue {
    /// Looks at one job in `building` or `testing` that this process isn't running; `adopted`: orphans of it that
    /// became this process's children; `kept`: what this process knows of it, if it had it in work.
    pub(crate) fn recover(
        &self,
        stage: Stage,
        id: &JobId,
        adopted: &[i32],
        kept: Option<&InWork>,
    ) -> Reading<Recovered> {
        // Asked, not taken: see `locks::take`.
        if !locks::is_unowned(self, id)? {
            return Ok(Recovered::Owned);
        }
        match self.remains(id, adopted)? {
            Remains::Nothing => {}
            Remains::Supervised => return Ok(Recovered::Ending),
            Remains::Ours(orphans) => return Ok(Recovered::Orphaned(orphans)),
            Remains::Unproven(what) => return Ok(Recovered::Unproven(what)),
        }
        let hold = match locks::take(self, id, None)? {
            locks::Taking::Mine(hold) => hold,
            locks::Taking::Owned | locks::Taking::NameHeld => return Ok(Recovered::Owned),
            locks::Taking::Orphaned => {
                return Ok(Recovered::Unproven(
                    "a process that can't be seen from here holds its lock".to_owned(),
                ));
            }
        };
        // Kept a moment before a move to `review` that never came about.
        self.forget_surroundings(id)?;
        let change = match kept {
            Some(kept) => self.changed(stage, id, kept)?,
            None => self.differs_from_record(stage, id, &self.history(id)?)?,
        };
        if self.job_path(stage, id).symlink_metadata().is_err() {
            return Ok(Recovered::Gone);
        }
        let known = self.history(id)?;
        match after_crash(&known) {
            AfterCrash::ShipUnknown => self.quarantine_shipping(&hold, stage, &known),
            AfterCrash::Finish(to) => self.finish_announced(id, stage, to, &known),
            AfterCrash::LeaseGone => self.quarantine_routed(&hold, stage),
            AfterCrash::Again => match change {
                Some(reason) => {
                    self.advance(&hold, stage, Stage::Quarantine, Some(&reason))?;
                    Ok(Recovered::Moved {
                        to: Stage::Quarantine,
                    })
                }
                None => self.take_up_again(&hold, stage, known.spent()),
            },
        }
    }

    /// Looks at one job in `review`: a dead process may have been about to move it out of there, or have been the one
    /// that kept its lease, without which nobody here can decide about it (clause T-13). `Ending`: what shipped it is
    /// still being ended.
    pub(crate) fn recover_review(&self, id: &JobId) -> Reading<Recovered> {
        let known = self.history(id)?;
        let announced = known.lines.last().map_or(Stage::Review, |line| line.stage);
        if !known.is_shipping() && !announced.is_final() && !known.is_routed() {
            return Ok(Recovered::Owned);
        }
        if !locks::is_unowned(self, id)? {
            return Ok(Recovered::Owned);
        }
        if self.kill_remains(id, &[])? == Remains::Supervised {
            return Ok(Recovered::Ending);
        }
        let locks::Taking::Mine(hold) = locks::take(self, id, None)? else {
            return Ok(Recovered::Owned);
        };
        let known = self.history(id)?;
        if self.find(id)? != Some(Stage::Review) {
            return Ok(Recovered::Gone);
        }
        if !self.finish_review(&hold, &known)? {
            return match known.is_routed() {
                true => self.quarantine_routed(&hold, Stage::Review),
                false => Ok(Recovered::Gone),
            };
        }
        let to = self.find(id)?.unwrap_or(Stage::Quarantine);
        Ok(Recovered::Moved { to })
    }

    /// What was published, or may have been, is not published again; true: the job has left `review`.
    pub(super) fn finish_review(&self, hold: &JobHold, known: &super::History) -> Reading<bool> {
        let announced = known.lines.last().map_or(Stage::Review, |line| line.stage);
        if known.is_shipping() {
            self.quarantine_shipping(hold, Stage::Review, known)?;
        } else if announced.is_final() {
            self.finish_announced(hold.id(), Stage::Review, announced, known)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// What can't be proven to be the job's is left alone, and the job is left to a person; its lock stays taken.
    pub(crate) fn quarantine_unproven(&self, stage: Stage, id: &JobId, what: &str) -> Reading<Recovered> {
        let Some(_owner) = locks::take_owner(self, id)? else {
            return Ok(Recovered::Owned);
        };
        if self.job_path(stage, id).symlink_metadata().is_err() {
            return Ok(Recovered::Gone);
        }
        let known = self.history(id)?;
        if let AfterCrash::Finish(to) = after_crash(&known) {
            // Announced when nothing of it was alive any more: what is in the way came later, or is none of it.
            return self.finish_announced(id, stage, to, &known);
        }
        if let Some(name) = self.job(stage, id).ok().and_then(|job| job.lock) {
            locks::keep_name(self, &name, id)?;
        }
        let why = match known.is_shipping() {
            true => super::SHIP_UNKNOWN,
            false => REASON,
        };
        let again = match known.is_routed() {
            true => String::new(),
            false => format!("`aq retry {id}` or "),
        };
        let reason =
            format!("{why}: {what}; make sure that nothing of it runs, then {again}`aq cancel {id}`");
        let line = super::change::line(&known, Stage::Quarantine, known.spent(), Some(&reason));
        match known.lease() {
            // Not given back: what may be alive here must not be started elsewhere.
            Some(proof) => {
                let letter = Letter::new(id, &proof, Stage::Quarantine, Some(&reason));
                drop(self.announce_post_and_move(id, stage, Stage::Quarantine, line, letter)?);
            }
            None => self.announce_and_move(id, stage, Stage::Quarantine, line)?,
        }
        Ok(Recovered::Moved {
            to: Stage::Quarantine,
        })
    }

    /// The last line announces a change; if the file isn't there yet, a crash fell between the two.
    pub(super) fn finish_announced(
        &self,
        id: &JobId,
        from: Stage,
        to: Stage,
        known: &super::History,
    ) -> Reading<Recovered> {
        if known.is_routed() {
            self.post_announced(id, to, known)?;
        }
        self.move_file(&format!("{id}.md"), from, to)?;
        Ok(Recovered::Moved { to })
    }

    /// What is alive of the job's last command, as far as this host shows it.
    pub(crate) fn remains(&self, id: &JobId, adopted: &[i32]) -> Reading<Remains> {
        self.with_traces(id, adopted, remains::look)
    }

    /// Kills what is proven to be the job's, and says what is left.
    pub(crate) fn kill_remains(&self, id: &JobId, adopted: &[i32]) -> Reading<Remains> {
        self.with_traces(id, adopted, remains::kill)
    }

    fn with_traces(
        &self,
        id: &JobId,
        adopted: &[i32],
        act: impl FnOnce(Traces<'_>) -> std::io::Result<Remains>,
    ) -> Reading<Remains> {
        let record = self.process_record(id);
        let lock = locks::job_lock(self, id);
        act(Traces {
            root: &self.root,
            record: &record,
            lock: &lock,
            adopted,
        })
        .map_err(|source| QueueError::Read {
            path: record.clone(),
            source,
        })
    }

    fn take_up_again(&self, hold: &JobHold, stage: Stage, spent: u32) -> Reading<Recovered> {
        let retries = match self.job(stage, hold.id()) {
            Ok(job) => job.retries,
            Err(QueueError::Job(_)) => 0,
            Err(error) => return Err(error),
        };
        // Cleared when the attempt began, so it is meant for this one, whose runner never came to it.
        if self.cancel_marker(hold.id()).exists() {
            self.advance(hold, stage, Stage::Failed, Some(super::CANCELLED))?;
            self.take_cancel_wish(hold)?;
            return Ok(Recovered::Moved { to: Stage::Failed });
        }
        if spent <= retries {
            self.put_back(hold, stage, Cause::Failure, REASON)?;
            return Ok(Recovered::Moved { to: Stage::Inbox });
        }
        self.advance(hold, stage, Stage::Failed, Some(REASON))?;
        Ok(Recovered::Moved { to: Stage::Failed })
    }
}
