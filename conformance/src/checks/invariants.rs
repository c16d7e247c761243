//! What holds in every scenario, whatever it is about: no token anywhere, nothing left running, no engine
//! with an open input, a fleet variable or an ignored signal, no two jobs of one lock at a time.

use std::path::Path;

use rustix::process::Signal;

use super::{CheckFindings, assertion};
use crate::evidence::{CommandRun, RunEvidence};
use crate::fake_engine::StdinState;
use crate::fake_engine::engine_run::EngineRun;
use crate::scenario::{Scenario, StepAction};
use crate::signal_dispositions;
use crate::supervise::{ProcessExit, signal_of};

/// Arguments that make the known engines skip their questions.
const SKIPPING: [&str; 9] = [
    "--dangerously-skip-permissions",
    "--dangerously-bypass-approvals-and-sandbox",
    "--permission-mode=bypassPermissions",
    "bypassPermissions",
    "dangerous",
    "bypass",
    "--yolo",
    "-y",
    "--auto",
];

/// Exit codes by which shells say that a program could not be started, or died of ILL, TRAP, ABRT, BUS, FPE
/// or SEGV.
const CRASH_CODES: [i32; 8] = [126, 127, 132, 133, 134, 135, 136, 139];

pub(super) fn check(scenario: &Scenario, seen: &RunEvidence, findings: &mut CheckFindings) {
    assertion("token", findings).none(
        "the token in no file, output, argument or environment",
        &seen.leaks,
    );
    assertion("engine-environment", findings).none("no fleet variable", &fleet_variables(seen));
    assertion("working-folder", findings).none(
        "every engine, `verify` and `ship` in the job's `cwd`, or else where the runner was started",
        &wrong_work_folders(seen),
    );
    assertion("no-stragglers", findings).none("nothing outlives the runner", &stragglers(seen));
    assertion("engine-signals", findings).none("no signal ignored or blocked", &changed_signals(seen));
    assertion("stdin", findings).none("no fake engine with an open, silent input", &open_inputs(seen));
    assertion("locks", findings).none("no two jobs of one lock at a time", &overlaps(scenario, seen));
    assertion("permissions", findings).none(
        "skip-permissions only if `yolo: true`",
        &unrequested_yolo(scenario, seen),
    );
    let crashed: Vec<String> = seen
        .all_commands()
        .filter(|command| crash(scenario, command))
        .map(|command| format!("`{}`: {:?}", command.arguments.join(" "), command.exit))
        .collect();
    assertion("no-crash", findings).none("no command crashes", &crashed);
}

/// A command that ended otherwise than by its own decision; no such end is a valid refusal, whatever was
/// expected. A signal counts only if no step of the scenario sends it.
fn crash(scenario: &Scenario, command: &CommandRun) -> bool {
    let sent = |signal: i32| {
        scenario.steps.iter().any(|step| match &step.action {
            StepAction::Kill => signal == Signal::KILL.as_raw(),
            StepAction::Signal(name) => signal_of(name).is_some_and(|sent| sent.as_raw() == signal),
            _ => false,
        })
    };
    let crash_words = [
        "panicked at",
        "Traceback (most recent call last)",
        ": syntax error",
    ];
    match command.exit {
        ProcessExit::Signal(signal) => !sent(signal),
        ProcessExit::NotStarted => true,
        ProcessExit::Code(code) => {
            CRASH_CODES.contains(&code) || crash_words.iter().any(|words| command.stderr.contains(words))
        }
        ProcessExit::Deadline => false,
    }
}

fn fleet_variables(seen: &RunEvidence) -> Vec<String> {
    let all = seen.runs.iter().flat_map(|run| {
        let fleet = run
            .hello
            .environment
            .keys()
            .filter(|name| name.starts_with("AQ_FLEET") || seen.fleet_variables.contains(name));
        fleet.map(|name| format!("{name} in {} of {}", run.tool, job(run)))
    });
    all.collect()
}

