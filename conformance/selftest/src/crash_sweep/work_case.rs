//! A case about work: jobs are added, run until none waits, and shipped where a person has to say so.

use super::crash_case::{CrashCase, IDLE_COMMANDS_MAX};

impl CrashCase<'_> {
    pub(super) fn run_work_case(&mut self) -> std::io::Result<()> {
        self.add()?;
        self.work()?;
        self.ship()?;
        self.check_endings()
    }

    /// All of the jobs, or after a kill those that are not there yet.
    pub(super) fn add(&mut self) -> std::io::Result<()> {
        for _ in 0..IDLE_COMMANDS_MAX {
            let missing = self.checker.missing();
            if missing.is_empty() || self.has_failed() {
                self.all_added = true;
                return Ok(());
            }
            let mut words = vec!["add".to_owned()];
            words.extend(missing.iter().map(|id| format!("jobs/{id}.md")));
            let traced = self.command("add", &words)?;
            self.look(&traced);
            if !traced.is_hit && traced.code != Some(0) {
                self.wrong(format!("`add` ended with {:?}", traced.code));
            }
        }
        self.wrong("`add` never came to its end".to_owned());
        Ok(())
    }

    /// Until nothing waits and nothing is in work, with every kill on the way.
    pub(super) fn work(&mut self) -> std::io::Result<()> {
        let words = self.run_words();
        for _ in 0..IDLE_COMMANDS_MAX {
            let done = self
                .checker
                .all_in(&["review", "shipped", "failed", "quarantine"]);
            if done || self.has_failed() {
                return Ok(());
            }
            let traced = self.command("run", &words)?;
            self.look_after_run(&traced);
            if !traced.is_hit && traced.code != Some(0) {
                self.wrong(format!("`run` ended with {:?}", traced.code));
            }
        }
        self.wrong("`run` never came to its end".to_owned());
        Ok(())
    }

    pub(super) fn run_words(&self) -> Vec<String> {
        let words = ["run", "--drain", "--workers"].map(str::to_owned);
        let workers = self.fixture.workers.to_string();
        words.into_iter().chain([workers]).collect()
    }

    pub(super) fn ship(&mut self) -> std::io::Result<()> {
        for _ in 0..IDLE_COMMANDS_MAX {
            let Some(id) = self.checker.first_in("review") else {
                return Ok(());
            };
            if self.has_failed() {
                return Ok(());
            }
            // What a killed one left is refused as "in other hands" until it is gone.
            let traced = self.command("ship", &["ship".to_owned(), id])?;
            self.look_after_run(&traced);
        }
        self.wrong("`ship` never came to its end".to_owned());
        Ok(())
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
        Ok(())
    }
}
