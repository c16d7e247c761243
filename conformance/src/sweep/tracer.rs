//! Runs one command stopped at each of its steps, and kills it, its supervisors or both at the one that was chosen.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

use super::step::Stopped;

/// No command of a case takes a tenth of it; a command that does hangs.
const LIMIT_S: i64 = 60;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Victim {
    Runner,
    /// The children that it has at this step: its supervisors.
    Supervisors,
    Both,
}

impl std::fmt::Display for Victim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Victim::Runner => "the runner",
            Victim::Supervisors => "its supervisors",
            Victim::Both => "runner and supervisors",
        })
    }
}

/// Where a command is to be killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) step: String,
    /// So often is the step passed by first.
    pub(super) skip: u64,
    pub(super) victim: Victim,
}

#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) harness: &'a Path,
    pub(super) program: &'a [String],
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) folder: &'a Path,
    pub(super) queue: &'a Path,
    /// Standard output and errors.
    pub(super) output: &'a Path,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Traced {
    /// Its exit code; none if it was killed.
    pub(super) code: Option<i32>,
    /// Whether the target was met.
    pub(super) is_hit: bool,
    pub(super) steps: Vec<String>,
}

/// The hidden subcommand `sweep-traced PROGRAM ARGUMENT...`: becomes that program, stopped at its first instruction.
pub fn main(arguments: &[String]) -> ExitCode {
    let [program, rest @ ..] = arguments else {
        return ExitCode::from(64);
    };
    if let Err(error) = ptrace::traceme() {
        eprintln!("sweep: this system does not let a process be traced: {error}");
        return ExitCode::from(97);
    }
    let error = Command::new(program).args(rest).exec();
    eprintln!("sweep: {program} can't be started: {error}");
    ExitCode::from(97)
}

pub(super) fn trace(start: &Start<'_>, target: Option<&Target>) -> std::io::Result<Traced> {
    let output = File::options().append(true).create(true).open(start.output)?;
    let child = Command::new(start.harness)
        .arg("sweep-traced")
        .args(start.program)
        .current_dir(start.folder)
        .env_clear()
        .envs(start.environment)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    let number = i32::try_from(child.id()).map_err(std::io::Error::other)?;
    let pid = Pid::from_raw(number);
    let stopped = Stopped {
        pid: number,
        queue: start.queue,
    };
    std::thread::scope(|scope| {
        scope.spawn(move || end_if_it_hangs(number));
        follow(pid, &stopped, target)
    })
}

/// What must never be waited for without a limit is ended from a second thread.
fn end_if_it_hangs(pid: i32) {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else {
        return;
    };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    let limit = Timespec {
        tv_sec: LIMIT_S,
        tv_nsec: 0,
    };
    let mut ended = [PollFd::new(&handle, PollFlags::IN)];
    if poll(&mut ended, Some(&limit)) == Ok(0) {
        let _ = pidfd_send_signal(&handle, rustix::process::Signal::KILL);
    }
}

fn follow(pid: Pid, stopped: &Stopped<'_>, target: Option<&Target>) -> std::io::Result<Traced> {
    let mut traced = Traced {
        code: None,
        is_hit: false,
        steps: Vec::new(),
    };
    let mut left = target.map_or(0, |target| target.skip);
    let mut inside: Option<Option<String>> = None;
    let mut has_options = false;
    loop {
        let mut pass_on = None;
        match waitpid(pid, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Exited(_, code) => {
                traced.code = Some(code);
                return Ok(traced);
            }
            WaitStatus::Signaled(..) => return Ok(traced),
            WaitStatus::PtraceSyscall(_) => {
                // Entry and return take turns.
                let name = match inside.take() {
                    None => {
                        let step = stopped.step();
                        let name = step.as_ref().map(|step| format!("before: {step}"));
                        inside = Some(step);
                        name
                    }
                    Some(step) => step.map(|step| format!("after: {step}")),
                };
                if let Some(name) = name {
                    if let Some(target) = target.filter(|target| !traced.is_hit && target.step == name) {
                        match left.checked_sub(1) {
                            Some(less) => left = less,
                            None => traced.is_hit = kill(pid, target.victim)?,
                        }
                    }
                    traced.steps.push(name);
                }
            }
            WaitStatus::Stopped(_, Signal::SIGTRAP) if !has_options => {
                // It has just become the program.
                ptrace::setoptions(
                    pid,
                    Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACEEXEC,
                )?;
                has_options = true;
            }
            WaitStatus::Stopped(_, signal) => pass_on = Some(signal),
            _ => {}
        }
        match ptrace::syscall(pid, pass_on) {
            // It was killed while it was stopped; how it ended is told next.
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether there was anyone to kill.
fn kill(pid: Pid, victim: Victim) -> std::io::Result<bool> {
    let supervisors = match victim {
        Victim::Runner => Vec::new(),
        Victim::Supervisors | Victim::Both => children(pid.as_raw()),
    };
    if victim == Victim::Supervisors && supervisors.is_empty() {
        return Ok(false);
    }
    // They can't be anybody else: their parent is stopped, and has not asked for their end.
    for child in supervisors {
        let _ = nix::sys::signal::kill(Pid::from_raw(child), Signal::SIGKILL);
    }
    if victim != Victim::Supervisors {
        nix::sys::signal::kill(pid, Signal::SIGKILL)?;
    }
    Ok(true)
}

fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    threads
        .flat_map(|thread| {
            let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            text.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<i32>>()
        })
        .collect()
}
