//! What may be seen of a case at any moment, and what has to be seen at its end.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::generated_jobs::SweepJob;
use super::worker;
use super::worker_log::WorkerLog;
use crate::leftover_processes::kill_marked;
use conformance::sandbox::STAGES;

pub(super) struct QueueStateChecker<'a> {
    root: PathBuf,
    jobs: &'a [SweepJob],
    /// A person asked for their end.
    pub(super) cancelled: BTreeSet<String>,
    /// A person wanted them gone.
    pub(super) pruned: BTreeSet<String>,
    /// What was first seen of the jobs that a coordinator has; its runner writes their files.
    routed: RefCell<BTreeMap<String, Vec<u8>>>,
    is_routed: bool,
}

/// The reason of a job that a person gave up.
pub(super) const CANCELLED: &str = "cancelled";

impl<'a> QueueStateChecker<'a> {
    pub(super) fn new(root: &Path, jobs: &'a [SweepJob]) -> QueueStateChecker<'a> {
        QueueStateChecker {
            root: root.to_owned(),
            jobs,
            cancelled: BTreeSet::new(),
            pruned: BTreeSet::new(),
            routed: RefCell::default(),
            is_routed: root.join(worker::COORDINATOR).exists(),
        }
    }

    /// The jobs that are in no stage: they have to be added again.
    pub(super) fn missing(&self) -> Vec<String> {
        let there = self.stages();
        let ids = self.jobs.iter().map(|job| &job.id);
        ids.filter(|id| !there.contains_key(*id)).cloned().collect()
    }

    pub(super) fn all_in(&self, stages: &[&str]) -> bool {
        let there = self.stages();
        let is_there = |job: &SweepJob| {
            there
                .get(&job.id)
                .is_some_and(|of_job| of_job.iter().all(|stage| stages.contains(stage)))
        };
        self.jobs.iter().all(is_there)
    }

    pub(super) fn first_in(&self, stage: &str) -> Option<String> {
        let there = self.stages();
        there
            .into_iter()
            .find(|(_, stages)| stages.contains(&stage))
            .map(|(id, _)| id)
    }

    pub(super) fn stage_of(&self, id: &str) -> Option<&'static str> {
        self.stages().get(id)?.first().copied()
    }

    pub(super) fn endings(&self) -> Vec<(String, &'static str)> {
        let stages = self.stages().into_iter();
        stages
            .flat_map(|(id, stages)| stages.into_iter().map(move |stage| (id.clone(), stage)))
            .collect()
    }

    /// The files of a stage.
    pub(super) fn names(&self, stage: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.root.join("queue").join(stage));
        let entries = entries.into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// The jobs that were added and are nowhere; of one that was to be pruned, the name has to be kept.
    pub(super) fn lost(&self) -> Vec<String> {
        let missing = self.missing().into_iter();
        missing
            .filter(|id| !self.is_handed_over(id))
            .filter_map(|id| match (self.pruned.contains(&id), self.has_name_kept(&id)) {
                (false, _) => Some(format!("{id} was added and is in no stage")),
                (true, false) => Some(format!("{id} was pruned and its name is not kept")),
                (true, true) => None,
            })
            .collect()
    }

    /// Whether its copy is kept for the time that the coordinator has it.
    fn is_handed_over(&self, id: &str) -> bool {
        let copy = self.root.join("queue/.state/handed").join(format!("{id}.md"));
        let job = self.jobs.iter().find(|job| job.id == id);
        fs::read(copy).is_ok_and(|bytes| job.is_some_and(|job| bytes == job.text.as_bytes()))
    }

    /// Whether nothing here may start it, because the coordinator has it or may have it, where the runner keeps that as a
    /// file.
    pub(super) fn is_marked_as_theirs(&self, id: &str) -> bool {
        let record = self.root.join("queue/.state/handed").join(format!("{id}.json"));
        fs::read_to_string(record).is_ok_and(|record| !record.contains("\"returned\""))
    }

    fn has_name_kept(&self, id: &str) -> bool {
        let folder = self.root.join("queue/.state/pruned");
        STAGES.iter().any(|stage| folder.join(stage).join(id).exists())
    }

