//! A case under way: its commands, each with the kill that was chosen for it, and a look after each.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::ops::ControlFlow;
use std::process::Output;

use super::fixture::CrashFixture;
use super::kill_plan::{PlannedKill, ROUTED, SUPERVISE, SweepCaseKind};
use super::kill_point::{KillPoint, StepActor, TraceScope};
use super::queue_state_checks::QueueStateChecker;
use super::traced_process::TracedCommand;
use super::tracer::{CommandTracer, TraceResult};
use conformance::checks::shown_reason;
use conformance::sandbox::STAGES;

/// Commands of one phase without a kill that make no progress: more of them means that it never ends.
const IDLE_COMMANDS_MAX: usize = 200;

/// The result of a case.
#[derive(Debug, Default)]
pub(super) struct SweepCaseResult {
    /// Each kill that was made.
    pub(super) kills: Vec<PlannedKill>,
    /// Planned kills whose step was never reached.
    pub(super) missed: u64,
    /// Every step, once for each command that passed it.
    pub(super) passed: Vec<ReachedStep>,
    pub(super) wrong: Vec<String>,
    pub(super) actions: Vec<String>,
}

/// A step that a command came to.
#[derive(Debug)]
pub(super) struct ReachedStep {
    pub(super) command: &'static str,
    pub(super) step: String,
    /// So many kills of the case were made by then: what it takes to come there again.
    pub(super) kills_before: usize,
}

pub(super) struct CrashCase<'a> {
    pub(super) fixture: &'a CrashFixture,
    pub(super) checker: QueueStateChecker<'a>,
    planned_kills: VecDeque<PlannedKill>,
    /// Nothing is killed: all there is to see is looked at.
    watches_all: bool,
    pub(super) all_added: bool,
    pub(super) case_result: SweepCaseResult,
}

pub(super) fn run_case(
    fixture: &CrashFixture,
    planned_kills: Vec<PlannedKill>,
) -> std::io::Result<SweepCaseResult> {
    let mut case = CrashCase {
        checker: QueueStateChecker::new(&fixture.root, &fixture.jobs),
        fixture,
        watches_all: planned_kills.is_empty(),
        planned_kills: planned_kills.into(),
        all_added: false,
        case_result: SweepCaseResult::default(),
    };
    match SweepCaseKind::of(fixture.seed) {
        SweepCaseKind::Work => case.run_work_case()?,
        SweepCaseKind::Operator => case.run_operator_case()?,
        SweepCaseKind::Routed => case.run_routed_case()?,
    }
    case.case_result.missed += case.planned_kills.len() as u64;
    if case.has_failed() {
        case.checker.kill_leftovers();
    }
    Ok(case.case_result)
}

