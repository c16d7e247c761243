//! Taking a job back that nobody works on (C-12), and what becomes of its id (C-13).

use super::Coordinator;
use super::commands::{CommandRefusal, CommandReply, CommandResult};
use super::job::JobRecord;
use crate::contract::ids::JobId;
use crate::contract::stage::Stage;

impl Coordinator {
    /// Takes a job out of the queue for good. What is due was settled before, so a lease that ran out keeps nobody from it.
    pub(super) fn withdraw(&mut self, id: &JobId) -> CommandResult {
        let job = self.job_or_refuse(id)?;
        let withdrawn = CommandReply::Withdrawn {
            job: id.clone(),
            sequence: job.sequence,
        };
        if self.state.live_lease_of(job).is_some() {
            return Err(CommandRefusal::Leased(id.clone()));
        }
        match job.stage {
            Stage::Withdrawn => return Ok(withdrawn),
            ended if ended.is_final() => return Err(CommandRefusal::Ended(ended)),
            _ => {}
        }
        let job = JobRecord {
            stage: Stage::Withdrawn,
            ..job.clone()
        };
        self.state.put_job(job);
        Ok(withdrawn)
    }

    /// Whether the job that a submit was answered with is there and was not withdrawn.
    pub(super) fn is_still_submitted(&self, submitted: &JobRecord) -> bool {
        let same = |job: &JobRecord| job.sequence == submitted.sequence && job.stage != Stage::Withdrawn;
        self.state.job(submitted.id()).is_some_and(same)
    }

    /// Whether the id that was withdrawn is still that of the withdrawn job.
    pub(super) fn is_still_withdrawn(&self, id: &JobId, sequence: u64) -> bool {
        self.state.job(id).is_some_and(|job| job.sequence == sequence)
    }
}