    /// What is alive although nobody runs anything any more.
    pub(super) fn alive(&self) -> Vec<String> {
        let alive = self
            .jobs
            .iter()
            .filter(|job| worker::is_alive(&self.root, &job.id));
        alive
            .map(|job| {
                format!(
                    "something of {} is alive, and the runner said that it was done",
                    job.id
                )
            })
            .collect()
    }

    /// Whether the engine of all jobs is paused, where the runner keeps that as a file.
    pub(super) fn is_engine_paused(&self) -> bool {
        let record = fs::read_to_string(self.root.join("queue/.state/paused/devin"));
        record.is_ok_and(|record| record.contains("\"cause\""))
    }

    /// Whether a runner or a supervisor has the job, where it keeps that as a lock on a file.
    fn is_held(&self, id: &str) -> bool {
        let lock = fs::File::open(self.root.join("queue/.state/locks/job").join(id));
        lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err())
    }

    /// Nothing moves at this moment: the runner has ended, and supervisors move no files.
    pub(super) fn look(&self, was_killed: bool) -> Vec<String> {
        let mut wrong = self.places();
        wrong.extend(WorkerLog::read(&self.root).wrong());
        if was_killed {
            wrong.extend(self.jobs.iter().filter_map(|job| self.missing_lock(job)));
        }
        wrong
    }

    /// No job is in two stages, and each file is what was added.
    fn places(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (id, stages) in self.stages() {
            let Some(job) = self.jobs.iter().find(|job| job.id == id) else {
                wrong.push(format!("{stages:?} holds `{id}`, which nobody added"));
                continue;
            };
            if stages.len() > 1 {
                wrong.push(format!("{id} is in {stages:?} at once"));
            }
            for stage in stages {
                let path = self.root.join("queue").join(stage).join(format!("{id}.md"));
                let bytes = fs::read(&path).unwrap_or_default();
                let is_whole = match self.is_routed {
                    true => {
                        *self
                            .routed
                            .borrow_mut()
                            .entry(id.clone())
                            .or_insert(bytes.clone())
                            == bytes
                    }
                    false => bytes == job.text.as_bytes(),
                };
                if !is_whole {
                    wrong.push(format!("{stage}/{id}.md is not what was added"));
                }
            }
        }
        wrong
    }

    /// While anything of a job is alive its lock is held, where the runner keeps it as a lock on a file.
    fn missing_lock(&self, job: &SweepJob) -> Option<String> {
        let lock = self.root.join("queue/.state/locks/job").join(&job.id);
        let is_free = lock.exists() && !self.is_held(&job.id);
        // Asked second: what is alive now was alive then.
        let is_alive = worker::is_alive(&self.root, &job.id);
        (is_free && is_alive).then(|| format!("{} is alive and its lock is free", job.id))
    }

    /// Why this can't be the end of that job.
    pub(super) fn ending(&self, id: &str, stage: &str, reason: &str, was_killed: bool) -> Vec<String> {
        let Some(job) = self.jobs.iter().find(|job| job.id == id) else {
            return Vec::new();
        };
        let log = WorkerLog::read(&self.root);
        let is_right = match stage {
            "shipped" => log.has_ended_well(id, "engine") && (!job.ships || log.has_ended_well(id, "ship")),
            "failed" => match reason {
                "exit_code" => job.fails > 0,
                "verify_failed" => job.verify_fails > 0,
                CANCELLED => self.cancelled.contains(id),
                _ => was_killed && reason == "interrupted",
            },
            "quarantine" => was_killed && job.ships && reason == "ship_unknown",
            _ => false,
        };
        let mut wrong = Vec::new();
        if !is_right {
            wrong.push(format!("{id} ended in {stage} with reason `{reason}`"));
        }
        if log.has_started(id, "ship") && stage == "failed" {
            wrong.push(format!("{id} began to ship and ended in failed"));
        }
        wrong
    }

    /// Ends what a case that went wrong may have left.
    pub(super) fn kill_leftovers(&self) {
        kill_marked(worker::FIXTURE_VARIABLE, &self.root.to_string_lossy());
    }

    fn stages(&self) -> BTreeMap<String, Vec<&'static str>> {
        let mut found: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
        for stage in STAGES {
            for name in self.names(stage) {
                let id = name.strip_suffix(".md").unwrap_or(&name).to_owned();
                found.entry(id).or_default().push(stage);
            }
        }
        found
    }
}
