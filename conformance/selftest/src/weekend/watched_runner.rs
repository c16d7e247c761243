//! The runner of a weekend: its lines, its signals, its end, each waited for with a limit.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// What a failure report shows of it.
const LINES_KEPT: usize = 60;

/// It is killed if it is dropped before its end.
pub(super) struct WatchedRunner {
    child: Child,
    lines: Receiver<String>,
    recent: VecDeque<String>,
}

impl WatchedRunner {
    /// `child`: its standard error is a pipe.
    pub(super) fn new(mut child: Child) -> WatchedRunner {
        let (sender, lines) = channel();
        if let Some(stderr) = child.stderr.take() {
            std::thread::spawn(move || forward(stderr, &sender));
        }
        WatchedRunner {
            child,
            lines,
            recent: VecDeque::new(),
        }
    }

    /// Waits for a line, but not longer than this, and takes all that are there.
    pub(super) fn listen(&mut self, limit: Duration) {
        match self.lines.recv_timeout(limit) {
            Ok(line) => self.keep(line),
            Err(RecvTimeoutError::Timeout) => {}
            // It says no more: what it does is seen by its end.
            Err(RecvTimeoutError::Disconnected) => std::thread::park_timeout(limit),
        }
        while let Ok(line) = self.lines.try_recv() {
            self.keep(line);
        }
    }

    fn keep(&mut self, line: String) {
        self.recent.push_back(line);
        let excess = self.recent.len().saturating_sub(LINES_KEPT);
        self.recent.drain(..excess);
    }

    pub(super) fn recent(&self) -> impl Iterator<Item = &String> {
        self.recent.iter()
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.pid(), signal)?)
    }

    /// Its exit code, or 128 and the signal, if it has ended.
    pub(super) fn exit_code(&mut self) -> io::Result<Option<i32>> {
        let status = self.child.try_wait()?;
        Ok(status.map(|status| {
            status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
        }))
    }

    /// The same once it has ended; none: it does not.
    pub(super) fn wait(&mut self, limit: Duration) -> io::Result<Option<i32>> {
        let until = Instant::now() + limit;
        loop {
            let code = self.exit_code()?;
            if code.is_some() || Instant::now() >= until {
                return Ok(code);
            }
            self.listen(Duration::from_millis(5));
        }
    }
}

impl Drop for WatchedRunner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(stderr: ChildStderr, sender: &Sender<String>) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { return };
        if sender.send(line).is_err() {
            return;
        }
    }
}
