//! The supervisor: the parent of one command of one job, in a process of its own (`aq supervise`, not for people).
//!
//! It may be started before there is an order for it, and then it has nothing of any job; if none comes, it ends with
//! its socket. It starts the command, writes its output to the log, and holds the job's locks while a process of the
//! command lives. It ends the whole tree at a time-out, at an order, when the runner is gone, before the lease of the
//! job runs out, and when the command has left processes behind. Then it says how the command ended. It has one
//! thread, and it waits for nothing without a limit. It knows nothing of queues and stages.

mod boot_timer;
mod bounded_log;
mod command_request;
mod command_start;
mod control_message;
mod descriptor_passing;
mod lock_holders;
#[cfg(all(target_os = "linux", not(portable)))]
pub(crate) mod open_descriptors;
pub(crate) mod orphan_scan;
mod output_pipe;
mod process_handle;
mod process_identity;
pub(crate) mod process_record;
mod process_spawn;
mod process_table;
mod process_tree;
mod supervisor_client;
#[cfg(test)]
mod unlimited_log;
mod watchdog;

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal};
use rustix::io::FdFlags;

pub(crate) use bounded_log::LogSpec;
pub(crate) use command_request::{
    CommandOutcome, CommandSpec, EnvironmentVariable, read_environment, written_environment,
};
pub(crate) use supervisor_client::{CommandStreams, SpareSupervisor, StopUrgency, SupervisorHandle, start};

use crate::error_scope::HostTrouble;
use bounded_log::BoundedLog;
use command_request::CommandRequest;
use process_spawn::BROADCAST_SIGNALS;
use process_tree::ProcessTree;
use watchdog::CommandWatchdog;

/// The process ids of the children of this process, whoever started them.
pub(crate) fn children() -> Vec<i32> {
    let pids = process_tree::children();
    pids.into_iter().map(|pid| pid.as_raw_nonzero().get()).collect()
}

/// Makes orphans of what this process starts its children, where the system can do that. Process 1 has them anyway, and
/// nobody else collects them.
pub(crate) fn become_subreaper() -> Result<(), std::io::Error> {
    process_tree::adopt_orphans()
}

/// Collects those of these children that have ended.
pub(crate) fn collect(children: impl Iterator<Item = i32>) {
    for pid in children.filter_map(rustix::process::Pid::from_raw) {
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
    }
}

/// A file without a name, in memory where the system can do that: for what a command reads.
pub(crate) fn unnamed_file() -> Result<std::fs::File, std::io::Error> {
    descriptor_passing::unnamed_file()
}

/// Runs `aq supervise`; standard input is the socket to the runner.
pub(crate) fn main() -> Result<(), std::io::Error> {
    // A session of its own gets no signal of the terminal: what is typed there goes to the runner, which then gives
    // orders. The runner has this session on record before it sends one.
    rustix::process::setsid()?;
    process_tree::adopt_orphans()?;
    ignore_broadcast_signals()?;
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let handover = command_request::receive(&socket)?;
    let end = supervise(&socket, handover)?;
    let mut line = serde_json::to_string(&end)?;
    line.push('\n');
    // The runner may be gone; then a later run finds out by the record what became of the command.
    let _ = (&socket).write_all(line.as_bytes());
    Ok(())
}

/// Handles these signals, and the one that the system sends to a process that writes beyond a limit on files: the
/// supervisor writes in place of the command.
fn ignore_broadcast_signals() -> Result<(), std::io::Error> {
    for signal in BROADCAST_SIGNALS.into_iter().chain([Signal::SIGXFSZ]) {
        signal_hook::flag::register(signal as i32, Arc::default())?;
    }
    let blocked: SigSet = BROADCAST_SIGNALS.into_iter().collect();
    blocked.thread_unblock()?;
    Ok(())
}

