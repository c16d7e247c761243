//! A case under way: its commands, each with the kill that was chosen for it, and a look after each.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::process::Output;

use super::ground::Ground;
use super::judge::Judge;
use super::kind::{Aim, Kind, ROUTED, SUPERVISE};
use super::target::{Scope, Target, Who};
use super::traced::Start;
use super::tracer::{Traced, Tracer};
use crate::check::find_reason;
use crate::sandbox::STAGES;

/// Commands of one phase without a kill that bring nothing on: more of them means that it never ends.
pub(super) const VAIN_MAX: usize = 200;

/// What a case came to.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// Each kill that was made.
    pub(super) kills: Vec<Aim>,
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

pub(super) struct Game<'a> {
    pub(super) ground: &'a Ground,
    pub(super) judge: Judge<'a>,
    aims: VecDeque<Aim>,
    /// Nothing is killed: all there is to see is looked at.
    watches_all: bool,
    pub(super) all_added: bool,
    pub(super) played: Played,
}

pub(super) fn play(ground: &Ground, aims: Vec<Aim>) -> std::io::Result<Played> {
    let mut game = Game {
        judge: Judge::new(&ground.root, &ground.jobs),
        ground,
        watches_all: aims.is_empty(),
        aims: aims.into(),
        all_added: false,
        played: Played::default(),
    };
    match Kind::of(ground.seed) {
        Kind::Work => game.play_work()?,
        Kind::People => game.play_people()?,
        Kind::Routed => game.play_routed()?,
    }
    game.played.missed += game.aims.len() as u64;
    if game.is_lost() {
        game.judge.clear_away();
    }
    Ok(game.played)
}

impl Game<'_> {
    /// One command of this name, in these words of the contract, to its end or to its kill.
    pub(super) fn command(&mut self, name: &'static str, words: &[String]) -> std::io::Result<Traced> {
        let target = self.take_aim(name);
        let by_aim = match name {
            ROUTED => Scope::Threads,
            "run" if self.watches_all => Scope::Supervisors,
            _ => Scope::Main,
        };
        let scope = match &target {
            Some(target) if target.who == Who::Supervisor => Scope::Supervisors,
            _ => by_aim,
        };
        let traced = Game::start(self.ground, words, scope)?.run(target.as_ref())?;
        self.note(name, words, target, &traced);
        Ok(traced)
    }

    /// A command that stands still before its first step.
    pub(super) fn start<'g>(
        ground: &'g Ground,
        words: &[String],
        scope: Scope,
    ) -> std::io::Result<Tracer<'g>> {
        let mut program = ground.profile.command.clone();
        program.extend(ground.profile.words(words));
        Tracer::start(&Start {
            harness: &ground.harness,
            program: &program,
            environment: &ground.environment,
            folder: &ground.root,
            queue: &ground.queue,
            output: &ground.root.join("output"),
            scope,
        })
    }

    fn take_aim(&mut self, name: &str) -> Option<Target> {
        let is_of = |aim: &Aim| aim.0 == name || (aim.0 == SUPERVISE && name == "run");
        let position = self.aims.iter().position(is_of)?;
        Some(self.aims.remove(position)?.1)
    }

    pub(super) fn note(
        &mut self,
        name: &'static str,
        words: &[String],
        target: Option<Target>,
        traced: &Traced,
    ) {
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
        let of = |who| match who {
            Who::Runner => name,
            Who::Supervisor => SUPERVISE,
        };
        let kills_before = self.played.kills.len();
        let steps: BTreeSet<&(Who, String)> = traced.steps.iter().collect();
        self.played
            .passed
            .extend(steps.into_iter().map(|(who, step)| Passed {
                command: of(*who),
                step: step.clone(),
                kills_before,
            }));
        match target {
            Some(target) if traced.is_hit => self.played.kills.push((of(target.who), target)),
            // The same command may come again, about another job.
            Some(target) => self.aims.push_back((of(target.who), target)),
            None => {}
        }
        if traced.code.is_none() && !traced.is_hit {
            let last = traced.steps.iter().rev().take(30).rev();
            let told = last.map(|(who, step)| format!("  step| {who:?} {step}"));
            self.played.story.extend(told);
            self.wrong(format!("`{name}` hung and was ended"));
        }
    }

    /// After a command that runs jobs; where it says that it is done, it has left nothing behind.
    pub(super) fn look_after_run(&mut self, traced: &Traced) {
        self.look(traced);
        if traced.code == Some(0) {
            let alive = self.judge.alive();
            self.all_wrong(alive);
        }
    }

    /// Between two commands: none lost, every job in one stage, every file whole, every lock held that has to be.
    pub(super) fn look(&mut self, traced: &Traced) {
        let mut wrong = self.judge.look(traced.code.is_none());
        if self.all_added {
            wrong.extend(self.judge.lost());
        }
        self.all_wrong(wrong);
    }

    /// What a command prints that is asked something, and is not killed.
    pub(super) fn ask(&self, words: &[String]) -> std::io::Result<Output> {
        let (program, arguments) = self
            .ground
            .profile
            .command
            .split_first()
            .ok_or_else(|| std::io::Error::other("the profile names no command"))?;
        std::process::Command::new(program)
            .args(arguments)
            .args(self.ground.profile.words(words))
            .env_clear()
            .envs(&self.ground.environment)
            .current_dir(&self.ground.root)
            .output()
    }

    pub(super) fn show(&self, id: &str) -> std::io::Result<serde_json::Value> {
        let shown = self.ask(&["show".into(), id.into(), "--json".into()])?;
        Ok(serde_json::from_slice(&shown.stdout).unwrap_or_default())
    }

    pub(super) fn reason(&self, id: &str) -> std::io::Result<String> {
        Ok(find_reason(&self.show(id)?).unwrap_or_default())
    }

    pub(super) fn all_wrong(&mut self, wrong: Vec<String>) {
        wrong.into_iter().for_each(|what| self.wrong(what));
    }

    pub(super) fn wrong(&mut self, what: String) {
        self.played.story.push(format!("  WRONG: {what}"));
        if self.played.wrong.is_empty() {
            let read = |name| fs::read_to_string(self.ground.root.join(name)).unwrap_or_default();
            let (output, log) = (read("output"), read("log"));
            let told = output.lines().map(|line| format!("  aq| {line}"));
            let noted = log.lines().map(|line| format!("  worker| {line}"));
            self.played.story.extend(told.chain(noted));
            for stage in STAGES {
                let names = self.judge.names(stage);
                self.played.story.push(format!("  {stage}: {names:?}"));
            }
        }
        self.played.wrong.push(what);
    }

    pub(super) fn is_lost(&self) -> bool {
        !self.played.wrong.is_empty()
    }
}
