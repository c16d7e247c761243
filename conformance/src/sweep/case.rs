//! One case of a sweep: its folder, and its way from `add` to the end through every kill that was chosen for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::Plan;
use super::jobs::{self, Job};
use super::judge::Judge;
use super::tracer::{self, Start, Target, Traced};
use super::worker;
use crate::check::find_reason;
use crate::profile::Profile;
use crate::sandbox::STAGES;

/// Commands of one phase without a kill that bring nothing on: more of them means that it never ends.
const VAIN_MAX: usize = 200;

/// A kill that is to be made: during which command, and where in it.
pub(super) type Aim = (&'static str, Target);

/// What a case came to.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// Each kill that was made.
    pub(super) kills: Vec<(&'static str, Target)>,
    /// Aims that were never met.
    pub(super) missed: u64,
    /// Every step, once for each command that passed it.
    pub(super) passed: Vec<Passed>,
    pub(super) wrong: Vec<String>,
    pub(super) story: Vec<String>,
}

/// A step that a command came to.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) command: &'static str,
    pub(super) step: String,
    /// So many kills of the case were made by then: what it takes to come there again.
    pub(super) kills_before: usize,
}

/// Where a case plays.
pub(super) struct Ground {
    folder: TempDir,
    harness: PathBuf,
    profile: Profile,
    jobs: Vec<Job>,
    workers: u64,
    environment: BTreeMap<String, String>,
}

impl Ground {
    pub(super) fn lay(plan: &Plan, seed: u64) -> std::io::Result<Ground> {
        let folder = tempfile::Builder::new().prefix("aqsweep-").tempdir()?;
        // Links in the path would make it differ from what /proc tells.
        let root = folder.path().canonicalize()?;
        let (jobs, workers) = jobs::of(seed);
        for name in ["bin", "jobs", "live", "names", "plans", "deaf", "queue"] {
            fs::create_dir(root.join(name))?;
        }
        fs::write(root.join("queue/aq.toml"), "grace = \"20ms\"\n")?;
        for job in &jobs {
            fs::write(root.join("jobs").join(format!("{}.md", job.id)), &job.text)?;
            let lock = job.lock.unwrap_or("-");
            let orders = format!(
                "{lock} {} {} {} {}\n",
                job.fails,
                job.verify_fails,
                job.takes_ms,
                job.leaves.word()
            );
            fs::write(root.join("plans").join(&job.id), orders)?;
            if job.is_deaf {
                fs::write(root.join("deaf").join(&job.id), "")?;
            }
        }
        for (tool, step) in [("devin", "engine"), ("verify-it", "verify"), ("ship-it", "ship")] {
            let deaf = "[ -e \"$AQ_SWEEP/deaf/$AQ_JOB_ID\" ] && trap '' TERM";
            let script = format!(
                "#!/bin/sh\n{deaf}\nexec '{}' sweep-worker {step}\n",
                plan.harness.display()
            );
            let path = root.join("bin").join(tool);
            fs::write(&path, script)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let environment = BTreeMap::from([
            ("AQ_QUEUE".to_owned(), text(root.join("queue"))),
            ("HOME".to_owned(), text(root.clone())),
            ("PATH".to_owned(), format!("{}/bin:/usr/bin:/bin", root.display())),
            (worker::GROUND.to_owned(), text(root.clone())),
        ]);
        Ok(Ground {
            environment: plan.profile.renamed(environment),
            folder,
            harness: plan.harness.clone(),
            profile: plan.profile.clone(),
            jobs,
            workers,
        })
    }

    pub(super) fn play(&self, aims: Vec<Aim>) -> std::io::Result<Played> {
        let root = self.folder.path().canonicalize()?;
        let mut game = Game {
            judge: Judge::new(&root, &self.jobs),
            ground: self,
            root,
            aims: aims.into(),
            all_added: false,
            played: Played::default(),
        };
        game.add()?;
        game.work()?;
        game.ship()?;
        game.end()?;
        if !game.played.wrong.is_empty() {
            game.judge.clear_away();
        }
        Ok(game.played)
    }
}

struct Game<'a> {
    ground: &'a Ground,
    root: PathBuf,
    judge: Judge<'a>,
    aims: VecDeque<Aim>,
    all_added: bool,
    played: Played,
}

