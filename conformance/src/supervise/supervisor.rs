//! The supervisor: runs one command, passes signals on to it, and after its end kills whatever it left,
//! until no process of it remains. Single-threaded, so that `wait` can't steal from anyone.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, setpgid, waitpid};

use super::process_tree::ProcessTree;
use super::{ProcessExit, SupervisorReport, signal_of};
use crate::exit_codes::HarnessExit;
use crate::stdio;

/// What a command may still end by itself after its own end, before that counts as left behind.
const GRACE: Duration = Duration::from_millis(300);
/// The same for a command that was killed: what watches over its children may take its time to end them.
const GRACE_AFTER_KILL: Duration = Duration::from_secs(15);

/// `supervise REPORT PROGRAM ARGUMENT...`, with its orders on standard input.
pub fn main(arguments: &[String]) -> HarnessExit {
    crate::signal_dispositions::reset_inherited_signals();
    let [report, program, rest @ ..] = arguments else {
        stdio::say("write `supervise REPORT PROGRAM ARGUMENT...`");
        return HarnessExit::WrongUsage;
    };
    let ended = match supervise(program, rest) {
        Ok(ended) => ended,
        Err(error) => {
            stdio::say(format_args!("`{program}` can't be run: {error}"));
            SupervisorReport {
                exit: ProcessExit::NotStarted,
                stragglers: Vec::new(),
            }
        }
    };
    match write_report(Path::new(report), &ended) {
        Ok(()) => HarnessExit::Holds,
        Err(error) => {
            stdio::say(format_args!("{report} can't be written: {error}"));
            HarnessExit::Inconclusive
        }
    }
}

fn supervise(program: &str, arguments: &[String]) -> std::io::Result<SupervisorReport> {
    setpgid(None, None)?;
    let mut tree = ProcessTree::start(program, arguments)?;
    let asked = follow(&mut tree)?;
    let grace = match asked {
        EndRequest::Nothing => GRACE,
        EndRequest::Kill => GRACE_AFTER_KILL,
        EndRequest::End => Duration::ZERO,
    };
    let exit = match asked {
        EndRequest::End => ProcessExit::Deadline,
        EndRequest::Nothing | EndRequest::Kill => exit_of(tree.command)?,
    };
    let stragglers = tree.sweep(Instant::now() + grace)?;
    Ok(SupervisorReport { exit, stragglers })
}

/// What the harness wanted of the command.
enum EndRequest {
    Nothing,
    Kill,
    End,
}

/// Passes orders on until the command ends, or until the harness closes the pipe (or is gone itself).
fn follow(tree: &mut ProcessTree) -> std::io::Result<EndRequest> {
    let input = std::io::stdin();
    let mut asked = EndRequest::Nothing;
    let mut pending = Vec::new();
    loop {
        let mut watched = [
            PollFd::from_borrowed_fd(tree.end(), PollFlags::IN),
            PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN),
        ];
        match poll(&mut watched, None::<&Timespec>) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let [end, orders] = watched.map(|polled| !polled.revents().is_empty());
        if end && tree.has_ended()? {
            return Ok(asked);
        }
        if !orders {
            continue;
        }
        let mut buffer = [0_u8; 256];
        let read = rustix::io::read(input.as_fd(), &mut buffer)?;
        if read == 0 {
            return Ok(EndRequest::End);
        }
        pending.extend_from_slice(&buffer[..read]);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            if let Some(signal) = signal_of(String::from_utf8_lossy(&line).trim()) {
                if signal == Signal::KILL {
                    asked = EndRequest::Kill;
                }
                // The child is not reaped before this loop ends, so the pid is still its own.
                let _ = kill_process(tree.command, signal);
            }
        }
    }
}

fn exit_of(pid: Pid) -> std::io::Result<ProcessExit> {
    let status = loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            status => break status?.map(|(_, status)| status),
        }
    };
    let code = status.and_then(WaitStatus::exit_status).map(ProcessExit::Code);
    let signal = status
        .and_then(WaitStatus::terminating_signal)
        .map(ProcessExit::Signal);
    Ok(code.or(signal).unwrap_or(ProcessExit::NotStarted))
}

fn write_report(path: &Path, ended: &SupervisorReport) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&serde_json::to_vec(ended)?)
}
