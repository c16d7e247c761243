//! What people do on a weekend: they ship what waits for review, give up what is to be given up, and mend what an outage
//! left for them. What no outage explains they do not mend: it is what this looks for.

use serde_json::Value;

use super::evidence_log::{EvidenceLog, RETRY};
use super::explanations::{is_cut_short_by_kills, is_published_for_nobody_to_say};
use super::final_checks::story;
use super::generated_jobs::{JobPurpose, WeekendJob};
use super::weekend_course::{CourseResult, WeekendCourse, WeekendStop};
use super::weekend_host::ListedJob;

/// What a person does about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PersonAction {
    Nothing,
    Ship,
    Cancel,
    Retry,
    RepairAndRetry,
}

/// A pause of an engine, as `status` tells it.
#[derive(Debug)]
pub(super) struct ShownPause {
    pub(super) engine: String,
    pub(super) cause: String,
    pub(super) since: String,
    /// Its time is over, and no job has tried the engine to its end since.
    pub(super) is_over: bool,
}

impl WeekendCourse<'_> {
    pub(super) fn look_round(&mut self) -> CourseResult {
        let log = EvidenceLog::read(&self.host.root)?;
        for row in self.host.list()? {
            let action = self.action_for(&row, &log)?;
            self.act(action, &row.id)?;
        }
        for pause in self.paused()? {
            // A run that began before the mending may tell of the trouble after it.
            if self.troubled_engine != Some(pause.engine.as_str()) {
                *self.counts.pauses.entry(pause.cause).or_default() += 1;
                self.resume(&pause.engine, &pause.since)?;
            }
        }
        Ok(())
    }

    /// Whether every job lies where it stays.
    pub(super) fn has_ended(&mut self) -> CourseResult<bool> {
        let is_in_work = ["inbox", "building", "testing", "review"]
            .iter()
            .any(|stage| !self.host.ids_in(stage).is_empty());
        if is_in_work || self.added < self.jobs.len() {
            return Ok(false);
        }
        let log = EvidenceLog::read(&self.host.root)?;
        for row in self.host.list()? {
            if self.action_for(&row, &log)? != PersonAction::Nothing {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn action_for(&self, row: &ListedJob, log: &EvidenceLog) -> CourseResult<PersonAction> {
        let Some(job) = self.jobs.iter().find(|job| job.id == row.id) else {
            return Err(WeekendStop::Wrong(format!(
                "{row:?} is listed, and nobody added it"
            )));
        };
        let unexplained = || {
            WeekendStop::Wrong(format!(
                "{} is in {} with the reason `{}`, and nothing explains that: {job:?}{}",
                row.id,
                row.stage,
                row.reason,
                story(self.host, log, &job.id)
            ))
        };
        Ok(match row.stage.as_str() {
            "inbox" if job.purpose == JobPurpose::CancelWaiting => PersonAction::Cancel,
            "building" | "testing" if job.purpose == JobPurpose::CancelRunning => PersonAction::Cancel,
            "review" => PersonAction::Ship,
            "failed" if job.fails_with(&row.reason) => PersonAction::Nothing,
            "failed" if is_cut_short_by_kills(job, row.attempts, log) => PersonAction::Retry,
            "failed" => return Err(unexplained()),
            "quarantine" => after_quarantine(job, row, log).ok_or_else(unexplained)?,
            _ => PersonAction::Nothing,
        })
    }

    fn act(&mut self, action: PersonAction, id: &str) -> CourseResult {
        match action {
            PersonAction::Nothing => {}
            // Its lock may be in other hands, it may have come to its end by itself, or its runner may be gone: they look
            // again.
            PersonAction::Ship => drop(self.type_command("ship", id)?),
            PersonAction::Cancel => drop(self.type_command("cancel", id)?),
            PersonAction::RepairAndRetry => {
                if let Some(refusal) = self.type_command("repair", id)? {
                    return Err(WeekendStop::Wrong(format!("`repair {id}` failed: {refusal}")));
                }
                self.retry(id)?;
            }
            PersonAction::Retry => self.retry(id)?,
        }
        Ok(())
    }

    /// Something of it may be alive for a moment: they try again.
    fn retry(&mut self, id: &str) -> CourseResult {
        // Before: its first command may start before the verb has ended.
        self.host.note(&format!("{RETRY} {id}"))?;
        self.type_command("retry", id).map(drop)
    }

    /// What was refused, if it was.
    fn type_command(&mut self, verb: &'static str, about: &str) -> CourseResult<Option<String>> {
        let told = self.host.ask(&[verb, about])?;
        match told.code {
            Some(0) => {
                *self.counts.commands.entry(verb).or_default() += 1;
                Ok(None)
            }
            _ => {
                self.last_refusal.clone_from(&told.stderr);
                Ok(Some(told.stderr))
            }
        }
    }

    /// `since`: when the pause began. A run that is at work may begin another.
    pub(super) fn resume(&mut self, engine: &str, since: &str) -> CourseResult {
        if let Some(refusal) = self.type_command("resume", engine)? {
            return Err(WeekendStop::Wrong(format!("`resume {engine}` failed: {refusal}")));
        }
        let mut paused = self.paused()?.into_iter();
        match paused.any(|pause| pause.engine == engine && pause.since == since) {
            true => Err(WeekendStop::Wrong(format!(
                "after `resume` it is still paused: {engine}"
            ))),
            false => Ok(()),
        }
    }

    pub(super) fn paused(&mut self) -> CourseResult<Vec<ShownPause>> {
        let status = self.host.status()?;
        let paused = status["paused"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(paused
            .iter()
            .map(|pause| ShownPause {
                engine: text(&pause["engine"]),
                cause: text(&pause["cause"]),
                since: text(&pause["since"]),
                is_over: pause["leftMs"] == 0,
            })
            .collect())
    }
}

/// None: nobody knows why it is there.
fn after_quarantine(job: &WeekendJob, row: &ListedJob, log: &EvidenceLog) -> Option<PersonAction> {
    let was_touched = log.job(&job.id).is_some_and(|trace| !trace.touches.is_empty());
    match row.reason.as_str() {
        "changed_in_work" if was_touched => Some(PersonAction::Retry),
        "record_damaged" if was_touched => Some(PersonAction::RepairAndRetry),
        "ship_unknown" => match is_published_for_nobody_to_say(job, log)? {
            // Whoever looks sees that it was published.
            true => Some(PersonAction::Nothing),
            false => Some(PersonAction::Retry),
        },
        _ => None,
    }
}
