//! What a dead runner left in work is taken up again, once nothing of it is alive.

use super::{Cause, JobHold, Queue, QueueError, Reading, locks};
use crate::ids::JobId;
use crate::stage::Stage;

/// What became of a job that was found in work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// Its change of stage was finished, or it was put back or given up.
    Moved { to: Stage },
    /// A living runner has it.
    Owned,
    /// Its runner is gone and its supervisor is still ending what it had started.
    Ending,
    /// Gone meanwhile.
    Gone,
}

const REASON: &str = "interrupted";

impl Queue {
    /// Looks at one job in `building` or `testing` that this process isn't running.
    pub(crate) fn recover(&self, stage: Stage, id: &JobId) -> Reading<Recovered> {
        let hold = match locks::take(self, id, None)? {
            locks::Taking::Mine(hold) => hold,
            locks::Taking::Owned | locks::Taking::NameHeld => return Ok(Recovered::Owned),
            locks::Taking::Orphaned => return Ok(Recovered::Ending),
        };
        if !self.job_path(stage, id).exists() {
            return Ok(Recovered::Gone);
        }
        let known = self.history(id)?;
        if known.is_shipping() {
            self.advance(&hold, stage, Stage::Quarantine, Some(super::SHIP_UNKNOWN))?;
            return Ok(Recovered::Moved {
                to: Stage::Quarantine,
            });
        }
        if known.is_routed() {
            // Its lease can't be relied on any more, so it must not run again from here (clause T-13).
            return self.quarantine_routed(&hold, stage, &known);
        }
        // The last line announces a change; if the file isn't there yet, a crash fell between the two.
        let announced = known.lines.last().map_or(Stage::Inbox, |line| line.stage);
        let to = match announced {
            Stage::Building | Stage::Testing => return self.take_up_again(&hold, stage, known.spent()),
            to => to,
        };
        self.move_file(&format!("{id}.md"), stage, to)?;
        Ok(Recovered::Moved { to })
    }

    fn take_up_again(&self, hold: &JobHold, stage: Stage, spent: u32) -> Reading<Recovered> {
        let retries = match self.job(stage, hold.id()) {
            Ok(job) => job.retries,
            Err(QueueError::Job(_)) => 0,
            Err(error) => return Err(error),
        };
        if spent <= retries {
            self.put_back(hold, stage, Cause::Failure, REASON)?;
            return Ok(Recovered::Moved { to: Stage::Inbox });
        }
        self.advance(hold, stage, Stage::Failed, Some(REASON))?;
        Ok(Recovered::Moved { to: Stage::Failed })
    }
}