fn supervise(socket: &UnixStream, handover: CommandRequest) -> Result<CommandOutcome, std::io::Error> {
    socket.set_nonblocking(true)?;
    let CommandRequest {
        order,
        environment,
        stdin,
        log,
        log_folder,
        record,
        locks,
    } = handover;
    let log = BoundedLog::new(log, log_folder, order.log.clone());
    let watchdog = log.and_then(|log| CommandWatchdog::new(socket, log, &order));
    let begun = watchdog.and_then(|watchdog| Ok((watchdog, ProcessTree::below_this_process(&environment)?)));
    let (mut watchdog, mut tree) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            return Ok(CommandOutcome::NotStarted {
                trouble: HostTrouble::of(&error),
                error: format!("nothing can watch over it: {error}"),
            });
        }
    };
    // The process that starts the command looks at the clock last, because an order may be long on its way.
    if watchdog.is_too_late() {
        return Ok(CommandOutcome::TooLate);
    }
    // The command and all that it starts hold the locks too: should this process be killed, they stay taken while
    // anything of the command lives. Nothing else can be started in between, as there is one thread.
    for lock in &locks {
        rustix::io::fcntl_setfd(lock, FdFlags::empty())?;
    }
    let main = match command_start::start(&order, &environment, stdin, watchdog.output()) {
        Ok(main) => main,
        Err(end) => return Ok(end),
    };
    drop(environment);
    tree.main.begin(main);
    if let Err(error) = process_record::note_command(&record, main) {
        tree.kill();
        return Ok(CommandOutcome::NotStarted {
            trouble: HostTrouble::of(&error),
            error: format!("its processes can't be put on record: {error}"),
        });
    }
    let mut end = watchdog.watch(&mut tree)?;
    if let Some(what) = watchdog.end_tree(&mut tree)? {
        return Ok(CommandOutcome::Unkillable { what });
    }
    if let CommandOutcome::Exited { code, signal } = &mut end {
        (*code, *signal) = tree.main.code_or_signal();
    }
    // Nothing of the command is left, so its locks are freed before the runner hears of the end.
    drop(locks);
    Ok(end)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::control_message::ControlMessage;
    use super::unlimited_log::unlimited_spec;
    use super::*;
    use crate::boot_clock::{BootInstant, KillDeadlines};

    /// What comes of an order under a lease of which this is left, when the runner has said this meanwhile. There is no
    /// such program, so that is what is told where the order is carried out.
    fn end(fence: KillDeadlines, sent: &[ControlMessage]) -> CommandOutcome {
        let (near, far) = UnixStream::pair().unwrap();
        for message in sent {
            (&near).write_all(&message.bytes()).unwrap();
        }
        let order = CommandSpec {
            program: "/no/such/program".into(),
            args: Vec::new(),
            cwd: ".".into(),
            within: None,
            timeout_ms: 60_000,
            idle_timeout_ms: None,
            grace_ms: 0,
            fence: Some(fence),
            log: unlimited_spec(),
        };
        let handover = CommandRequest {
            order,
            environment: Vec::new(),
            stdin: File::open("/dev/null").unwrap().into(),
            log: tempfile::tempfile().unwrap(),
            log_folder: File::open("/").unwrap().into(),
            record: tempfile::tempfile().unwrap(),
            locks: Vec::new(),
        };
        supervise(&far, handover).unwrap()
    }

    #[test]
    fn an_order_that_comes_when_its_lease_leaves_no_time_starts_nothing() {
        let hour = Duration::from_secs(3600);
        let (over, later) = (BootInstant::now(), BootInstant::now() + hour);
        let fence = |term_at, kill_at| KillDeadlines { term_at, kill_at };
        let longer = ControlMessage::Deadlines(fence(later, later));
        let shorter = ControlMessage::Deadlines(fence(over, over));
        let starts =
            |end| matches!(end, CommandOutcome::ProgramUnusable { error } if error.contains("no/such"));
        assert_eq!(end(fence(over, over), &[]), CommandOutcome::TooLate);
        assert_eq!(end(fence(over, later), &[]), CommandOutcome::TooLate);
        assert!(starts(end(fence(later, later), &[])));
        assert!(starts(end(fence(over, over), &[longer])));
        assert_eq!(end(fence(later, later), &[shorter]), CommandOutcome::TooLate);
        assert!(starts(end(fence(later, later), &[shorter, longer])));
        assert_eq!(
            end(fence(over, over), &[longer, shorter]),
            CommandOutcome::TooLate
        );
    }
}
