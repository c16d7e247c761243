//! Signals: what this process was started with of them, and one as something that can be waited for.
//!
//! Not tokio's own: those go through one socket that every runtime of a process listens on, so that each end of a
//! child would wake the thread that speaks with the coordinator too, and the loop would now and then hear of it from
//! there.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream as Blocking;
use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::{Mode, OFlags};
use signal_hook::SigId;
use signal_hook::low_level::{pipe, unregister};
use tokio::net::UnixStream;

/// Undoes what this process could not work with, whoever started it: a blocked signal never arrives, and of an ignored
/// SIGCHLD nobody learns how a child ended.
pub(crate) fn reset_inherited_signals() {
    // Neither fails for a signal that exists.
    let _ = SigSet::all().thread_unblock();
    if is_ignored(Signal::SIGCHLD) {
        let _ = signal_hook::flag::register(Signal::SIGCHLD as i32, Arc::default());
    }
}

/// Whether a signal is ignored: what nobody listens to is what it was when this process was started.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal as u64 - 1) & 1 == 1)
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
        let (heard, told) = Blocking::pair()?;
        heard.set_nonblocking(true)?;
        Ok(SignalListener {
            stream: UnixStream::from_std(heard)?,
            registered: pipe::register(signal as i32, told)?,
        })
    }

    /// What `nohup`, or a shell that starts a command in the background, had ignored stays without effect.
    pub(crate) fn listen_unless_ignored(signal: Signal) -> io::Result<Option<SignalListener>> {
        (!is_ignored(signal))
            .then(|| SignalListener::listen(signal))
            .transpose()
    }

    /// Waits until it came at least once since the last call. Nothing is lost by giving up waiting.
    pub(crate) async fn recv(&self) {
        let mut bytes = [0; 64];
        loop {
            // The other end is open as long as this one: it can't fail, and if it did nothing would ever come.
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

/// What tells that the terminal is gone. The shell tells it and the system does, at the shell's end: that is one hang-up,
/// and no second signal.
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
    /// Its end was told.
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

    /// Waits for the next; nothing is lost by giving up waiting.
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
