//! A case about work from a coordinator: its runner is killed and started again, under leases that still live and under
//! leases that ended meanwhile, until the coordinator knows the end of every job.

use std::fs;
use std::time::Duration;

use super::game::{Game, VAIN_MAX};
use super::ground::LEASE_MS;
use super::kind::ROUTED;
use super::log::Log;
use super::worker;

/// The stages that the coordinator calls final.
const FINAL: [&str; 3] = ["shipped", "failed", "quarantined"];

impl Game<'_> {
    pub(super) fn play_routed(&mut self) -> std::io::Result<()> {
        let words = self.run_words();
        for round in 0..VAIN_MAX as u64 {
            if self.is_lost() || self.is_all_known() {
                return self.judge_routed();
            }
            let traced = self.command(ROUTED, &words)?;
            self.look_after_run(&traced);
            if !traced.is_hit && traced.code != Some(0) {
                self.wrong(format!("`run` ended with {:?}", traced.code));
            }
            // A drain that ended while something was left waits for the end of a lease that a dead runner had.
            let is_next_at_once = traced.is_hit && (self.ground.seed / 4 + round).is_multiple_of(2);
            if !is_next_at_once {
                traced.wait_for_supervisors();
                self.let_leases_end()?;
            }
        }
        self.wrong("`run` never came to its end".to_owned());
        Ok(())
    }

    fn let_leases_end(&mut self) -> std::io::Result<()> {
        let Some(stub) = &self.ground.coordinator else {
            return Ok(());
        };
        worker::note_end_of_leases(&self.ground.root)?;
        let due = stub
            .advance(Duration::from_millis(LEASE_MS + 1_000))
            .map_err(std::io::Error::other)?;
        if !due.is_empty() {
            self.played
                .story
                .push("the leases that lived have ended".to_owned());
        }
        Ok(())
    }

    /// Whether the coordinator has the end of every job, and nothing is owed to it.
    fn is_all_known(&self) -> bool {
        let jobs = self.ground.coordinator.as_ref().map(|stub| stub.jobs());
        let is_final = jobs
            .unwrap_or_default()
            .iter()
            .all(|job| FINAL.contains(&job.stage.as_str()));
        is_final && self.letters().is_empty()
    }

    fn letters(&self) -> Vec<String> {
        let entries = fs::read_dir(self.ground.root.join("queue/.state/outbox"));
        let names = entries.into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".json")).collect()
    }

    fn judge_routed(&mut self) -> std::io::Result<()> {
        let Some(stub) = &self.ground.coordinator else {
            return Ok(());
        };
        let jobs = stub.jobs();
        let mut wrong = Vec::new();
        for stage in ["inbox", "building", "testing", "review"] {
            let left = self.judge.names(stage).into_iter();
            wrong.extend(left.map(|name| format!("{name} is left in {stage}")));
        }
        let log = Log::read(&self.ground.root);
        let was_killed = !self.played.kills.is_empty();
        for job in &self.ground.jobs {
            let there = jobs.iter().find(|state| state.id == job.id);
            let (stage, here) = (
                there.map(|state| state.stage.as_str()),
                self.judge.stage_of(&job.id),
            );
            let is_right = match (stage, here) {
                (Some("shipped"), Some("shipped")) => {
                    log.has_ended_well(&job.id, "engine")
                        && (!job.ships || log.has_ended_well(&job.id, "ship"))
                }
                (Some("failed"), Some("failed")) => job.fails > 0 || job.verify_fails > 0,
                // Its lease was given back, or its `ship` cut off.
                (Some("quarantined"), Some("quarantine")) => was_killed,
                _ => false,
            };
            if !is_right {
                wrong.push(format!(
                    "{} ended in {stage:?} there and in {here:?} here",
                    job.id
                ));
            }
            if log.has_ended_well(&job.id, "ship") && stage == Some("failed") {
                wrong.push(format!("{} was published and is reported as failed", job.id));
            }
        }
        self.all_wrong(wrong);
        Ok(())
    }
}
