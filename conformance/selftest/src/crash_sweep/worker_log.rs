//! What the fake engines wrote down: what was started and ended, and what they noticed themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Words by which a fake engine, or what watches it, says that something is wrong.
const NOTICED: [&str; 3] = ["overlap", "broken", "unleased"];
/// A job that an operator starts again: its commands may be started again.
const RESTARTED: &str = "anew";

pub(super) struct WorkerLog {
    lines: Vec<Vec<String>>,
}

impl WorkerLog {
    pub(super) fn read(root: &Path) -> WorkerLog {
        let text = fs::read_to_string(root.join("log")).unwrap_or_default();
        let words = text
            .lines()
            .map(|line| line.split(' ').map(str::to_owned).collect());
        WorkerLog {
            lines: words.filter(|words: &Vec<String>| words.len() >= 2).collect(),
        }
    }

    /// From here on the job begins anew.
    pub(super) fn note_restart(root: &Path, id: &str) {
        super::worker::note(root, &format!("{RESTARTED} {id}"));
    }

    /// What was noticed, and what was started more often than it may be.
    pub(super) fn wrong(&self) -> Vec<String> {
        let noticed = self
            .lines
            .iter()
            .filter(|words| NOTICED.contains(&words[0].as_str()));
        let mut wrong: Vec<String> = noticed.map(|words| words.join(" ")).collect();
        let mut lives: BTreeMap<&str, usize> = BTreeMap::new();
        let mut starts: BTreeMap<(&str, usize, &str, &str), usize> = BTreeMap::new();
        for words in &self.lines {
            if words[0] == RESTARTED {
                *lives.entry(&words[1]).or_default() += 1;
            }
            let Some((id, step, attempt)) = started(words) else {
                continue;
            };
            let life = lives.get(id).copied().unwrap_or(0);
            // What publishes is started once in the life of a job, the rest once an attempt.
            let attempt = if step == "ship" { "" } else { attempt };
            *starts.entry((id, life, step, attempt)).or_default() += 1;
        }
        let twice = starts.iter().filter(|(_, count)| **count > 1);
        wrong.extend(twice.map(|((id, _, step, attempt), count)| {
            format!("{id}: {step} {attempt} was started {count} times")
        }));
        wrong
    }

    /// How many commands were started.
    pub(super) fn starts(&self) -> usize {
        self.lines.iter().filter(|words| started(words).is_some()).count()
    }

    pub(super) fn starts_of(&self, id: &str) -> usize {
        let of_job = |words: &&Vec<String>| started(words).is_some_and(|start| start.0 == id);
        self.lines.iter().filter(of_job).count()
    }

    /// The last attempt that the engine was started for.
    pub(super) fn last_attempt(&self, id: &str) -> Option<u64> {
        let lines = self.lines_since_restart(id).iter().rev();
        let mut starts = lines.filter_map(|words| started(words));
        let (.., attempt) = starts.find(|start| start.0 == id && start.1 == "engine")?;
        attempt.parse().ok()
    }

    /// Since the job last began anew.
    pub(super) fn has_started(&self, id: &str, step: &str) -> bool {
        self.lines_since_restart(id)
            .iter()
            .any(|words| started(words).is_some_and(|start| start.0 == id && start.1 == step))
    }

    /// With exit code 0, since the job last began anew.
    pub(super) fn has_ended_well(&self, id: &str, step: &str) -> bool {
        self.lines_since_restart(id)
            .iter()
            .any(|words| match words.as_slice() {
                [what, of, done, _, code] => what == "end" && of == id && done == step && code == "0",
                _ => false,
            })
    }

    fn lines_since_restart(&self, id: &str) -> &[Vec<String>] {
        let begins = |words: &Vec<String>| words[0] == RESTARTED && words[1] == id;
        let from = self.lines.iter().rposition(begins).unwrap_or(0);
        &self.lines[from..]
    }
}

/// Job, step and attempt of a start.
fn started(words: &[String]) -> Option<(&str, &str, &str)> {
    match words {
        [what, id, step, attempt, ..] if what == "start" => Some((id, step, attempt)),
        _ => None,
    }
}