impl CrashCase<'_> {
    /// One command of this name, in these words of the contract, to its end or to its kill.
    pub(super) fn command(&mut self, name: &'static str, words: &[String]) -> std::io::Result<TraceResult> {
        let target = self.take_planned_kill(name);
        let by_aim = match name {
            ROUTED => TraceScope::Threads,
            "run" if self.watches_all => TraceScope::Supervisors,
            _ => TraceScope::Main,
        };
        let scope = match &target {
            Some(target) if target.who == StepActor::Supervisor => TraceScope::Supervisors,
            _ => by_aim,
        };
        let traced = CrashCase::start(self.fixture, words, scope)?.run(target.as_ref())?;
        self.note(name, words, target, &traced);
        Ok(traced)
    }

    /// A command that stands still before its first step.
    pub(super) fn start<'g>(
        fixture: &'g CrashFixture,
        words: &[String],
        scope: TraceScope,
    ) -> std::io::Result<CommandTracer<'g>> {
        let mut program = fixture.profile.command.clone();
        program.extend(fixture.profile.words(words));
        CommandTracer::start(&TracedCommand {
            harness: &fixture.harness,
            program: &program,
            environment: &fixture.environment,
            folder: &fixture.root,
            queue: &fixture.queue,
            output: &fixture.root.join("output"),
            scope,
        })
    }

    fn take_planned_kill(&mut self, name: &str) -> Option<KillPoint> {
        let is_of = |planned_kill: &PlannedKill| {
            planned_kill.0 == name || (planned_kill.0 == SUPERVISE && name == "run")
        };
        let position = self.planned_kills.iter().position(is_of)?;
        Some(self.planned_kills.remove(position)?.1)
    }

    pub(super) fn note(
        &mut self,
        name: &'static str,
        words: &[String],
        target: Option<KillPoint>,
        traced: &TraceResult,
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
        self.case_result.actions.push(line);
        let of = |who| match who {
            StepActor::Runner => name,
            StepActor::Supervisor => SUPERVISE,
        };
        let kills_before = self.case_result.kills.len();
        let steps: BTreeSet<&(StepActor, String)> = traced.steps.iter().collect();
        self.case_result
            .passed
            .extend(steps.into_iter().map(|(who, step)| ReachedStep {
                command: of(*who),
                step: step.clone(),
                kills_before,
            }));
        match target {
            Some(target) if traced.is_hit => self.case_result.kills.push((of(target.who), target)),
            // The same command may come again, about another job.
            Some(target) => self.planned_kills.push_back((of(target.who), target)),
            None => {}
        }
        if traced.code.is_none() && !traced.is_hit {
            let last = traced.steps.iter().rev().take(30).rev();
            let noted = last.map(|(who, step)| format!("  step| {who:?} {step}"));
            self.case_result.actions.extend(noted);
            self.wrong(format!("`{name}` hung and was ended"));
        }
    }

    /// One command after the other until there is none to be given, or something went wrong, and never for ever.
    pub(super) fn repeat(
        &mut self,
        name: &str,
        mut next: impl FnMut(&mut Self) -> std::io::Result<ControlFlow<()>>,
    ) -> std::io::Result<()> {
        for _ in 0..IDLE_COMMANDS_MAX {
            if self.has_failed() || next(self)?.is_break() {
                return Ok(());
            }
        }
        self.wrong(format!("`{name}` never came to its end"));
        Ok(())
    }

    /// A command that was not killed has done what it was told.
    pub(super) fn must_succeed(&mut self, name: &str, traced: &TraceResult) {
        if !traced.is_hit && traced.code != Some(0) {
            self.wrong(format!("`{name}` ended with {:?}", traced.code));
        }
    }

    /// After a command that runs jobs; where it says that it is done, it has left nothing behind.
    pub(super) fn look_after_run(&mut self, traced: &TraceResult) {
        self.look(traced);
        if traced.code == Some(0) {
            let alive = self.checker.alive();
            self.record_failures(alive);
        }
    }

    /// Between two commands: none lost, every job in one stage, every file whole, every lock held that has to be.
    pub(super) fn look(&mut self, traced: &TraceResult) {
        let mut wrong = self.checker.look(traced.code.is_none());
        if self.all_added {
            wrong.extend(self.checker.lost());
        }
        self.record_failures(wrong);
    }

    /// What a command prints that is asked something, and is not killed.
    pub(super) fn ask(&self, words: &[String]) -> std::io::Result<Output> {
        let (program, arguments) = self
            .fixture
            .profile
            .command
            .split_first()
            .ok_or_else(|| std::io::Error::other("the profile names no command"))?;
        std::process::Command::new(program)
            .args(arguments)
            .args(self.fixture.profile.words(words))
            .env_clear()
            .envs(&self.fixture.environment)
            .current_dir(&self.fixture.root)
            .output()
    }

    pub(super) fn show(&self, id: &str) -> std::io::Result<serde_json::Value> {
        let shown = self.ask(&["show".into(), id.into(), "--json".into()])?;
        Ok(serde_json::from_slice(&shown.stdout).unwrap_or_default())
    }

    pub(super) fn reason(&self, id: &str) -> std::io::Result<String> {
        Ok(shown_reason(&self.show(id)?).unwrap_or_default())
    }

    pub(super) fn record_failures(&mut self, wrong: Vec<String>) {
        wrong.into_iter().for_each(|what| self.wrong(what));
    }

    pub(super) fn wrong(&mut self, what: String) {
        self.case_result.actions.push(format!("  WRONG: {what}"));
        if self.case_result.wrong.is_empty() {
            let read = |name| fs::read_to_string(self.fixture.root.join(name)).unwrap_or_default();
            let (output, log) = (read("output"), read("log"));
            let printed = output.lines().map(|line| format!("  aq| {line}"));
            let noted = log.lines().map(|line| format!("  worker| {line}"));
            self.case_result.actions.extend(printed.chain(noted));
            for stage in STAGES {
                let names = self.checker.names(stage);
                self.case_result.actions.push(format!("  {stage}: {names:?}"));
            }
        }
        self.case_result.wrong.push(what);
    }

    pub(super) fn has_failed(&self) -> bool {
        !self.case_result.wrong.is_empty()
    }
}
