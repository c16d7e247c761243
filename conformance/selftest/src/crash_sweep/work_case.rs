//! A case about work: jobs are added, run until none waits, and shipped where a person has to say so.

use std::ops::ControlFlow;

use super::crash_case::CrashCase;

impl CrashCase<'_> {
    pub(super) fn run_work_case(&mut self) -> std::io::Result<()> {
        self.add()?;
        self.work()?;
        self.ship()?;
        self.check_endings()
    }

    /// All of the jobs, or after a kill those that are not there yet.
    pub(super) fn add(&mut self) -> std::io::Result<()> {
        self.repeat("add", |case| {
            let missing = case.checker.missing();
            if missing.is_empty() {
                return Ok(ControlFlow::Break(()));
            }
            let files = missing.iter().map(|id| format!("jobs/{id}.md"));
            let words: Vec<String> = std::iter::once("add".to_owned()).chain(files).collect();
            let traced = case.command("add", &words)?;
            case.look(&traced);
            case.must_succeed("add", &traced);
            Ok(ControlFlow::Continue(()))
        })?;
        self.all_added = true;
        Ok(())
    }

    /// Until nothing waits and nothing is in work, with every kill on the way.
    pub(super) fn work(&mut self) -> std::io::Result<()> {
        let words = self.run_words();
        self.repeat("run", |case| {
            if case
                .checker
                .all_in(&["review", "shipped", "failed", "quarantine"])
            {
                return Ok(ControlFlow::Break(()));
            }
            let traced = case.command("run", &words)?;
            case.look_after_run(&traced);
            match case.checker.is_engine_paused() {
                false => case.must_succeed("run", &traced),
                true => case.end_pause()?,
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Jobs wait for an engine that failed with one after the other: a person says that it works.
    fn end_pause(&mut self) -> std::io::Result<()> {
        let traced = self.command("resume", &["resume".to_owned(), "devin".to_owned()])?;
        self.look(&traced);
        self.must_succeed("resume", &traced);
        Ok(())
    }

    pub(super) fn run_words(&self) -> Vec<String> {
        let words = ["run", "--drain", "--workers"].map(str::to_owned);
        let workers = self.fixture.workers.to_string();
        words.into_iter().chain([workers]).collect()
    }

    pub(super) fn ship(&mut self) -> std::io::Result<()> {
        self.repeat("ship", |case| {
            let Some(id) = case.checker.first_in("review") else {
                return Ok(ControlFlow::Break(()));
            };
            // What a killed one left is refused as "in other hands" until it is gone.
            let traced = case.command("ship", &["ship".to_owned(), id])?;
            case.look_after_run(&traced);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Every job has come to an end that its runs explain.
    pub(super) fn check_endings(&mut self) -> std::io::Result<()> {
        if self.has_failed() {
            return Ok(());
        }
        for (id, stage) in self.checker.endings() {
            let reason = self.reason(&id)?;
            let was_killed = !self.case_result.kills.is_empty();
            let wrong = self.checker.ending(&id, stage, &reason, was_killed);
            self.record_failures(wrong);
        }
        self.check_logs()
    }
}
