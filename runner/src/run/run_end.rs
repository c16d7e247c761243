//! The end of a run: what is given back, what is said of jobs that nothing here can start, and the exit code.

use std::sync::Arc;
use std::time::Duration;

use super::event_loop::EventLoop;
use super::local_source::LocalSource;
use super::{OnJobFailure, RunError, RunUntil, live_display, progress};
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::scheduler::{Eligibility, QueueSnapshot, WaitingJob};
use crate::stage::Stage;
use crate::supervise::{SpareSupervisor, SupervisorHandle};

impl EventLoop {
    /// `view`: the last picture of the queue, of a run that ended because nothing could start any more.
    pub(super) async fn finish(mut self, view: Option<Arc<QueueSnapshot>>) -> Result<ProgramExit, RunError> {
        let given_up = self.routed.as_ref().is_some_and(|routed| routed.given_up);
        self.close_sources().await?;
        self.presence.end();
        self.tally.print(self.options.summary);
        if let Some(stop) = self.stop {
            return Ok(ProgramExit::Stopped(stop.signal));
        }
        let never_startable = view.map(|view| LocalSource::never_startable(&view));
        let never_startable = never_startable.unwrap_or_default();
        self.report_never_startable(&never_startable)?;
        let failures = self.tally.of(Stage::Failed) + self.tally.of(Stage::Quarantine);
        let jobs_failed = self.options.on_job_failure == OnJobFailure::Fail && failures > 0;
        let incomplete = self.options.until == RunUntil::Drained && !never_startable.is_empty();
        Ok(match jobs_failed || incomplete || given_up || self.is_paused()? {
            true => ProgramExit::Failed,
            false => ProgramExit::Done,
        })
    }

    /// Gives back what the coordinator and the supervisors are to have back.
    async fn close_sources(&mut self) -> Result<(), RunError> {
        live_display::show(Vec::new());
        self.spare.take().into_iter().for_each(SpareSupervisor::dismiss);
        self.release_reviews()?;
        // A lease of what may still be alive is not given back: it ends by itself.
        if let Some(routed) = self.routed.take_if(|_| self.running.is_empty()) {
            routed.shut(self.lane_limit).await?;
        }
        self.stopped_lanes
            .drain(..)
            .for_each(|lane| lane.finish(Duration::ZERO));
        if let Some(lane) = self.lane.take() {
            let at_once = self.stop.as_ref().is_some_and(|stop| stop.give_up_at.is_some());
            lane.finish(if at_once { Duration::ZERO } else { self.lane_limit });
        }
        if self.running.is_empty() {
            self.leaving.drain(..).for_each(SupervisorHandle::collect);
        }
        Ok(())
    }

    /// Says of each job that stays in the inbox what this host lacks for it.
    fn report_never_startable(&self, jobs: &[(Arc<WaitingJob>, Eligibility)]) -> Result<(), RunError> {
        let paused = self.queue.paused_engines()?;
        for (job, why) in jobs {
            let engine = &job.engine;
            let what = match why {
                Eligibility::EngineMissing if paused.contains_key(engine) => {
                    format!("its engine `{engine}` is used up; `aq status` says until when")
                }
                Eligibility::EngineMissing => format!("its engine `{engine}` is not found on PATH"),
                Eligibility::LockHeld => self.kept_by(job)?,
                _ => "it asks for `caps` that this factory lacks (AQ_FACTORY_CAPS)".to_owned(),
            };
            progress::warn(&format!("{} stays in the inbox: {what}", job.id));
        }
        Ok(())
    }

    fn kept_by(&self, job: &WaitingJob) -> Result<String, RunError> {
        let Some(lock) = &job.lock else {
            return Ok(String::new());
        };
        let keepers = self.queue.keepers(lock)?;
        let keepers: Vec<&str> = keepers.iter().map(JobId::as_str).collect();
        Ok(format!(
            "its lock `{lock}` is kept by {} in quarantine; `aq show` says why, `aq retry` or `aq cancel` frees it",
            keepers.join(", ")
        ))
    }
}