impl Game<'_> {
    /// All of the jobs, or after a kill those that are not there yet.
    fn add(&mut self) -> std::io::Result<()> {
        for _ in 0..VAIN_MAX {
            let missing = self.judge.missing();
            if missing.is_empty() || self.is_lost() {
                self.all_added = true;
                return Ok(());
            }
            let mut words = vec!["add".to_owned()];
            words.extend(missing.iter().map(|id| format!("jobs/{id}.md")));
            let traced = self.command("add", &words)?;
            self.look(false);
            if !traced.is_hit && traced.code != Some(0) {
                self.wrong(format!("`add` ended with {:?}", traced.code));
            }
        }
        self.wrong("`add` never came to its end".to_owned());
        Ok(())
    }

    /// Until nothing waits and nothing is in work, with every kill on the way.
    fn work(&mut self) -> std::io::Result<()> {
        let words = ["run", "--drain", "--workers"].map(str::to_owned);
        let words: Vec<String> = words
            .into_iter()
            .chain([self.ground.workers.to_string()])
            .collect();
        for _ in 0..VAIN_MAX {
            let done = self.judge.all_in(&["review", "shipped", "failed", "quarantine"]);
            if done || self.is_lost() {
                return Ok(());
            }
            let traced = self.command("run", &words)?;
            self.look(traced.code.is_none());
            if !traced.is_hit && traced.code != Some(0) {
                self.wrong(format!("`run` ended with {:?}", traced.code));
            }
        }
        self.wrong("`run` never came to its end".to_owned());
        Ok(())
    }

    fn ship(&mut self) -> std::io::Result<()> {
        for _ in 0..VAIN_MAX {
            let Some(id) = self.judge.first_in("review") else {
                return Ok(());
            };
            if self.is_lost() {
                return Ok(());
            }
            // What a killed one left is refused as "in other hands" until it is gone.
            let traced = self.command("ship", &["ship".to_owned(), id])?;
            self.look(traced.code.is_none());
        }
        self.wrong("`ship` never came to its end".to_owned());
        Ok(())
    }

    fn end(&mut self) -> std::io::Result<()> {
        if self.is_lost() {
            return Ok(());
        }
        for (id, stage) in self.judge.endings() {
            let reason = self.reason(&id)?;
            let was_killed = !self.played.kills.is_empty();
            let wrong = self.judge.ending(&id, stage, &reason, was_killed);
            wrong.into_iter().for_each(|what| self.wrong(what));
        }
        self.played.missed += self.aims.len() as u64;
        Ok(())
    }

    fn reason(&self, id: &str) -> std::io::Result<String> {
        let (program, arguments) = self
            .ground
            .profile
            .command
            .split_first()
            .ok_or_else(|| std::io::Error::other("the profile names no command"))?;
        let shown = std::process::Command::new(program)
            .args(arguments)
            .args(self.ground.profile.show(id))
            .env_clear()
            .envs(&self.ground.environment)
            .current_dir(&self.root)
            .output()?;
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap_or_default();
        Ok(find_reason(&shown).unwrap_or_default())
    }

    fn command(&mut self, name: &'static str, words: &[String]) -> std::io::Result<Traced> {
        let position = self.aims.iter().position(|(command, _)| *command == name);
        let target = position
            .and_then(|position| self.aims.remove(position))
            .map(|(_, target)| target);
        let mut program = self.ground.profile.command.clone();
        program.extend(self.ground.profile.words(words));
        let traced = tracer::trace(
            &Start {
                harness: &self.ground.harness,
                program: &program,
                environment: &self.ground.environment,
                folder: &self.root,
                queue: &self.root.join("queue"),
                output: &self.root.join("output"),
            },
            target.as_ref(),
        )?;
        self.note(name, words, target, &traced);
        Ok(traced)
    }

    fn note(&mut self, name: &'static str, words: &[String], target: Option<Target>, traced: &Traced) {
        let mut line = words.join(" ");
        match &target {
            Some(target) if traced.is_hit => {
                line += &format!(
                    ": {} killed {}, the step met for time {}",
                    target.victim,
                    target.step,
                    target.skip + 1
                );
            }
            _ => line += &format!(": ended with {:?}", traced.code),
        }
        self.played.story.push(line);
        let kills_before = self.played.kills.len();
        let steps: BTreeSet<&String> = traced.steps.iter().collect();
        self.played.passed.extend(steps.into_iter().map(|step| Passed {
            command: name,
            step: step.clone(),
            kills_before,
        }));
        match target {
            Some(target) if traced.is_hit => self.played.kills.push((name, target)),
            Some(_) => self.played.missed += 1,
            None => {}
        }
        if traced.code.is_none() && !traced.is_hit {
            let last = traced.steps.iter().rev().take(30).rev();
            self.played
                .story
                .extend(last.map(|step| format!("  step| {step}")));
            self.wrong(format!("`{name}` hung and was ended"));
        }
    }

    /// Between two commands: none lost, every job in one stage, every file whole, every lock held that has to be.
    fn look(&mut self, was_killed: bool) {
        let mut wrong = self.judge.look(was_killed);
        if self.all_added {
            wrong.extend(self.judge.lost());
        }
        wrong.into_iter().for_each(|what| self.wrong(what));
    }

    fn wrong(&mut self, what: String) {
        self.played.story.push(format!("  WRONG: {what}"));
        if self.played.wrong.is_empty() {
            let output = fs::read_to_string(self.root.join("output")).unwrap_or_default();
            let log = fs::read_to_string(self.root.join("log")).unwrap_or_default();
            let told = output.lines().map(|line| format!("  aq| {line}"));
            let noted = log.lines().map(|line| format!("  worker| {line}"));
            self.played.story.extend(told.chain(noted));
            for stage in STAGES {
                self.played
                    .story
                    .push(format!("  {stage}: {:?}", self.judge.names(stage)));
            }
        }
        self.played.wrong.push(what);
    }

    fn is_lost(&self) -> bool {
        !self.played.wrong.is_empty()
    }
}