/// Runs in another folder than the one that their job names.
fn wrong_work_folders(seen: &RunEvidence) -> Vec<String> {
    let runs = seen.runs.iter().filter_map(|run| {
        let wanted = seen.work_folders.get(run.job.as_deref()?)?;
        let place = format!("{} of {} in {:?}", run.tool, job(run), run.hello.folder);
        let folder = Path::new(&run.hello.folder);
        (!wanted.iter().any(|wanted| wanted == folder))
            .then(|| format!("{place}, not in {:?}", wanted.first()))
    });
    runs.collect()
}

fn stragglers(seen: &RunEvidence) -> Vec<String> {
    let all = seen
        .all_commands()
        .filter(|command| command.exit != ProcessExit::Deadline)
        .flat_map(|command| {
            let left = command.stragglers.iter();
            left.map(|left| {
                format!(
                    "after `{}`: {} (pid {})",
                    command.arguments.join(" "),
                    left.command,
                    left.pid
                )
            })
        });
    all.collect()
}

/// Signals that a fake engine was started with ignored or blocked.
fn changed_signals(seen: &RunEvidence) -> Vec<String> {
    let all = seen.runs.iter().flat_map(|run| {
        let describe = |what: &'static str, signals: &[i32]| {
            let of_run = format!("{what} in {} of {}", run.tool, job(run));
            let lines = signals
                .iter()
                .map(|signal| format!("{} {of_run}", signal_dispositions::name_of(*signal)));
            lines.collect::<Vec<_>>()
        };
        let found = &run.hello.signals;
        [
            describe("ignored", &found.ignored),
            describe("blocked", &found.blocked),
        ]
        .concat()
    });
    all.collect()
}

fn open_inputs(seen: &RunEvidence) -> Vec<String> {
    let open = seen.runs.iter().filter(|run| run.hello.stdin == StdinState::Open);
    open.map(|run| format!("{} of {}", run.tool, job(run))).collect()
}

/// Pairs of engine, `verify` or `ship` runs of different jobs with one lock that overlap in time.
fn overlaps(scenario: &Scenario, seen: &RunEvidence) -> Vec<String> {
    let lock = |run: &EngineRun| scenario.job(run.job.as_deref()?)?.lock.clone();
    let locked: Vec<(&EngineRun, String)> = seen
        .runs
        .iter()
        .filter_map(|run| Some((run, lock(run)?)))
        .collect();
    let mut found = Vec::new();
    for (index, (one, held)) in locked.iter().enumerate() {
        for (other, wanted) in &locked[index + 1..] {
            let before = one.ended.is_some_and(|ended| ended <= other.started);
            let after = other.ended.is_some_and(|ended| ended <= one.started);
            if held == wanted && one.job != other.job && !before && !after {
                found.push(format!(
                    "lock {held}: {} of {} and {} of {}",
                    one.tool,
                    job(one),
                    other.tool,
                    job(other)
                ));
            }
        }
    }
    found
}

/// Engines that were started to skip their questions although the job did not ask for it.
fn unrequested_yolo(scenario: &Scenario, seen: &RunEvidence) -> Vec<String> {
    let asked = |run: &EngineRun| {
        run.job
            .as_deref()
            .and_then(|id| scenario.job(id))
            .and_then(|job| job.yolo)
    };
    let careful = seen
        .engine_runs()
        .filter(|run| asked(run) != Some(true) && run.job.is_some());
    let wrong = careful.filter_map(|run| {
        let switch = run
            .hello
            .arguments
            .iter()
            .find(|argument| SKIPPING.contains(&argument.as_str()));
        switch.map(|switch| format!("{} of {}: {switch}", run.tool, job(run)))
    });
    wrong.collect()
}

fn job(run: &EngineRun) -> &str {
    run.job.as_deref().unwrap_or("(no job)")
}
