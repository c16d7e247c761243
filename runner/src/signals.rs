//! Signals: undoes what this process inherited of them, and makes one awaitable.
//!
//! Tokio's own signals are not used: they go through one socket that every runtime of a process listens on, so that
//! each end of a child would wake the thread that calls the coordinator too.

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

use std::io;
use std::os::unix::net::UnixStream as Blocking;
use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::{Mode, OFlags};
use signal_hook::SigId;
use signal_hook::low_level::{pipe, unregister};
use tokio::net::UnixStream;

#[cfg(all(target_os = "linux", not(portable)))]
use linux::{is_ignored, may_ignore_children};
#[cfg(any(portable, not(target_os = "linux")))]
use portable::{is_ignored, may_ignore_children};

/// Undoes what this process could not work with, whoever started it: a blocked signal never arrives, and with SIGCHLD
/// ignored nobody learns how a child ended.
pub(crate) fn reset_inherited_signals() {
    // Neither call fails for a signal that exists.
    let _ = SigSet::all().thread_unblock();
    if may_ignore_children() {
        let _ = signal_hook::flag::register(Signal::SIGCHLD as i32, Arc::default());
    }
}

/// A signal, for this thread's runtime and no other.
#[derive(Debug)]
pub(crate) struct SignalListener {
    stream: UnixStream,
    registered: SigId,
}

impl SignalListener {
    /// From now on the signal does nothing else to this process.
    pub(crate) fn listen(signal: Signal) -> io::Result<SignalListener> {
        let (reader, writer) = Blocking::pair()?;
        reader.set_nonblocking(true)?;
        Ok(SignalListener {
            stream: UnixStream::from_std(reader)?,
            registered: pipe::register(signal as i32, writer)?,
        })
    }

    /// A signal that `nohup`, or a shell that starts a command in the background, made ignored stays without effect.
    pub(crate) fn listen_unless_ignored(signal: Signal) -> io::Result<Option<SignalListener>> {
        (!is_ignored(signal))
            .then(|| SignalListener::listen(signal))
            .transpose()
    }

    /// Waits until it came at least once since the last call. Nothing is lost if the wait is dropped.
    pub(crate) async fn recv(&self) {
        let mut bytes = [0; 64];
        loop {
            // The other end is open as long as this one, so this can't fail; if it did, no signal would ever come.
            if self.stream.readable().await.is_err() {
                return std::future::pending().await;
            }
            let mut came = false;
            while self.stream.try_read(&mut bytes).is_ok_and(|read| read > 0) {
                came = true;
            }
            if came {
                return;
            }
        }
    }
}

impl Drop for SignalListener {
    fn drop(&mut self) {
        unregister(self.registered);
    }
}

/// Listens for the end of the terminal. The shell sends SIGHUP, and the system sends another one at the shell's end:
/// this counts as one.
#[derive(Debug)]
pub(crate) struct HangUpListener {
    signal: SignalListener,
    terminal: ControllingTerminal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ControllingTerminal {
    /// There was none at the start.
    None,
    Attached,
    /// Its end was reported.
    Lost,
}

impl HangUpListener {
    pub(crate) fn listen_unless_ignored() -> io::Result<Option<HangUpListener>> {
        let signal = SignalListener::listen_unless_ignored(Signal::SIGHUP)?;
        let terminal = match has_terminal() {
            true => ControllingTerminal::Attached,
            false => ControllingTerminal::None,
        };
        Ok(signal.map(|signal| HangUpListener { signal, terminal }))
    }

    /// Waits for the next; nothing is lost if the wait is dropped.
    pub(crate) async fn recv(&mut self) {
        loop {
            self.signal.recv().await;
            match self.terminal {
                ControllingTerminal::Lost => {}
                ControllingTerminal::Attached if !has_terminal() => {
                    return self.terminal = ControllingTerminal::Lost;
                }
                ControllingTerminal::Attached | ControllingTerminal::None => return,
            }
        }
    }
}

fn has_terminal() -> bool {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).is_ok()
}
