//! The part of an operator's case in which jobs are handed to the coordinator and taken back: at each step of both, a job
//! has one that may start it.

use super::crash_case::CrashCase;
use super::kill_plan::{HAND_OVER, RECALL};
use super::operator_case::ended_well;
use super::tracer::TraceResult;
use super::worker_log::WorkerLog;

/// What the coordinator calls the stage of a job that waits there.
const QUEUED: &str = "queued";

impl CrashCase<'_> {
    pub(super) fn hand_over_and_recall(&mut self) -> std::io::Result<()> {
        if self.has_failed() {
            return Ok(());
        }
        let words = ["--fleet", "1", HAND_OVER, "--inbox"];
        self.retry_until_done(HAND_OVER, &words, |case, traced| case.divided_authority(traced))?;
        if self.has_failed() {
            return Ok(());
        }
        let left = self.checker.names("inbox");
        if !left.is_empty() {
            self.wrong(format!("{left:?} were to be handed over, and are in the inbox"));
        }
        if let Some(wrong) = self.started_of_theirs()? {
            self.wrong(wrong);
        }
        let words = ["--fleet", "1", RECALL, "--all"];
        self.retry_until_done(RECALL, &words, |case, traced| case.divided_authority(traced))?;
        let theirs = self.queued_there();
        if !self.has_failed() && !theirs.is_empty() {
            self.wrong(format!(
                "{theirs:?} were to be taken back, and are {QUEUED} there"
            ));
        }
        Ok(())
    }

    /// The jobs that the coordinator may assign.
    fn queued_there(&self) -> Vec<String> {
        let jobs = self.fixture.coordinator.as_ref().map(|stub| stub.jobs());
        let queued = jobs.unwrap_or_default().into_iter();
        let queued = queued.filter(|job| job.stage.as_str() == QUEUED);
        queued.map(|job| job.id.to_string()).collect()
    }

    /// A job that may be started here and there; in every third case a run shows what is started here.
    fn divided_authority(&self, traced: &TraceResult) -> std::io::Result<Option<String>> {
        if !ended_well(traced) {
            return Ok(Some(format!("a hand-over ended with {:?}", traced.code)));
        }
        let theirs = self.queued_there();
        let waiting = self.checker.names("inbox");
        let free =
            |id: &&String| waiting.contains(&format!("{id}.md")) && !self.checker.is_marked_as_theirs(id);
        if let Some(id) = theirs.iter().find(free) {
            return Ok(Some(format!(
                "{id} has two authorities: it is free here and queued there"
            )));
        }
        match traced.is_hit && self.fixture.seed.is_multiple_of(3) {
            true => self.started_of_theirs(),
            false => Ok(None),
        }
    }

    /// What a run of this queue starts although the coordinator may assign it.
    fn started_of_theirs(&self) -> std::io::Result<Option<String>> {
        let theirs = self.queued_there();
        let starts = |log: &WorkerLog, id: &String| log.starts_of(id);
        let before = WorkerLog::read(&self.fixture.root);
        self.ask(&self.run_words())?;
        let after = WorkerLog::read(&self.fixture.root);
        let started = theirs.iter().find(|id| starts(&before, id) != starts(&after, id));
        Ok(started.map(|id| format!("{id} has two authorities: it was started here and is queued there")))
    }
}
