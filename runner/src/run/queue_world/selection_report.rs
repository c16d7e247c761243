//! What a look at the queue came to, told to people and to whoever follows the stages.

use super::QueueWorld;
use crate::ids::JobId;
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::RejectedFile;
use crate::run::local_queue::LocalSelection;
use crate::run::progress::{self, JobArrival};
use crate::stage::Stage;

impl QueueWorld {
    pub(super) fn report_set_aside(&mut self, refused: &[RejectedFile], left: &[(JobId, JobReason)]) {
        for refused in refused {
            self.progress.tally.count(refused.stage);
            let arrival = JobArrival {
                id: &refused.id,
                stage: refused.stage,
                engine: None,
                reason: Some(&refused.reason),
                took: None,
                has_log: false,
            };
            self.progress.arrived(&arrival, None);
            self.source.moved(&refused.id, refused.stage);
        }
        for (id, reason) in left {
            self.progress.warn_once(&format!("{id} is passed over: {reason}"));
        }
    }

    pub(super) fn report_selection(&mut self, choice: &LocalSelection) {
        self.report_set_aside(&choice.refused, &choice.left);
        choice.awaited.iter().for_each(progress::awaited);
        if let Some(locked) = &choice.locked {
            let warning = format!("{locked}; what is new in the inbox waits for that");
            self.progress.warn_once(&warning);
        }
        self.report_recovered(&choice.recovered);
    }

    pub(super) fn report_recovered(&mut self, recovered: &[(JobId, Stage)]) {
        for (id, stage) in recovered {
            if stage.is_final() {
                self.progress.tally.count(*stage);
            }
            let why = match self.jobs.is_taken_up(id) {
                true => "its supervisor was lost",
                false => "left behind by an earlier run",
            };
            let reason = self.queue.reason(id);
            let is_changed = |own: &&JobReason| own.code == ReasonCode::ChangedInWork;
            let told = reason.as_ref().filter(is_changed).map(JobReason::to_string);
            let arrival = JobArrival {
                id,
                stage: *stage,
                engine: None,
                reason: reason.as_ref(),
                took: None,
                has_log: true,
            };
            self.progress
                .arrived(&arrival, Some(told.as_deref().unwrap_or(why)));
            self.source.moved(id, *stage);
        }
        let abandoned_jobs = &self.local.abandoned_jobs;
        self.jobs.keep_lost(|id| abandoned_jobs.is_busy_with(id));
    }
}
