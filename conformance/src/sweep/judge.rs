//! What may be seen of a case at any moment, and what has to be seen at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::jobs::Job;
use super::worker;
use crate::sandbox::STAGES;

pub(super) struct Judge<'a> {
    root: PathBuf,
    jobs: &'a [Job],
}

impl<'a> Judge<'a> {
    pub(super) fn new(root: &Path, jobs: &'a [Job]) -> Judge<'a> {
        Judge {
            root: root.to_owned(),
            jobs,
        }
    }

    /// The jobs that are in no stage: `add` has to be told of them again.
    pub(super) fn missing(&self) -> Vec<String> {
        let there = self.stages();
        let ids = self.jobs.iter().map(|job| &job.id);
        ids.filter(|id| !there.contains_key(*id)).cloned().collect()
    }

    pub(super) fn all_in(&self, stages: &[&str]) -> bool {
        let there = self.stages();
        let is_there = |job: &Job| {
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

    /// The jobs that were added and are nowhere.
    pub(super) fn lost(&self) -> Vec<String> {
        let missing = self.missing().into_iter();
        missing
            .map(|id| format!("{id} was added and is in no stage"))
            .collect()
    }

    /// Nothing moves at this moment: the runner has ended, and supervisors move no files.
    pub(super) fn look(&self, was_killed: bool) -> Vec<String> {
        let mut wrong = self.places();
        wrong.extend(self.overlaps());
        if was_killed {
            wrong.extend(self.jobs.iter().filter_map(|job| self.lock_of_the_living(job)));
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
                if fs::read(&path).unwrap_or_default() != job.text.as_bytes() {
                    wrong.push(format!("{stage}/{id}.md is not what was added"));
                }
            }
        }
        wrong
    }

    /// What the workers themselves noticed, and what their log amounts to.
    fn overlaps(&self) -> Vec<String> {
        let log = self.log();
        let noticed = log
            .iter()
            .filter(|words| matches!(words[0].as_str(), "overlap" | "broken"));
        let mut wrong: Vec<String> = noticed.map(|words| words.join(" ")).collect();
        let mut starts: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
        for (id, step, attempt) in log.iter().filter_map(|words| started(words)) {
            // What publishes is started once in the life of a job, the rest once an attempt.
            let attempt = if step == "ship" { "" } else { attempt };
            *starts.entry((id, step, attempt)).or_default() += 1;
        }
        let twice = starts.iter().filter(|(_, count)| **count > 1);
        wrong.extend(
            twice.map(|((id, step, attempt), count)| {
                format!("{id}: {step} {attempt} was started {count} times")
            }),
        );
        wrong
    }

    /// While anything of a job is alive its lock is held, where the runner keeps it as a lock on a file.
    fn lock_of_the_living(&self, job: &Job) -> Option<String> {
        let lock = self.root.join("queue/.state/locks/job").join(&job.id);
        let file = fs::File::open(lock).ok()?;
        let is_free = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        drop(file);
        // Asked second: what is alive now was alive then.
        let live = worker::open(&self.root, "live", &job.id).ok()?;
        let is_alive = flock(&live, FlockOperation::NonBlockingLockExclusive).is_err();
        (is_free && is_alive).then(|| format!("{} is alive and its lock is free", job.id))
    }

    /// Why this can't be the end of that job.
    pub(super) fn ending(&self, id: &str, stage: &str, reason: &str, was_killed: bool) -> Vec<String> {
        let Some(job) = self.jobs.iter().find(|job| job.id == id) else {
            return Vec::new();
        };
        let log = self.log();
        let ended = |step: &str| {
            log.iter()
                .any(|words| words[0] == "end" && words[1] == id && words[2] == step && words[4] == "0")
        };
        let shipping = log
            .iter()
            .any(|words| started(words).is_some_and(|start| start.0 == id && start.1 == "ship"));
        let is_right = match stage {
            "shipped" => ended("engine") && (!job.ships || ended("ship")),
            "failed" => match reason {
                "exit 1" => job.fails > 0,
                "verify: exit 1" => job.verify_fails > 0,
                _ => was_killed && reason == "interrupted",
            },
            "quarantine" => was_killed && job.ships && reason == "ship_unknown",
            _ => false,
        };
        let mut wrong = Vec::new();
        if !is_right {
            wrong.push(format!("{id} ended in {stage} with reason `{reason}`"));
        }
        if shipping && stage == "failed" {
            wrong.push(format!("{id} began to ship and ended in failed"));
        }
        wrong
    }

    /// Ends what a case that went wrong may have left.
    pub(super) fn clear_away(&self) {
        let mark = format!("{}={}", worker::GROUND, self.root.display());
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let is_ours = environment
                .split(|byte| *byte == 0)
                .any(|text| text == mark.as_bytes());
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw).filter(|_| is_ours) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
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

    fn log(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.root.join("log")).unwrap_or_default();
        let words = text
            .lines()
            .map(|line| line.split(' ').map(str::to_owned).collect());
        words.filter(|words: &Vec<String>| words.len() >= 3).collect()
    }
}

/// Job, step and attempt of a start.
fn started(words: &[String]) -> Option<(&str, &str, &str)> {
    match words {
        [what, id, step, attempt, ..] if what == "start" => Some((id, step, attempt)),
        _ => None,
    }
}
