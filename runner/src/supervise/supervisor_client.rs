//! The runner's side: it starts a supervisor, sends the order and control messages, and receives how the command
//! ended.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};

use super::command_request::{self, CommandOutcome, CommandSpec, EnvironmentVariable};
use super::control_message::ControlMessage;
use super::descriptor_passing::SEND_FLAGS;
use super::process_identity::ProcessIdentity;
use super::process_record;
use super::process_spawn::{BROADCAST_SIGNALS, ProcessGroup, ProcessSpawn};
use crate::boot_clock::KillDeadlines;

/// The answer is one short line.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How a command is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopUrgency {
    /// TERM, grace, KILL.
    Graceful,
    Immediate,
}

/// What the command reads, where what it prints is written to and its processes are put on record, and the locks that
/// its supervisor keeps.
pub(crate) struct CommandStreams<'a> {
    pub(crate) stdin: BorrowedFd<'a>,
    pub(crate) log: BorrowedFd<'a>,
    pub(crate) log_folder: BorrowedFd<'a>,
    pub(crate) record: &'a File,
    pub(crate) locks: Vec<BorrowedFd<'a>>,
}

/// A supervisor at work. If this is dropped, it ends what it runs.
#[derive(Debug)]
pub(crate) struct SupervisorHandle {
    /// Carries control messages there and the outcome back; closing it ends the command.
    socket: Arc<tokio::net::UnixStream>,
    /// Collected when the outcome is in.
    process: SupervisorProcess,
}

/// A supervisor that has no order yet, started ahead so that no command waits for its start. It has nothing of any job
/// or queue, and ends when this process does.
#[derive(Debug)]
pub(crate) struct SpareSupervisor {
    /// The order goes there.
    socket: UnixStream,
    /// Its number is on record before it gets an order.
    process: SupervisorProcess,
}

/// A child of this process that is not collected yet, so that its number is nobody else's.
#[derive(Debug)]
struct SupervisorProcess(Pid);

impl SupervisorProcess {
    fn kill(&self) {
        let _ = kill_process(self.0, Signal::KILL);
    }

    fn wait(&self) {
        while matches!(self.wait_with(WaitOptions::empty()), Err(Errno::INTR)) {}
    }

    fn wait_with(&self, options: WaitOptions) -> Result<Option<(Pid, WaitStatus)>, Errno> {
        waitpid(Some(self.0), options)
    }
}

impl SpareSupervisor {
    /// `environment`: its own; its command gets none of it.
    pub(crate) fn start(environment: &[EnvironmentVariable]) -> io::Result<SpareSupervisor> {
        let (socket, other_end) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        let null = File::options().write(true).open("/dev/null")?;
        let own_program = own_program()?;
        let spawn = ProcessSpawn {
            program: own_program.as_os_str(),
            arguments: ["aq", "supervise"].map(OsStr::new).into(),
            environment,
            streams: [other_end.as_fd(), null.as_fd(), null.as_fd()],
            group: ProcessGroup::Inherited,
            // Until it can outlive them.
            blocked: BROADCAST_SIGNALS.into_iter().collect(),
        };
        let process = SupervisorProcess(spawn.start()?);
        Ok(SpareSupervisor { socket, process })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.0.as_raw_nonzero().get()
    }

    /// Nothing is lost with it.
    pub(crate) fn dismiss(self) {
        self.process.kill();
        self.process.wait();
    }

    /// Puts it on record, and only then sends it the order.
    fn send(
        &self,
        order: &CommandSpec,
        environment: &[EnvironmentVariable],
        streams: &CommandStreams<'_>,
    ) -> io::Result<()> {
        let identity = ProcessIdentity::of_supervisor(self.pid())?;
        process_record::note_supervisor(streams.record, &identity)?;
        let (log, record) = ([streams.log, streams.log_folder], streams.record.as_fd());
        let descriptors: Vec<_> = [streams.stdin]
            .into_iter()
            .chain(log)
            .chain([record])
            .chain(streams.locks.iter().copied())
            .collect();
        command_request::send(&self.socket, order, environment, &descriptors)
    }
}

