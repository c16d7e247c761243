//! Submitting a job, and the operations that only read.

use std::sync::Arc;

use super::Coordinator;
use super::commands::{
    CommandRefusal, CommandReply, CommandResult, CoordinatorCommand, JobNaming, JobSubmission,
};
use super::digest::Digest;
use super::job::{JobRecord, JobSpec};
use crate::contract::ids::JobId;
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;

/// The most jobs that are held at a time.
const JOB_LIMIT: usize = 1_000_000;

impl Coordinator {
    pub(super) fn submit(&mut self, now: UtcTimestamp, submission: JobSubmission) -> CommandResult {
        let spec = match submission.naming {
            JobNaming::BySubmitter => submission.spec,
            JobNaming::ByCoordinator => JobSpec {
                id: self.free_job_id(),
                ..submission.spec
            },
        };
        let earlier = self.state.job(&spec.id).cloned();
        match &earlier {
            Some(earlier) if earlier.stage != Stage::Withdrawn => {
                return Err(CommandRefusal::JobExists(spec.id));
            }
            None if self.state.job_count() >= JOB_LIMIT => return Err(CommandRefusal::Full("jobs")),
            _ => {}
        }
        let job = JobRecord {
            spec_digest: Digest::of(&spec),
            spec: Arc::new(spec),
            sequence: self.state.next_sequence(),
            submitted_at: now,
            stage: Stage::Queued,
            attempts: 0,
            // Of the withdrawn job nothing else is left: what is said under its leases is not said of this one (C-13).
            fencing_token: earlier.as_ref().map_or(0, |earlier| earlier.fencing_token),
            last_lease: None,
            quarantines: Vec::new(),
        };
        let freed = earlier.as_ref().map_or(0, JobRecord::bytes);
        self.room_for(job.bytes().saturating_sub(freed))?;
        if let Some(earlier) = &earlier {
            self.views.forget(earlier, self.state.queue());
        }
        self.state.put_job(job.clone());
        Ok(CommandReply::Submitted(job))
    }

    /// Refuses what would take more bytes than are left for jobs.
    pub(super) fn room_for(&self, bytes: usize) -> Result<(), CommandRefusal> {
        let limit = self.job_bytes;
        match self.state.job_bytes().saturating_add(bytes) <= limit {
            true => Ok(()),
            false => Err(CommandRefusal::JobBytesExhausted { limit }),
        }
    }

    pub(super) fn read(&self, command: &CoordinatorCommand) -> CommandResult {
        match command {
            CoordinatorCommand::List { stage, limit, after } => Ok(self.list(*stage, *limit, *after)),
            CoordinatorCommand::Get(id) => self.job_or_refuse(id).cloned().map(CommandReply::Job),
            _ => Ok(CommandReply::Nothing),
        }
    }

    fn list(&self, stage: Option<Stage>, limit: usize, after: u64) -> CommandReply {
        let wanted = |job: &&JobRecord| stage.is_none_or(|stage| job.stage == stage);
        let mut jobs: Vec<JobRecord> = self
            .state
            .jobs_after(after)
            .filter(wanted)
            .take(limit + 1)
            .cloned()
            .collect();
        let more = jobs.len() > limit;
        jobs.truncate(limit);
        let next = jobs.last().filter(|_| more).map(|job| job.sequence);
        CommandReply::Jobs { jobs, next }
    }

    fn free_job_id(&self) -> JobId {
        let mut number = self.state.next_sequence();
        loop {
            let id = JobId::parse(&format!("job-{number}")).expect("`job-` and a number is an id");
            if self.state.job(&id).is_none() {
                return id;
            }
            number += 1;
        }
    }
}
