//! A case about work from a coordinator: its runner is killed and started again, under leases that still live and under
//! leases that ended meanwhile, until the coordinator knows the end of every job.

use std::fs;
use std::ops::ControlFlow;
use std::time::Duration;

use super::crash_case::CrashCase;
use super::fixture::LEASE_MS;
use super::kill_plan::ROUTED;
use super::worker;
use super::worker_log::WorkerLog;

/// The stages that the coordinator calls final.
const FINAL: [&str; 3] = ["shipped", "failed", "quarantined"];

impl CrashCase<'_> {
    pub(super) fn run_routed_case(&mut self) -> std::io::Result<()> {
        let words = self.run_words();
        let mut round = 0;
        self.repeat("run", |case| {
            if case.is_all_reported() {
                return Ok(ControlFlow::Break(()));
            }
            let traced = case.command(ROUTED, &words)?;
            case.look_after_run(&traced);
            case.must_succeed("run", &traced);
            // A drain that ended while something was left waits for the end of a lease that a dead runner had.
            let is_next_at_once = traced.is_hit && (case.fixture.seed / 4 + round).is_multiple_of(2);
            round += 1;
            if !is_next_at_once {
                traced.wait_for_supervisors();
                case.expire_leases()?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        self.check_routed_endings()
    }

    fn expire_leases(&mut self) -> std::io::Result<()> {
        let Some(stub) = &self.fixture.coordinator else {
            return Ok(());
        };
        worker::note_end_of_leases(&self.fixture.root)?;
        let due = stub
            .advance(Duration::from_millis(LEASE_MS + 1_000))
            .map_err(std::io::Error::other)?;
        if !due.is_empty() {
            self.case_result
                .actions
                .push("the leases that lived have ended".to_owned());
        }
        Ok(())
    }

    /// Whether the coordinator has the end of every job, and nothing is owed to it.
    fn is_all_reported(&self) -> bool {
        let jobs = self.fixture.coordinator.as_ref().map(|stub| stub.jobs());
        let is_final = jobs
            .unwrap_or_default()
            .iter()
            .all(|job| FINAL.contains(&job.stage.as_str()));
        is_final && self.outbox_entries().is_empty()
    }

    fn outbox_entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.fixture.root.join("queue/.state/outbox"));
        let names = entries.into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".json")).collect()
    }

    fn check_routed_endings(&mut self) -> std::io::Result<()> {
        let Some(stub) = &self.fixture.coordinator else {
            return Ok(());
        };
        let jobs = stub.jobs();
        let mut wrong = Vec::new();
        for stage in ["inbox", "building", "testing", "review"] {
            let left = self.checker.names(stage).into_iter();
            wrong.extend(left.map(|name| format!("{name} is left in {stage}")));
        }
        let log = WorkerLog::read(&self.fixture.root);
        let was_killed = !self.case_result.kills.is_empty();
        for job in &self.fixture.jobs {
            let there = jobs.iter().find(|state| state.id == job.id);
            let (stage, here) = (
                there.map(|state| state.stage.as_str()),
                self.checker.stage_of(&job.id),
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
        self.record_failures(wrong);
        self.check_logs()
    }
}
