//! The runner's side: starts a supervisor with its order, gives it orders, and hears how the command ended.

use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::process::Pid;

use super::order::{self, BYTE_END, BYTE_KILL, End, Order};

/// The answer is one short line.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How a command is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// TERM, grace, KILL.
    Grace,
    Now,
}

/// What the command reads and writes, where its processes are put on record, and the locks that its supervisor keeps.
pub(crate) struct Streams<'a> {
    pub(crate) stdin: BorrowedFd<'a>,
    pub(crate) output: BorrowedFd<'a>,
    pub(crate) record: BorrowedFd<'a>,
    pub(crate) locks: Vec<BorrowedFd<'a>>,
}

/// A supervisor at work. If this is dropped, it ends what it runs.
#[derive(Debug)]
pub(crate) struct Running {
    socket: Arc<tokio::net::UnixStream>,
    process: Child,
}

/// Starts a command under a supervisor; `environment` is all that the command gets of one.
pub(crate) fn start(
    order: &Order,
    streams: &Streams<'_>,
    environment: &[(OsString, OsString)],
) -> io::Result<Running> {
    let (ours, theirs) = UnixStream::pair()?;
    let descriptors: Vec<_> = [streams.stdin, streams.output, streams.record]
        .into_iter()
        .chain(streams.locks.iter().copied())
        .collect();
    order::send(&ours, order, &descriptors)?;
    ours.set_nonblocking(true)?;
    // The very file that runs now, even if an upgrade has put another in its place.
    let process = Command::new("/proc/self/exe")
        .arg0("aq")
        .arg("supervise")
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Running {
        socket: Arc::new(tokio::net::UnixStream::from_std(ours)?),
        process,
    })
}

impl Running {
    pub(crate) fn pid(&self) -> i32 {
        Pid::from_child(&self.process).as_raw_nonzero().get()
    }

    /// Gives an order. One that no longer finds the supervisor is without effect, as it has ended everything.
    pub(crate) fn end(&self, urgency: Urgency) {
        let byte = match urgency {
            Urgency::Grace => BYTE_END,
            Urgency::Now => BYTE_KILL,
        };
        let _ = self.socket.try_write(&[byte]);
    }

    /// How the command ended; an error if the supervisor itself was lost. Independent of this value's life.
    pub(crate) fn ending(&self) -> impl Future<Output = io::Result<End>> + Send + use<> {
        answer(Arc::clone(&self.socket))
    }

    /// Waits for the process, which has nothing left to do but to end.
    pub(crate) fn collect(mut self) {
        let _ = self.process.wait();
    }

    /// For a supervisor that was lost: its socket is closed a moment before it is gone, and until then nobody could tell
    /// whether it still looks after its processes.
    pub(crate) fn kill(mut self) {
        let _ = self.process.kill();
        self.collect();
    }

    /// Collects the process if it is gone, which is a moment after its answer.
    pub(crate) fn is_collected(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

async fn answer(socket: Arc<tokio::net::UnixStream>) -> io::Result<End> {
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
