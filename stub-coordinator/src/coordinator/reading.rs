//! Submitting a job, and the operations that only read.

use std::sync::Arc;

use super::Coordinator;
use super::digest::Digest;
use super::job::{JobRecord, JobSpec, Stage};
use super::outcome::{Command, Naming, Refusal, Reply, Submission};
use crate::ids::JobId;
use crate::moment::Moment;

/// The most jobs that are held at a time.
const JOB_LIMIT: usize = 1_000_000;

impl Coordinator {
    pub(super) fn submit(&mut self, now: Moment, submission: Submission) -> Result<Reply, Refusal> {
        if self.state.job_count() >= JOB_LIMIT {
            return Err(Refusal::Full("jobs"));
        }
        let spec = match submission.naming {
            Naming::BySubmitter if self.state.job(&submission.spec.id).is_some() => {
                return Err(Refusal::JobExists(submission.spec.id));
            }
            Naming::BySubmitter => submission.spec,
            Naming::ByCoordinator => JobSpec {
                id: self.free_job_id(),
                ..submission.spec
            },
        };
        let job = JobRecord {
            spec_digest: Digest::of(&spec),
            spec: Arc::new(spec),
            sequence: self.state.next_sequence(),
            submitted_at: now,
            stage: Stage::Queued,
            attempts: 0,
            fencing_token: 0,
            last_lease: None,
            quarantines: Vec::new(),
        };
        self.room_for(job.bytes())?;
        self.state.put_job(job.clone());
        Ok(Reply::Submitted(job))
    }

    /// Refuses what would take more bytes than are left for jobs.
    pub(super) fn room_for(&self, bytes: usize) -> Result<(), Refusal> {
        let limit = self.job_bytes;
        match self.state.job_bytes().saturating_add(bytes) <= limit {
            true => Ok(()),
            false => Err(Refusal::OutOfRoom { limit }),
        }
    }

    pub(super) fn read(&self, command: &Command) -> Result<Reply, Refusal> {
        match command {
            Command::List { stage, limit, after } => Ok(self.list(*stage, *limit, *after)),
            Command::Get(id) => self.job_or_refuse(id).cloned().map(Reply::Job),
            _ => Ok(Reply::Nothing),
        }
    }

    fn list(&self, stage: Option<Stage>, limit: usize, after: u64) -> Reply {
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
        Reply::Jobs { jobs, next }
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
