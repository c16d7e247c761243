//! The process that is traced: how it becomes the program, what it has started, and its end if it hangs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::ptrace;
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::kill_point::TraceScope;
use conformance::exit_codes::HarnessExit;
use conformance::stdio;

/// No command of a case takes a tenth of it; a command that does hangs.
const LIMIT_S: i64 = 60;

/// What a process is to the one that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessRole {
    /// Of the command: its first thread, and the others.
    Thread,
    /// Its child.
    Supervisor,
    /// Of a supervisor: not ours to follow.
    Command,
    /// It has not been seen stopped yet.
    Unknown,
}

/// The hidden command of a program that is to be traced.
pub const COMMAND: &str = "sweep-traced";
/// How it ends where the program did not start: no runner ends so.
const NOT_STARTED: HarnessExit = HarnessExit::Relayed(97);

/// `sweep-traced PROGRAM ARGUMENT...`: becomes that program, stopped at its first instruction.
pub fn main(arguments: &[String]) -> HarnessExit {
    let [program, rest @ ..] = arguments else {
        return HarnessExit::WrongUsage;
    };
    if let Err(error) = ptrace::traceme() {
        stdio::say(format_args!(
            "this system does not let a process be traced: {error}"
        ));
        return NOT_STARTED;
    }
    let error = Command::new(program).args(rest).exec();
    stdio::say(format_args!("{program} can't be started: {error}"));
    NOT_STARTED
}

#[derive(Debug)]
pub(super) struct TracedCommand<'a, 'queue> {
    pub(super) harness: &'a Path,
    pub(super) program: &'a [String],
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) folder: &'a Path,
    pub(super) queue: &'queue Path,
    /// Standard output and errors.
    pub(super) output: &'a Path,
    pub(super) scope: TraceScope,
}

/// Starts the command, which stops at once.
pub(super) fn launch(start: &TracedCommand<'_, '_>) -> std::io::Result<Pid> {
    let output = File::options().append(true).create(true).open(start.output)?;
    let child = Command::new(start.harness)
        .arg(COMMAND)
        .args(start.program)
        .current_dir(start.folder)
        .env_clear()
        .envs(start.environment)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    Ok(Pid::from_raw(
        i32::try_from(child.id()).map_err(std::io::Error::other)?,
    ))
}

/// What must never be waited for without a limit is ended from a second thread.
pub(super) fn kill_after_timeout(pid: Pid) {
    if let Some(handle) = open(pid.as_raw()) {
        std::thread::spawn(move || {
            if !wait_for_end(&handle) {
                let _ = pidfd_send_signal(&handle, Signal::KILL);
            }
        });
    }
}

pub(super) fn open(pid: i32) -> Option<OwnedFd> {
    pidfd_open(rustix::process::Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

/// False: it has not ended within the limit.
pub(super) fn wait_for_end(handle: &OwnedFd) -> bool {
    let limit = Timespec {
        tv_sec: LIMIT_S,
        tv_nsec: 0,
    };
    let mut ended = [PollFd::new(handle, PollFlags::IN)];
    poll(&mut ended, Some(&limit)) != Ok(0)
}

pub(super) fn children(pid: i32) -> Vec<i32> {
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

/// Of a process that has only just begun.
pub(super) fn role(pid: i32, main: i32) -> ProcessRole {
    match (field(pid, "Tgid:"), field(pid, "PPid:")) {
        (Some(group), _) if group == main => ProcessRole::Thread,
        (_, Some(parent)) if parent == main => ProcessRole::Supervisor,
        _ => ProcessRole::Command,
    }
}

/// The processes that this thread traces.
pub(super) fn tracees_of_thread() -> Vec<i32> {
    let here = nix::unistd::gettid().as_raw();
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| field(*pid, "TracerPid:") == Some(here))
        .collect()
}

/// A number that `/proc` has of a process.
fn field(pid: i32, name: &str) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}