/// Starts a command under a supervisor, the spare one if there is one; `environment` is all that the command gets of one.
pub(crate) fn start(
    spare: Option<SpareSupervisor>,
    order: &CommandSpec,
    environment: &[EnvironmentVariable],
    streams: &CommandStreams<'_>,
) -> io::Result<SupervisorHandle> {
    let spare = spare.and_then(|spare| match spare.send(order, environment, streams) {
        Ok(()) => Some(spare),
        // It was killed while it waited, and has begun nothing.
        Err(_) => {
            spare.dismiss();
            None
        }
    });
    let SpareSupervisor { socket, process } = match spare {
        Some(spare) => spare,
        None => {
            let fresh = SpareSupervisor::start(environment)?;
            fresh.send(order, environment, streams)?;
            fresh
        }
    };
    Ok(SupervisorHandle {
        socket: Arc::new(tokio::net::UnixStream::from_std(socket)?),
        process,
    })
}

impl SupervisorHandle {
    pub(crate) fn pid(&self) -> i32 {
        self.process.0.as_raw_nonzero().get()
    }

    /// Gives an order. One that no longer finds the supervisor is without effect, as it has ended everything.
    pub(crate) fn end(&self, urgency: StopUrgency) {
        let message = match urgency {
            StopUrgency::Graceful => ControlMessage::End,
            StopUrgency::Immediate => ControlMessage::Kill,
        };
        send_message(&self.socket, message);
    }

    /// For whoever keeps the lease that the command runs under; it keeps no supervisor at work.
    pub(crate) fn line(&self) -> DeadlineUpdater {
        DeadlineUpdater(Arc::downgrade(&self.socket))
    }

    /// How the command ended; an error if the supervisor itself was lost. Independent of this value's life.
    pub(crate) fn ending(&self) -> impl Future<Output = io::Result<CommandOutcome>> + Send + use<> {
        answer(Arc::clone(&self.socket))
    }

    /// Waits for the process, which has nothing left to do but to end.
    pub(crate) fn collect(self) {
        self.process.wait();
    }

    /// For a supervisor that was lost: its socket is closed a moment before it is gone, and until then nobody could tell
    /// whether it still looks after its processes.
    pub(crate) fn kill(self) {
        self.process.kill();
        self.collect();
    }

    /// Collects the process if it is gone, which is a moment after its answer.
    pub(crate) fn is_collected(&self) -> bool {
        !matches!(self.process.wait_with(WaitOptions::NOHANG), Ok(None))
    }
}

/// A way to tell a supervisor that the lease lives longer.
#[derive(Debug, Clone)]
pub(crate) struct DeadlineUpdater(Weak<tokio::net::UnixStream>);

impl DeadlineUpdater {
    pub(crate) fn update_deadlines(&self, ending: KillDeadlines) {
        if let Some(socket) = self.0.upgrade() {
            send_message(&socket, ControlMessage::Deadlines(ending));
        }
    }
}

/// A word is far smaller than any buffer: it is said as a whole or, to a supervisor that is gone or stuck, not at all.
fn send_message(socket: &tokio::net::UnixStream, message: ControlMessage) {
    let flags = SEND_FLAGS | SendFlags::DONTWAIT;
    let _ = rustix::net::send(socket, &message.bytes(), flags);
}

/// The very file that runs now, even if an upgrade has put another in its place.
#[cfg(all(target_os = "linux", not(portable)))]
fn own_program() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

/// Where the file lay that runs now. After an upgrade that is the new program, which reads the same orders.
#[cfg(any(portable, not(target_os = "linux")))]
fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

async fn answer(socket: Arc<tokio::net::UnixStream>) -> io::Result<CommandOutcome> {
    let mut answer = Vec::new();
    while answer.last() != Some(&b'\n') {
        socket.readable().await?;
        let mut chunk = [0; 4096];
        match socket.try_read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => answer.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(serde_json::from_slice(&answer)?)
}
